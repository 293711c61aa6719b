"""MongoDB in memory: one database per service, reached over the sea by every process of that service. It may be away,
refuse, or do what it was asked and lose the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from chassis.documents import Documents
from chassis.relay import RENEWED_SHARE
from chassis.store import StoreUnavailable
from tests.simulation.loop import ACTOR, EPOCH, Sight
from tests.simulation.sea import Sea, later

T = TypeVar("T")

SELECTION_SECONDS = 3.0
SOCKET_SECONDS = 5.0


@dataclass
class Weather:
    """What goes wrong now. `away`: nobody answers. Shares of operations: `refused` (not done, an error), `unanswered`
    (done, and the answer is lost), `stale` (a read that an old primary answers with what it last had). A process that
    the new primary has acknowledged a write to knows it from then on, and asks the old one no more: drivers go by the
    election (specifications.readthedocs.io, server discovery: "Using electionId and setVersion to detect stale
    primaries")."""

    away: bool = False
    refused: float = 0.0
    unanswered: float = 0.0
    stale: float = 0.0


class Storage:
    """The database server of one service. `sweep_after`: see the services' settings (s)."""

    def __init__(
        self,
        service: str,
        sea: Sea,
        draw: Callable[[], float],
        changed: Callable[[Sight], None],
        sweep_after: float,
    ) -> None:
        self.service = service
        self.collections: dict[str, Documents] = {}
        self.weather = Weather()
        self.sight = Sight(self._wakes, {"timers": self._timers_due, "sweep": self._sweep_due})
        self.skews: Callable[[], float] = lambda: 0.0
        self.daily: Callable[[], float | None] = lambda: None
        self._sea = sea
        self._draw = draw
        self._changed = changed
        self._sweep_after = sweep_after
        self.read_stale = False
        self._old: dict[str, dict[str, dict[str, Any]]] = {}
        self._moved_on: set[str] = set()
        self._seen: tuple[int, float | None, float | None] = (-1, None, None)

    async def through(self, what: str, work: Callable[[], T]) -> T:
        """One operation of a process. `what`: `read NAME` or `write NAME`."""
        await self._sea.cross(f"{what} goes")
        if self.weather.away:
            await asyncio.sleep(SELECTION_SECONDS)
            raise StoreUnavailable("the database is away")
        draw = self._draw()
        if draw < self.weather.refused:
            await later(self._sea.delay(), lambda: None)
            raise StoreUnavailable("not primary")
        stale = draw < self.weather.refused + self.weather.stale and ACTOR.get().name not in self._moved_on
        if stale and what.startswith("read"):
            found = await later(self._sea.delay(), lambda: self._read_old(work))
        else:
            found = await later(self._sea.delay(), work)
        if what.startswith("write"):
            self._changed(self.sight)
        if draw > 1 - self.weather.unanswered:
            await asyncio.sleep(SOCKET_SECONDS)
            raise StoreUnavailable("the answer was lost")
        if what.startswith(("write", "certain")):
            self._moved_on.add(ACTOR.get().name)
        await self._sea.cross(f"{what} answered")
        return found

    def remember(self) -> None:
        """What there is now is what an old primary shows from now on."""
        self._old = {name: dict(one.documents) for name, one in self.collections.items()}
        self._moved_on.clear()

    def _read_old(self, work: Callable[[], T]) -> T:
        self.read_stale = True
        now = {name: one.documents for name, one in self.collections.items()}
        for name, documents in self.collections.items():
            documents.documents = self._old.get(name, {})
        try:
            return work()
        finally:
            for name, documents in self.collections.items():
                documents.documents = now[name]

    def _wakes(self) -> float | None:
        """When a poll of any kind sees something that is due by itself, in virtual seconds."""
        return _first(self._timers_due(), self._old_after(RENEWED_SHARE), self._known(self.daily()))

    def _timers_due(self) -> float | None:
        """When the next stored timer rings. An old primary may show one that has rung: then at any time."""
        return 0.0 if self.weather.stale else self._known(self._moments()[0])

    def _sweep_due(self) -> float | None:
        """When something unsaid is old enough to be said."""
        return self._old_after(1.0)

    def _old_after(self, share: float) -> float | None:
        """When something unsaid reaches this share of the age at which it is said; who has it in hand renews it."""
        touched = self._moments()[1]
        return None if touched is None else self._known(touched + self._sweep_after * share)

    def _known(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self.skews()

    def _moments(self) -> tuple[float | None, float | None]:
        """The next timer, and since when something is unsaid, by the clock on the wall."""
        changes, timer, oldest = self._seen
        if changes != self.sight.changes:
            documents = [document for one in self.collections.values() for document in one.documents.values()]
            timer = min((_seconds(at) for one in documents if (at := one.get("wake_at")) is not None), default=None)
            touched = [_seconds(at) for one in documents if one.get("unsaid") and (at := one.get("touched_at"))]
            oldest = min(touched, default=None)
            self._seen = (self.sight.changes, timer, oldest)
        return timer, oldest


def _first(*moments: float | None) -> float | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _seconds(at: Any) -> float:
    assert isinstance(at, datetime)
    return at.timestamp() - EPOCH
