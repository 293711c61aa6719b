"""How much one caller may ask for: a token bucket per subject in Redis. Losing Redis breaks nothing: everybody is let
through until it is back."""

from __future__ import annotations

import math
from collections.abc import Callable

from prometheus_client import Counter
from redis.asyncio import Redis

from chassis import clock
from chassis.bucket import LOOK_AGAIN_SECONDS, Rate, SharedRedis, connect
from chassis.problem import Problem

__all__ = ["LOOK_AGAIN_SECONDS", "Limits", "connect"]

BURST_SECONDS = 2.0

UNLIMITED = Counter("tuidan_gateway_unlimited_total", "Requests let through unlimited because Redis was away")
REFUSED = Counter("tuidan_gateway_rate_limited_total", "Requests refused by the rate limit", ["kind"])


class Limits:
    """`rate`: requests per second and subject, 0 = no limit. Two seconds' worth may come at once."""

    def __init__(self, redis: Redis, rate: float, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._rate = Rate(rate, max(1.0, rate * BURST_SECONDS))
        self._redis = SharedRedis(redis, monotonic, "nobody is limited")

    async def spend(self, kind: str, subject: str) -> None:
        """Count one request. Raises a 429 problem with `retry_after` (s) when there were too many."""
        if not self._rate.per_second:
            return
        wait_ms = await self._redis.take(f"tuidan:rate:{kind}:{subject}", self._rate)
        if wait_ms is None:
            UNLIMITED.inc()
        elif wait_ms > 0:
            REFUSED.labels(kind).inc()
            raise Problem(
                429,
                "too-many-requests",
                "请求过于频繁,请稍后再试。",
                "Too many requests. Try again in a moment.",
                retry_after=math.ceil(wait_ms / 1000),
            )

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()
