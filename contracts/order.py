"""What the order service understands and what it tells. Orders are placed, paid, shipped, delivered, completed; a
cancellation is a case inside an order."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.message import (
    CaseId,
    Command,
    CustomerId,
    Event,
    Fen,
    Money,
    OrderId,
    Private,
    ProductId,
    Quantity,
    Topic,
    answered_by,
)

COMMANDS = Topic("order.commands")
EVENTS = Topic("order.events")

REASON_PATTERN = r"^[a-z][a-z0-9-]{0,63}$"
ReasonFamily = Literal["customer", "merchant", "system"]
ReasonCode = Literal[
    "changed-mind",
    "wrong-item",
    "found-better",
    "out-of-stock",
    "quality",
    "delivery",
    "fault",
    "duplicate",
    "late-payment",
    "other",
]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class WishedReason(_Part):
    """Why somebody wants to cancel: a code of the shop's list of reasons (`GET /admin/v1/reasons`), which says whether
    it needs a `remark`."""

    family: ReasonFamily
    code: str
    remark: str = Field("", max_length=200)


class Reason(WishedReason):
    """Why an order is cancelled. `word`: the code of version `version` of the shop's list; `code`: the one of the
    closed list that it counts as. Version 0 is built in; an empty `word` is the `code` itself."""

    code: ReasonCode
    word: str = Field("", max_length=64)
    version: int = Field(0, ge=0)


class Actor(_Part):
    """Who did it: a customer, a member of staff, or the system itself."""

    kind: Literal["customer", "staff", "system"]
    id: str = Field(max_length=64)
    role: str = Field("", max_length=32)


class Contact(_Part):
    """How the customer is reached. Personal data: travels in commands only, is masked in every log and list."""

    name: Private[str] = Field(min_length=1, max_length=64)
    phone: Private[str] = Field(pattern=r"^\+?[0-9]{5,17}$")
    openid: Private[str] = Field(min_length=1, max_length=64)
    language: Literal["zh", "en"] = "zh"


class Reference(_Part):
    """The number and the time that another system knows the matter by (imported orders)."""

    number: str = Field(min_length=1, max_length=64)
    occurred_at: AwareDatetime


class WantedLine(_Part):
    """One line as the customer saw it: `unit_price_minor` must be one of the product's offers now."""

    product_id: ProductId
    quantity: Quantity
    unit_price_minor: Fen


class PricedLine(_Part):
    """One line with its exact share of everything. `paid_minor` = goods − discount − coupon + freight; the lines of
    an order add up to what the customer pays, to the fen."""

    line_no: int = Field(ge=1)
    product_id: ProductId
    name: str
    category: str
    quantity: Quantity
    unit_price_minor: Fen
    discount_minor: Fen = 0
    coupon_minor: Fen = 0
    freight_minor: Fen = 0
    paid_minor: Fen


class CancelledLine(_Part):
    """Some pieces of one line that a case gives back, with their exact share of what was paid."""

    line_no: int = Field(ge=1)
    product_id: ProductId
    category: str = ""
    quantity: Quantity
    amount_minor: Fen


class CancelLine(_Part):
    """Which pieces to cancel."""

    line_no: int = Field(ge=1)
    quantity: Quantity


@EVENTS.carries("order-placed.v1")
class OrderPlaced(Event):
    """A customer wants these goods at these prices; `occurred_at` is the time figures count it under."""

    order_id: OrderId
    customer_id: CustomerId
    customer_group: str
    lines: tuple[PricedLine, ...]
    total: Money
    placed_at: AwareDatetime
    occurred_at: AwareDatetime
    reference: str = ""


@EVENTS.carries("order-not-placed.v1")
class OrderNotPlaced(Event):
    """Nothing was stored. `because`: a finer word for the reason (open list: order-too-long, for any message)."""

    order_id: OrderId
    reason: Literal[
        "unknown-product",
        "price-changed",
        "wrong-currency",
        "unknown-coupon",
        "coupon-below-minimum",
        "amount-too-large",
        "nothing-to-pay",
        "out-of-stock",
        "idempotency-key-reused",
    ]
    detail: str = ""
    because: str = Field("", max_length=32)


@answered_by(yes=OrderPlaced, no=OrderNotPlaced)
@COMMANDS.carries("place-order.v1")
class PlaceOrder(Command):
    """Place an order. `fingerprint` is the digest of the request's body: the same order id with another one is
    refused. `shop`: whose merchant account the money goes to; empty is the one of the house."""

    order_id: OrderId
    shop: str = Field("", max_length=32, pattern=r"^[0-9a-z-]*$")
    customer_id: CustomerId
    customer_group: str = Field("", max_length=64)
    contact: Contact
    lines: tuple[WantedLine, ...] = Field(min_length=1, max_length=2_000)
    currency: str = Field("CNY", pattern=r"^[A-Z]{3}$")
    coupon: str = Field("", max_length=64)
    reference: Reference | None = None
    fingerprint: str = Field(max_length=64)


@EVENTS.carries("order-paid.v1")
class OrderPaid(Event):
    order_id: OrderId
    amount: Money
    paid_at: AwareDatetime


@EVENTS.carries("order-shipped.v1")
class OrderShipped(Event):
    order_id: OrderId
    carrier: str
    tracking_number: str
    shipped_at: AwareDatetime


