"""What the last recount found is shown by every process alike, whoever made it and however long ago."""

from __future__ import annotations

import asyncio
import math
from datetime import UTC, datetime

import pytest
from prometheus_client import REGISTRY

from chassis.memory_database import MemoryDatabase
from chassis.projection import Update
from chassis.readings import Readings
from services.inventory import recount as recounting
from services.inventory.balances import Balances
from services.inventory.recount import Recount, Recounts, recount
from tests.support.waiting import give_way

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Process:
    """A process of the service on the same database as others."""

    def __init__(self, database: MemoryDatabase) -> None:
        self.books = Balances(database.collection("balances"), database.collection("ledger"), lambda: AT)
        self.recounts = Recounts(self.books, database.collection("recounts"))

    async def shows(self, figure: str = "different") -> float:
        # All processes of this test share one registry: each looks anew before it is read.
        readings = Readings()
        self.recounts.join(readings)
        await readings.take()
        found = REGISTRY.get_sample_value(f"tuidan_stock_{figure}_products")
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
    assert [await each.shows("recounted") for each in (one, other)] == [2, 2]


async def test_a_recount_that_finds_what_the_last_one_found_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    database = MemoryDatabase()
    shop = Process(database)
    await shop.books.open(["tea"])
    await shop.recounts.make()
    written: list[object] = []

    async def update_all(updates: object) -> None:
        written.append(updates)

    monkeypatch.setattr(shop.recounts._kept, "update_all", update_all)
    await shop.recounts.make()
    assert written == []
    await shop.books.open(["cup"])
    await shop.recounts.make()
    assert len(written) == 1


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
