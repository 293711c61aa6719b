"""What the inventory service understands and what it tells. A reservation is one order's claim on stock; each of its
lines is reserved, then perhaps held by a cancellation case, then released or dispatched."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contracts.message import (
    CaseId,
    Command,
    Event,
    Fen,
    OrderId,
    ProductId,
    Quantity,
    Topic,
    answered_by,
)

COMMANDS = Topic("inventory.commands")
EVENTS = Topic("inventory.events")


class StockLine(BaseModel):
    """Some pieces of one product, for one line of an order. `line_no` counts from 1."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    line_no: int = Field(ge=1)
    product_id: ProductId
    quantity: Quantity


@EVENTS.carries("stock-reserved.v1")
class StockReserved(Event):
    """All lines of the order are set aside."""

    order_id: OrderId


@EVENTS.carries("stock-short.v1")
class StockShort(Event):
    """At least one line cannot be had; nothing is set aside."""

    order_id: OrderId
    short: tuple[ProductId, ...]


@answered_by(yes=StockReserved, no=StockShort)
@COMMANDS.carries("reserve-stock.v1")
class ReserveStock(Command):
    """Set aside every line of an order, or none."""

    order_id: OrderId
    lines: tuple[StockLine, ...] = Field(min_length=1)


@EVENTS.carries("stock-held.v1")
class StockHeld(Event):
    """The lines will neither be dispatched nor given to anyone else while the case is open."""

    order_id: OrderId
    case_id: CaseId


@EVENTS.carries("stock-hold-refused.v1")
class StockHoldRefused(Event):
    """Nothing was moved. `withdrawn`: the case was undone before this wish arrived."""

    order_id: OrderId
    case_id: CaseId
    reason: Literal["already-dispatched", "not-reserved", "withdrawn"]


@answered_by(yes=StockHeld, no=StockHoldRefused)
@COMMANDS.carries("hold-stock.v1")
class HoldStock(Command):
    """Hold some reserved pieces for a cancellation case."""

    order_id: OrderId
    case_id: CaseId
    lines: tuple[StockLine, ...] = Field(min_length=1)


@EVENTS.carries("stock-kept.v1")
class StockKept(Event):
    """What the case held belongs to the order again, as if it had never been held."""

    order_id: OrderId
    case_id: CaseId


@answered_by(yes=StockKept)
@COMMANDS.carries("keep-stock.v1")
class KeepStock(Command):
    """Undo of `HoldStock`. Accepted even when the hold was never seen; a late hold is then refused."""

    order_id: OrderId
    case_id: CaseId


@EVENTS.carries("stock-released.v1")
class StockReleased(Event):
    """The pieces can be sold again. `exchanged`: no case gave them back, others stand in their place."""

    order_id: OrderId
    case_id: CaseId
    lines: tuple[StockLine, ...]
    exchanged: bool = False


@answered_by(yes=StockReleased)
@COMMANDS.carries("release-stock.v1")
class ReleaseStock(Command):
    """Give the case's pieces back to the shelf, held or merely reserved."""

    order_id: OrderId
    case_id: CaseId
    lines: tuple[StockLine, ...] = Field(min_length=1)


@EVENTS.carries("stock-taken-again.v1")
class StockTakenAgain(Event):
    """What the case had released belongs to the order again."""

    order_id: OrderId
    case_id: CaseId
    attempt: int


@EVENTS.carries("stock-not-taken-again.v1")
class StockNotTakenAgain(Event):
    """Nothing was moved. `short`: the products of which too few are left."""

    order_id: OrderId
    case_id: CaseId
    attempt: int
    reason: Literal["out-of-stock", "not-released"]
    short: tuple[ProductId, ...] = ()


@answered_by(yes=StockTakenAgain, no=StockNotTakenAgain, same=("order_id", "case_id", "attempt"))
@COMMANDS.carries("take-stock-again.v1")
class TakeStockAgain(Command):
    """Give the order back what this case released, all of it or nothing: its refund failed after all. `attempt` counts
    from 1: one that was refused stays refused, the next one looks again."""

    order_id: OrderId
    case_id: CaseId
    attempt: int = Field(ge=1)


