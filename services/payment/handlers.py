"""Everything a payment hears: how it is paid (`paying`), how money goes back (`refunding`), and its timer. Pure."""

from __future__ import annotations

from datetime import datetime

from contracts.message import Message, Woke
from services.payment import byhand, erasing, paying, refunding, refunds, shipping
from services.payment.aggregate import PAYMENTS
from services.payment.model import Payment
from services.payment.outside import CloseOrder, QueryPayment

# Imported so that whoever has the record also has everything it hears.
__all__ = ["PAYMENTS", "erasing", "paying", "refunding"]

Says = list[Message]


@PAYMENTS.wakes
def woke(payment: Payment | None, ring: Woke, at: datetime) -> tuple[Payment | None, Says]:
    """Go on with everything whose time has come. What a call is made for gets its next time from the call's report."""
    if payment is None:
        return None, []
    says: Says = []
    if payment.poll_at is not None and payment.poll_at <= at:
        payment = payment.model_copy(update={"poll_at": None})
        says.append(QueryPayment(order_id=payment.order_id, shop=payment.shop))
    if payment.tell_at is not None and payment.tell_at <= at:
        payment, more = paying.tell_again(payment, at)
        says += more
    closing = payment.closing
    if closing is not None and closing.retry_at is not None and closing.retry_at <= at:
        payment = payment.model_copy(update={"closing": closing.model_copy(update={"retry_at": None})})
        says.append(CloseOrder(order_id=payment.order_id, shop=payment.shop))
    if payment.shipping.wake_at is not None and payment.shipping.wake_at <= at:
        payment, more = shipping.go_on(payment)
        says += more
    for refund in payment.refunds:
        if refund.wake_at is not None and refund.wake_at <= at:
            payment, more = refunds.go_on(payment, refund, at)
            says += more
    for refund in payment.refunds:
        if refund.tell_at is not None and refund.tell_at <= at:
            payment, more = byhand.tell_again(payment, refund, at)
            says += more
    return payment, says
