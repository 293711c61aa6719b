"""Pieces of one line exchanged for as many of another variant, at the same price: no money moves. Said and heard by the
order service; the stock's side of it is in `inventory`.

An exchange has an id like a case, `<order>-x<n>`, and travels in the same field, so that everything said because of it
can be told apart.
"""

from __future__ import annotations

from pydantic import AwareDatetime, Field

from contracts.message import CaseId, Command, CustomerId, Event, OrderId, ProductId, Quantity, answered_by
from contracts.order import COMMANDS, EVENTS, Actor, CancelledLine, PricedLine


@EVENTS.carries("exchange-begun.v1")
class ExchangeBegun(Event):
    """Nothing has changed yet, but the order is neither shipped nor cancelled until this has ended. `old`: the pieces
    that go, with their exact share of what was paid; `new`: the line that would stand for them."""

    order_id: OrderId
    case_id: CaseId
    old: CancelledLine
    new: PricedLine
    by: Actor
    begun_at: AwareDatetime


@EVENTS.carries("exchange-not-begun.v1")
class ExchangeNotBegun(Event):
    """Nothing was changed. `reason` is an open list: unknown-order, not-paid-yet, too-late-to-change,
    already-cancelled, cancellation-open, exchange-open, with-a-person, unknown-line, not-so-many-left, not-a-variant,
    not-at-this-price, too-many-alternatives, idempotency-key-reused. `left`: pieces of the line that can go."""

    order_id: OrderId
    reason: str = Field(max_length=32)
    left: int | None = None


@EVENTS.carries("goods-exchanged.v1")
class GoodsExchanged(Event):
    """The order's line is swapped: `old` pieces left it, `new` is a line of its own. The old pieces go back to the
    shelf after this."""

    order_id: OrderId
    case_id: CaseId
    customer_id: CustomerId
    customer_group: str = ""
    old: CancelledLine
    new: PricedLine
    exchanged_at: AwareDatetime
    occurred_at: AwareDatetime


@EVENTS.carries("exchange-refused.v1")
class ExchangeRefused(Event):
    """The exchange has ended and the order is exactly as before. `because` is an open list: new-goods-short,
    old-goods-gone."""

    order_id: OrderId
    case_id: CaseId
    because: str = Field(max_length=32)
    refused_at: AwareDatetime


@answered_by(yes=ExchangeBegun, no=ExchangeNotBegun, same=("order_id",))
@COMMANDS.carries("exchange-goods.v1")
class ExchangeGoods(Command):
    """Give `quantity` pieces of `product_id` for as many of line `line_no`. `request_id` names the request: heard again
    it meets the same exchange; `fingerprint` is the digest of its body. `GoodsExchanged` or `ExchangeRefused` tells how
    it ended."""

    order_id: OrderId
    request_id: str = Field(min_length=1, max_length=128)
    fingerprint: str = Field(max_length=64)
    line_no: int = Field(ge=1)
    quantity: Quantity
    product_id: ProductId = Field(min_length=1, max_length=64)
    by: Actor
