"""The two short processes of an order besides cancelling: setting its stock aside when it is placed, and taking it off
the books when the parcel leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel, ConfigDict

from chassis.saga import Saga, after_undo, pivot, then
from contracts import inventory, notify, payment
from contracts.inventory import StockLine
from contracts.message import CaseId, CustomerId, Money, OrderId
from contracts.notify import Addressee
from contracts.order import Reason
from contracts.payment import DESCRIPTION_BYTES_MAX, cut
from services.order.model import Line, Order
from services.order.words import reason_in_words, solution_unpaid

PHONE_DIGITS = 11
ITEM_MAX = 120  # characters; WeChat: `item_desc` of a shipping record (…/API/order_shipping/api_uploadshippinginfo)


class Placement(BaseModel):
    """Everything the lists below need to know about an order. Amounts in fen. `description`: of what is paid for,
    `parcel`: of what is in the parcel."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    shop: str
    customer_id: CustomerId
    openid: str
    amount: Money
    description: str
    parcel: str
    lines: tuple[StockLine, ...]
    to: Addressee
    carrier: str = ""
    tracking_number: str = ""

    @classmethod
    def of(cls, order: Order) -> Placement:
        """The facts of `order`."""
        goods = [line for line in order.lines if line.exchanged < line.quantity]
        packed = [line for line in order.lines if line.left]
        return cls(
            order_id=order.order_id,
            shop=order.shop,
            customer_id=order.customer_id,
            openid=order.contact.openid,
            amount=Money(amount_minor=order.total_minor, currency=order.currency),
            description=_in_words(goods, DESCRIPTION_BYTES_MAX, in_bytes=True),
            # Where nothing is left it came back before WeChat was told that it had left.
            parcel=_in_words(packed or goods, ITEM_MAX),
            lines=tuple(
                StockLine(line_no=line.line_no, product_id=line.product_id, quantity=line.left) for line in packed
            ),
            to=order.addressee,
            carrier=order.carrier,
            tracking_number=order.tracking_number,
        )


def _in_words(lines: Sequence[Line], most: int, *, in_bytes: bool = False) -> str:
    """The first of these lines, and how many there are, in at most that many characters, or bytes of UTF-8."""
    more = f" 等{len(lines)}件" if len(lines) > 1 else ""
    if in_bytes:
        return cut(lines[0].name, most - len(more.encode())) + more
    return lines[0].name[: most - len(more)] + more


def not_in_stock(order: Placement) -> notify.TellCustomer:
    """Never by short message: more than there is can be ordered again and again, for any number that somebody types."""
    reason, language = Reason(family="merchant", code="out-of-stock"), order.to.language
    return notify.TellCustomer(
        order_id=order.order_id,
        case_id=CaseId(f"{order.order_id}-placing"),
        outcome="order-cancelled",
        to=order.to.model_copy(update={"phone": ""}),
        reason=reason_in_words(reason, language),
        solution=solution_unpaid(reason, "", language),
    )


PLACE_ORDER = Saga(
    "place-order",
    1,
    Placement,
    pivot("set the stock aside", inventory.ReserveStock),
    then("open the payment", payment.OpenPayment),
    after_undo("tell the customer why not", not_in_stock),
)


def masked(phone: str) -> str:
    """The first three and the last four digits, as WeChat wants a phone number in a shipping record."""
    return f"{phone[:-8]}****{phone[-4:]}" if len(phone) >= PHONE_DIGITS else ""


def shipping_record(order: Placement) -> payment.RecordShipping:
    return payment.RecordShipping(
        order_id=order.order_id,
        carrier=order.carrier,
        tracking_number=order.tracking_number,
        item=order.parcel,
        receiver=masked(order.to.phone),
    )


DISPATCH_ORDER = Saga(
    "dispatch-order",
    2,
    Placement,
    pivot("take the stock off the books", inventory.DispatchStock),
    then("tell WeChat that the parcel has left", shipping_record, patience=timedelta(days=2)),
)
