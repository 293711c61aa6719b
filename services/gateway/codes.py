"""Confirmation codes: six digits by short message to the acting member of staff, for exactly one action on one order
and one amount. Kept in Redis only, and only as a mark; losing them means asking for another one."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import Counter

from chassis.bucket import SharedRedis
from chassis.clock import Clock
from chassis.problem import Problem
from services.gateway.vault import Vault

LASTS_SECONDS = 300
TRIES = 5
SPACING_SECONDS = 70
"""Between two codes for one member of staff: SMS providers send one number one a minute. They count from when they get
it, up to ten seconds after it was asked for; the next one may get there at once."""
PER_HOUR = 10
"""Codes for one member of staff: at most fifty guesses an hour at a million numbers. As many as two providers send one
number; where one sends fewer it says so, and its word is handed on."""

TAKEN = Counter("tuidan_gateway_codes_total", "Confirmation codes that were given, by outcome", ["outcome"])

# KEYS the member's count; ARGV now (ms), spacing (ms), codes an hour. Answers 0 when this one is counted, else the
# milliseconds until another one may be asked for.
COUNT = """
local now = tonumber(ARGV[1])
local had = redis.call('HMGET', KEYS[1], 'since', 'count', 'last')
local since, count, last = tonumber(had[1]) or now, tonumber(had[2]) or 0, tonumber(had[3])
if now - since >= 3600000 or now < since then since, count = now, 0 end
if last and now >= last and now - last < tonumber(ARGV[2]) then
  return math.ceil(last + tonumber(ARGV[2]) - now)
end
if count >= tonumber(ARGV[3]) then return math.ceil(since + 3600000 - now) end
redis.call('HSET', KEYS[1], 'since', string.format('%.0f', since), 'count', count + 1)
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], 3600000)
return 0
"""

# KEYS the code; ARGV mark, until (ms), life (ms).
KEEP = """
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'mark', ARGV[1], 'until', ARGV[2], 'tries', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 0
"""

# KEYS the code; ARGV mark, now (ms), tries, use. Answers 1 when it is right, and then for this use only; else 0.
TAKE = """
local kept = redis.call('HMGET', KEYS[1], 'mark', 'until', 'tries', 'use')
if not kept[1] or tonumber(kept[2]) <= tonumber(ARGV[2]) then return 0 end
if tonumber(kept[3]) >= tonumber(ARGV[3]) then return 0 end
if kept[1] ~= ARGV[1] then
  redis.call('HINCRBY', KEYS[1], 'tries', 1)
  return 0
end
if kept[4] and kept[4] ~= ARGV[4] then return 0 end
redis.call('HSET', KEYS[1], 'use', ARGV[4])
return 1
"""


@dataclass(frozen=True, slots=True)
class Matter:
    """What a code is for. `amount_minor`: fen."""

    staff_id: str
    action: str
    order_id: str
    amount_minor: int

    def parts(self) -> tuple[str, ...]:
        """Everything a code is bound to."""
        return (self.staff_id, self.action, self.order_id, str(self.amount_minor))


class Codes:
    """Makes and takes codes. While Redis is away there are none, and nothing that needs one is done."""

    def __init__(self, redis: SharedRedis, vault: Vault, clock: Clock) -> None:
        self._redis = redis
        self._vault = vault
        self._clock = clock

    async def make(self, matter: Matter) -> tuple[str, datetime]:
        """A code, and until when it counts once it is kept. Raises a 429 problem when the last one is too fresh or
        there were too many, 503 while Redis is away."""
        code, now = f"{secrets.randbelow(1_000_000):06d}", self._clock()
        asked = f"tuidan:codes-asked:{self._vault.mark('codes-asked', matter.staff_id)}"
        wait_ms = await self._redis.ask(COUNT, [asked], [_ms(now), SPACING_SECONDS * 1000, PER_HOUR])
        if wait_ms is None:
            raise _away()
        if wait_ms > 0:
            raise too_often(math.ceil(wait_ms / 1000))
        return code, now + timedelta(seconds=LASTS_SECONDS)

    async def keep(self, matter: Matter, code: str, until: datetime) -> None:
        """From now on this code counts, and an earlier one for the same matter no more. Raises a 503 problem while
        Redis is away."""
        args: list[str | float] = [self._mark(matter, code), _ms(until), LASTS_SECONDS * 1000]
        if await self._redis.ask(KEEP, [self._key(matter)], args) is None:
            raise _away()

    async def take(self, matter: Matter, code: str, use: str) -> None:
        """Use a code up, for `use`: the same use again finds it used for itself, so that a request without an answer
        can be repeated. Raises a 403 problem, code-wrong, for whatever is not the code of this matter, 503 while Redis
        is away."""
        args: list[str | float] = [self._mark(matter, code), _ms(self._clock()), TRIES, use]
        taken = await self._redis.ask(TAKE, [self._key(matter)], args)
        if taken is None:
            raise _away()
        TAKEN.labels("right" if taken == 1 else "wrong").inc()
        if taken != 1:
            raise Problem(
                403,
                "code-wrong",
                "确认码不正确、已过期、已使用,或不适用于本次操作和金额。请核对,或重新获取。",
                "The code is wrong, too old, used, or not for this action and amount. Check it, or ask for another.",
            )

    def _key(self, matter: Matter) -> str:
        return f"tuidan:code:{self._vault.mark('code-of', *matter.parts())}"

    def _mark(self, matter: Matter, code: str) -> str:
        return self._vault.mark("code", *matter.parts(), code)


def _ms(at: datetime) -> str:
    return f"{at.timestamp() * 1000:.0f}"


def too_often(wait_seconds: int) -> Problem:
    """No code was sent; one that was sent before counts on."""
    return Problem(
        429,
        "codes-too-often",
        "确认码请求过于频繁,请稍后再试。",
        "Codes are asked for too often. Wait before the next one.",
        retry_after=wait_seconds,
    )


def _away() -> Problem:
    return Problem(
        503,
        "codes-not-available",
        "确认码暂时不可用,操作未执行。请稍后再试。",
        "Confirmation codes are not available now, and nothing was done. Try again in a moment.",
        retry_after=5,
    )
