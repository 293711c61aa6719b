"""Redis as far as the services use it: the scripts of `chassis.bucket`, `payment.limits` and the gateway (`door_redis`)
in memory. A contract test holds them to the real scripts in a real Redis. All may be lost or away at any moment."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from redis.exceptions import ConnectionError as Away

from chassis.bucket import BUCKET, BUCKET_LEFT
from services.payment import limits
from tests.simulation.door_redis import DoorKeys

Value = str | float


class SimRedis:
    """`now`: Redis' own clock, seconds. `draw`: chance; `away`: nobody is answered; `lost`: share of answers lost."""

    def __init__(self, now: Callable[[], float], draw: Callable[[], float] = lambda: 1.0) -> None:
        self.away = False
        self.lost = 0.0
        self._now = now
        self._draw = draw
        self._buckets: dict[str, tuple[float, float]] = {}
        self._locks: dict[str, tuple[str, float]] = {}
        self._door = DoorKeys()

    def flush(self) -> None:
        """Everything is gone."""
        self._buckets.clear()
        self._locks.clear()
        self._door.flush()

    def run(self, script: str, keys: Sequence[str], args: Sequence[Value]) -> int:
        """The number a script answers. Raises redis' ConnectionError when there is no answer."""
        if self.away:
            raise Away("away")
        door = self._door.scripts.get(script)
        answer = door(keys, args) if door else self._known(script)(keys[0], args)
        if self._draw() < self.lost:
            raise Away("the answer was lost")
        return answer

    def _known(self, script: str) -> Callable[[str, Sequence[Value]], int]:
        known = {BUCKET: self._bucket, BUCKET_LEFT: self._left, limits._ENTER: self._enter, limits._LEAVE: self._leave}
        return known[script]

    def _left(self, key: str, args: Sequence[Value]) -> int:
        return self._bucket(key, args) or -math.floor(self._buckets[key][0])

    def _bucket(self, key: str, args: Sequence[Value]) -> int:
        rate, size, taken, patience = (float(arg) for arg in args)
        now = self._now() * 1000
        tokens, at = self._buckets.get(key, (size, now))
        tokens = min(size, tokens + max(0.0, now - at) * rate / 1000)
        wait = math.ceil((1 - tokens) * 1000 / rate) if tokens < 1 else 0
        if wait <= patience:
            tokens -= taken
        self._buckets[key] = (tokens, now)
        return wait

    def _enter(self, key: str, args: Sequence[Value]) -> int:
        token, milliseconds = str(args[0]), float(args[1])
        if key in self._locks and self._locks[key][1] > self._now():
            return 0
        self._locks[key] = (token, self._now() + milliseconds / 1000)
        return 1

    def _leave(self, key: str, args: Sequence[Value]) -> int:
        held = self._locks.get(key)
        if held is None or held[0] != str(args[0]) or held[1] <= self._now():
            return 0
        del self._locks[key]
        return 1
