"""How often somebody may try to sign in. Tries are counted per account and per address, in Redis; after some free ones
each further try makes the next wait twice as long.

A try is counted before the password is looked at, so that a thousand at once are a thousand; a good one takes its count
back, and the wait that it began, and so does one at which nobody looks in the end. A try during a wait is refused and
not counted: whoever waits gets in, however many others tried meanwhile. Where an account was signed in to before from
an address, tries from there are counted apart, so that strangers who guess from everywhere lock out each other and not
the member of staff at the usual desk."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import Counter

from chassis.bucket import SharedRedis
from chassis.clock import Clock
from chassis.problem import Problem
from services.gateway.limits import network_of
from services.gateway.vault import Vault

FREE_FOR_ACCOUNT = 5
FREE_FOR_ADDRESS = 20
"""A whole office may share one address."""
LONGEST_SECONDS = 900
KEPT_SECONDS = 86_400
"""A day after the first try that is counted all are forgotten: about a hundred guesses at an account a day, and the
typing errors of an office do not add up for weeks."""

REFUSED = Counter("tuidan_gateway_sign_ins_locked_total", "Tries to sign in that were refused unseen")

# KEYS account, address; ARGV now (ms), free tries of each, longest wait (ms), how long to remember (ms). Answers the
# milliseconds to wait, 0: the try is counted and may be made. The time is given, so that one clock decides.
ENTER = """
local now, longest, kept = tonumber(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local wait = 0
for _, key in ipairs(KEYS) do
  local till = tonumber(redis.call('HGET', key, 'until')) or 0
  wait = math.max(wait, math.min(till - now, longest))
end
if wait > 0 then return math.ceil(wait) end
for place, key in ipairs(KEYS) do
  local since = tonumber(redis.call('HGET', key, 'since'))
  if since and now - since >= kept then redis.call('HSET', key, 'tries', 0) end
  if not since or now - since >= kept then
    redis.call('HSET', key, 'since', string.format('%.0f', now))
    redis.call('PEXPIRE', key, kept + longest)
  end
  local over = redis.call('HINCRBY', key, 'tries', 1) - tonumber(ARGV[place + 1])
  local delay = 0
  if over >= 0 then delay = math.min(longest, 1000 * 2 ^ math.min(over, 30)) end
  redis.call('HSET', key, 'until', string.format('%.0f', now + delay))
end
return 0
"""

# A good one: the account begins anew, the address gets back this try only (else one own account would open all others)
# and waits no more: who was let in had waited for all tries before, so the wait that stands there is this one's.
FORGIVE = """
redis.call('DEL', KEYS[1])
if tonumber(redis.call('HGET', KEYS[2], 'tries') or '0') > 0 then redis.call('HINCRBY', KEYS[2], 'tries', -1) end
redis.call('HDEL', KEYS[2], 'until')
return 0
"""

# Nobody looked: both get back this try only, and the wait that it began; whoever was let in waited for all before.
TAKE_BACK = """
for _, key in ipairs(KEYS) do
  if tonumber(redis.call('HGET', key, 'tries') or '0') > 0 then redis.call('HINCRBY', key, 'tries', -1) end
  redis.call('HDEL', key, 'until')
end
return 0
"""


class Lockout:
    """`redis` counts. While it is away nobody signs in: an uncounted guess would be free."""

    def __init__(self, redis: SharedRedis, vault: Vault, clock: Clock) -> None:
        self._redis = redis
        self._vault = vault
        self._clock = clock

    async def enter(self, name: str, address: str, *, known: bool) -> None:
        """Count a try. `known`: the account was signed in to from this address before. Raises a 429 problem with
        `retry_after` (s), the same whether there is such an account or not, or 503 while Redis is away."""
        now = self._clock().timestamp() * 1000
        free = [FREE_FOR_ACCOUNT, FREE_FOR_ADDRESS]
        args: list[str | float] = [f"{now:.0f}", *free, LONGEST_SECONDS * 1000, KEPT_SECONDS * 1000]
        wait_ms = await self._redis.ask(ENTER, self._keys(name, address, known), args)
        if wait_ms is None:
            raise Problem(
                503,
                "sign-in-not-available",
                "暂时无法登录,请稍后再试。已登录的账号不受影响。",
                "Nobody can sign in just now. Try again in a moment; who is signed in stays so.",
                retry_after=5,
            )
        if wait_ms > 0:
            REFUSED.inc()
            raise Problem(
                429,
                "sign-in-locked",
                "登录尝试过多,请等待后再试。",
                "Too many tries to sign in. Wait before the next one.",
                retry_after=math.ceil(wait_ms / 1000),
            )

    @asynccontextmanager
    async def counted(self, name: str, address: str, *, known: bool) -> AsyncIterator[None]:
        """`enter`, then look at the password inside. Where that ends in a problem (too many wait for it) nobody has
        looked, and the try does not count: who keeps all hands full would lock everybody out."""
        await self.enter(name, address, known=known)
        try:
            yield
        except Problem:
            await self._redis.ask(TAKE_BACK, self._keys(name, address, known), [])
            raise

    async def forgive(self, name: str, address: str, *, known: bool) -> None:
        """The try was a good one."""
        await self._redis.ask(FORGIVE, self._keys(name, address, known), [])

    def _keys(self, name: str, address: str, known: bool) -> list[str]:
        account = self._vault.mark("account", name, address if known else "")
        network = network_of(address)
        return [f"tuidan:sign-in:account:{account}", f"tuidan:sign-in:address:{self._vault.mark('address', network)}"]