@EVENTS.carries("order-delivered.v1")
class OrderDelivered(Event):
    order_id: OrderId
    delivered_at: AwareDatetime


@EVENTS.carries("order-completed.v1")
class OrderCompleted(Event):
    order_id: OrderId
    completed_at: AwareDatetime


@EVENTS.carries("order-not-moved.v1")
class OrderNotMoved(Event):
    """A wish to ship, deliver or complete an order was refused; nothing changed. `because`: a finer word for the reason
    (open list: deliver-later, exchange-open, payment-not-confirmed); `not_before`: when it can be shipped."""

    order_id: OrderId
    reason: Literal["unknown-order", "wrong-state", "cancellation-open"]
    state: str = ""
    because: str = Field("", max_length=32)
    not_before: AwareDatetime | None = None


@answered_by(yes=OrderShipped, no=OrderNotMoved)
@COMMANDS.carries("ship-order.v1")
class ShipOrder(Command):
    """The parcel leaves. `early`: although the customer wants it later."""

    order_id: OrderId
    carrier: str = Field(min_length=1, max_length=64)
    tracking_number: str = Field(min_length=1, max_length=64)
    by: Actor
    early: bool = False


@answered_by(yes=OrderDelivered, no=OrderNotMoved)
@COMMANDS.carries("deliver-order.v1")
class DeliverOrder(Command):
    order_id: OrderId
    by: Actor


@answered_by(yes=OrderCompleted, no=OrderNotMoved)
@COMMANDS.carries("complete-order.v1")
class CompleteOrder(Command):
    order_id: OrderId
    by: Actor


@EVENTS.carries("cancellation-accepted.v1")
class CancellationAccepted(Event):
    """A case is open: the order cannot be shipped until it ends. `rule` of version `policy_version` of the shop's
    policy decided it. `waits_for`: `approval`, `undo-window`, or `parcel`; nothing else has happened yet then."""

    order_id: OrderId
    case_id: CaseId
    customer_id: CustomerId
    customer_group: str = ""
    whole: bool
    lines: tuple[CancelledLine, ...]
    amount: Money
    reason: Reason
    by: Actor
    accepted_at: AwareDatetime
    occurred_at: AwareDatetime
    reference: str = ""
    waits_for: str = ""
    rule: str = ""
    policy_version: int = 0


@EVENTS.carries("cancellation-not-accepted.v2")
class CancellationNotAccepted(Event):
    """No case was opened and nothing changed. `open_case_id`: the case that stands in the way. `rule` of
    `policy_version` denies it, or asks for a code; `zh` and `en`: the sentence it gives. `because`: a finer word for
    the reason (open list: exchange-open; refund-to-match, nobody knows for which goods money went back; unknown-reason,
    too-many-cancellations, the shop has to do it; reason-retired, solution-refused); `use`: what to take instead."""

    order_id: OrderId
    reason: Literal[
        "unknown-order",
        "already-cancelled",
        "already-shipped",
        "already-completed",
        "cancellation-open",
        "unknown-line",
        "more-than-was-bought",
        "cancel-whole-unpaid-order",
        "remark-required",
        "idempotency-key-reused",
        "policy-denied",
        "code-required",
    ]
    open_case_id: CaseId | None = None
    detail: str = ""
    rule: str = ""
    policy_version: int = 0
    amount_minor: Fen = 0
    zh: str = ""
    en: str = ""
    because: str = Field("", max_length=32)
    use: str = Field("", max_length=64)


@answered_by(yes=CancellationAccepted, no=CancellationNotAccepted)
@COMMANDS.carries("cancel-order.v1")
class CancelOrder(Command):
    """Cancel a whole order (`lines` empty) or some pieces. `request_id` names the request: heard again it meets the
    same case; `fingerprint` is the digest of its body. `confirmed`: the member of staff gave a code for exactly
    this, and for `confirmed_minor` (fen) to go back. `solution`: what the shop does, read in place of the reason's."""

    order_id: OrderId
    request_id: str = Field(min_length=1, max_length=128)
    fingerprint: str = Field(max_length=64)
    lines: tuple[CancelLine, ...] = Field((), max_length=2_000)
    reason: WishedReason
    by: Actor
    reference: Reference | None = None
    confirmed: bool = False
    confirmed_minor: Fen = 0
    solution: str = Field("", max_length=200)


@EVENTS.carries("cancellation-completed.v1")
class CancellationCompleted(Event):
    """The case is closed: money back (if any was paid), stock back, customer told. `after_alternatives`: how many
    alternatives had been taken before the order was cancelled all the same."""

    order_id: OrderId
    case_id: CaseId
    customer_id: CustomerId
    customer_group: str = ""
    whole: bool
    lines: tuple[CancelledLine, ...]
    refunded: Money
    reason: Reason
    completed_at: AwareDatetime
    occurred_at: AwareDatetime
    reference: str = ""
    after_alternatives: int = Field(0, ge=0)


@EVENTS.carries("cancellation-undone.v1")
class CancellationUndone(Event):
    """The case is closed and everything is as it was before. `because` is the refusal that led to it."""

    order_id: OrderId
    case_id: CaseId
    customer_id: CustomerId
    because: str
    undone_at: AwareDatetime
    occurred_at: AwareDatetime
