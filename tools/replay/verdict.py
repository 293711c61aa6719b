"""From the last request to a verdict: read the books until they agree, or until they have stopped moving."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tools.replay.books import Books, collect
from tools.replay.client import Outside, Shop
from tools.replay.independent import Expected, compute
from tools.replay.judge import Check, Sides, judge
from tools.replay.judge.sides import CaseName, refused_names
from tools.replay.knock import Pace

STILL = 20.0
PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    sides: Sides
    checks: list[Check]

    @property
    def agrees(self) -> bool:
        return all(check.agrees for check in self.checks)


class Judge:
    """Computes the file's side once for each set of refused refunds."""

    def __init__(self, path: Path, invoices: int | None) -> None:
        self._path = path
        self._invoices = invoices
        self._refused: frozenset[CaseName] | None = None
        self._expected = Expected()

    async def look(self, books: Books) -> Verdict:
        """Lay the books beside the file."""
        refused = refused_names(books)
        if refused != self._refused:
            self._expected = await asyncio.to_thread(compute, self._path, self._invoices, refused)
            self._refused = refused
        sides = Sides(self._expected, books)
        return Verdict(sides, judge(sides))


async def reach(judge_: Judge, read: Callable[[], Awaitable[Books]], pace: Pace) -> Verdict:
    """Figures and messages come a moment after the cases they speak of. So the books are read again until they agree,
    or until nothing in them has changed for a while: what differs then is a difference."""
    last, moved_at = None, pace.clock()
    while True:
        books = await read()
        verdict = await judge_.look(books)
        if verdict.agrees:
            return verdict
        if books != last:
            last, moved_at = books, pace.clock()
        elif pace.clock() - moved_at >= STILL:
            return verdict
        await pace.sleep(PAUSE)


def reader(shop: Shop, outside: Outside) -> Callable[[], Awaitable[Books]]:
    """How the books are read."""

    async def read() -> Books:
        return await collect(shop, outside)

    return read
