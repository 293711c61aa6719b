"""What is counted of refunds, and what is added up of those that are parked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.readings import Readings
from services.payment.accounts import PROBE_EVERY
from services.payment.bills import day_of, day_range
from services.payment.figures import ComparedDays, ParkedMoney, ShortBalances, count_refunds
from services.payment.parking import Parking
from services.payment.reconciliation_record import Reconciliation, Sums, id_of
from services.payment.turnstile import NOT_ENOUGH
from tests.unit.payment.given import NOON, refund_document, refund_payment, watch_refund
from tests.unit.payment.provider import Provider
from tests.unit.payment.test_accounts import payment
from tests.unit.payment.test_engine import NOT_THERE, pay, shop_with
from tests.unit.payment.test_turnstile import send
from tests.unit.payment.turns import SHOP, Process, Time, Waiting


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def outcomes() -> dict[str, float]:
    words = ("accepted", "settled", "refused", "unknown", "parked")
    return {word: figure("tuidan_payment_refunds_total", outcome=word) for word in words}


async def test_a_refund_is_counted_once_however_often_it_is_asked_for(keys: Path) -> None:
    provider = Provider(keys)
    shop = shop_with(provider)
    count_refunds(shop.engine)
    before, fen = outcomes(), figure("tuidan_payment_settled_fen_total")
    await pay(shop)
    provider.script = [httpx.ReadTimeout("slow")]
    await shop.hear(refund_payment())
    await shop.hear(watch_refund())
    provider.script = [provider.refuses(*NOT_THERE), provider.says(200, refund_document("SUCCESS"))]
    await shop.later(timedelta(seconds=2))
    await shop.hear(refund_payment())
    changed = {word: count - before[word] for word, count in outcomes().items() if count != before[word]}
    assert changed == {"unknown": 1, "accepted": 1, "settled": 1}
    assert shop.told()[2:] == ["RefundAttempted", "RefundAccepted", "RefundSettled", "RefundAccepted"]
    (settled,) = [event for event in shop.events() if type(event).__name__ == "RefundSettled"]
    assert figure("tuidan_payment_settled_fen_total") - fen == settled.amount.amount_minor > 0  # type: ignore[attr-defined]


async def test_a_refund_that_arrives_before_anybody_watches_it_is_counted_once_too(keys: Path) -> None:
    """As most do that go to a balance: they arrive within seconds."""
    provider = Provider(keys)
    shop = shop_with(provider)
    count_refunds(shop.engine)
    before, fen = outcomes(), figure("tuidan_payment_settled_fen_total")
    await pay(shop)
    provider.script = [provider.says(200, refund_document("SUCCESS"))]
    await shop.hear(refund_payment())
    for _ in range(2):
        await shop.hear(watch_refund())
    assert outcomes()["settled"] - before["settled"] == 1
    assert figure("tuidan_payment_settled_fen_total") - fen == 4_000


async def test_a_balance_that_another_process_found_short_or_back_is_shown_as_it_is() -> None:
    """Each shows what stands, also one that has not sent a refund since, or was started since: an alert takes the most
    of them, and would stand for ever on what one of them saw last."""
    time = Time()
    one = Process(time)
    other = Process(time, one.accounts)

    async def shown(process: Process) -> float | None:
        readings = Readings(time.monotonic)
        ShortBalances(process.engine, Waiting(SHOP), lambda: [SHOP]).join(readings)
        await readings.take()
        return REGISTRY.get_sample_value("tuidan_payment_balance_short", {"shop": SHOP})

    assert [await shown(each) for each in (one, other)] == [0, 0]
    await send(one, NOT_ENOUGH)
    assert [await shown(each) for each in (one, other)] == [1, 1]
    time.seconds += PROBE_EVERY.total_seconds() + 1
    await send(other, "", "R-2")
    await other.settle()
    assert [await shown(each) for each in (one, other)] == [0, 0]


def day_record(shop: str, day: date, *, compared: bool, **more: Any) -> dict[str, Any]:
    """A day's reconciliation as the store keeps it."""
    state = Reconciliation(
        reconciliation_id=id_of(shop, day),
        shop=shop,
        day=day.isoformat(),
        status="done" if compared else "failed",
        started_by="nightly",
        started_at=NOON,
        sums=Sums() if compared else None,
    ).model_copy(update=more)
    return {"_id": id_of(shop, day), "state": state.model_dump()}


