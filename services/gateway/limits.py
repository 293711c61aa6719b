"""How much one caller may ask for: a token bucket per subject in Redis. Losing Redis breaks nothing: everybody is let
through until it is back."""

from __future__ import annotations

import math
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address, ip_network

from prometheus_client import Counter
from redis.asyncio import Redis

from chassis import clock
from chassis.bucket import LOOK_AGAIN_SECONDS, Rate, SharedRedis, connect
from chassis.problem import Problem

__all__ = ["LOOK_AGAIN_SECONDS", "Limits", "connect"]

BURST_SECONDS = 2.0
PROVIDER = "provider"
PROVIDERS_PER_SECOND = 1_000.0
"""Callbacks of one address, where callers are limited at all: far more than providers send, even where all of them come
through one proxy, and a wall for who floods a door at which nobody signs in."""

UNLIMITED = Counter("tuidan_gateway_unlimited_total", "Requests let through unlimited because Redis was away")
REFUSED = Counter("tuidan_gateway_rate_limited_total", "Requests refused by the rate limit", ["kind"])

NETWORK_BITS = 64
"""Of an IPv6 address: what one household or machine has at least (RFC 6177)."""

Headers = dict[str, str]


class TooMany(Problem):
    """Refused by the rate limit; `headers` say how much there is."""

    def __init__(self, wait_ms: int, headers: Headers) -> None:
        super().__init__(
            429,
            "too-many-requests",
            "请求过于频繁,请稍后再试。",
            "Too many requests. Try again in a moment.",
            retry_after=math.ceil(wait_ms / 1000),
        )
        self.headers = headers


class Limits:
    """`rate`: requests per second and subject, 0 = no limit. Two seconds' worth may come at once. Of the kind PROVIDER
    never less than `PROVIDERS_PER_SECOND`."""

    def __init__(self, redis: Redis, rate: float, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._rate = Rate(rate, max(1.0, rate * BURST_SECONDS))
        provider = max(rate, PROVIDERS_PER_SECOND)
        self._provider = Rate(provider, provider * BURST_SECONDS)
        self._redis = SharedRedis(redis, monotonic, "nobody is limited")

    async def spend(self, kind: str, subject: str) -> Headers:
        """Count one request; what the caller is told about it (see `_headers`). Raises TooMany, a 429 problem with
        `retry_after` (s)."""
        if not self._rate.per_second:
            return {}
        rate = self._provider if kind == PROVIDER else self._rate
        found = await self._redis.take_or_wait(f"tuidan:rate:{kind}:{subject}", rate)
        if found is None:
            UNLIMITED.inc()
            return {}
        wait_ms, left = found
        headers = _headers(rate, left)
        if wait_ms > 0:
            REFUSED.labels(kind).inc()
            raise TooMany(wait_ms, headers)
        return headers

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()


def _headers(rate: Rate, left: int) -> Headers:
    """`RateLimit-Policy`: how many requests (q) in how many seconds (w). `RateLimit`: how many are left (r), and in
    how many seconds all are there again (t). Both as draft-ietf-httpapi-ratelimit-headers-11 writes them
    (datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/11, May 2026)."""
    quota = math.floor(rate.burst)
    window = math.ceil(rate.burst / rate.per_second)
    full_in = math.ceil((quota - left) / rate.per_second)
    return {
        "RateLimit-Policy": f'"caller";q={quota};w={window}',
        "RateLimit": f'"caller";r={left};t={full_in}',
    }


def network_of(address: str) -> str:
    """Whom an address is counted as: of IPv6 the network, in which one caller has 2^64 addresses to come from."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return address
    return str(found.ipv4_mapped or ip_network((int(found), NETWORK_BITS), strict=False))
