"""A merchant's balance: short, probed, back. Pure rules first, then how parked refunds are found in a real database."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from chassis.mongo import Database
from contracts.message import Message, Money
from services.payment.accounts import (
    ACCOUNTS,
    PROBE_EVERY,
    PROBE_EVERY_AT_MOST,
    AlertBalance,
    BalanceFoundEnough,
    BalanceFoundShort,
    MerchantAccount,
    ProbeWanted,
    ResumeParked,
)
from services.payment.model import Payment, Refund
from services.payment.parking import Parking
from tests.unit.payment.given import CASE, NOON, number
from tests.unit.payment.turns import SHOP, Process, Time


class Account:
    """One merchant's account and the time, which moves only when told."""

    def __init__(self) -> None:
        self.now = NOON
        self.state: MerchantAccount | None = None

    def hear(self, message: Message, *, after: timedelta = timedelta()) -> list[Message]:
        self.now += after
        self.state, says = ACCOUNTS.handlers[type(message)](self.state, message, self.now)
        return list(says)

    def short(self, refund: str = "R-1", amount: int = 500) -> list[Message]:
        return self.hear(BalanceFoundShort(shop=SHOP, number=refund, amount_minor=amount))

    def probes(self, turn: str, *, after: timedelta = timedelta()) -> bool:
        """Whether this turn becomes the probe."""
        assert self.hear(ProbeWanted(shop=SHOP, number=f"R-{turn}", turn=turn), after=after) == []
        return self.state is not None and self.state.probe_turn == turn

    def enough(self) -> list[Message]:
        return self.hear(BalanceFoundEnough(shop=SHOP, number="R-1"))


def test_every_message_finds_its_account_by_the_shop() -> None:
    assert {ACCOUNTS.keys[message] for message in ACCOUNTS.handlers} == {"shop"}


def test_the_first_refund_that_is_not_paid_alerts_and_the_others_do_not() -> None:
    account = Account()
    assert account.short("R-1", 500) == [AlertBalance(shop=SHOP, number="R-1", amount_minor=500, since=NOON)]
    before = account.state
    assert account.short("R-2", 900) == []
    assert account.state is before


def test_one_probe_per_interval_and_each_interval_is_twice_as_long() -> None:
    account = Account()
    account.short()
    intervals = []
    for turn in range(8):
        assert account.state is not None
        assert account.state.probe_at is not None
        interval = account.state.probe_at - account.now
        assert not account.probes(f"early-{turn}", after=interval - timedelta(milliseconds=1))
        assert account.probes(f"due-{turn}", after=timedelta(milliseconds=1))
        assert not account.probes(f"late-{turn}")
        intervals.append(interval)
    assert intervals[0] == PROBE_EVERY
    assert intervals == sorted(intervals)
    assert intervals[1] == 2 * PROBE_EVERY
    assert intervals[-1] == PROBE_EVERY_AT_MOST


def test_nobody_is_the_probe_while_there_is_money() -> None:
    account = Account()
    assert not account.probes("t1")
    account.short()
    account.enough()
    assert not account.probes("t2", after=timedelta(days=1))


def test_a_probe_that_finds_nothing_begins_no_new_alarm() -> None:
    account = Account()
    account.short()
    assert account.probes("t1", after=PROBE_EVERY)
    assert account.short("R-t1") == []


def test_money_is_back_is_said_once() -> None:
    account = Account()
    account.short()
    assert account.enough() == [ResumeParked(shop=SHOP, short_since=NOON)]
    assert account.enough() == []


def test_the_next_shortage_alerts_again_and_starts_with_the_short_interval() -> None:
    account = Account()
    account.short()
    account.probes("t1", after=timedelta(hours=1))
    account.enough()
    (alert,) = account.short("R-9")
    assert isinstance(alert, AlertBalance)
    assert alert.since == account.now
    assert account.state is not None
    assert account.state.probe_at == account.now + PROBE_EVERY
    assert account.state.probe_turn == ""


# ── performing ───────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_the_alert_is_an_error_in_the_log() -> None:
    process = Process(Time())
    with capture_logs() as logs:
        await process.parking.alert(AlertBalance(shop=SHOP, number="R-1", amount_minor=500, since=NOON), 1)
    assert [(line["log_level"], line["shop"], line["amount_minor"]) for line in logs] == [("error", SHOP, 500)]


async def test_more_than_a_page_is_told_and_other_shops_are_not() -> None:
    process = Process(Time())
    process.parked.orders = {f"order-{n:04}": SHOP for n in range(450)} | {"order-of-others": "shop-2"}
    report = await process.parking.resume(ResumeParked(shop=SHOP, short_since=NOON), 1)
    await process.settle()
    assert report.payments == 450
    assert len(process.went_on) == 450
    assert "order-of-others" not in process.went_on


async def test_told_again_after_a_crash_nobody_goes_on_twice() -> None:
    process = Process(Time())
    process.parked.orders = {"order-1": SHOP}
    wish = ResumeParked(shop=SHOP, short_since=NOON)
    for attempt in (1, 2):
        await process.parking.resume(wish, attempt)
        await process.settle()
    assert process.went_on == {"order-1": 1}
    await process.parking.resume(wish.model_copy(update={"short_since": NOON + timedelta(hours=1)}), 1)
    await process.settle()
    assert process.went_on == {"order-1": 2}


def payment(order_id: str, shop: str, *statuses: Any) -> dict[str, Any]:
    """A payment as the store keeps it, with a refund in each of these states."""
    refunds = tuple(
        Refund(case_id=CASE, number=number(n), amount=Money(amount_minor=100), status=status)
        for n, status in enumerate(statuses, start=1)
    )
    state = Payment.model_validate({"order_id": order_id, "shop": shop, "refunds": refunds})
    return {"_id": order_id, "state": state.model_dump()}


@pytest.mark.real
async def test_parked_refunds_are_found_in_the_database_through_an_index_of_nothing_else(database: Database) -> None:
    payments = database.collection("payments")
    process = Process(Time())
    parking = Parking(process.engine, process.turnstile, payments)
    await parking.prepare()
    await payments.insert_new(
        [
            payment("order-1", SHOP, "parked"),
            payment("order-2", SHOP, "settled", "parked"),
            payment("order-3", SHOP, "accepted"),
            payment("order-4", SHOP),
            payment("order-5", "shop-2", "parked"),
            *(payment(f"other-{n}", SHOP, "settled") for n in range(100)),
        ]
    )
    await database._database.command({"profile": 2})
    await parking.resume(ResumeParked(shop=SHOP, short_since=NOON), 1)
    await database._database.command({"profile": 0})
    await process.settle()
    assert process.went_on == {"order-1": 1, "order-2": 1}
    noted = database._database["system.profile"].find({"op": "query", "ns": f"{database._database.name}.payments"})
    looked_at = [(query["planSummary"], query["docsExamined"]) for query in await noted.to_list(None)]
    assert looked_at == [("IXSCAN { state.shop: 1, _id: 1 }", 2), ("IXSCAN { state.shop: 1, _id: 1 }", 0)]
