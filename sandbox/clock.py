"""The time of the stand-in: real time plus an offset that tests may grow."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8))


class Clock:
    """Two times, both in seconds since the epoch.

    ``now()`` is the business time: it decides when refunds settle, callbacks are due and tokens expire. It jumps
    forward with ``advance`` and may run faster than the real time. ``wall()`` is the time other machines have:
    signatures are made and checked with it, so that a jump of seven days does not make every signature stale.
    """

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self._offset = 0.0
        self._speed = 1.0
        self._since = source()

    def now(self) -> float:
        """Business time, seconds since the epoch."""
        wall = self._source()
        return wall + self._offset + (wall - self._since) * (self._speed - 1)

    def wall(self) -> float:
        """Time shared with other machines, seconds since the epoch."""
        return self._source()

    def advance(self, seconds: float) -> None:
        """Move the business time forward; it never moves back (ValueError)."""
        if seconds < 0:
            raise ValueError("time does not run backwards")
        self._offset += seconds

    def run_at(self, speed: float) -> None:
        """Let the business time run so many times as fast as the real one from now on; at least once as fast."""
        if speed < 1:
            raise ValueError("the business time runs at least as fast as the real one")
        wall = self._source()
        self._offset += (wall - self._since) * (self._speed - 1)
        self._since, self._speed = wall, speed

    @property
    def speed(self) -> float:
        """Seconds of business time in one real second."""
        return self._speed

    @property
    def offset(self) -> float:
        """Seconds by which the business time is ahead of the wall time."""
        return self._offset + (self._source() - self._since) * (self._speed - 1)

    def real_seconds_until(self, moment: float) -> float:
        """Real seconds until this business time; 0 when it is past."""
        return max(0.0, (moment - self.now()) / self._speed)


def rfc3339_china(seconds: float) -> str:
    """Seconds since the epoch as WeChat Pay writes them, such as ``2018-06-08T10:34:56+08:00``."""
    return datetime.fromtimestamp(seconds, CHINA).isoformat(timespec="seconds")


def rfc3339_utc(seconds: float) -> str:
    """Seconds since the epoch as UTC with milliseconds, such as ``2018-06-08T02:34:56.123Z``."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
