"""Stock, products, receipts and reservations over HTTP, for the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from chassis.engine import Engine
from chassis.problem import Problem
from chassis.record import Aggregate, Decided, Heard
from contracts.inventory import ListProduct, ReceiveStock
from contracts.message import Command, message_id
from services.inventory.balances import Balances
from services.inventory.handlers import RESERVATIONS
from services.inventory.model import HoldingCase, Product, Reservation, StockReceipt
from services.inventory.receiving import PRODUCTS, RECEIPTS
from services.inventory.recount import Recount, Recounts

AT_ONCE_MAX = 500

S = TypeVar("S", bound=BaseModel)


class ProductsToList(BaseModel):
    products: list[ListProduct] = Field(min_length=1, max_length=AT_ONCE_MAX)


class ReceiptsToCount(BaseModel):
    receipts: list[ReceiveStock] = Field(min_length=1, max_length=AT_ONCE_MAX)


class ProductsToLookAt(BaseModel):
    product_ids: list[str] = Field(max_length=AT_ONCE_MAX)


class ReservedLineView(BaseModel):
    """Pieces of one order line. `reserved`: set aside and claimed by no case; the five places add up to `quantity`
    once the stock was reserved."""

    line_no: int
    product_id: str
    quantity: int
    reserved: int
    held: int
    releasing: int
    released: int
    dispatched: int


class ReservationView(BaseModel):
    order_id: str
    status: str
    lines: list[ReservedLineView]
    cases: dict[str, HoldingCase]


def router(engine: Engine, books: Balances, recounts: Recounts) -> APIRouter:
    """The routes; what they answer is said at each."""
    routes = APIRouter()
    routes.include_router(_goods(engine, books))
    routes.include_router(_stock(books, recounts))

    @routes.get("/reservations/{order_id}", tags=["reservations"])
    async def reservation(order_id: str) -> ReservationView:
        record = await engine.read(RESERVATIONS, order_id)
        if record is None or record.state is None:
            raise _not_found("unknown-reservation", "订单", "order", order_id)
        return _view(record.state)

    return routes


def _goods(engine: Engine, books: Balances) -> APIRouter:
    routes = APIRouter()

    @routes.post("/products", tags=["products"])
    async def list_products(asked: ProductsToList) -> dict[str, int]:
        """`{"listed": n}`. The same content again changes nothing; of two contents for one product the last counts."""
        latest = {one.product_id: one for one in asked.products}
        known: dict[str, Product] = await _states(engine, PRODUCTS, latest)
        await books.open(latest)
        listings = [(one, _listing(one, known.get(id))) for id, one in latest.items()]
        # Their ids name the revision that they change: an old one does not come again, and need not be remembered.
        await _hear(engine, listings, passing=True)
        return {"listed": len(latest)}

    @routes.post("/stock-receipts", status_code=202, tags=["stock"])
    async def receive(asked: ReceiptsToCount) -> dict[str, int]:
        """`{"accepted": n}`: they will be counted, each once. 404 when a product is unknown, 409 when a receipt was
        counted with another content: then none of them is taken, unless the other came at the same time."""
        products = await _states(engine, PRODUCTS, (one.product_id for one in asked.receipts))
        for one in asked.receipts:
            if one.product_id not in products:
                raise _not_found("unknown-product", "商品", "product", one.product_id)
        first: dict[str, ReceiveStock] = {}
        known: dict[str, StockReceipt] = await _states(engine, RECEIPTS, (one.receipt_id for one in asked.receipts))
        for one in asked.receipts:
            _expect_same(known.get(one.receipt_id) or first.setdefault(one.receipt_id, one), one)
        heard = await _hear(
            engine, [(one, message_id(f"receive/{one.model_dump_json()}", 0)) for one in first.values()]
        )
        for decided, one in zip(heard, first.values(), strict=True):
            _expect_same(decided.record.state, one)
        return {"accepted": len({one.receipt_id for one in asked.receipts})}

    return routes


def _stock(books: Balances, recounts: Recounts) -> APIRouter:
    routes = APIRouter(prefix="/stock", tags=["stock"])

    @routes.get("")
    async def stock(after: str = "", limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> dict[str, Any]:
        """`{"stock": [{"product_id", "available", "reserved", "sold", "received"}], "next"}` by product id; `next`
        (for `after`) is null on the last page."""
        rows = await books.stock(after, limit)
        return {"stock": rows, "next": rows[-1]["product_id"] if len(rows) == limit else None}

    @routes.post("/recount")
    async def count_again() -> Recount:
        """What the recount found, when it is done."""
        return await recounts.make()

    @routes.post("/look")
    async def look(asked: ProductsToLookAt) -> dict[str, Any]:
        """`{"stock"}`: the balances of those of these products that have one."""
        return {"stock": await books.stock_of_all(asked.product_ids)}

    @routes.get("/{product_id}")
    async def stock_of(product_id: str) -> dict[str, Any]:
        """One row of `GET /stock`."""
        row = await books.stock_of(product_id)
        if row is None:
            raise _not_found("unknown-product", "商品", "product", product_id)
        return row

    return routes


async def _states(engine: Engine, aggregate: Aggregate[S], ids: Iterable[str]) -> dict[str, S]:
    records = await engine.stores[aggregate.name].load(list(dict.fromkeys(ids)))
    return {id: record.state for id, record in records.items() if record.state is not None}


async def _hear(
    engine: Engine, commands: Sequence[tuple[Command, str]], *, passing: bool = False
) -> list[Decided[Any]]:
    """What was decided about each."""
    at = engine.clock()
    heard = (
        engine.hear(Heard(command, id=id, at=at, answers_travel=False, passing=passing)) for command, id in commands
    )
    return [decided for decided in await asyncio.gather(*heard) if decided is not None]


def _expect_same(counted: StockReceipt | ReceiveStock | None, asked: ReceiveStock) -> None:
    """Raises Problem when `asked` says something else than what counts."""
    if counted is not None and (counted.product_id, counted.quantity) != (asked.product_id, asked.quantity):
        raise _receipt_differs(asked.receipt_id)


def _listing(asked: ListProduct, known: Product | None) -> str:
    """The id of a listing: from its content and from what it changes, for a product may become again what it was."""
    return message_id(f"list/{known.revision if known else 0}/{asked.model_dump_json()}", 0)


def _view(state: Reservation) -> ReservationView:
    held = state.promised(status="held")
    releasing = state.promised(status="releasing")
    has = state.status in ("reserved", "dispatching", "dispatched")
    lines = [
        ReservedLineView(
            line_no=line.line_no,
            product_id=line.product_id,
            quantity=line.quantity,
            reserved=line.left - held.get(line.line_no, 0) - releasing.get(line.line_no, 0) if has else 0,
            held=held.get(line.line_no, 0),
            releasing=releasing.get(line.line_no, 0),
            released=line.released,
            dispatched=line.dispatched,
        )
        for line in state.lines
    ]
    cases = {str(id): case for id, case in state.cases.items()}
    return ReservationView(order_id=state.order_id, status=state.status, lines=lines, cases=cases)


def _not_found(code: str, what_zh: str, what: str, id: str) -> Problem:
    return Problem(
        404,
        code,
        f"没有编号为 {id[:64]!r} 的{what_zh}。",
        f"There is no {what} {id[:64]!r}.",
        id=id[:64],
    )


def _receipt_differs(receipt_id: str) -> Problem:
    return Problem(
        409,
        "receipt-differs",
        f"入库单 {receipt_id!r} 已按其他商品或数量入库,请换一个入库单号;本次的其他入库单可原样重发,不会重复入库。",
        f"Receipt {receipt_id!r} was counted with another product or quantity: use another receipt id. The others of "
        "this request may be sent again as they are; nothing is counted twice.",
        id=receipt_id,
    )
