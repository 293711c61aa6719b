"""WeChat's shipping record of an order, and that it never says "shipped" of a cancelled one. Pure.

WeChat keeps the money of physical goods back until the shop has told it that the parcel left. A refund turns the record
to "refunded" by itself on the next day, money paid back another way does not; a record that says otherwise keeps money
where it does not belong (developers.weixin.qq.com/miniprogram/dev/server/API/order_shipping/, community doc
000004ae5f4260e617d06e17661800).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.message import Message
from contracts.payment import RecordShipping, ShippingRecorded, ShippingRecordStrange
from services.payment.aggregate import PAYMENTS
from services.payment.model import Payment, Shipping
from services.payment.outside import (
    CallAttention,
    QueryShipping,
    ShippingAnswered,
    ShippingShown,
    UploadShipping,
)

Decision = tuple[Payment | None, list[Message]]

TO_BE_SHIPPED, REFUNDED = 1, 5
CHECK_AFTER = timedelta(hours=25)
CHECKS_MAX = 3
# An order that WeChat does not know yet: it needs at least a minute to take a payment over.
LATER_MINUTES = (1, 5, 30, 120, 720)


@PAYMENTS.handles(RecordShipping)
def record(payment: Payment | None, wish: RecordShipping, at: datetime) -> Decision:
    """The parcel has left. Of an order whose money goes back nothing is ever recorded as shipped."""
    if payment is None or payment.receipt is None:
        return payment, []
    known = payment.shipping
    if not known.managed:
        return payment, [_not_managed(payment)]
    if known.status in ("recorded", "refused"):
        return payment, [_recorded(payment)]
    if known.status == "wanted":
        return payment, []
    if payment.goes_back:
        return payment, [ShippingRecorded(order_id=payment.order_id, outcome="cancelled")]
    wanted = Shipping(
        carrier=wish.carrier,
        tracking_number=wish.tracking_number,
        item=wish.item,
        receiver=wish.receiver,
        status="wanted",
    )
    return payment.model_copy(update={"shipping": wanted}), [_upload(payment, wanted)]


@PAYMENTS.handles(ShippingAnswered)
def answered(payment: Payment | None, heard: ShippingAnswered, at: datetime) -> Decision:
    """WeChat has it, or not yet, or nobody knows: then look and tell it again."""
    if payment is None or payment.shipping.status != "wanted":
        return payment, []
    shipping = payment.shipping.model_copy(update={"code": heard.code})
    if heard.outcome == "off":
        return payment.model_copy(update={"shipping": Shipping(managed=False)}), [_not_managed(payment)]
    if heard.outcome in ("later", "unknown"):
        wait = timedelta(minutes=LATER_MINUTES[min(shipping.tries, len(LATER_MINUTES) - 1)])
        again = shipping.model_copy(update={"tries": shipping.tries + 1, "wake_at": at + wait})
        return payment.model_copy(update={"shipping": again}), []
    after = payment.model_copy(update={"shipping": shipping.model_copy(update={"status": heard.outcome})})
    says: list[Message] = [_recorded(after)]
    if heard.outcome == "refused":
        detail = f"WeChat does not take the shipping record: {heard.code}"
        says.append(CallAttention(order_id=payment.order_id, what="shipping-refused", detail=detail))
    return after, says


@PAYMENTS.handles(ShippingShown)
def shown(payment: Payment | None, heard: ShippingShown, at: datetime) -> Decision:
    """What the record of a cancelled order says. Not turned yet: tomorrow again. Shipped: a person must look."""
    if payment is None or not payment.is_given_back or payment.shipping.wake_at is not None:
        return payment, []
    if heard.state == REFUNDED:
        return payment, []
    waits = heard.state in (None, TO_BE_SHIPPED) and payment.shipping.checks < CHECKS_MAX
    if waits:
        return plan_check(payment, at), []
    detail = f"all money went back, WeChat's shipping record says {heard.state}"
    return payment, [
        ShippingRecordStrange(order_id=payment.order_id, state=heard.state or 0),
        CallAttention(order_id=payment.order_id, what="shipping-record-strange", detail=detail),
    ]


def plan_check(payment: Payment, at: datetime) -> Payment:
    """The payment with the next look at its shipping record planned, when all its money went back."""
    if not payment.is_given_back or payment.shipping.checks >= CHECKS_MAX:
        return payment
    update = {"checks": payment.shipping.checks + 1, "wake_at": at + CHECK_AFTER}
    return payment.model_copy(update={"shipping": payment.shipping.model_copy(update=update)})


def go_on(payment: Payment) -> tuple[Payment, list[Message]]:
    """The time has come: tell WeChat again, or ask what the record says. What was to be told is not told any more once
    all of the money goes back."""
    shipping = payment.shipping.model_copy(update={"wake_at": None})
    if shipping.status == "wanted" and not payment.goes_back:
        return payment.model_copy(update={"shipping": shipping}), [_upload(payment, shipping)]
    says: list[Message] = []
    if shipping.status == "wanted":
        shipping = shipping.model_copy(update={"status": "none"})
        says.append(ShippingRecorded(order_id=payment.order_id, outcome="cancelled"))
    payment = payment.model_copy(update={"shipping": shipping})
    receipt = payment.receipt
    if receipt is None or not payment.is_given_back:
        return payment, says
    wish = QueryShipping(order_id=payment.order_id, shop=payment.shop, transaction_id=receipt.transaction_id)
    return payment, [*says, wish]


def _upload(payment: Payment, shipping: Shipping) -> UploadShipping:
    assert payment.receipt is not None
    return UploadShipping(
        order_id=payment.order_id,
        shop=payment.shop,
        transaction_id=payment.receipt.transaction_id,
        openid=payment.openid or "",
        carrier=shipping.carrier,
        tracking_number=shipping.tracking_number,
        item=shipping.item,
        receiver=shipping.receiver,
        resend=shipping.tries > 0,
    )


def _not_managed(payment: Payment) -> ShippingRecorded:
    return ShippingRecorded(order_id=payment.order_id, outcome="not-managed")


def _recorded(payment: Payment) -> ShippingRecorded:
    return ShippingRecorded.model_validate(
        {"order_id": payment.order_id, "outcome": payment.shipping.status, "code": payment.shipping.code}
    )
