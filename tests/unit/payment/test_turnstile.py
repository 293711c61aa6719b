"""The turnstile before every refund call: who is let through, who is held, and until when."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from chassis.bucket import connect
from chassis.record import Heard, Record
from chassis.store import StoreUnavailable
from services.payment.accounts import (
    ACCOUNTS,
    PROBE_EVERY,
    PROBE_EVERY_AT_MOST,
    BalanceFoundShort,
    ParkedResumed,
    ResumeParked,
)
from services.payment.figures import ShortBalances
from services.payment.limits import CALLS, ERRORS, RefundLimits
from services.payment.turnstile import NOT_ENOUGH, PATIENCE_SECONDS, SPACING, Held, Turn
from tests.support.redis import RedisServer, redis_server
from tests.unit.payment.given import NOON
from tests.unit.payment.turns import MCHID, SHOP, Process, SlowStore, Time, Waiting

CALL_TAKES = 0.1


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as found:
        found.start()
        yield found


def turn_of(
    process: Process, number: str = "R-1", *, openid: str = "", previous_at: datetime | None = None, shop: str = SHOP
) -> AbstractAsyncContextManager[Turn]:
    return process.turnstile.turn(
        shop=shop, mchid=MCHID, number=number, openid=openid, amount_minor=500, previous_at=previous_at
    )


async def held(process: Process, number: str = "R-1", *, openid: str = "", previous_at: datetime | None = None) -> Held:
    """Why and until when a refund is not sent."""
    with pytest.raises(Held) as found:
        async with turn_of(process, number, openid=openid, previous_at=previous_at):
            raise AssertionError("it was let through")
    return found.value


async def send(process: Process, code: str, number: str = "R-1", *, openid: str = "") -> Turn:
    """One call that the provider answers with `code`."""
    async with turn_of(process, number, openid=openid) as turn:
        await turn.answered(code)
    return turn


async def make_short(process: Process) -> None:
    report = BalanceFoundShort(shop=SHOP, number="R-0", amount_minor=500)
    await process.engine.hear(Heard(report, f"short/{process.time.seconds}", process.time.clock()))
    await process.settle()


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


# ── two refunds of one order ─────────────────────────────────────────────────────────────────────────────────────────
async def test_refunds_of_one_order_are_a_minute_apart() -> None:
    time = Time()
    process = Process(time)
    before = figure("tuidan_payment_refunds_held_total", code="ORDER_SPACING")
    found = await held(process, previous_at=NOON)
    assert (found.code, found.until) == ("ORDER_SPACING", NOON + SPACING)
    assert timedelta(minutes=1) < SPACING
    assert figure("tuidan_payment_refunds_held_total", code="ORDER_SPACING") == before + 1
    time.seconds = SPACING.total_seconds()
    async with turn_of(process, previous_at=NOON) as turn:
        assert not turn.is_probe


# ── one refund at a time per customer ────────────────────────────────────────────────────────────────────────────────
async def test_a_customer_with_a_refund_in_flight_is_waited_for_and_then_held() -> None:
    time = Time()
    process = Process(time)
    done: list[str] = []

    async def first(seconds: float) -> None:
        async with turn_of(process, openid="o1"):
            await time.pause(seconds)
        done.append("first")

    async def second() -> None:
        try:
            await send(process, "", "R-2", openid="o1")
            done.append("second")
        except Held as found:
            done.append(f"{found.code} for {(found.until - time.clock()).total_seconds():g} s")

    await time.run(first(PATIENCE_SECONDS / 2), second())
    assert done == ["first", "second"]
    done.clear()
    await time.run(first(PATIENCE_SECONDS * 3), second())
    assert done == ["CUSTOMER_BUSY for 2 s", "first"]


async def test_other_customers_and_refunds_without_one_do_not_wait() -> None:
    process = Process(Time())
    async with (
        turn_of(process, "R-1", openid="o1"),
        turn_of(process, "R-2", openid="o2"),
        turn_of(process, "R-3"),
        turn_of(process, "R-4") as turn,
    ):
        assert turn.number == "R-4"


@pytest.mark.parametrize("end", ["error", "cancelled", "cancelled while waiting"])
async def test_the_lock_is_given_back_however_a_turn_ends(end: str) -> None:
    time = Time()
    process = Process(time)
    inside = asyncio.Event()

    async def call() -> None:
        if end == "cancelled while waiting":
            await process.limits.spend_error(MCHID)
        async with turn_of(process, openid="o1"):
            inside.set()
            if end == "error":
                raise ConnectionAbortedError
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    for _ in range(20):
        await asyncio.sleep(0)
    assert inside.is_set() == (end != "cancelled while waiting")
    task.cancel()
    with pytest.raises((asyncio.CancelledError, ConnectionAbortedError)):
        await task
    assert await process.limits.enter(MCHID, "o1", "next")


@pytest.mark.real
async def test_two_processes_never_have_two_calls_in_flight_for_one_customer(server: RedisServer) -> None:
    async def give_way(_: float) -> None:
        await asyncio.sleep(0)

    time = Time()
    both = [RefundLimits(connect(server.url, 5.0), time.monotonic) for _ in range(2)]
    processes = [Process(time, limits=limits, pause=give_way) for limits in both]
    in_flight: Counter[str] = Counter()
    most: Counter[str] = Counter()
    done: list[str] = []
    was_held: list[str] = []

    async def refund(process: Process, number: str, openid: str) -> None:
        while number not in done:
            try:
                async with turn_of(process, number, openid=openid) as turn:
                    in_flight[openid] += 1
                    most[openid] = max(most[openid], in_flight[openid])
                    for _ in range(20):
                        await asyncio.sleep(0)
                    in_flight[openid] -= 1
                    await turn.answered("")
                    done.append(number)
            except Held as found:
                was_held.append(found.code)

    await asyncio.gather(*(refund(processes[n % 2], f"R-{n}", f"customer-{n % 3}") for n in range(30)))
    assert len(done) == 30
    assert most == {"customer-0": 1, "customer-1": 1, "customer-2": 1}
    assert "CUSTOMER_BUSY" in was_held
    for limits in both:
        await limits.aclose()


@pytest.mark.real
async def test_redis_may_go_in_the_middle_of_a_turn(server: RedisServer) -> None:
    time = Time()
    limits = RefundLimits(connect(server.url, 5.0), time.monotonic)
    process = Process(time, limits=limits)
    async with turn_of(process, openid="o1") as turn:
        server.stop()
        await turn.answered("PARAM_ERROR")
    await time.run(send(process, "", "R-2", openid="o1"))
    assert time.seconds == pytest.approx(1 / ERRORS.per_second, abs=0.01)
    await limits.aclose()


# ── rates ────────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_many_refunds_keep_the_rate_lose_nobody_and_are_not_slower_than_the_rate() -> None:
    time = Time()
    process = Process(time)
    calls: list[float] = []
    holds: list[str] = []

    async def refund(number: str) -> None:
        while True:
            try:
                async with turn_of(process, number) as turn:
                    calls.append(time.seconds)
                    await time.pause(CALL_TAKES)
                    await turn.answered("")
                return
            except Held as found:
                holds.append(found.code)
                await time.until(found.until)

    await time.run(*(refund(f"R-{n}") for n in range(1_000)))
    assert len(calls) == 1_000
    for start in calls:
        for seconds in (0.1, 1.0):
            allowed = CALLS.burst + CALLS.per_second * seconds + 1
            assert sum(start <= other < start + seconds for other in calls) <= min(150, allowed)
    assert max(calls) <= 1_000 / CALLS.per_second + 2 * PATIENCE_SECONDS
    assert set(holds) == {"RATE"}
    assert len(holds) <= 2_000


async def test_a_refused_request_holds_new_ones_until_another_would_be_tolerated() -> None:
    time = Time()
    process = Process(time)
    await send(process, "PARAM_ERROR")
    await time.run(send(process, "PARAM_ERROR", "R-2"))
    assert time.seconds == pytest.approx(1 / ERRORS.per_second, abs=0.01)
    for _ in range(10):
        await process.limits.spend_error(MCHID)
    found = await held(process, "R-3")
    assert found.code == "RATE"
    assert found.until >= time.clock() + timedelta(seconds=10 / ERRORS.per_second)


async def test_refused_requests_stay_within_their_rate_in_the_long_run() -> None:
    time = Time()
    process = Process(time)
    refused: list[float] = []

    async def refund(number: str) -> None:
        while time.seconds < 20:
            try:
                async with turn_of(process, number) as turn:
                    refused.append(time.seconds)
                    await turn.answered("PARAM_ERROR")
            except Held as found:
                await time.until(found.until)

    await time.run(*(refund(f"R-{n}") for n in range(5)))
    assert 20 * ERRORS.per_second * 0.5 <= len(refused) <= 20 * ERRORS.per_second + 5


async def test_shops_of_one_service_provider_share_its_limits_and_no_balance() -> None:
    """The provider counts for who signs, whichever sub-merchant it is for."""
    time = Time()
    process = Process(time)
    async with turn_of(process, openid="o1"):
        with pytest.raises(Held, match="CUSTOMER_BUSY"):
            await time.run(_through(turn_of(process, "R-2", openid="o1", shop="shop-2")))
    for _ in range(10):
        await process.limits.spend_error(MCHID)
    with pytest.raises(Held, match="RATE"):
        await _through(turn_of(process, "R-3", shop="shop-2"))
    time.seconds += 60
    await make_short(process)
    assert (await held(process, "R-4")).code == "BALANCE_SHORT"
    await _through(turn_of(process, "R-5", shop="shop-2"))


async def _through(turn: AbstractAsyncContextManager[Turn]) -> None:
    async with turn:
        pass


async def test_an_accepted_refund_spends_no_error() -> None:
    time = Time()
    process = Process(time)
    for n in range(int(CALLS.burst)):
        await send(process, "", f"R-{n}")
    assert time.seconds == 0


# ── the balance ──────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_short_balance_parks_the_next_refund_without_a_call() -> None:
    time = Time()
    process = Process(time)
    await send(process, NOT_ENOUGH)
    await process.settle()
    assert await ShortBalances(process.engine, Waiting(SHOP), lambda: [SHOP]).look() == {(SHOP,): 1}
    found = await held(process, "R-2")
    assert (found.code, found.until) == ("BALANCE_SHORT", NOON + PROBE_EVERY)
    account = await process.account()
    assert account is not None
    assert account.missing_minor == 500


async def test_another_process_knows_within_a_second() -> None:
    time = Time()
    first = Process(time)
    second = Process(time, accounts=first.accounts)
    await send(second, "", "R-1")
    await send(first, NOT_ENOUGH, "R-2")
    time.seconds += 1.01
    assert (await held(second, "R-3")).code == "BALANCE_SHORT"


async def test_of_two_processes_one_sends_the_probe() -> None:
    time = Time()
    first = Process(time)
    second = Process(time, accounts=first.accounts)
    await make_short(first)
    time.seconds += PROBE_EVERY.total_seconds()
    probes: list[str] = []
    parked: list[Held] = []

    async def refund(process: Process, number: str) -> None:
        try:
            async with turn_of(process, number) as turn:
                assert turn.is_probe
                probes.append(number)
        except Held as found:
            parked.append(found)

    await time.run(
        *(refund(process, f"{name}-{n}") for name, process in (("A", first), ("B", second)) for n in range(5))
    )
    assert len(probes) == 1
    assert {(one.code, one.until) for one in parked} == {("BALANCE_SHORT", NOON + 3 * PROBE_EVERY)}
    assert len(parked) == 9


async def test_a_refund_that_is_held_for_another_reason_is_no_probe() -> None:
    time = Time()
    process = Process(time)
    await make_short(process)
    time.seconds += PROBE_EVERY.total_seconds()
    for _ in range(10):
        await process.limits.spend_error(MCHID)
    assert (await held(process)).code == "RATE"
    time.seconds += 10
    async with turn_of(process) as turn:
        assert turn.is_probe


async def test_an_old_reading_that_comes_late_does_not_hide_that_the_balance_is_short() -> None:
    class Late(SlowStore):
        gate: asyncio.Event | None = None

        async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
            gate, found = self.gate, await super().load(ids, certain=certain)
            if gate is not None:
                await gate.wait()
            return found

    time, store = Time(), Late(ACCOUNTS)
    process = Process(time, accounts=store)
    async with turn_of(process, "R-1") as earlier:
        time.seconds += 2
        gate = store.gate = asyncio.Event()
        reading = asyncio.create_task(held(process, "R-2"))
        await asyncio.sleep(0)
        store.gate = None
        await earlier.answered(NOT_ENOUGH)
        gate.set()
        await time.run(asyncio.wait_for(reading, None))
    assert reading.result().code == "BALANCE_SHORT"


async def test_a_success_that_began_before_the_shortage_does_not_end_it() -> None:
    time = Time()
    process = Process(time)
    async with turn_of(process, "R-1") as earlier:
        await send(process, NOT_ENOUGH, "R-2")
        await earlier.answered("")
    account = await process.account()
    assert account is not None
    assert account.short_since == NOON


async def test_a_hundred_parked_refunds_probe_one_by_one_and_all_go_on_after_a_top_up() -> None:
    time = Time()
    process = Process(time)
    await make_short(process)
    numbers = [f"order-{n:03}" for n in range(100)]
    process.parked.orders = dict.fromkeys(numbers, SHOP)
    process.bells = {number: asyncio.Event() for number in numbers}
    topped_up_at = timedelta(hours=1).total_seconds()
    probes: list[float] = []
    paid: dict[str, float] = {}

    async def ring_at(number: str, at: float) -> None:
        await time.pause(max(0.0, at - time.seconds))
        process.bells[number].set()

    async def refund(number: str) -> None:
        while number not in paid:
            bell = process.bells[number]
            try:
                async with turn_of(process, number, openid=number) as turn:
                    bell.clear()
                    if time.seconds < topped_up_at:
                        probes.append(time.seconds)
                        await turn.answered(NOT_ENOUGH)
                        until = time.clock()
                    else:
                        paid[number] = time.seconds
                        await turn.answered("")
                        process.parked.orders.pop(number, None)
                        return
            except Held as found:
                until = found.until
            alarm = asyncio.create_task(ring_at(number, (until - NOON).total_seconds()))
            await bell.wait()
            bell.clear()
            alarm.cancel()

    await time.run(*(refund(number) for number in numbers))
    await process.settle()
    gaps = [later - earlier for earlier, later in zip([0.0, *probes], probes, strict=False)]
    assert gaps == sorted(gaps)
    assert gaps[0] >= PROBE_EVERY.total_seconds()
    assert len(probes) <= 4 + 3_600 / PROBE_EVERY_AT_MOST.total_seconds()
    assert len(paid) == 100
    assert max(paid.values()) - min(paid.values()) <= 3 * PATIENCE_SECONDS
    assert min(paid.values()) <= topped_up_at + PROBE_EVERY_AT_MOST.total_seconds()
    assert await ShortBalances(process.engine, Waiting(SHOP), lambda: [SHOP]).look() == {(SHOP,): 0}


async def test_those_told_to_go_on_are_not_held_by_what_was_known_a_second_ago() -> None:
    time = Time()
    finder = Process(time)
    teller = Process(time, accounts=finder.accounts)
    await make_short(finder)
    time.seconds += PROBE_EVERY.total_seconds()
    wishes: list[ResumeParked] = []

    async def died(wish: ResumeParked, _: int) -> ParkedResumed:
        wishes.append(wish)
        raise ConnectionAbortedError

    finder.engine.perform(ResumeParked, died)
    async with turn_of(finder) as probe:
        assert (await held(teller)).code == "BALANCE_SHORT"
        await probe.answered("")
        await finder.settle()
    assert (await held(teller)).code == "BALANCE_SHORT"
    await teller.parking.resume(wishes[0], 2)
    async with turn_of(teller) as after:
        assert not after.is_probe


async def test_while_the_database_is_away_refunds_go_on_with_what_was_known() -> None:
    class Away(SlowStore):
        away = False

        async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
            if self.away:
                raise StoreUnavailable("away")
            return await super().load(ids, certain=certain)

        async def save(self, records: Sequence[Record[Any]]) -> set[str]:
            if self.away:
                raise StoreUnavailable("away")
            return await super().save(records)

    time, store = Time(), Away(ACCOUNTS)
    process = Process(time, accounts=store)
    store.away = True
    turn = await send(process, NOT_ENOUGH)
    assert turn.is_probe is False
    store.away = False
    time.seconds += 2
    await make_short(process)
    assert (await held(process)).code == "BALANCE_SHORT"
    store.away = True
    time.seconds += PROBE_EVERY.total_seconds() + 2
    found = await held(process)
    assert (found.code, found.until) == ("BALANCE_SHORT", time.clock() + PROBE_EVERY)
