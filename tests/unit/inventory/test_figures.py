"""What the last recount found, and when, is shown by every process alike, whoever made it and however long ago."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from chassis import clock
from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.memory_database import MemoryCollection, MemoryDatabase
from chassis.mongo import Database
from chassis.projection import Document, Update
from chassis.readings import Readings
from chassis.service import Parts
from chassis.store import StoreUnavailable
from services.inventory import recount as recounting
from services.inventory.balances import Balances, Documents
from services.inventory.handlers import RESERVATIONS
from services.inventory.main import wire
from services.inventory.receiving import PRODUCTS, RECEIPTS
from services.inventory.recount import Recount, Recounts, recount
from services.inventory.settings import InventorySettings
from tests.support.waiting import give_way, within
from tests.unit.inventory.performers import coming_in

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Process:
    """A process of the service on the same database as others."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.now = AT
        self.books = Balances(database.collection("balances"), database.collection("ledger"), lambda: self.now)
        self.recounts = Recounts(self.books, database.collection("recounts"))

    async def shows(self, figure: str = "different_products") -> float:
        # All processes of this test share one registry: each looks anew before it is read.
        readings = Readings()
        self.recounts.join(readings)
        await readings.take()
        found = REGISTRY.get_sample_value(f"tuidan_stock_{figure}")
        assert found is not None
        return found


async def test_a_difference_that_another_process_found_or_found_gone_is_shown_as_it_is() -> None:
    database = MemoryDatabase()
    one, other = Process(database), Process(database)
    assert math.isnan(await one.shows()), "nobody has looked"
    await one.books.open(["tea", "cup"])
    await one.books.balances.update_all([Update({"_id": "tea"}, {"$inc": {"available": 1}})])
    assert len((await one.recounts.make()).differences) == 1
    assert [await each.shows() for each in (one, other, Process(database))] == [1, 1, 1]
    await one.books.balances.update_all([Update({"_id": "tea"}, {"$inc": {"available": -1}})])
    await other.recounts.make()
    assert [await each.shows() for each in (one, other, Process(database))] == [0, 0, 0]
    assert [await each.shows("recounted_products") for each in (one, other)] == [2, 2]


async def test_when_the_last_recount_ended_is_shown_by_every_process() -> None:
    database = MemoryDatabase()
    one, other = Process(database), Process(database)
    assert math.isnan(await one.shows("last_recount_timestamp_seconds"))
    await one.recounts.make()
    one.now = other.now = AT + timedelta(hours=1)
    await other.recounts.make()  # it finds what the last one found
    shown = [await each.shows("last_recount_timestamp_seconds") for each in (one, other, Process(database))]
    assert shown == [one.now.timestamp()] * 3


@pytest.mark.parametrize("known", [None, {"products": 1, "different": 0}])  # nothing; what an older version kept
async def test_recounts_that_never_end_are_seen_by_when_the_first_was_begun(
    monkeypatch: pytest.MonkeyPatch, known: Mapping[str, int] | None
) -> None:
    database = MemoryDatabase()
    if known:
        last = database.collection("recounts")
        await last.update_all([Update({"_id": "last"}, {"$set": known}, upsert=True)])
    shop = Process(database)

    async def away(books: Balances) -> Recount:
        raise StoreUnavailable("away")

    monkeypatch.setattr(recounting, "recount", away)
    for hours in (0, 1, 2):
        shop.now = AT + timedelta(hours=hours)
        with pytest.raises(StoreUnavailable):
            await shop.recounts.make()
    assert await shop.shows("last_recount_timestamp_seconds") == AT.timestamp()
    assert math.isnan(await shop.shows("recounted_products")) is (known is None)


async def test_a_process_recounts_soon_after_its_start_and_then_every_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is started anew each half hour recounts all the same."""
    database, pauses, asleep = MemoryDatabase(), list[float](), asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if seconds == 3600:
            asleep.set()
        if seconds != 60:
            await asyncio.Event().wait()

    monkeypatch.setattr(clock, "pause", pause)
    stores = {aggregate: MemoryStore(aggregate) for aggregate in (RESERVATIONS, RECEIPTS, PRODUCTS)}
    engine = Engine("inventory", dict(stores), MemoryBroker(), lambda: AT)
    settings = InventorySettings(http_port=1, kafka="memory", mongo="mongodb://localhost")
    async with wire(settings, Parts(engine, cast(Database, database))):
        await within(asleep, "the pause behind the first recount")
        assert sorted(pauses) == [30, 60, 3600]
        assert await database.collection("recounts").find({"different": 0})


class InTime:
    """A ledger of which the database adds up so many lines at once before its time is over."""

    def __init__(self, ledger: Documents, lines: int) -> None:
        self._ledger = ledger
        self._lines = lines

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def aggregate(self, pipeline: Sequence[Document]) -> list[dict[str, Any]]:
        if "$match" in pipeline[0] and len(await self._ledger.find(pipeline[0]["$match"])) > self._lines:
            raise StoreUnavailable("adding up took too long")
        return await self._ledger.aggregate(pipeline)


async def test_a_recount_ends_however_many_products_there_are() -> None:
    books = Process(MemoryDatabase()).books
    for number in range(12):
        await books.move([coming_in(f"p-{number}", f"r-{number}-{line}", 1) for line in range(5)])
    await cast(MemoryCollection, books.balances).delete({"_id": {"$in": ["p-3", "p-4"]}})
    books.ledger = cast(Documents, InTime(books.ledger, 5))
    found = await recount(books)
    assert (found.products, [one.product_id for one in found.differences]) == (12, ["p-3", "p-4"])


async def test_who_asks_while_a_recount_is_under_way_waits_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Process(MemoryDatabase())
    begun, go_on, running = 0, asyncio.Event(), 0

    async def slowly(books: Balances) -> Recount:
        nonlocal begun, running
        begun, running = begun + 1, running + 1
        assert running == 1, "one at a time"
        await go_on.wait()
        running -= 1
        return await recount(books)

    monkeypatch.setattr(recounting, "recount", slowly)
    first = asyncio.create_task(shop.recounts.make())
    await give_way()
    await shop.books.open(["tea"])
    others = [asyncio.create_task(shop.recounts.make()) for _ in range(20)]
    await give_way()
    assert begun == 1
    go_on.set()
    assert [(await one).products for one in (first, *others)] == [1] * 21
    assert begun == 2, "one for all who asked meanwhile"
