"""The only place where services read the clock, or wait before they look again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Source:
    """Where time comes from: Unix seconds, seconds from an arbitrary start, and how to let some pass."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep


_source = Source()


def drive(source: Source) -> None:
    """Take time from somewhere else from now on: the simulation's days pass in milliseconds."""
    global _source  # noqa: PLW0603 - one process has one time
    _source = source


def now() -> datetime:
    """UTC, cut to milliseconds, because the database keeps no more: a state in memory equals the one read back."""
    at = datetime.fromtimestamp(_source.wall(), UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def monotonic() -> float:
    """Seconds from an arbitrary start, never going back: for measuring and for deadlines inside one process."""
    return _source.monotonic()


async def pause(seconds: float) -> None:
    """Wait before looking again whether there is something to do (who waits for an answer sets a time-out instead)."""
    await _source.pause(seconds)
