"""Rings stored timers: finds records whose `wake_at` has come and lets them hear `Woke`. Two processes may ring the
same timer: the second ring is recognised as a repeat."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog

from chassis import telemetry
from chassis.engine import Engine
from chassis.personal import KeyMissing
from chassis.record import Aggregate, Heard
from chassis.store import StoreUnavailable
from contracts.message import Woke, message_id

DUE_LIMIT = 500
LOOKS_LEFT_OUT_MAX = 120

Due = tuple[str, datetime]
"""A record's id, and the time that its timer was set to."""

log = structlog.get_logger()


class Unheard:
    """Timers that their records failed to hear. They stay due, the earliest of all, so as many more are looked for:
    else some hundred of them would hold up every other timer. Each is left alone for one look, then for two, for four,
    so that nobody is kept busy with them."""

    def __init__(self) -> None:
        self._kept: defaultdict[str, dict[Due, tuple[int, int]]] = defaultdict(dict)

    def __len__(self) -> int:
        return sum(map(len, self._kept.values()))

    def limit(self, place: str) -> int:
        """How many due timers to look for."""
        return DUE_LIMIT + len(self._kept[place])

    def rest(self, place: str, due: Sequence[Due]) -> list[Due]:
        """Those of the due timers that are to be rung now. What is due no more is forgotten."""
        before = self._kept[place]
        self._kept[place] = {one: (before[one][0], before[one][1] - 1) for one in due if one in before}
        return [one for one in due if self._kept[place].get(one, (0, 0))[1] <= 0]

    def failed(self, place: str, one: Due) -> None:
        """Leave this one alone for twice as many looks as before."""
        looks = min(LOOKS_LEFT_OUT_MAX, 2 * self._kept[place].get(one, (1, 0))[0])
        self._kept[place][one] = (looks, looks)


async def _hear(engine: Engine, aggregate: Aggregate[Any], woke: Woke, now: datetime) -> bool:
    """Let a timer be heard; whether it stands where it stood: it would be found due for ever. Also one that was set a
    second time for a moment it has rung at already, as it is when the clock steps back between. The version names that
    second time alike for whoever else rings it."""
    place, moment = f"{aggregate.name}/{woke.record_id}", f"woke/{woke.due}"
    outcome = await engine.hear_at(aggregate, Heard(woke, message_id(place, moment), now))
    if outcome.repeat and outcome.record.wake_at == woke.due:
        again = message_id(place, f"{moment}/{outcome.record.version}")
        outcome = await engine.hear_at(aggregate, Heard(woke, again, now))
    return outcome.record.wake_at == woke.due


async def ring(engine: Engine, unheard: Unheard | None = None) -> int:
    """Ring every timer that is due; returns how many. A record that fails to hear its timer keeps it; `unheard`
    remembers that from one look to the next."""
    rung = 0
    unheard = Unheard() if unheard is None else unheard
    for aggregate in engine.aggregates:
        if Woke not in aggregate.handlers:
            continue
        now, place = engine.clock(), aggregate.name
        due = await engine.stores[place].due(now, unheard.limit(place))
        rings = [Woke(record_id=record_id, due=at) for record_id, at in unheard.rest(place, due)]
        outcomes = await asyncio.gather(
            *(_hear(engine, aggregate, woke, now) for woke in rings), return_exceptions=True
        )
        for woke, outcome in zip(rings, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                log.error("a timer could not be heard", record=woke.record_id, problem=repr(outcome)[:300])
            elif outcome:
                log.error("a timer rang and was left set", record=woke.record_id)
            else:
                rung += 1
                telemetry.TIMERS_RUNG.labels(place).inc()
                continue
            if not isinstance(outcome, StoreUnavailable) or isinstance(outcome, KeyMissing):
                unheard.failed(place, (woke.record_id, woke.due))
    return rung
