"""The record of a payment: one per order, refunds inside. Who hears what on it is in `paying` and `refunding`."""

from __future__ import annotations

from chassis.record import Aggregate
from services.payment.model import Payment

PAYMENTS = Aggregate("payments", Payment)
