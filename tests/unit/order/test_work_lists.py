"""The lists of what needs somebody: what they show, page by page, and from which index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.problem import Problem
from chassis.record import Record
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.views import OrderViews
from services.order.work import WorkList, work_of
from services.order.work_lists import LISTS, WorkLists
from tests.unit.order.crowd import records
from tests.unit.order.test_bulk import stands
from tests.unit.order.test_order_lists import stages
from tests.unit.order.test_work import STORIES
from tests.unit.order.told import START

EACH = 7
Lists = tuple[Any, WorkLists]


def orders() -> list[Order]:
    """Some orders of every story, which all began to wait in the same moment."""
    stories = enumerate(story for story, _ in STORIES.values())
    return [stands(story(), f"s{place:02}n{number}") for place, story in stories for number in range(EACH)]


@pytest.fixture(params=["motor", "memory"])
async def lists(request: pytest.FixtureRequest) -> AsyncIterator[Lists]:
    """The lists over many orders, in a real database and in memory."""
    real = request.param == "motor"
    database: Any = MemoryDatabase()
    if real:
        database = Database(request.getfixturevalue("mongo_url"), f"work_{request.node.name}"[:38].partition("[")[0])
    store, works = database.store(ORDERS), WorkLists(database.collection("orders"), database.keeping(ORDERS))
    await store.prepare()
    await works.prepare()
    await store.save([Record(str(order.order_id), state=order) for order in orders()])
    await store.save(list(records(300)))
    yield database, works
    if real:
        await database.close()


async def every(works: WorkLists, name: WorkList, limit: int = 4) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = await works.page(name, after=after, limit=limit, now=START + timedelta(days=1))
        found += page["cases"]
        if page["next"] is None:
            return found
        after = page["next"]


@pytest.mark.real
@pytest.mark.parametrize("name", LISTS)
async def test_a_list_has_every_case_once_the_longest_wait_first(lists: Lists, name: WorkList) -> None:
    crowd = [one.state for one in records(300) if one.state is not None]
    works = [work for order in [*orders(), *crowd] for work in work_of(order) if work.list == name]
    found = await every(lists[1], name)
    assert sorted(one["case_id"] for one in found) == sorted(work.case.case_id for work in works)
    assert [one["since"] for one in found] == sorted(one["since"] for one in found)
    assert len(works) >= EACH
    assert {one["list"] for one in found} == {name}
    assert all(one["age_seconds"] > 0 for one in found)


@pytest.mark.real
async def test_pages_stay_while_cases_come_and_go(lists: Lists) -> None:
    database, works = lists
    first = await works.page("person", after="", limit=3, now=START)
    ids = [one["order_id"] for one in first["cases"]]
    await database.collection("orders").delete({"_id": {"$in": ids}})
    rest: list[str] = []
    after = first["next"]
    while after is not None:
        page = await works.page("person", after=after, limit=3, now=START)
        rest += [one["order_id"] for one in page["cases"]]
        after = page["next"]
    assert not set(ids) & set(rest)
    assert len({*ids, *rest}) == len(ids) + len(rest)


@pytest.mark.parametrize("after", ["x", "MS4xLg", "!!!!", "é"])
async def test_a_wrong_cursor_is_told_what_to_do(after: str) -> None:
    database: Any = MemoryDatabase()
    works = WorkLists(database.collection("orders"), database.keeping(ORDERS))
    with pytest.raises(Problem) as told_why:
        await works.page("stuck", after=after, limit=1, now=START)
    assert told_why.value.code == "wrong-cursor"


@pytest.mark.real
@pytest.mark.parametrize("lists", ["motor"], indirect=True)
async def test_no_list_reads_more_than_it_shows(lists: Lists) -> None:
    database, works = lists
    raw = database._database
    views = OrderViews(database.collection("orders"), None, None, database.keeping(ORDERS))  # type: ignore[arg-type]
    await views.prepare()
    await raw.create_collection("system.profile", capped=True, size=16 * 1024 * 1024)
    await raw.command({"profile": 2})
    try:
        for name in LISTS:
            await every(works, name)
        for status in (None, "open", "completed"):
            for after in ("", "o00100"):
                await views.cases(status=status, after=after, limit=5)
        noted = await raw["system.profile"].find({"op": "query", "command.find": "orders"}).to_list(None)
    finally:
        await raw.command({"profile": 0})
    assert len(noted) >= 2 * len(LISTS) + 6
    for query in noted:
        seen = set(stages(query["execStats"]))
        assert "IXSCAN" in seen, seen
        assert not seen & {"COLLSCAN", "SORT"}, (seen, query["command"]["filter"])
        # What began to wait in the very moment where the page before ended is looked at once more.
        assert query["docsExamined"] <= query["nreturned"] + EACH, query["command"]["filter"]