@EVENTS.carries("stock-swapped.v1")
class StockSwapped(Event):
    """The new pieces are set aside for the order; the old ones are held until they are released."""

    order_id: OrderId
    case_id: CaseId


@EVENTS.carries("stock-not-swapped.v1")
class StockNotSwapped(Event):
    """Nothing was moved. `reason` is an open list: out-of-stock (too few of the new pieces), not-reserved,
    already-dispatched (of the old ones)."""

    order_id: OrderId
    case_id: CaseId
    reason: str = Field(max_length=32)


@answered_by(yes=StockSwapped, no=StockNotSwapped)
@COMMANDS.carries("swap-stock.v1")
class SwapStock(Command):
    """Set `new` aside for an order in place of `old`, all of it or nothing: a line that the order does not have yet.
    One exchange has one answer for ever. The old pieces are held meanwhile, and go back by `ReleaseStock` under the
    same `case_id`."""

    order_id: OrderId
    case_id: CaseId
    old: StockLine
    new: StockLine


@EVENTS.carries("stock-taken-back.v1")
class StockTakenBack(Event):
    """Pieces of a parcel that came back can be sold again: `lines`, perhaps none. What came back damaged stays counted
    as sold."""

    order_id: OrderId
    case_id: CaseId
    lines: tuple[StockLine, ...] = ()


@answered_by(yes=StockTakenBack)
@COMMANDS.carries("take-back-stock.v1")
class TakeBackStock(Command):
    """Put the good pieces of a parcel that came back on the shelf, once per case. Answered once the pieces' own way out
    is in the books."""

    order_id: OrderId
    case_id: CaseId
    lines: tuple[StockLine, ...] = ()


@EVENTS.carries("stock-dispatched.v1")
class StockDispatched(Event):
    """The order's remaining pieces have left the house."""

    order_id: OrderId


@EVENTS.carries("stock-dispatch-refused.v1")
class StockDispatchRefused(Event):
    """Nothing was moved."""

    order_id: OrderId
    reason: Literal["held-by-a-case", "not-reserved"]


@answered_by(yes=StockDispatched, no=StockDispatchRefused)
@COMMANDS.carries("dispatch-stock.v1")
class DispatchStock(Command):
    """The parcel leaves: everything still reserved for the order is sold."""

    order_id: OrderId


@EVENTS.carries("product-listed.v1", key="product_id")
class ProductListed(Event):
    """A product can be ordered at any of its offered prices. A higher `revision` replaces a lower one. `variant_of`:
    see `ListProduct`."""

    product_id: ProductId
    name: str
    category: str
    offers_minor: tuple[Fen, ...]
    currency: str = "CNY"
    revision: int = Field(ge=1)
    variant_of: str = ""


@answered_by(yes=ProductListed, same=("product_id",))
@COMMANDS.carries("list-product.v1", key="product_id")
class ListProduct(Command):
    """Put a product on sale or change it. `offers_minor`: the unit prices (minor units) it is sold at now, list price
    first. `variant_of`: what all its variants (sizes, colours) name alike; empty when it has none."""

    product_id: ProductId = Field(min_length=1, max_length=64, pattern=r"^[^\s$/][^$/]*$")
    name: str = Field(min_length=1, max_length=200)
    category: str = Field("goods", min_length=1, max_length=64)
    offers_minor: tuple[Fen, ...] = Field(min_length=1, max_length=500)
    currency: str = Field("CNY", pattern=r"^[A-Z]{3}$")
    variant_of: str = Field("", max_length=64, pattern=r"^([^\s$/][^$/]*)?$")


@EVENTS.carries("stock-received.v1", key="product_id")
class StockReceived(Event):
    """Pieces came in and can be sold."""

    product_id: ProductId
    receipt_id: str
    quantity: Quantity


@answered_by(yes=StockReceived, same=("receipt_id",))
@COMMANDS.carries("receive-stock.v1", key="receipt_id")
class ReceiveStock(Command):
    """Pieces arrived at the warehouse. The same `receipt_id` counts once."""

    receipt_id: str = Field(min_length=1, max_length=128)
    product_id: ProductId
    quantity: Quantity
