"""The only place where services read the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def now() -> datetime:
    """UTC, cut to milliseconds, because the database keeps no more: a state in memory equals the one read back."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def monotonic() -> float:
    """Seconds from an arbitrary start, never going back: for measuring and for deadlines inside one process."""
    return time.monotonic()
