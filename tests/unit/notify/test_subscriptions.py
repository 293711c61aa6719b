"""What a customer's page is told about the messages they still take."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

import pytest

from chassis.mongo import Database
from chassis.projection import Document
from services.notify.quota import Fact
from services.notify.subscriptions import FACTS_MAX, NAME, TEMPLATES_MAX, Subscriptions
from tests.support.fixtures import database, mongo_driver, mongo_url
from tests.unit.notify.ledger import Shelf
from tests.unit.notify.story import NOW
from tests.unit.notify.test_pushes import Door, door

__all__ = ["database", "door", "mongo_driver", "mongo_url"]


async def taps(door: Door, *answers: tuple[str, str], openid: str = "o-abc") -> None:
    for number, (template, answer) in enumerate(answers):
        body = {"openid": openid, "request_id": f"tap-{number}", "answers": {template: answer}}
        assert (await door.http.post("/subscriptions", json=body)).status_code == 200


async def left(door: Door, openid: str = "o-abc") -> list[tuple[str, int, str]]:
    shown = (await door.http.get("/subscriptions", params={"openid": openid})).json()["templates"]
    return [(one["template_id"], one["left"], one["closed_by"]) for one in shown]


async def test_what_is_left_of_each_template_of_one_customer(door: Door) -> None:
    await taps(door, ("t-2", "reject"), ("t-1", "accept"), ("t-1", "accept"), ("t-3", "filter"))
    await taps(door, ("t-9", "accept"), openid="o-other")
    assert await left(door) == [("t-1", 2, ""), ("t-2", 0, "reject")]
    assert await left(door, "o-nobody") == []


@pytest.mark.parametrize("answer", ["acceptWithAudio", "acceptWithAlert", "acceptWithForcePush"])
async def test_an_accept_with_more_to_it_is_an_accept(door: Door, answer: str) -> None:
    await taps(door, ("t-1", answer))
    assert await left(door) == [("t-1", 1, "")]


async def test_whose_it_is_must_be_said(door: Door) -> None:
    for query in ({}, {"openid": ""}, {"openid": "x" * 129}):
        assert (await door.http.get("/subscriptions", params=query)).status_code == 422


async def test_a_long_history_is_read_in_part() -> None:
    shelf = Shelf()
    subscriptions = Subscriptions(shelf)
    many = FACTS_MAX * TEMPLATES_MAX + 5
    await subscriptions.note(
        Fact(id=f"{n:05}", openid="o", template_id="t", what="accept", source="page", at=NOW + timedelta(hours=n))
        for n in range(many)
    )
    assert (await subscriptions.quotas("o"))["t"] == await subscriptions.quota("o", "t")


async def test_facts_that_come_at_once_are_written_together() -> None:
    class Counted(Shelf):
        sizes: list[int]

        async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]:
            wanted = list(documents)
            self.sizes.append(len(wanted))
            return await super().insert_new(wanted)

    shelf = Counted()
    shelf.sizes = []
    subscriptions = Subscriptions(shelf)
    facts = [Fact(id=f"{n}", openid=f"o-{n}", template_id="t", what="sent", source="send", at=NOW) for n in range(9)]
    await asyncio.gather(*(subscriptions.note([fact]) for fact in facts))
    assert shelf.sizes == [9]
    assert [(await subscriptions.quota(f"o-{n}", "t")).left for n in (0, 8)] == [0, 0]


@pytest.mark.real
async def test_it_is_read_by_an_index(database: Database) -> None:
    collection = database.collection(NAME)
    subscriptions = Subscriptions(collection)
    await subscriptions.prepare()
    await subscriptions.note(
        Fact(id=f"{n}", openid=f"o{n % 50}", template_id="t", what="accept", source="page", at=NOW) for n in range(500)
    )
    await database._database.command({"profile": 2})
    found = await subscriptions.quotas("o7")
    await database._database.command({"profile": 0})
    assert found["t"].left == 10
    (query,) = await database._database["system.profile"].find({"op": "query"}).to_list(None)
    assert "COLLSCAN" not in query["planSummary"]
    assert query["docsExamined"] == 10
    assert not query.get("hasSortStage")
