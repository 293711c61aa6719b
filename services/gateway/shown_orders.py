"""What is shown of orders and their cancellations, for the OpenAPI document. Bodies are handed on as the order service
writes them and never read into these; `make fuzz` holds every answer against them. Amounts are fen, times UTC."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from services.gateway.finding import State
from services.gateway.shown_cases import Amount, CustomersCase, InWords, StaffsCase, TaskShown


class Colour(BaseModel):
    """For whoever has a palette of their own, and for whoever has none."""

    token: str
    hex: str


class LineShown(BaseModel):
    """One line: `left` pieces are neither cancelled nor exchanged; `paid_minor` is what was paid for all of it;
    `exchanged` pieces took `moved_minor` with them into a line of their own."""

    line_no: int
    product_id: str
    name: str
    category: str
    quantity: int
    unit_price_minor: int
    discount_minor: int
    coupon_minor: int
    freight_minor: int
    paid_minor: int
    cancelled: int
    refunded_minor: int
    exchanged: int
    moved_minor: int
    left: int


class ExchangeShown(BaseModel):
    """Some pieces of one line for as many of another variant. `new_line_no`: once it stands in the order; `refusal`:
    why not; `step`, `attempts`: how far it has come, how often that was asked for."""

    exchange_id: str
    status: Literal["open", "done", "refused"]
    line_no: int
    quantity: int
    old_product_id: str
    new_product_id: str
    new_name: str
    new_line_no: int | None
    refusal: InWords
    step: str
    attempts: int
    begun_at: AwareDatetime
    ended_at: AwareDatetime | None


class _Order(BaseModel):
    order_id: str
    customer_id: str
    reference: str = Field(description="another system's number, empty for none")
    state: State
    state_in_words: InWords
    colour: Colour
    partly_cancelled: bool
    payable: bool
    total: Amount
    paid_minor: int
    refunded_minor: int
    placed_at: AwareDatetime
    pay_until: AwareDatetime | None = Field(description="unpaid then, it ends by itself; null: it does not")
    deliver_after: AwareDatetime | None
    carrier: str
    tracking_number: str
    lines: list[LineShown]
    exchanges: list[ExchangeShown]


class CustomersMoment(BaseModel):
    """One line of the timeline. Where money is on its way, `expected_by` says when it should be there."""

    at: AwareDatetime
    what: str
    case_id: str | None
    in_words: InWords
    detail: dict[str, str]
    expected_by: AwareDatetime | None = None
    confirm_by: AwareDatetime | None = None


class StaffsMoment(BaseModel):
    """One line of the timeline with all its facts."""

    at: AwareDatetime
    what: str
    case_id: str | None
    detail: dict[str, str]
    in_words: InWords


class CustomersOrder(_Order):
    """One order as its customer sees it."""

    cases: list[CustomersCase]
    timeline: list[CustomersMoment]


class Masked(BaseModel):
    """Who ordered, masked."""

    name: str
    phone: str


class StaffsOrder(_Order):
    """One order as staff see it."""

    hidden_at: AwareDatetime | None
    erased_at: AwareDatetime | None
    cases: list[StaffsCase]
    contact: Masked
    tasks: list[TaskShown]
    timeline: list[StaffsMoment]


class ListedOrder(BaseModel):
    """One order in a list. `goods`: the names of its first three lines."""

    order_id: str
    customer_id: str
    reference: str
    state: State
    state_in_words: InWords
    colour: Colour
    total_minor: int
    currency: str
    paid_minor: int
    refunded_minor: int
    placed_at: AwareDatetime
    goods: list[str]
    pieces: int
    case_ids: list[str]


class StaffsListedOrder(ListedOrder):
    """The same with who ordered."""

    contact: Masked


class OwnOrdersPage(BaseModel):
    """`next` is the `after` of the page that follows, null on the last."""

    orders: list[ListedOrder]
    next: str | None


class OrdersPage(BaseModel):
    """`next` is the `after` of the page that follows, null on the last."""

    orders: list[StaffsListedOrder]
    next: str | None


class Hidden(BaseModel):
    """Out of the customer's list."""

    order_id: str
    hidden_at: AwareDatetime


class LaterDelivery(BaseModel):
    """Whether it can be had, why not, between which days (in China)."""

    possible: bool
    because: str
    chosen: date | None
    earliest: date | None = None
    latest: date | None = None


class Variant(BaseModel):
    """Another variant of a line's goods: at most so many pieces can be exchanged for it now."""

    line_no: int
    quantity: int
    product_id: str
    name: str
    unit_price_minor: int
    currency: str
    at_most: int


class ExchangePossible(BaseModel):
    """Whether goods can be exchanged, why not, and for what."""

    possible: bool
    because: str
    variants: list[Variant]


class SimilarGoods(BaseModel):
    """Goods in place of a line."""

    line_no: int
    quantity: int
    product_id: str
    name: str
    category: str
    unit_price_minor: int
    currency: str


class Alternatives(BaseModel):
    """What may help more than cancelling."""

    order_id: str
    later_delivery: LaterDelivery
    exchange: ExchangePossible
    similar: list[SimilarGoods]
    stock_known: bool
