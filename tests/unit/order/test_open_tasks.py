"""The list of open tasks and their number: what they say, and that they read no more than the orders with one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.record import Record
from contracts.message import CaseId
from services.order.handlers import ORDERS
from services.order.model import Order, Task
from services.order.views import OrderViews
from tests.unit.order.crowd import records
from tests.unit.order.told import START

COUNT = 300


def orders() -> list[Order]:
    """One in thirty has an open task, one in thirty two that are done, one in thirty one of each."""
    found = [one.state for one in records(COUNT) if one.state is not None]
    some: dict[int, tuple[bool, ...]] = {0: (False,), 10: (True, True), 20: (True, False)}
    return [
        order.model_copy(update={"tasks": tuple(_task(order, n, done) for n, done in enumerate(some[number % 30]))})
        if number % 30 in some
        else order.model_copy(update={"tasks": ()})
        for number, order in enumerate(found)
    ]


def _task(order: Order, number: int, done: bool) -> Task:
    return Task(
        task_id=f"{order.order_id}-t{number}",
        case_id=CaseId(f"{order.order_id}-c1"),
        kind="refund-by-hand",
        zh="请核对",
        en="Please look",
        raised_at=START,
        done_at=START if done else None,
    )


@pytest.fixture(params=["motor", "memory"])
async def views(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Any, OrderViews]]:
    """Over many orders, in a real database and in memory."""
    real = request.param == "motor"
    database: Any = MemoryDatabase()
    if real:
        database = Database(request.getfixturevalue("mongo_url"), f"tasks_{request.node.name}"[:38].partition("[")[0])
    store = database.store(ORDERS)
    await store.prepare()
    orders_, products, coupons = (database.collection(name) for name in ("orders", "products", "coupons"))
    found = OrderViews(orders_, products, coupons, database.keeping(ORDERS))
    await found.prepare()
    await store.save([Record(str(order.order_id), state=order) for order in orders()])
    yield database, found
    if real:
        await database.close()


@pytest.mark.real
async def test_every_open_task_is_listed_once_page_by_page(views: tuple[Any, OrderViews]) -> None:
    listed, after = list[str](), ""
    while True:
        page = await views[1].tasks(after=after, limit=3)
        listed += [task["task_id"] for task in page["tasks"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert listed == sorted(task.task_id for order in orders() for task in order.tasks if task.done_at is None)
    assert len(listed) == COUNT // 30 * 2
    assert (await views[1].summary())["open_tasks"] == len(listed)


async def test_the_book_is_added_up_by_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    database: Any = MemoryDatabase()
    orders_, products, coupons = (database.collection(name) for name in ("orders", "products", "coupons"))
    views, begun = OrderViews(orders_, products, coupons, database.keeping(ORDERS)), asyncio.Event()
    under_way, most, scans = 0, 0, 0

    async def aggregate(stages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal under_way, most, scans
        under_way, scans = under_way + 1, scans + 1
        most = max(most, under_way)
        begun.set()
        await asyncio.sleep(0)
        under_way -= 1
        return []

    monkeypatch.setattr(orders_, "aggregate", aggregate)
    first = asyncio.create_task(views.summary())
    await begun.wait()
    later = await asyncio.gather(*(views.summary() for _ in range(20)))
    assert later == [await first] * 20
    assert (most, scans) == (1, 2 * 3), "one for the first, one that began after all the others had asked"


@pytest.mark.real
@pytest.mark.parametrize("views", ["motor"], indirect=True)
async def test_the_list_reads_no_more_than_it_shows(views: tuple[Any, OrderViews]) -> None:
    database, found = views
    raw = database._database
    await raw.create_collection("system.profile", capped=True, size=16 * 1024 * 1024)
    await raw.command({"profile": 2})
    try:
        await found.tasks(after="", limit=5)
        noted = await raw["system.profile"].find({"ns": f"{raw.name}.orders"}).to_list(None)
    finally:
        await raw.command({"profile": 0})
    (asked,) = (one for one in noted if "find" in one["command"])
    assert asked["planSummary"].startswith("IXSCAN { state.tasks.done_at"), asked["planSummary"]
    assert not asked.get("hasSortStage")
    assert asked["docsExamined"] <= 5
