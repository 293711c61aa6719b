"""Forgetting who paid an order. Money, numbers and dates stay: they are the books. Pure."""

from __future__ import annotations

from datetime import datetime

from contracts.deleting import ContactErased, EraseContact
from contracts.message import Message
from services.payment.aggregate import PAYMENTS
from services.payment.model import Payment, Refund


@PAYMENTS.handles(EraseContact)
def erase_contact(payment: Payment | None, asked: EraseContact, at: datetime) -> tuple[Payment | None, list[Message]]:
    """An order that never came to a payment has nothing to forget. An erasure that is heard again takes nothing more:
    the order may have been put back since, and be about to pay money back."""
    answer = ContactErased(order_id=asked.order_id, erasure=asked.erasure)
    if payment is None or asked.erasure in payment.erasures:
        return payment, [answer]
    blank = payment.model_copy(
        update={
            "openid": "",
            "prepay_id": None,
            "shipping": payment.shipping.model_copy(update={"tracking_number": "", "receiver": ""}),
            "refunds": tuple(_blank(refund) for refund in payment.refunds),
            "erased_at": payment.erased_at or at,
            "erasures": (*payment.erasures, asked.erasure),
        }
    )
    return blank, [answer]


def _blank(refund: Refund) -> Refund:
    """Without the customer's bank and what people wrote."""
    return refund.model_copy(update={"route": "", "reason": "", "proof": ""})
