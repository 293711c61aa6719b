"""Figures on a real database: events in, sums out, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chassis import clock, problem
from chassis.engine import Engine
from chassis.mongo import Database
from chassis.record import Heard
from contracts.message import Event
from services.analytics.api import router
from services.analytics.projections import PROJECTIONS
from services.analytics.views import Figures
from tests.unit.analytics.shop import STORY, accepted, placed, released, settled, undone

pytestmark = pytest.mark.real


class Nowhere:
    """Analytics says nothing."""

    async def send(self, *record: Any) -> Awaitable[object]:
        raise AssertionError(record)


class Office:
    """The service without Kafka: hears events, is asked over HTTP."""

    def __init__(self, database: Database) -> None:
        projections = {projection: database.collection(projection.name) for projection in PROJECTIONS}
        self._engine = Engine("analytics", {}, Nowhere(), clock.now, projections=projections)
        app = FastAPI()
        problem.install(app)
        app.include_router(router(Figures(database)))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://analytics")

    async def hears(self, events: Sequence[Event]) -> None:
        """All at once, as a batch comes."""
        heard = [Heard(event, f"event-{number}", clock.now()) for number, event in enumerate(events)]
        await asyncio.gather(*(self._engine.hear(one) for one in heard))

    async def rows(self, figure: str, by: str) -> list[tuple[Any, ...]]:
        """key, count, quantity, amount_minor"""
        answer = (await self.http.get(f"/figures/{figure}", params={"by": by})).raise_for_status().json()
        assert answer["by"] == by
        return [tuple(row[name] for name in ("key", "count", "quantity", "amount_minor")) for row in answer["rows"]]


@pytest.fixture
async def office(database: Database) -> AsyncIterator[Office]:
    office = Office(database)
    yield office
    await office.http.aclose()


EXPECTED: dict[tuple[str, str], list[tuple[Any, ...]]] = {
    ("orders", "month"): [("2025-01", 1, 4, 80_00), ("2025-02", 2, 4, 80_00)],
    ("orders", "product"): [("lamp", 2, 2, 100_00), ("mug", 2, 6, 60_00)],
    ("orders", "category"): [("cups", 2, 6, 60_00), ("light", 2, 2, 100_00)],
    ("orders", "group"): [("new", 2, 4, 80_00), ("vip", 1, 4, 80_00)],
    ("cancellations", "month"): [("2025-01", 1, 4, 80_00), ("2025-02", 1, 1, 50_00)],
    ("cancellations", "product"): [("lamp", 2, 2, 100_00), ("mug", 1, 3, 30_00)],
    ("cancellations", "reason"): [("changed-mind", 2, 5, 130_00)],
    ("cancellations", "family"): [("customer", 2, 5, 130_00)],
    ("cancellations", "group"): [("new", 1, 1, 50_00), ("vip", 1, 4, 80_00)],
    ("refunds", "month"): [("2025-01", 1, 4, 80_00), ("2025-02", 1, 1, 50_00)],
    ("refunds", "product"): [("lamp", 2, 2, 100_00), ("mug", 1, 3, 30_00)],
    ("refunds", "reason"): [("changed-mind", 2, 5, 130_00)],
    ("refunds", "group"): [("new", 1, 1, 50_00), ("vip", 1, 4, 80_00)],
    ("refund-attempts", "outcome"): [("unknown", 2, 0, 0)],
    ("refund-attempts", "provider_code"): [("SYSTEM_ERROR", 2, 0, 0)],
    ("stock-returns", "product"): [("lamp", 1, 1, 0), ("mug", 1, 3, 0)],
}


async def test_every_figure_backwards_and_twice(office: Office) -> None:
    await office.hears([*reversed(STORY), *STORY])
    found = {(figure, by): await office.rows(figure, by) for figure, by in EXPECTED}
    assert found == EXPECTED


async def test_topics_that_are_read_once_more_change_no_figure_at_any_moment(office: Office) -> None:
    await office.hears(STORY)
    for event in STORY:
        await office.hears([event])
        assert {(figure, by): await office.rows(figure, by) for figure, by in EXPECTED} == EXPECTED


async def test_notices(office: Office) -> None:
    await office.hears([*STORY, *STORY])
    answer = (await office.http.get("/figures/notices")).json()
    assert answer == {"by_outcome": {"refund-arrived": {"inbox": 1, "wechat": 1}}}


async def test_nothing_heard_yet(office: Office) -> None:
    for figure, by in EXPECTED:
        assert await office.rows(figure, by) == []
    assert (await office.http.get("/figures/notices")).json() == {"by_outcome": {}}


async def test_a_refund_of_a_case_never_heard_of(office: Office) -> None:
    await office.hears([settled("case-9", "order-9", 7_00)])
    assert await office.rows("refunds", "reason") == [("unknown", 1, 0, 7_00)]
    assert await office.rows("refunds", "product") == [("unknown", 1, 0, 7_00)]
    assert await office.rows("refunds", "month") == [("2025-02", 1, 0, 7_00)]


async def test_exchanged_goods_came_back_from_no_case(office: Office) -> None:
    await office.hears([released("o-1-x1", "o-1", [("mug", 2)]).model_copy(update={"exchanged": True})])
    assert await office.rows("stock-returns", "product") == []


async def test_goods_that_an_order_got_back_are_no_returns(office: Office) -> None:
    """Its refund failed after all: what its case had released was taken from the shelf again."""
    case = accepted("case-2", "order-2", [("mug", 3, 30_00)])
    await office.hears([case, released("case-2", "order-2", [("mug", 3)])])
    assert await office.rows("stock-returns", "product") == [("mug", 1, 3, 0)]
    await office.hears([undone("case-2", "order-2")])
    assert await office.rows("stock-returns", "product") == []


async def test_an_order_of_a_thousand_lines(office: Office) -> None:
    event = placed("order-1", [(f"p-{number:04}", "cups", 1, 1_00) for number in range(1_000)])
    await office.hears([event, event])
    assert await office.rows("orders", "category") == [("cups", 1, 1_000, 1_000_00)]


@pytest.mark.parametrize("by", ["", "weather", "quantity"])
async def test_an_unknown_breakdown_lists_the_known_ones(office: Office, by: str) -> None:
    answer = await office.http.get("/figures/orders", params={"by": by})
    assert answer.status_code == 422
    assert answer.json()["allowed"] == ["month", "product", "category", "group"]
    assert answer.json()["code"] == "unknown-breakdown"


async def test_an_unknown_figure(office: Office) -> None:
    answer = await office.http.get("/figures/weather", params={"by": "month"})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-figure")


RATINGS = {
    "stars": [("1", 1, 1), ("3", 1, 3), ("5", 1, 5)],
    "reason": [("changed-mind", 2, 8), ("out-of-stock", 1, 1)],
    "month": [("2025-01", 1, 5), ("2025-02", 2, 4)],
    "group": [("vip", 3, 9)],
    "answer": [("again=yes", 2, 8), ("kept=later", 1, 5)],
}


@pytest.mark.parametrize("by", RATINGS)
async def test_ratings(office: Office, by: str) -> None:
    """Count and sum of the stars, so that averages can be made of any of them together."""
    await office.hears([*STORY, *reversed(STORY)])
    rows = (await office.http.get("/figures/ratings", params={"by": by})).raise_for_status().json()["rows"]
    assert [(row["key"], row["count"], row["stars"]) for row in rows] == RATINGS[by]


SAVED = {
    "kind": [("exchange", 1), ("later-delivery", 1)],
    "month": [("2025-01", 1), ("2025-02", 1)],
    "group": [("vip", 2)],
}


@pytest.mark.parametrize("by", SAVED)
async def test_saved_orders(office: Office, by: str) -> None:
    """Two alternatives of one order save one order; what was cancelled later was not saved."""
    await office.hears([*STORY, *reversed(STORY)])
    rows = (await office.http.get("/figures/saved-orders", params={"by": by})).raise_for_status().json()["rows"]
    assert [(row["key"], row["count"]) for row in rows] == SAVED[by]
