"""What is counted of refunds, and what is added up of those that are parked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.readings import Readings
from services.payment.accounts import PROBE_EVERY
from services.payment.figures import ParkedMoney, ShortBalances, count_refunds
from services.payment.parking import Parking
from services.payment.turnstile import NOT_ENOUGH
from tests.unit.payment.given import refund_document, refund_payment, watch_refund
from tests.unit.payment.provider import Provider
from tests.unit.payment.test_accounts import payment
from tests.unit.payment.test_engine import NOT_THERE, pay, shop_with
from tests.unit.payment.test_turnstile import send
from tests.unit.payment.turns import SHOP, Process, Time


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


async def test_a_balance_that_another_process_found_short_or_back_is_shown_as_it_is() -> None:
    """Each shows what stands, also one that has not sent a refund since, or was started since: an alert takes the most
    of them, and would stand for ever on what one of them saw last."""
    time = Time()
    one = Process(time)
    other = Process(time, one.accounts)

    async def shown(process: Process) -> float | None:
        readings = Readings(time.monotonic)
        ShortBalances(process.engine, lambda: [SHOP]).join(readings)
        await readings.take()
        return REGISTRY.get_sample_value("tuidan_payment_balance_short", {"shop": SHOP})

    assert [await shown(each) for each in (one, other)] == [0, 0]
    await send(one, NOT_ENOUGH)
    assert [await shown(each) for each in (one, other)] == [1, 1]
    time.seconds += PROBE_EVERY.total_seconds() + 1
    await send(other, "", "R-2")
    await other.settle()
    assert [await shown(each) for each in (one, other)] == [0, 0]


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
