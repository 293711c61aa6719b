"""What libraries log again and again: a client of Kafka that finds no broker says so a hundred times a second, and a
disk full of that hides what matters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from chassis import clock

EVERY_SECONDS = 30.0
KINDS_MAX = 1_000
"""Of a library that writes what differs into the line itself there would be a kind for each line."""


class Seldom(logging.Filter):
    """Lets a line of these loggers through once in so many seconds; the next one says how many like it were left out.
    Lines are alike when logger, level and unfilled text are."""

    def __init__(
        self,
        loggers: Sequence[str],
        every_seconds: float = EVERY_SECONDS,
        monotonic: Callable[[], float] = clock.monotonic,
    ) -> None:
        super().__init__()
        self._loggers = tuple(loggers)
        self._every_seconds = every_seconds
        self._monotonic = monotonic
        self._told: dict[tuple[str, int, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this line is written."""
        if not record.name.startswith(self._loggers):
            return True
        kind, now = (record.name, record.levelno, str(record.msg)), self._monotonic()
        told_at, left_out = self._told.get(kind, (now, -1))
        if left_out >= 0 and now - told_at < self._every_seconds:
            self._told[kind] = (told_at, left_out + 1)
            return False
        if len(self._told) >= KINDS_MAX:
            self._told.clear()
        self._told[kind] = (now, 0)
        if left_out > 0:
            record.msg = f"{record.getMessage()} (and {left_out} more like it in {now - told_at:.0f} s)"
            record.args = ()
        return True
