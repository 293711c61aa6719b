"""The provider's limits: in this process alone, against a real Redis, and while that comes and goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs

from chassis.bucket import LOOK_AGAIN_SECONDS, connect
from services.payment.calling import CALL_SECONDS
from services.payment.limits import CALLS, CUSTOMER_LOCKED_SECONDS, ERRORS, RefundLimits
from services.payment.turnstile import PATIENCE_SECONDS
from tests.support.redis import RedisServer, redis_server
from tests.unit.payment.turns import MCHID, Time

PROVIDER_CALLS_PER_SECOND = 150
PROVIDER_ERRORS_PER_SECOND = 6
LOCK = f"tuidan:refunds:customer:{MCHID}:openid"
QUEUE = 1_000


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with redis_server() as found:
        found.start()
        yield found


@pytest.fixture
async def two(server: RedisServer) -> AsyncIterator[tuple[RefundLimits, RefundLimits]]:
    """Two processes' limits in one Redis."""
    first, second = (RefundLimits(connect(server.url, 5.0), Time().monotonic) for _ in range(2))
    yield first, second
    await first.aclose()
    await second.aclose()


def alone() -> tuple[RefundLimits, Time]:
    time = Time()
    return RefundLimits(None, time.monotonic), time


# ── the numbers ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_rate_and_burst_together_stay_within_what_the_provider_allows() -> None:
    assert CALLS.per_second + CALLS.burst <= PROVIDER_CALLS_PER_SECOND
    assert ERRORS.per_second + ERRORS.burst <= PROVIDER_ERRORS_PER_SECOND


def test_a_customer_is_locked_longer_than_any_turn_lasts() -> None:
    """Look, send and look again, after waiting for the lock and for the rates."""
    assert 3 * CALL_SECONDS + 2 * PATIENCE_SECONDS < CUSTOMER_LOCKED_SECONDS


# ── this process alone ───────────────────────────────────────────────────────────────────────────────────────────────
async def test_in_no_second_more_calls_than_allowed_however_eager() -> None:
    limits, time = alone()
    starts = []
    for step in range(5_000):
        time.seconds = step / 1_000
        wait = await limits.take_call(MCHID, 0.5)
        if wait <= 0.5:
            starts.append(time.seconds + wait)
    for start in starts:
        assert sum(start <= other < start + 1 for other in starts) <= PROVIDER_CALLS_PER_SECOND
    assert len(starts) >= 5 * CALLS.per_second


async def test_who_is_not_patient_enough_takes_nothing() -> None:
    limits, _ = alone()
    for _ in range(int(CALLS.burst)):
        assert await limits.take_call(MCHID, 0) == 0
    first = await limits.take_call(MCHID, 0)
    assert first > 0
    assert await limits.take_call(MCHID, 0) == first


async def test_refused_requests_are_paid_back_before_the_next() -> None:
    limits, time = alone()
    assert await limits.until_errors(MCHID) == 0
    for _ in range(11):
        await limits.spend_error(MCHID)
    debt = await limits.until_errors(MCHID)
    assert debt == pytest.approx(11 / ERRORS.per_second, abs=0.01)
    assert await limits.until_errors(MCHID) == debt
    time.seconds += debt
    assert await limits.until_errors(MCHID) == 0


async def test_who_is_turned_away_comes_back_one_after_the_other() -> None:
    limits, _ = alone()
    places = [await limits.place_in_line(MCHID) for _ in range(QUEUE)]
    assert places == sorted(places)
    assert places[-1] == pytest.approx((QUEUE - CALLS.burst) / CALLS.per_second, abs=0.02)


async def test_every_merchant_has_own_limits() -> None:
    limits, _ = alone()
    for _ in range(int(CALLS.burst) + 1):
        await limits.take_call(MCHID, 0)
    await limits.spend_error(MCHID)
    assert await limits.take_call("1900000999", 0) == 0
    assert await limits.until_errors("1900000999") == 0
    assert await limits.enter(MCHID, "openid", "t1")
    assert await limits.enter("1900000999", "openid", "t2")


async def test_one_customer_at_a_time_and_only_the_holder_leaves() -> None:
    limits, _ = alone()
    assert await limits.enter(MCHID, "openid", "t1")
    assert not await limits.enter(MCHID, "openid", "t2")
    await limits.leave(MCHID, "openid", "t2")
    assert not await limits.enter(MCHID, "openid", "t3")
    await limits.leave(MCHID, "openid", "t1")
    assert await limits.enter(MCHID, "openid", "t3")


