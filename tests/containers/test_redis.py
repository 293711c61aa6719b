"""Limits on a Redis in a container: kept while it is there, nobody's while it is away, kept again when it is back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from testcontainers.core.container import DockerContainer

from services.gateway.limits import Limits, TooMany, connect
from tests.support.containers import redis_container
from tests.support.waiting import until

START_SECONDS = 60.0


@pytest.fixture(scope="module")
def redis(free_port: Callable[[], int]) -> Iterator[tuple[str, DockerContainer]]:
    with redis_container(free_port()) as found:
        yield found


async def test_losing_redis_lets_everybody_through_until_it_is_back(redis: tuple[str, DockerContainer]) -> None:
    url, server = redis
    hours = iter(range(0, 3_600_000, 3_600))  # each look is an hour later: Redis may always be asked again
    limits = Limits(connect(url), 0.001, monotonic=lambda: float(next(hours)))

    async def refused() -> bool:
        try:
            await limits.spend("customer", "c1")
        except TooMany:
            return True
        return False

    await until(refused, "the bucket is empty", seconds=START_SECONDS)
    server.get_wrapped_container().kill()
    assert [await limits.spend("customer", "c1") for _ in range(3)] == [{}, {}, {}]
    server.get_wrapped_container().start()
    await until(refused, "it limits again, with everything forgotten", seconds=START_SECONDS)
    await limits.aclose()
    assert not await _is_limited(url, "nobody-yet")


async def _is_limited(url: str, subject: str) -> bool:
    """Whether the very first request of somebody is refused."""
    limits = Limits(connect(url), 0.001)
    try:
        await limits.spend("customer", subject)
    except TooMany:
        return True
    finally:
        await limits.aclose()
    return False
