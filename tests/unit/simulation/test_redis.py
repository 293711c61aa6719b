"""The simulated Redis answers as the real one does, script by script. The real scripts are given the time from outside,
so that both have the same."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Away

from chassis.bucket import BUCKET, BUCKET_LEFT
from services.payment import limits
from tests.simulation.redis import SimRedis
from tests.support.redis import redis_server

pytestmark = pytest.mark.real
GIVEN_TIME = BUCKET.replace("redis.call('TIME')", "{ARGV[5], '0'}")


@pytest.fixture
async def real() -> AsyncIterator[Redis]:
    with redis_server() as server:
        server.start()
        async with Redis.from_url(server.url) as redis:
            yield redis


async def test_buckets_fill_and_empty_alike(real: Redis, chance: random.Random) -> None:
    assert GIVEN_TIME != BUCKET, "the script asks for the time in another way now"
    now = 1_000
    simulated = SimRedis(lambda: float(now))
    script = real.register_script(GIVEN_TIME)
    for _ in range(300):
        now += chance.choice((0, 0, 0, 1, 3))
        args = [
            chance.choice((0.5, 5, 140)),
            chance.choice((1, 2, 10)),
            chance.choice((0, 1)),
            chance.choice((0, 2000)),
        ]
        key = f"bucket-{args[0]}-{args[1]}"
        expected = int(await script(keys=[key], args=[*args, now]))
        assert simulated.run(BUCKET, [key], args) == expected, (now, args)


async def test_what_is_left_in_a_bucket_is_told_alike(real: Redis, chance: random.Random) -> None:
    assert BUCKET_LEFT != BUCKET, "the script ends in another way now"
    now = 1_000
    simulated = SimRedis(lambda: float(now))
    script = real.register_script(BUCKET_LEFT.replace("redis.call('TIME')", "{ARGV[5], '0'}"))
    for _ in range(300):
        now += chance.choice((0, 0, 0, 1, 3))
        args = [chance.choice((0.5, 5, 140)), chance.choice((1, 2, 10)), 1, 0]
        key = f"left-{args[0]}-{args[1]}"
        assert simulated.run(BUCKET_LEFT, [key], args) == int(await script(keys=[key], args=[*args, now])), (now, args)


async def test_locks_are_taken_and_given_back_alike(real: Redis, chance: random.Random) -> None:
    simulated = SimRedis(lambda: 0.0)
    enter, leave = real.register_script(limits._ENTER), real.register_script(limits._LEAVE)
    for _ in range(200):
        key, token = chance.choice("kl"), chance.choice("ab")
        if chance.random() < 0.5:
            wanted: list[float | str] = [token, 60_000]
            assert simulated.run(limits._ENTER, [key], wanted) == int(await enter(keys=[key], args=wanted))
        else:
            assert simulated.run(limits._LEAVE, [key], [token]) == int(await leave(keys=[key], args=[token]))


def test_a_lock_runs_out() -> None:
    now = 0.0
    simulated = SimRedis(lambda: now)
    assert simulated.run(limits._ENTER, ["k"], ["a", 30_000]) == 1
    assert simulated.run(limits._ENTER, ["k"], ["b", 30_000]) == 0
    now = 31.0
    assert simulated.run(limits._LEAVE, ["k"], ["a"]) == 0
    assert simulated.run(limits._ENTER, ["k"], ["b", 30_000]) == 1


def test_it_may_be_away_flushed_or_lose_its_answer() -> None:
    simulated = SimRedis(lambda: 0.0, lambda: 0.1)
    assert simulated.run(limits._ENTER, ["k"], ["a", 30_000]) == 1
    simulated.flush()
    assert simulated.run(limits._ENTER, ["k"], ["b", 30_000]) == 1
    simulated.lost = 0.5
    with pytest.raises(Away):
        simulated.run(limits._LEAVE, ["k"], ["b"])
    simulated.lost, simulated.away = 0.0, True
    with pytest.raises(Away):
        simulated.run(limits._ENTER, ["k"], ["c", 1])