# ── two processes and a real Redis ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.real
async def test_two_processes_share_one_rate(two: tuple[RefundLimits, RefundLimits], server: RedisServer) -> None:
    client = connect(server.url, 5.0)
    seconds, micros = await client.time()
    waits = await asyncio.gather(*(two[n % 2].take_call(MCHID, 60.0) for n in range(QUEUE)))
    seconds_after, micros_after = await client.time()
    await client.aclose(close_connection_pool=True)
    elapsed = seconds_after - seconds + (micros_after - micros) / 1e6
    # The last one's token is there no earlier than the rate allows, counted from before the first one asked.
    assert max(waits) + elapsed >= (QUEUE - CALLS.burst) / CALLS.per_second
    assert max(waits) <= QUEUE / CALLS.per_second


@pytest.mark.real
async def test_who_is_not_patient_enough_takes_nothing_from_redis_either(
    two: tuple[RefundLimits, RefundLimits],
) -> None:
    for _ in range(QUEUE):
        await two[0].take_call(MCHID, 0)
    assert await two[1].take_call(MCHID, 0) <= 1 / CALLS.per_second + 0.001


@pytest.mark.real
async def test_two_processes_share_one_debt_of_refused_requests(two: tuple[RefundLimits, RefundLimits]) -> None:
    for _ in range(100):
        await two[0].spend_error(MCHID)
    assert await two[1].until_errors(MCHID) > 1.0


@pytest.mark.real
async def test_a_customer_is_busy_in_all_processes_until_the_holder_leaves(
    two: tuple[RefundLimits, RefundLimits], server: RedisServer
) -> None:
    first, second = two
    assert await first.enter(MCHID, "openid", "t1")
    assert not await second.enter(MCHID, "openid", "t2")
    await second.leave(MCHID, "openid", "t2")
    assert not await second.enter(MCHID, "openid", "t3")
    client = connect(server.url, 5.0)
    assert 15_000 < await client.pttl(LOCK) <= CUSTOMER_LOCKED_SECONDS * 1000
    await client.aclose(close_connection_pool=True)
    await first.leave(MCHID, "openid", "t1")
    assert await second.enter(MCHID, "openid", "t4")


@pytest.mark.real
async def test_a_customer_whose_process_died_is_free_once_the_lock_expires(
    two: tuple[RefundLimits, RefundLimits], server: RedisServer
) -> None:
    died, alive = two
    assert await died.enter(MCHID, "openid", "t1")
    client = connect(server.url, 5.0)
    await client.pexpire(LOCK, 0)
    await client.aclose(close_connection_pool=True)
    assert await alive.enter(MCHID, "openid", "t2")


@pytest.mark.real
async def test_redis_may_lose_everything_at_any_moment(
    two: tuple[RefundLimits, RefundLimits], server: RedisServer
) -> None:
    limits, _ = two
    assert await limits.enter(MCHID, "openid", "t1")
    client = connect(server.url, 5.0)
    await client.script_flush()
    await client.flushall()
    await client.aclose(close_connection_pool=True)
    assert not await limits.enter(MCHID, "openid", "t2")
    await limits.leave(MCHID, "openid", "t1")
    assert await limits.enter(MCHID, "openid", "t2")
    assert await limits.take_call(MCHID, 0) == 0


@pytest.mark.real
async def test_without_redis_the_process_goes_on_by_itself_and_not_afresh(server: RedisServer) -> None:
    time = Time()
    limits = RefundLimits(connect(server.url, 5.0), time.monotonic)
    assert await limits.enter(MCHID, "openid", "t1")
    for _ in range(10):
        await limits.spend_error(MCHID)
    server.stop()
    with capture_logs() as logs:
        assert not await limits.enter(MCHID, "openid", "t2")
        assert await limits.until_errors(MCHID) == pytest.approx(10 / ERRORS.per_second, abs=0.01)
        assert await limits.take_call(MCHID, 0) == 0
        await limits.leave(MCHID, "openid", "t1")
        assert await limits.enter(MCHID, "openid", "t3")
    assert [line["event"] for line in logs] == ["redis is away, each process limits its refunds for itself"]
    await limits.aclose()


@pytest.mark.real
async def test_redis_is_asked_again_after_a_second(server: RedisServer) -> None:
    server.stop()
    time = Time()
    limits = RefundLimits(connect(server.url, 5.0), time.monotonic)
    assert await limits.enter(MCHID, "openid", "t1")
    await limits.leave(MCHID, "openid", "t1")
    server.start()
    client = connect(server.url, 5.0)
    assert await limits.enter(MCHID, "openid", "t2")
    assert await client.get(LOCK) is None
    await limits.leave(MCHID, "openid", "t2")
    time.seconds += LOOK_AGAIN_SECONDS
    assert await limits.enter(MCHID, "openid", "t3")
    assert await client.get(LOCK) == b"t3"
    await client.aclose(close_connection_pool=True)
    await limits.aclose()