@pytest.fixture(params=["memory", "real"])
async def shelf(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """A database in memory, and a real one."""
    if request.param == "memory":
        yield MemoryDatabase()
    else:
        opened = Database(request.getfixturevalue("mongo_url"), "payment_figures")
        yield opened
        await opened.close()


@pytest.mark.real
async def test_a_balance_that_no_refund_waits_for_is_called_short_to_nobody(shelf: Any) -> None:
    """The one that was tried got through and its answer was lost: no other comes to tell that there is money again."""
    payments = shelf.collection("payments_of_two_shops")
    process = Process(Time())
    await Parking(process.engine, process.turnstile, payments).prepare()
    await payments.insert_new([payment("order-1", SHOP, "accepted"), payment("order-2", "shop-2", "parked")])
    await send(process, NOT_ENOUGH)
    short = ShortBalances(process.engine, payments, lambda: [SHOP, "shop-2"])
    assert await short.look() == {(SHOP,): 0, ("shop-2",): 0}
    await payments.insert_new([payment("order-3", SHOP, "parked")])
    assert await short.look() == {(SHOP,): 1, ("shop-2",): 0}


@pytest.mark.real
async def test_parked_money_is_added_up_from_the_index_of_parked_refunds(shelf: Any) -> None:
    database = shelf
    payments = database.collection("payments")
    process = Process(Time())
    await Parking(process.engine, process.turnstile, payments).prepare()
    await payments.insert_new(
        [
            payment("order-1", SHOP, "parked"),
            payment("order-2", SHOP, "settled", "parked", "parked"),
            payment("order-3", "shop-2", "parked"),
            *(payment(f"other-{n}", SHOP, "settled") for n in range(100)),
        ]
    )
    money = ParkedMoney(payments, lambda: [SHOP, "shop-2", "shop-3"])
    if isinstance(database, Database):
        await database._database.command({"profile": 2})
    assert await money.look() == {(SHOP,): 300.0, ("shop-2",): 100.0, ("shop-3",): 0.0}
    if isinstance(database, Database):
        await database._database.command({"profile": 0})
        noted = database._database["system.profile"].find({"ns": f"{database._database.name}.payments"})
        plans = [(one["planSummary"], one["docsExamined"]) for one in await noted.to_list(None) if "planSummary" in one]
        assert plans == [("IXSCAN { state.shop: 1, _id: 1 }", 3)]


@pytest.mark.real
async def test_the_last_day_that_was_compared_is_looked_up_and_an_old_day_compared_again_changes_nothing(
    shelf: Any,
) -> None:
    """A process that was started since, or has compared another day by hand, says the same."""
    days = shelf.collection("reconciliations")
    first = date(2026, 11, 1)
    compared = [day_record("", first + timedelta(days=n), compared=True) for n in (3, 4, 0)]
    await days.insert_new(
        [
            *compared,
            day_record("", first + timedelta(days=5), compared=False),
            day_record("tea", first + timedelta(days=1), compared=False),
            day_record("tea", first + timedelta(days=2), compared=False),
            day_record("tea-2", first + timedelta(days=9), compared=True),
        ]
    )
    shown = await ComparedDays(days, lambda: ["", "tea", "new"], lambda: NOON).look()
    assert shown == {
        ("",): day_range(first + timedelta(days=4))[0].timestamp(),
        ("tea",): day_range(first)[0].timestamp(),
    }, "a shop whose bills can never be had is behind, too"


@pytest.mark.real
async def test_a_day_that_nobody_tries_any_more_is_counted_until_it_is_compared_or_has_no_bill(shelf: Any) -> None:
    days = shelf.collection("reconciliations")
    today = day_of(NOON)
    over = {"finished_at": NOON}
    await days.insert_new(
        [
            day_record("", today - timedelta(days=5), compared=False, status="unreadable", **over),
            day_record("", today - timedelta(days=4), compared=False, **over),
            day_record("", today - timedelta(days=3), compared=False),  # is tried again
            day_record("", today - timedelta(days=2), compared=True, status="unreadable", **over),
            day_record("", today - timedelta(days=1), compared=True, **over),
            day_record("", today - timedelta(days=91), compared=False, **over),
            day_record("tea", today - timedelta(days=90), compared=False, **over),
            day_record("tea-2", today - timedelta(days=1), compared=False, **over),
        ]
    )
    compared = ComparedDays(days, lambda: ["", "tea", "new"], lambda: NOON)
    assert await compared.given_up() == {("",): 2, ("tea",): 1, ("new",): 0}
