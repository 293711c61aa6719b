"""The gateway's scripts in the simulated Redis: tries to sign in, and confirmation codes. A contract test holds them to
the real ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from services.gateway import codes, lockout

Value = str | float
HOUR_MS = 3_600_000.0


class DoorKeys:
    """What the gateway keeps in Redis, by key. The scripts are told the time (ms), so nothing here has a clock; what
    has run out is never taken for valid, and may lie about until all is flushed."""

    def __init__(self) -> None:
        self._tries: dict[str, tuple[int, float, float]] = {}
        self._asked: dict[str, tuple[float, int, float]] = {}
        self._codes: dict[str, tuple[str, float, int, str]] = {}
        self.scripts: Mapping[str, Callable[[Sequence[str], Sequence[Value]], int]] = {
            lockout.ENTER: self._enter,
            lockout.FORGIVE: self._forgive,
            lockout.TAKE_BACK: self._take_back,
            codes.COUNT: self._count,
            codes.KEEP: self._keep,
            codes.TAKE: self._take,
        }

    def flush(self) -> None:
        """Everything is gone."""
        for kept in (self._tries, self._asked, self._codes):
            kept.clear()

    def _enter(self, keys: Sequence[str], args: Sequence[Value]) -> int:
        now, *free, longest, kept = (float(arg) for arg in args)
        wait = max(0.0, *(min(self._tries.get(key, (0, 0.0, now))[1] - now, longest) for key in keys))
        if wait > 0:
            return math.ceil(wait)
        for key, gratis in zip(keys, free, strict=True):
            tries, _, since = self._tries.get(key, (0, 0.0, now))
            if now - since >= kept:
                tries, since = 0, now
            over = tries + 1 - gratis
            delay = min(longest, 1000 * 2 ** min(over, 30)) if over >= 0 else 0.0
            self._tries[key] = (tries + 1, now + delay, since)
        return 0

    def _forgive(self, keys: Sequence[str], args: Sequence[Value]) -> int:
        account, address = keys
        self._tries.pop(account, None)
        return self._take_back([address], args)

    def _take_back(self, keys: Sequence[str], args: Sequence[Value]) -> int:
        for key in keys:
            if key in self._tries:
                tries, _, since = self._tries[key]
                self._tries[key] = (max(0, tries - 1), 0.0, since)
        return 0

    def _count(self, keys: Sequence[str], args: Sequence[Value]) -> int:
        now, spacing, most = (float(arg) for arg in args)
        since, count, last = self._asked.get(keys[0], (now, 0, -math.inf))
        if now - since >= HOUR_MS or now < since:
            since, count = now, 0
        if 0 <= now - last < spacing:
            return math.ceil(last + spacing - now)
        if count >= most:
            return math.ceil(since + HOUR_MS - now)
        self._asked[keys[0]] = (since, count + 1, now)
        return 0

    def _keep(self, keys: Sequence[str], args: Sequence[Value]) -> int:
        self._codes[keys[0]] = (str(args[0]), float(args[1]), 0, "")
        return 0

    def _take(self, keys: Sequence[str], args: Sequence[Value]) -> int:
        given, now, most, use = str(args[0]), float(args[1]), float(args[2]), str(args[3])
        mark, until, tries, used = self._codes.get(keys[0], ("", -math.inf, 0, ""))
        if until <= now or tries >= most:
            return 0
        if mark != given:
            self._codes[keys[0]] = (mark, until, tries + 1, used)
            return 0
        if used not in {"", use}:
            return 0
        self._codes[keys[0]] = (mark, until, tries, use)
        return 1
