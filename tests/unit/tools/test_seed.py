"""Seeded orders are those that the order service would have stored, and a run that was cut goes on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from chassis.keeping import Keeping
from chassis.mongo import Database
from chassis.personal import Ring, WrongKeyFile, make_first_keys
from services.order.handlers import ORDERS
from tests.support.fixtures import mongo_url
from tools.bench.orders import Asker
from tools.seed.orders import Plan, Writer, fill, order_id, seeded
from tools.seed.shop import customer

__all__ = ["mongo_url"]

COUNT = 300


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    make_first_keys(tmp_path)
    return Plan(7, COUNT, datetime(2026, 11, 1, tzinfo=UTC), tmp_path)


def test_a_seeded_order_is_what_the_service_would_have_stored(plan: Plan) -> None:
    keeping, writer = Keeping(ORDERS, Ring(plan.keys)), Writer(plan)
    states = set()
    for number in range(COUNT):
        document = writer.document(number)
        assert keeping.anew(document) is None, "sealed and found as by the store itself"
        record = keeping.record(document)
        assert record.state is not None
        assert record.state.order_id == record.id == order_id(7, number)
        assert record.wake_at is None
        states.add((record.state.state, tuple(case.status for case in record.state.cases)))
        text = json.dumps(document, default=str, ensure_ascii=False)
        assert "@" not in text, "no hole is left"
        assert "2000-01-" not in text
        assert record.state.contact.phone not in text
        assert all(said.cause != said.id for entry in record.journal for said in entry.said)
    assert states == {("completed", ()), ("cancelled", ("completed",)), ("completed", ("completed",))}


def test_the_same_seed_is_the_same_shop(plan: Plan) -> None:
    def plain(writer: Writer, number: int) -> Any:
        record = Keeping(ORDERS, Ring(plan.keys)).record(writer.document(number))
        return record.state, [entry.heard for entry in record.journal]

    assert plain(Writer(plan), 5) == plain(Writer(plan), 5) != plain(Writer(plan), 6)
    assert customer(7, 1) == customer(7, 1) != customer(8, 1)
    dates = [Writer(plan).document(number)["state"]["placed_at"] for number in (0, 150, 299)]
    assert dates == sorted(dates)


def test_nothing_is_seeded_without_keys(tmp_path: Path) -> None:
    with pytest.raises(WrongKeyFile):
        Writer(Plan(7, 1, datetime(2026, 11, 1, tzinfo=UTC), tmp_path))


@pytest.mark.real
async def test_a_run_that_was_cut_goes_on(plan: Plan, mongo_url: str) -> None:
    database = Database(mongo_url, "tuidan_seed")
    orders = database.collection(ORDERS.name)

    class Cut(Exception):
        pass

    def cut(done: int) -> None:
        if done >= 40:
            raise Cut

    with pytest.raises(Cut):
        await fill(orders, plan, 1, cut, batch=20)
    assert await seeded(orders, 7) == 40
    told: list[int] = []
    assert await fill(orders, plan, 1, told.append, batch=20) == (20, COUNT)
    assert (told[0], told[-1]) == (40, COUNT)
    assert await orders.count({}) == await seeded(orders, 7) == COUNT
    await database.close()


def test_questions_are_those_of_customers_and_staff() -> None:
    asker = Asker(7, COUNT, "staff", {"c000001": "hers"})
    asked = [asker.question() for _ in range(500)]
    assert {one.kind for one in asked} > {"mine", "all, name", "all, number", "mine, goods"}
    assert all((one.token == "hers") == one.path.startswith("/mp/") for one in asked)
    asker.heard("all, newest", b'{"next": "end-of-it"}')
    assert any("after=end-of-it" in asker.question().path for _ in range(500))
