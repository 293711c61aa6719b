"""Token buckets: how often something may be done. Kept in a Redis that may be away, or in this process alone.

A bucket fills with `per_second` tokens up to `burst`. Whoever is patient may take a token before it is there and waits
for it: the next one then waits longer, so that a queue forms without anybody asking twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

PATIENCE_SECONDS = 0.2
LOOK_AGAIN_SECONDS = 1.0
CONNECTIONS = 64

# KEYS[1] bucket; ARGV rate (tokens per second), size (tokens), tokens to take, patience (ms). Answers the milliseconds
# until there is a token; the tokens are taken when that is not above the patience. Redis' own clock is used, so that
# processes with different clocks share one bucket.
BUCKET = """
local rate, size, taken, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + tonumber(time[2]) / 1000
local had = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens, at = tonumber(had[1]) or size, tonumber(had[2]) or now
tokens = math.min(size, tokens + math.max(0, now - at) * rate / 1000)
local wait = 0
if tokens < 1 then wait = math.ceil((1 - tokens) * 1000 / rate) end
if wait <= patience then tokens = tokens - taken end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens), 'at', string.format('%.3f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((size - tokens) * 1000 / rate))
return wait
"""

# The same for whoever has no patience: when there was a token it answers what is left of them, as a number below 1.
BUCKET_LEFT = BUCKET.replace("return wait\n", "if wait > 0 then return wait end\nreturn -math.floor(tokens)\n")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second, and how many may lie ready. In any second at most both together are taken."""

    per_second: float
    burst: float


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


class SharedRedis:
    """Short scripts in a Redis that may be away: asked again a second later. `meanwhile` says in the log what that
    means. `redis` None: there is none."""

    def __init__(self, redis: Redis | None, monotonic: Callable[[], float], meanwhile: str) -> None:
        self._redis = redis
        self._monotonic = monotonic
        self._meanwhile = meanwhile
        self._scripts: dict[str, AsyncScript] = {}
        self._away_until: float | None = None

    async def take(self, bucket: str, rate: Rate, *, tokens: int = 1, patience_ms: int = 0) -> int | None:
        """Milliseconds until there is a token, taken if that is not above `patience_ms`; None when Redis is away."""
        return await self.ask(BUCKET, [bucket], [rate.per_second, rate.burst, tokens, patience_ms])

    async def take_or_wait(self, bucket: str, rate: Rate) -> tuple[int, int] | None:
        """Take a token if there is one: (0, whole tokens left); else (milliseconds until there is one, 0). None when
        Redis is away."""
        answer = await self.ask(BUCKET_LEFT, [bucket], [rate.per_second, rate.burst, 1, 0])
        return None if answer is None else (max(0, answer), max(0, -answer))

    async def ask(self, script: str, keys: Sequence[str], args: Sequence[str | float]) -> int | None:
        """The number a script answers; None when Redis is away."""
        if self._redis is None or (self._away_until is not None and self._monotonic() < self._away_until):
            return None
        try:
            answer = await self._run(self._redis, script, keys, args)
        except (RedisError, OSError, TimeoutError) as trouble:
            if self._away_until is None:
                log.warning(f"redis is away, {self._meanwhile}", problem=str(trouble)[:300])
            self._away_until = self._monotonic() + LOOK_AGAIN_SECONDS
            return None
        if self._away_until is not None:
            log.info("redis is back, its limits hold again")
            self._away_until = None
        return answer

    async def _run(self, redis: Redis, script: str, keys: Sequence[str], args: Sequence[str | float]) -> int:
        known = self._scripts.get(script) or self._scripts.setdefault(script, redis.register_script(script))
        return int(await known(keys=keys, args=args))

    async def aclose(self) -> None:
        """Let go of the connections. Never raises: whoever stops has more to let go of."""
        if self._redis is None:
            return
        try:
            await self._redis.aclose(close_connection_pool=True)
        except (RedisError, OSError, TimeoutError) as trouble:
            log.warning("redis did not let go of a connection in time", problem=str(trouble)[:300])


class OwnBuckets:
    """The same buckets in this process alone."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: dict[str, tuple[float, float]] = {}

    def take(self, bucket: str, rate: Rate, *, tokens: int = 1, patience_ms: int = 0) -> int:
        """As `SharedRedis.take`."""
        now = self._monotonic()
        had, at = self._kept.get(bucket, (rate.burst, now))
        had = min(rate.burst, had + max(0.0, now - at) * rate.per_second)
        wait_ms = 0 if had >= 1 else math.ceil((1 - had) * 1000 / rate.per_second)
        if wait_ms <= patience_ms:
            had -= tokens
        self._kept[bucket] = (had, now)
        return wait_ms
