"""Forgetting who paid an order. Money, numbers and dates stay: they are the books. Pure."""

from __future__ import annotations

from datetime import datetime

from contracts.deleting import ContactErased, EraseContact
from contracts.message import Message
from services.payment.aggregate import PAYMENTS
from services.payment.model import Payment, Refund


@PAYMENTS.handles(EraseContact)
def erase_contact(payment: Payment | None, asked: EraseContact, at: datetime) -> tuple[Payment | None, list[Message]]:
    """An order that never came to a payment has nothing to forget. Asked again, after it was restored, it looks once
    more."""
    answer = ContactErased(order_id=asked.order_id, erasure=asked.erasure)
    if payment is None:
        return None, [answer]
    blank = payment.model_copy(
        update={
            "openid": "",
            "prepay_id": None,
            "shipping": payment.shipping.model_copy(update={"tracking_number": "", "receiver": ""}),
            "refunds": tuple(_blank(refund) for refund in payment.refunds),
            "erased_at": payment.erased_at or at,
        }
    )
    return (payment if blank == payment else blank), [answer]


def _blank(refund: Refund) -> Refund:
    """Without the customer's bank and what people wrote."""
    return refund.model_copy(update={"route": "", "reason": "", "proof": ""})
