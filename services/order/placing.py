"""The two short processes of an order besides cancelling: setting its stock aside when it is placed, and taking it off
the books when the parcel leaves."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from chassis.saga import Saga, after_undo, pivot, then
from contracts import inventory, notify, payment
from contracts.inventory import StockLine
from contracts.message import CaseId, CustomerId, Money, OrderId
from contracts.notify import Addressee
from contracts.order import Reason
from services.order.model import Order
from services.order.words import reason_in_words, solution_in_words

DESCRIPTION_MAX = 127  # WeChat Pay: `description` (pay.weixin.qq.com/doc/v3/partner/4012523593)


class Placement(BaseModel):
    """Everything the lists below need to know about an order. Amounts in fen."""

    model_config = ConfigDict(frozen=True)

    order_id: OrderId
    customer_id: CustomerId
    openid: str
    amount: Money
    description: str
    lines: tuple[StockLine, ...]
    to: Addressee

    @classmethod
    def of(cls, order: Order) -> Placement:
        """The facts of `order`."""
        first = order.lines[0].name
        more = f" 等{len(order.lines)}件" if len(order.lines) > 1 else ""
        return cls(
            order_id=order.order_id,
            customer_id=order.customer_id,
            openid=order.contact.openid,
            amount=Money(amount_minor=order.total_minor, currency=order.currency),
            description=first[: DESCRIPTION_MAX - len(more)] + more,
            lines=tuple(
                StockLine(line_no=line.line_no, product_id=line.product_id, quantity=line.left)
                for line in order.lines
                if line.left
            ),
            to=order.addressee,
        )


def not_in_stock(order: Placement) -> notify.TellCustomer:
    language = order.to.language
    return notify.TellCustomer(
        order_id=order.order_id,
        case_id=CaseId(f"{order.order_id}-placing"),
        outcome="order-cancelled",
        to=order.to,
        reason=reason_in_words(Reason(family="merchant", code="out-of-stock"), language),
        solution=solution_in_words("merchant", language),
    )


PLACE_ORDER = Saga(
    "place-order",
    1,
    Placement,
    pivot("set the stock aside", inventory.ReserveStock),
    then("open the payment", payment.OpenPayment),
    after_undo("tell the customer why not", not_in_stock),
)

DISPATCH_ORDER = Saga(
    "dispatch-order",
    1,
    Placement,
    pivot("take the stock off the books", inventory.DispatchStock),
)
