"""How much one caller may ask for: a token bucket per subject in Redis. Losing Redis breaks nothing: everybody is let
through until it is back."""

from __future__ import annotations

import math
from collections.abc import Callable

import structlog
from prometheus_client import Counter
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from chassis import clock
from chassis.problem import Problem

BURST_SECONDS = 2.0
PATIENCE_SECONDS = 0.2
LOOK_AGAIN_SECONDS = 1.0
CONNECTIONS = 64

UNLIMITED = Counter("tuidan_gateway_unlimited_total", "Requests let through unlimited because Redis was away")
REFUSED = Counter("tuidan_gateway_rate_limited_total", "Requests refused by the rate limit", ["kind"])

# KEYS[1] bucket; ARGV rate (tokens per second), size (tokens). Answers 0 (one token taken) or the milliseconds until
# there is one. Redis' own clock is used, so that gateways with different clocks share one bucket.
BUCKET = """
local rate, size = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local had = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(had[1]) or size, tonumber(had[2]) or now
tokens = math.min(size, tokens + math.max(0, now - at) * rate / 1000)
local wait = 0
if tokens >= 1 then tokens = tokens - 1 else wait = math.ceil((1 - tokens) * 1000 / rate) end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(size * 1000 / rate))
return wait
"""

log = structlog.get_logger()


def connect(url: str, patience: float = PATIENCE_SECONDS) -> Redis:
    """A Redis client that gives up after `patience` seconds and never tries twice: waiting for a limit costs more than
    not limiting."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=patience,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=Retry(NoBackoff(), 0),
    )
    return Redis.from_pool(pool)


class Limits:
    """`rate`: requests per second and subject, 0 = no limit. Two seconds' worth may come at once."""

    def __init__(self, redis: Redis, rate: float, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._redis = redis
        self._rate = rate
        self._size = max(1.0, rate * BURST_SECONDS)
        self._script = redis.register_script(BUCKET)
        self._monotonic = monotonic
        self._away_until: float | None = None

    async def spend(self, kind: str, subject: str) -> None:
        """Count one request. Raises a 429 problem with `retry_after` (s) when there were too many."""
        if not self._rate:
            return
        wait_ms = await self._ask(f"tuidan:rate:{kind}:{subject}")
        if wait_ms > 0:
            REFUSED.labels(kind).inc()
            raise Problem(
                429,
                "too-many-requests",
                "请求过于频繁,请稍后再试。",
                "Too many requests. Try again in a moment.",
                retry_after=math.ceil(wait_ms / 1000),
            )

    async def _ask(self, bucket: str) -> int:
        """Milliseconds to wait; 0 also when Redis cannot be asked."""
        if self._away_until is not None and self._monotonic() < self._away_until:
            UNLIMITED.inc()
            return 0
        try:
            wait_ms = int(await self._script(keys=[bucket], args=[self._rate, self._size]))
        except (RedisError, OSError, TimeoutError) as trouble:
            if self._away_until is None:
                log.warning("redis is away, nobody is limited", problem=str(trouble)[:300])
            self._away_until = self._monotonic() + LOOK_AGAIN_SECONDS
            UNLIMITED.inc()
            return 0
        if self._away_until is not None:
            log.info("redis is back, callers are limited again")
            self._away_until = None
        return wait_ms

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose(close_connection_pool=True)
