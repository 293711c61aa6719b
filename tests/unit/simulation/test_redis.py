"""The simulated Redis answers as the real one does, script by script. The real scripts are given the time from outside,
so that both have the same, and let no bucket expire: it would by the time of the machine."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as Away

from chassis.bucket import BUCKET, BUCKET_LEFT
from services.gateway import codes, lockout
from services.payment import limits
from tests.simulation.redis import SimRedis
from tests.support.redis import redis_server

pytestmark = pytest.mark.real


def given_time(script: str) -> str:
    """A bucket's script that lives by the time it is given. A bucket that has expired is full, and so is one that has
    not by then."""
    changed = script.replace("redis.call('TIME')", "{ARGV[5], '0'}")
    assert changed != script, "the script asks for the time in another way now"
    kept = changed.replace("redis.call('PEXPIRE', KEYS[1], math.ceil((size - tokens) * 1000 / rate))", "")
    assert kept != changed, "the script lets a bucket expire in another way now"
    return kept


@pytest.fixture
async def real() -> AsyncIterator[Redis]:
    with redis_server() as server:
        server.start()
        async with Redis.from_url(server.url) as redis:
            yield redis


async def test_buckets_fill_and_empty_alike(real: Redis, chance: random.Random) -> None:
    now = 1_000
    simulated = SimRedis(lambda: float(now))
    script = real.register_script(given_time(BUCKET))
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
    script = real.register_script(given_time(BUCKET_LEFT))
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


async def test_tries_to_sign_in_are_counted_alike(real: Redis, chance: random.Random) -> None:
    simulated, now = SimRedis(lambda: 0.0), 1_000_000
    enter, forgive = real.register_script(lockout.ENTER), real.register_script(lockout.FORGIVE)
    take_back = real.register_script(lockout.TAKE_BACK)
    for _ in range(400):
        now += chance.choice((0, 10, 700, 5_000, 100_000))
        keys = [f"account-{chance.choice('ab')}", f"address-{chance.choice('cd')}"]
        if chance.random() < 0.1:
            assert simulated.run(lockout.FORGIVE, keys, []) == int(await forgive(keys=keys, args=[]))
            continue
        if chance.random() < 0.1:
            assert simulated.run(lockout.TAKE_BACK, keys, []) == int(await take_back(keys=keys, args=[]))
            continue
        args: list[float | str] = [f"{now}", 2, 4, 60_000, 1_500_000]
        assert simulated.run(lockout.ENTER, keys, args) == int(await enter(keys=keys, args=args)), now


async def test_codes_are_kept_and_taken_alike(real: Redis, chance: random.Random) -> None:
    simulated, now = SimRedis(lambda: 0.0), 1_000_000
    keep, take = real.register_script(codes.KEEP), real.register_script(codes.TAKE)
    count = real.register_script(codes.COUNT)
    for _ in range(600):
        now += chance.choice((0, 10, 5_000, 20_000))
        matter, mark = f"code-{chance.choice('ab')}", chance.choice("mn")
        if chance.random() < 0.2:
            asked = [f"asked-{chance.choice('xy')}"]
            args: list[float | str] = [f"{now}", 30_000, 40]
            wait = simulated.run(codes.COUNT, asked, args)
            assert wait == int(await count(keys=asked, args=args)), now
            if wait == 0:
                args = [mark, f"{now + 300_000}", 300_000]
                assert simulated.run(codes.KEEP, [matter], args) == int(await keep(keys=[matter], args=args)), now
            continue
        args = [mark, f"{now}", 3, chance.choice(("use-1", "use-2"))]
        assert simulated.run(codes.TAKE, [matter], args) == int(await take(keys=[matter], args=args)), now


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
