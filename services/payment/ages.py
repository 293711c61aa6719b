"""Money that is on its way for days, or of which nothing more is heard: who has to hear of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.payment import saying
from services.payment.model import Payment, Refund
from services.payment.roads import LATE_DAYS, UNKNOWN_WORRIES_AT
from services.payment.saying import Decision


def worry_about_age(payment: Payment, refund: Refund, at: datetime, ages: Sequence[int] = LATE_DAYS) -> Decision:
    """Still on its way after days: said once for each of `ages`. Of one whose card takes no money it is said once more
    that another is needed: no bank works on it, and whoever was asked for a card may have forgotten it."""
    if refund.accepted_at is None:
        return payment.with_refund(refund), []
    days = (at - refund.accepted_at).days
    late = max((age for age in ages if age <= days), default=0)
    if late <= refund.late_days:
        return payment.with_refund(refund), []
    refund = refund.model_copy(update={"late_days": late})
    detail = f"{refund.live_number} has been {refund.provider_code} for {days} days"
    worry = saying.attention(payment, refund, "refund-takes-long", detail)
    if refund.status == "abnormal":
        return payment.with_refund(refund), [saying.attempted(payment, refund, "abnormal", refund.wake_at), worry]
    return payment.with_refund(refund), [saying.delayed(payment, refund, late), worry]


def worry_about_silence(payment: Payment, refund: Refund, code: str) -> Decision:
    """Promised, and nobody says where it is. Many questions in a row: said once. Not that it takes long, which nobody
    knows: it may have arrived."""
    asked = refund.model_copy(update={"tries": refund.tries + 1})
    if asked.tries != UNKNOWN_WORRIES_AT:
        return payment.with_refund(asked), []
    detail = f"{asked.live_number} was accepted, {asked.tries} questions in a row, last {code}"
    return payment.with_refund(asked), [saying.attention(payment, asked, "refund-stays-unknown", detail)]
