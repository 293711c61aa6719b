"""The figures of all cases: how many in each state, since when the oldest, and from which index."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.record import Record
from services.order.figures import STATES, CaseFigures
from services.order.finding import open_since
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.work import work_since
from services.order.work_lists import LISTS, WorkLists
from tests.unit.order.crowd import records
from tests.unit.order.test_work_lists import orders
from tests.unit.order.told import START

LATER = START + timedelta(days=30)


def all_orders() -> list[Order]:
    return [*orders(), *(one.state for one in records(300) if one.state is not None)]


@pytest.fixture(params=["motor", "memory"])
async def figures(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Any, CaseFigures]]:
    """Over many orders, in a real database and in memory."""
    real = request.param == "motor"
    database: Any = MemoryDatabase()
    if real:
        database = Database(request.getfixturevalue("mongo_url"), f"figures_{request.node.name}"[:38].partition("[")[0])
    store, collection = database.store(ORDERS), database.collection("orders")
    await store.prepare()
    await WorkLists(collection, database.keeping(ORDERS)).prepare()
    found = CaseFigures(collection, lambda: LATER)
    await found.prepare()
    await store.save([Record(str(order.order_id), state=order) for order in all_orders()])
    yield database, found
    if real:
        await database.close()


def since() -> Mapping[str, list[Any]]:
    """Since when the orders stand in each state, as the orders themselves say."""
    found: dict[str, list[Any]] = {state: [] for state in STATES}
    for order in all_orders():
        for state, at in (("open", open_since(order)), *work_since(order).items()):
            if at is not None:
                found[state].append(at)
    return found


@pytest.mark.real
async def test_the_figures_are_what_the_orders_say(figures: tuple[Any, CaseFigures]) -> None:
    expected = since()
    assert all(len(ats) > 1 for ats in expected.values()), Counter({name: len(ats) for name, ats in expected.items()})
    assert await figures[1].counts() == {(state,): float(len(ats)) for state, ats in expected.items()}
    assert await figures[1].ages() == {(state,): (LATER - min(ats)).total_seconds() for state, ats in expected.items()}


async def test_of_no_case_the_age_is_nothing() -> None:
    database: Any = MemoryDatabase()
    empty = CaseFigures(database.collection("orders"), lambda: LATER)
    assert await empty.counts() == await empty.ages() == {(state,): 0.0 for state in ("open", *LISTS)}


@pytest.mark.real
@pytest.mark.parametrize("figures", ["motor"], indirect=True)
async def test_no_figure_reads_more_than_such_cases(figures: tuple[Any, CaseFigures]) -> None:
    database, found = figures
    raw, expected = database._database, since()
    await raw.create_collection("system.profile", capped=True, size=16 * 1024 * 1024)
    await raw.command({"profile": 2})
    try:
        await found.counts()
        await found.ages()
        noted = await raw["system.profile"].find({"ns": f"{raw.name}.orders"}).to_list(None)
    finally:
        await raw.command({"profile": 0})
    asked = [one for one in noted if "find" in one["command"] or "aggregate" in one["command"]]
    assert len(asked) == 2 * len(STATES)
    most = max(map(len, expected.values()))
    assert most < len(all_orders()) / 2
    for query in asked:
        assert query["planSummary"].startswith(("IXSCAN { found_by.", "COUNT_SCAN { found_by.")), query["planSummary"]
        assert not query.get("hasSortStage")
        assert query["keysExamined"] <= most + 1
        assert query["docsExamined"] <= (1 if "find" in query["command"] else most)
