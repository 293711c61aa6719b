"""The rate limit, against a real Redis, and without any."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.gateway.limits import LOOK_AGAIN_SECONDS, connect
from tests.unit.gateway.world import NOWHERE, World, expect_problem

Server = tuple[str, subprocess.Popen[bytes]]


@pytest.fixture
async def slow(redis: Server) -> AsyncIterator[World]:
    """One request in a hundred seconds."""
    made = World(rate=0.01, redis=redis[0])
    yield made
    await made.aclose()


async def ask(world: World, sub: str = "c1") -> int:
    return (await world.ask("GET", "/mp/v1/orders", world.token(sub))).status_code


@pytest.mark.real
async def test_too_many_requests_are_told_when_to_come_back(redis: Server) -> None:
    world = World(rate=1, redis=redis[0])
    answers = await asyncio.gather(*(world.ask("GET", "/mp/v1/orders", world.token()) for _ in range(12)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert 1 <= len(refused) <= 10
    document = expect_problem(refused[0], 429, "too-many-requests")
    assert document["retry_after"] == 1
    assert refused[0].headers["retry-after"] == "1"
    assert len(world.fake.seen) == 12 - len(refused)
    await world.aclose()


@pytest.mark.real
async def test_everybody_has_an_own_bucket(slow: World) -> None:
    assert [await ask(slow) for _ in range(2)] == [200, 429]
    assert await ask(slow, "c2") == 200
    staff = await slow.ask("GET", "/admin/v1/summary", slow.token("c1", "staff"))
    assert staff.status_code == 200


@pytest.mark.real
async def test_the_bucket_fills_again_and_is_forgotten(slow: World, redis: Server) -> None:
    assert [await ask(slow) for _ in range(2)] == [200, 429]
    client = connect(redis[0], 5.0)
    bucket = "tuidan:rate:customer:c1"
    assert 0 < await client.pttl(bucket) <= 100_000
    at = float(await client.hget(bucket, "at") or 0)
    await client.hset(bucket, "at", at - 101_000)
    assert [await ask(slow) for _ in range(2)] == [200, 429]
    await client.aclose(close_connection_pool=True)


@pytest.mark.real
@pytest.mark.parametrize("path", ["wechat/pay", "wechat/refund/tea-2", "wechat/events", "sms/receipts"])
async def test_callbacks_that_come_too_often_are_refused_so_that_they_come_again(
    slow: World, redis: Server, path: str
) -> None:
    assert [(await slow.http.post(f"/callbacks/{path}", content=b"{}")).status_code for _ in range(3)] == [200] * 3
    client = connect(redis[0], 5.0)
    # As after two thousand at once; the bucket would be full again within a moment, were its time not far ahead.
    await client.hset("tuidan:rate:provider:127.0.0.1", mapping={"tokens": 0, "at": 1e13})
    refused = await slow.http.post(f"/callbacks/{path}", content=b"{}")
    assert refused.status_code == 503, "every provider repeats what was answered so"
    assert "fail" in refused.text.lower()
    assert len(slow.fake.seen) == 3
    assert (await slow.http.post(f"/callbacks/{path}", content=b"{}")).status_code == 200
    await client.aclose(close_connection_pool=True)


@pytest.mark.real
async def test_zero_means_no_limit(redis: Server) -> None:
    world = World(rate=0, redis=redis[0])
    assert [await ask(world) for _ in range(5)] == [200] * 5
    await world.aclose()


@pytest.mark.real
async def test_redis_may_lose_everything_at_any_moment(slow: World, redis: Server) -> None:
    assert [await ask(slow) for _ in range(2)] == [200, 429]
    client = connect(redis[0], 5.0)
    await client.script_flush()
    await client.flushall()
    assert [await ask(slow) for _ in range(2)] == [200, 429]
    await client.aclose(close_connection_pool=True)
    redis[1].kill()
    redis[1].wait()
    assert [await ask(slow) for _ in range(3)] == [200] * 3


@pytest.mark.real
async def test_a_redis_that_hangs_holds_nobody_up(redis: Server) -> None:
    world = World(rate=0.01, redis=redis[0], patience=0.05)
    assert [await ask(world) for _ in range(2)] == [200, 429]
    redis[1].send_signal(signal.SIGSTOP)
    assert [await ask(world) for _ in range(3)] == [200] * 3
    await world.aclose()


async def test_without_redis_everybody_is_let_through_and_it_is_said_once() -> None:
    world = World(rate=0.01, redis=NOWHERE)
    before = REGISTRY.get_sample_value("tuidan_gateway_unlimited_total") or 0
    with capture_logs() as logs:
        for _ in range(3):
            assert await ask(world) == 200
            world.now += timedelta(seconds=LOOK_AGAIN_SECONDS + 0.1)
    assert [line["event"] for line in logs] == ["redis is away, nobody is limited"]
    assert REGISTRY.get_sample_value("tuidan_gateway_unlimited_total") == before + 3
    await world.aclose()


async def test_while_redis_is_away_it_is_asked_once_a_second() -> None:
    world = World(rate=0.01, redis=NOWHERE)
    asked = 0
    real = world.limits._redis._run

    async def counting(*given: Any) -> int:
        nonlocal asked
        asked += 1
        return await real(*given)

    world.limits._redis._run = counting  # type: ignore[assignment]
    for _ in range(5):
        assert await ask(world) == 200
    assert asked == 1
    world.now += timedelta(seconds=LOOK_AGAIN_SECONDS)
    assert await ask(world) == 200
    assert asked == 2
    await world.aclose()
