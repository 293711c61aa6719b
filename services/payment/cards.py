"""Another bank card for money that lies in between, because the one that was paid with takes none. Pure."""

from __future__ import annotations

from datetime import datetime

from services.payment import saying
from services.payment.model import Payment, Refund
from services.payment.outside import RescueRefund
from services.payment.refunds import plan_poll
from services.payment.saying import Decision
from services.payment.shown import SealedCard


def rescue(payment: Payment, refund: Refund, card: SealedCard, at: datetime) -> Decision:
    """The customer has named another card for money that lies in between; it is still the same refund."""
    if refund.status != "abnormal" or refund.refund_id is None:
        return payment, []
    wish = RescueRefund(
        order_id=payment.order_id,
        shop=payment.shop,
        case_id=refund.case_id,
        number=refund.number,
        refund_id=refund.refund_id,
        card=card,
    )
    rescued = plan_poll(refund.model_copy(update={"rescued": True, "polls": 0}), at)
    return payment.with_refund(rescued), [wish]


def rescue_rejected(payment: Payment, refund: Refund, code: str) -> Decision:
    """That card will not do: another one may."""
    if refund.status != "abnormal":
        return payment, []
    update = {"provider_code": code, "attempts": refund.attempts + 1, "rescued": False}
    again = refund.model_copy(update=update)
    return payment.with_refund(again), [saying.attempted(payment, again, "abnormal", again.wake_at)]
