"""Between any two things lies the sea: whatever a process does with the outside (store, topics, HTTP) crosses it.
Crossings take time, are counted per process, go into the trace, and are where a process may be killed."""

from __future__ import annotations

import asyncio
import contextvars
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from tests.simulation.loop import ACTOR

T = TypeVar("T")

SHORT = 0.0004
LONG = 0.03
LONG_SHARE = 0.05


class Trace:
    """What happened, in order: a number that two runs of one seed have in common, and the lines when somebody reads."""

    def __init__(self, *, keep: bool = False) -> None:
        self._sum = 0
        self.lines: list[str] | None = [] if keep else None
        self.count = 0

    def note(self, at: float, who: str, what: str) -> None:
        """One more thing that happened."""
        self.count += 1
        self._sum = zlib.crc32(f"{at!r}{who}{what}".encode(), self._sum)
        if self.lines is not None:
            self.lines.append(f"{at:.4f} {who} {what}")

    @property
    def digest(self) -> str:
        """The sum so far, with the number of lines."""
        return f"{self._sum:08x}-{self.count}"


class Sea(Protocol):
    """What stores, topics and network need of it."""

    def delay(self) -> float:
        """How long the next way takes (s)."""

    async def cross(self, what: str) -> None:
        """The current process does something with the outside, or hears of it. It may be killed here: then this never
        returns."""


class StillWater:
    """No delay, no trace, no harm: for contract tests."""

    def delay(self) -> float:
        return 0.0

    async def cross(self, what: str) -> None:
        return None


@dataclass
class OpenSea:
    """The sea of a world. `kill_at`: what to do when the process of a name makes its n-th crossing; `even`: every way
    takes the same time, so that only the scheduler decides what comes first."""

    random: random.Random
    trace: Trace
    now: Callable[[], float]
    even: bool = False
    crossings: dict[str, int] = field(default_factory=dict)
    kill_at: dict[tuple[str, int], Callable[[], None]] = field(default_factory=dict)

    def delay(self) -> float:
        """Mostly short, sometimes long, so that what was sent later may come first."""
        if self.even:
            return 0.0
        draw = self.random.random()
        return LONG * self.random.random() if draw < LONG_SHARE else SHORT * (0.5 + draw)

    async def cross(self, what: str) -> None:
        who = ACTOR.get().name
        number = self.crossings[who] = self.crossings.get(who, 0) + 1
        self.trace.note(self.now(), who, what)
        strike = self.kill_at.pop((who, number), None)
        if strike is not None:
            strike()
            await for_ever()


async def for_ever() -> None:
    """What the rest of a killed process waits for."""
    await asyncio.get_running_loop().create_future()


async def later(seconds: float, work: Callable[[], T]) -> T:
    """What `work` gives, done after some time whether or not the one who asked still lives. Raises what it raises."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def do() -> None:
        try:
            found = work()
        except Exception as problem:  # why: it is the asker's
            if not outcome.done():
                outcome.set_exception(problem)
                outcome.exception()
            return
        if not outcome.done():
            outcome.set_result(found)

    loop.call_later(seconds, do, context=contextvars.Context())
    return await outcome
