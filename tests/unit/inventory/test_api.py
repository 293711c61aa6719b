"""The routes the gateway calls, on real books; reservations through the same engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chassis import clock, problem
from chassis.engine import Engine
from chassis.journal import JOURNAL_MAX
from chassis.memory import MemoryBroker, MemoryStore
from chassis.mongo import Database
from chassis.projection import Update
from chassis.record import Heard
from contracts.message import Message, OrderId
from services.inventory.api import router
from services.inventory.balances import Balances
from services.inventory.effects import StockMover
from services.inventory.handlers import RESERVATIONS
from services.inventory.model import MoveStock, TakeIn
from services.inventory.receiving import PRODUCTS, RECEIPTS
from services.inventory.recount import Recounts
from tests.unit.inventory.story import ORDER, dispatch, hold, lines, release, reserve, take_again

pytestmark = pytest.mark.real

TEA = {"product_id": "tea", "name": "茶", "category": "goods", "offers_minor": [100], "currency": "CNY"}
CUP = {"product_id": "cup", "name": "杯", "offers_minor": [900, 800]}


class Shop:
    """The service without its process: HTTP in, topics in memory, balances in MongoDB."""

    def __init__(self, books: Balances, recounts: Recounts) -> None:
        self.broker = MemoryBroker()
        stores = {aggregate: MemoryStore(aggregate) for aggregate in (RESERVATIONS, RECEIPTS, PRODUCTS)}
        self.engine = Engine("inventory", dict(stores), self.broker, clock.now)
        mover = StockMover(books)
        self.engine.perform(MoveStock, mover.move_stock)
        self.engine.perform(TakeIn, mover.take_in)
        app = FastAPI()
        problem.install(app)
        app.include_router(router(self.engine, books, recounts))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inventory")
        self._heard = 0

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        answer = await self.http.post(path, json=body)
        await self.engine.relay.drain(20)
        return answer

    async def hear(self, message: Message) -> None:
        self._heard += 1
        await self.engine.hear(Heard(message, f"m-{self._heard}", clock.now()))
        while not self.engine.relay.idle:
            await self.engine.relay.drain(20)

    def said(self) -> list[str]:
        """Wire names of what went to the events topic."""
        return [dict(one.headers)["ce_type"].decode() for one in self.broker.topics["inventory.events"]]


@pytest.fixture
async def shop(books: Balances, database: Database) -> AsyncIterator[Shop]:
    made = Shop(books, Recounts(books, database.collection("recounts")))
    yield made
    await made.http.aclose()


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    """Five of tea, two of cups."""
    await shop.post("/products", {"products": [TEA, CUP]})
    receipts = [_receipt("r-1", "tea", 5), _receipt("r-2", "cup", 2)]
    assert (await shop.post("/stock-receipts", {"receipts": receipts})).json() == {"accepted": 2}
    return shop


def _receipt(receipt_id: str, product_id: str, quantity: int) -> dict[str, Any]:
    return {"receipt_id": receipt_id, "product_id": product_id, "quantity": quantity}


def _row(product_id: str, available: int, reserved: int, sold: int, received: int) -> dict[str, Any]:
    return {
        "product_id": product_id,
        "available": available,
        "reserved": reserved,
        "sold": sold,
        "received": received,
    }


async def test_listing(shop: Shop) -> None:
    assert (await shop.post("/products", {"products": [TEA, CUP]})).json() == {"listed": 2}
    assert (await shop.http.get("/stock/tea")).json() == _row("tea", 0, 0, 0, 0)
    assert shop.said() == ["product-listed.v1"] * 2


async def test_a_product_may_become_what_it_was(shop: Shop) -> None:
    cheaper = TEA | {"offers_minor": [90]}
    for body in (TEA, TEA, cheaper, TEA, TEA):
        await shop.post("/products", {"products": [body]})
    product = await shop.engine.read(PRODUCTS, "tea")
    assert product is not None
    assert product.state is not None
    assert (product.state.revision, product.state.offers_minor) == (3, (100,))


async def test_a_product_whose_price_changes_every_hour_does_not_grow(shop: Shop) -> None:
    for cents in range(200):
        await shop.post("/products", {"products": [TEA | {"offers_minor": [100 + cents]}]})
        await shop.engine.relay.flush(shop.engine.stores, everything=True)
    product = await shop.engine.read(PRODUCTS, "tea")
    assert product is not None
    assert product.state is not None
    assert (product.state.revision, product.state.offers_minor) == (200, (299,))
    assert len(product.journal) <= JOURNAL_MAX
    assert shop.said() == ["product-listed.v1"] * 200


async def test_receipts_count_once(stocked: Shop) -> None:
    again = await stocked.post("/stock-receipts", {"receipts": [_receipt("r-1", "tea", 5)] * 2})
    assert (again.status_code, again.json()) == (202, {"accepted": 1})
    assert (await stocked.http.get("/stock/tea")).json() == _row("tea", 5, 0, 0, 5)
    assert stocked.said().count("stock-received.v1") == 2


@pytest.mark.parametrize(
    ("bad", "status", "code", "names"),
    [
        (_receipt("r-9", "hat", 1), 404, "unknown-product", "hat"),
        (_receipt("r-1", "tea", 6), 409, "receipt-differs", "r-1"),
        (_receipt("r-8", "cup", 1), 409, "receipt-differs", "r-8"),
    ],
)
async def test_nothing_is_taken_when_one_receipt_is_wrong(
    stocked: Shop, bad: dict[str, Any], status: int, code: str, names: str
) -> None:
    answer = await stocked.post("/stock-receipts", {"receipts": [_receipt("r-8", "tea", 1), bad]})
    assert (answer.status_code, answer.json()["code"], answer.json()["id"]) == (status, code, names)
    assert (await stocked.http.get("/stock/tea")).json() == _row("tea", 5, 0, 0, 5)


async def test_of_two_receipts_under_one_id_at_once_only_the_one_that_counts_is_accepted(stocked: Shop) -> None:
    asked = [[_receipt("r-9", "tea", pieces), _receipt(f"r-1{pieces}", "cup", 1)] for pieces in (7, 8)]
    answers = await asyncio.gather(*(stocked.post("/stock-receipts", {"receipts": receipts}) for receipts in asked))
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    differs = next(answer.json() for answer in answers if answer.status_code == 409)
    assert (differs["code"], differs["id"]) == ("receipt-differs", "r-9")
    counted = next(7 + index for index, answer in enumerate(answers) if answer.status_code == 202)
    assert (await stocked.http.get("/stock/tea")).json() == _row("tea", 5 + counted, 0, 0, 5 + counted)
    # Only the next repeat of the refused one could tell beforehand; what came with it has been counted.
    assert (await stocked.http.get("/stock/cup")).json() == _row("cup", 4, 0, 0, 4)


async def test_stock_by_pages(stocked: Shop) -> None:
    first = (await stocked.http.get("/stock", params={"limit": 1})).json()
    assert first == {"stock": [_row("cup", 2, 0, 0, 2)], "next": "cup"}
    second = (await stocked.http.get("/stock", params={"limit": 2, "after": "cup"})).json()
    assert second == {"stock": [_row("tea", 5, 0, 0, 5)], "next": None}
    assert (await stocked.http.get("/stock/hat")).json()["code"] == "unknown-product"


async def test_an_order_from_reserve_to_dispatch(stocked: Shop) -> None:
    await stocked.hear(reserve())
    await stocked.hear(hold("a", lines((1, "tea", 2))))
    held = (await stocked.http.get(f"/reservations/{ORDER}")).json()
    assert (held["status"], held["cases"]["a"]["status"]) == ("reserved", "held")
    assert [(line["reserved"], line["held"]) for line in held["lines"]] == [(3, 2), (2, 0)]
    await stocked.hear(release("a", lines((1, "tea", 2))))
    await stocked.hear(dispatch())
    gone = (await stocked.http.get(f"/reservations/{ORDER}")).json()
    assert [(line["released"], line["dispatched"]) for line in gone["lines"]] == [(2, 3), (0, 2)]
    assert (await stocked.http.get("/stock/tea")).json() == _row("tea", 2, 0, 3, 5)
    assert (await stocked.post("/stock/recount")).json() == {"products": 2, "differences": []}
    assert stocked.said()[-4:] == ["stock-reserved.v1", "stock-held.v1", "stock-released.v1", "stock-dispatched.v1"]


async def test_released_pieces_taken_again_and_dispatched(stocked: Shop) -> None:
    for command in (reserve(), release("a"), take_again("a")):
        await stocked.hear(command)
    again = (await stocked.http.get(f"/reservations/{ORDER}")).json()
    assert (again["status"], again["cases"]["a"]["status"]) == ("reserved", "taken-again")
    assert [(line["reserved"], line["released"]) for line in again["lines"]] == [(5, 0), (2, 0)]
    assert (await stocked.http.get("/stock/tea")).json() == _row("tea", 0, 5, 0, 5)
    await stocked.hear(dispatch())
    assert (await stocked.http.get("/stock/tea")).json() == _row("tea", 0, 0, 5, 5)
    assert (await stocked.post("/stock/recount")).json() == {"products": 2, "differences": []}
    assert stocked.said()[-3:] == ["stock-released.v1", "stock-taken-again.v1", "stock-dispatched.v1"]


async def test_a_refusal_to_take_again_is_stored_with_the_reservation(stocked: Shop) -> None:
    for command in (reserve(), release("a")):
        await stocked.hear(command)
    await stocked.hear(reserve(lines((1, "cup", 1))).model_copy(update={"order_id": OrderId("o-2")}))
    await stocked.hear(take_again("a"))
    await stocked.post("/stock-receipts", {"receipts": [_receipt("r-9", "cup", 1)]})
    await stocked.hear(take_again("a"))
    record = await stocked.engine.read(RESERVATIONS, ORDER)
    assert record is not None
    assert record.state is not None
    assert [(one.attempt, one.short) for one in record.state.not_taken] == [(1, ("cup",))]
    assert stocked.said().count("stock-not-taken-again.v1") == 2
    assert (await stocked.http.get("/stock/tea")).json() == _row("tea", 5, 0, 0, 5)
    await stocked.hear(take_again("a", 2))
    assert stocked.said()[-1] == "stock-taken-again.v1"


async def test_an_order_that_cannot_be_had_in_full_takes_nothing(stocked: Shop) -> None:
    await stocked.hear(reserve(lines((1, "tea", 5), (2, "cup", 3))))
    assert stocked.said()[-1] == "stock-short.v1"
    assert (await stocked.http.get("/stock/tea")).json() == _row("tea", 5, 0, 0, 5)


async def test_recount_tells_what_differs(stocked: Shop, books: Balances) -> None:
    await books.sweep_markers()
    await books.balances.update_all([_lose("tea", 1)])
    pieces = {"reserved": 0, "sold": 0, "received": 5}
    assert (await stocked.post("/stock/recount")).json() == {
        "products": 2,
        "differences": [
            {"product_id": "tea", "balance": {"available": 4, **pieces}, "ledger": {"available": 5, **pieces}}
        ],
    }


async def test_books_that_are_wrong_leave_the_wish_stored(stocked: Shop, books: Balances) -> None:
    await stocked.hear(reserve())
    await books.balances.update_all([_lose("cup", 1, "reserved")])
    await stocked.hear(dispatch())
    record = await stocked.engine.read(RESERVATIONS, ORDER)
    assert record is not None
    assert record.state is not None
    assert record.state.status == "dispatching"
    assert [said.topic for said in record.still_to_say() if said.wire == "move-stock"] == [None]


async def test_an_unknown_reservation(shop: Shop) -> None:
    answer = await shop.http.get("/reservations/nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-reservation")


def _lose(product: str, pieces: int, place: str = "available") -> Update:
    return Update({"_id": product}, {"$inc": {place: -pieces}})


async def test_the_stock_of_some_products(stocked: Shop) -> None:
    answer = await stocked.post("/stock/look", {"product_ids": ["tea", "nothing", "$gt"]})
    assert [(row["product_id"], row["available"]) for row in answer.json()["stock"]] == [
        ("tea", (await stocked.http.get("/stock/tea")).json()["available"])
    ]
    assert (await stocked.post("/stock/look", {"product_ids": []})).json() == {"stock": []}
    for wrong in ([{"$ne": ""}], ["x"] * 501, "tea", None):
        assert (await stocked.post("/stock/look", {"product_ids": wrong})).status_code == 422
