"""`tuidan cases`: cancellations that stand still, looked at and set going again."""
