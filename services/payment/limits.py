"""The provider's limits, kept before calling: refunds per second and merchant, wrong requests per second and merchant,
one refund at a time per customer (pay.weixin.qq.com/doc/v3/merchant/4012556457: 150/s, 6/s, not in parallel). Shops
that one service provider acts for share its limits (pay.weixin.qq.com/doc/v3/partner/4013163605).

All processes share them in Redis. While it is away each process keeps them for itself; the worst that can happen then
is that the provider answers 429.
"""

from __future__ import annotations

from collections.abc import Callable

from redis.asyncio import Redis

from chassis import clock
from chassis.bucket import OwnBuckets, Rate, SharedRedis

# Rate and burst together stay within what the provider allows in any second.
CALLS = Rate(per_second=140, burst=10)
ERRORS = Rate(per_second=5, burst=1)

# Longer than a turn can last: two seconds of waiting and three calls of 4.5 s. Only a crash leaves a customer locked so
# long.
CUSTOMER_LOCKED_SECONDS = 30.0

_FOR_EVER_MS = 10**9

# KEYS[1] lock; ARGV token, milliseconds. Answers 1 when the lock is ours now.
_ENTER = "return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0"

# KEYS[1] lock; ARGV token. Deletes the lock unless it is somebody else's.
_LEAVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RefundLimits:
    """The limits of every merchant, by `mchid`: who signs the calls. All waits are seconds. `redis` None: this process
    alone. `calls`: refunds a second and merchant."""

    def __init__(
        self, redis: Redis | None, monotonic: Callable[[], float] = clock.monotonic, *, calls: Rate = CALLS
    ) -> None:
        self._calls = calls
        self._redis = SharedRedis(redis, monotonic, "each process limits its refunds for itself")
        self._own = OwnBuckets(monotonic)
        self._inside: dict[str, str] = {}

    async def take_call(self, mchid: str, patience: float) -> float:
        """How long to wait before the next call. When that is above `patience` it must not be made."""
        return await self._take(f"tuidan:refunds:calls:{mchid}", self._calls, patience_ms=int(patience * 1000))

    async def place_in_line(self, mchid: str) -> float:
        """How long whoever was turned away should stay away, so that not all come back at once."""
        return await self._take(f"tuidan:refunds:later:{mchid}", self._calls, patience_ms=_FOR_EVER_MS)

    async def until_errors(self, mchid: str) -> float:
        """How long until another wrong request would be tolerated, 0 = now. Takes nothing."""
        return await self._take(f"tuidan:refunds:errors:{mchid}", ERRORS, tokens=0)

    async def spend_error(self, mchid: str) -> None:
        """The provider has refused a request. More than tolerated at once is a debt: nothing goes until it is paid."""
        await self._take(f"tuidan:refunds:errors:{mchid}", ERRORS, patience_ms=_FOR_EVER_MS)

    async def enter(self, mchid: str, openid: str, token: str) -> bool:
        """Whether this customer's lock is ours now; `token` is new for each turn. Leave in any case: who cannot tell
        whether Redis heard him has it, until it expires."""
        lock = _lock(mchid, openid)
        if lock in self._inside:
            return False
        self._inside[lock] = token
        entered = await self._redis.ask(_ENTER, [lock], [token, int(CUSTOMER_LOCKED_SECONDS * 1000)])
        if entered == 0:
            self._leave_here(lock, token)
        return entered != 0

    async def leave(self, mchid: str, openid: str, token: str) -> None:
        """Give the customer's lock back, if it is ours."""
        lock = _lock(mchid, openid)
        self._leave_here(lock, token)
        await self._redis.ask(_LEAVE, [lock], [token])

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()

    def _leave_here(self, lock: str, token: str) -> None:
        if self._inside.get(lock) == token:
            del self._inside[lock]

    async def _take(self, bucket: str, rate: Rate, *, tokens: int = 1, patience_ms: int = 0) -> float:
        wait_ms = await self._redis.take(bucket, rate, tokens=tokens, patience_ms=patience_ms)
        if wait_ms is None:
            return self._own.take(bucket, rate, tokens=tokens, patience_ms=patience_ms) / 1000
        if wait_ms <= patience_ms:
            # Counted here too, so that this process does not start afresh in the moment Redis goes away.
            self._own.take(bucket, rate, tokens=tokens, patience_ms=_FOR_EVER_MS)
        return wait_ms / 1000


def _lock(mchid: str, openid: str) -> str:
    return f"tuidan:refunds:customer:{mchid}:{openid}"
