"""Money that is on its way for days: who has to hear of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.payment import saying
from services.payment.model import Payment, Refund
from services.payment.roads import LATE_DAYS
from services.payment.saying import Decision


def worry_about_age(payment: Payment, refund: Refund, at: datetime, ages: Sequence[int] = LATE_DAYS) -> Decision:
    """Still on its way after days: said once for each of `ages`."""
    if refund.accepted_at is None:
        return payment.with_refund(refund), []
    days = (at - refund.accepted_at).days
    late = max((age for age in ages if age <= days), default=0)
    if late <= refund.late_days:
        return payment.with_refund(refund), []
    refund = refund.model_copy(update={"late_days": late})
    detail = f"{refund.live_number} has been {refund.provider_code} for {days} days"
    worry = saying.attention(payment, refund, "refund-takes-long", detail)
    return payment.with_refund(refund), [saying.delayed(payment, refund, late), worry]
