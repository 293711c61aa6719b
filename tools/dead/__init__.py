"""`tuidan dead`: records that nobody could handle, looked at and handed out again once the cause is mended."""
