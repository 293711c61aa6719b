"""Rings stored timers: finds records whose `wake_at` has come and lets them hear `Woke`. Two processes may ring the
same timer: the second ring is recognised as a repeat."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

import structlog

from chassis import telemetry
from chassis.engine import Engine
from chassis.record import Aggregate, Decided, Heard
from contracts.message import Woke, message_id

DUE_LIMIT = 500

log = structlog.get_logger()


def _still_set(woke: Woke, outcome: Decided[Any]) -> bool:
    """Whether the timer stands where it stood: it would be found due for ever."""
    return outcome.record.wake_at == woke.due


async def _hear(engine: Engine, aggregate: Aggregate[Any], woke: Woke, now: datetime) -> Decided[Any]:
    """Let a timer be heard, also one set a second time for a moment it has rung at already, as it is when the clock
    steps back between. The version names that second time alike for whoever else rings it."""
    place, moment = f"{aggregate.name}/{woke.record_id}", f"woke/{woke.due}"
    outcome = await engine.hear_at(aggregate, Heard(woke, message_id(place, moment), now))
    if outcome.repeat and _still_set(woke, outcome):
        again = message_id(place, f"{moment}/{outcome.record.version}")
        return await engine.hear_at(aggregate, Heard(woke, again, now))
    return outcome


async def ring(engine: Engine) -> int:
    """Ring every timer that is due; returns how many. A record that fails to hear its timer keeps it."""
    rung = 0
    for aggregate in engine.aggregates:
        if Woke not in aggregate.handlers:
            continue
        now = engine.clock()
        due = await engine.stores[aggregate.name].due(now, DUE_LIMIT)
        rings = [Woke(record_id=record_id, due=at) for record_id, at in due]
        outcomes = await asyncio.gather(
            *(_hear(engine, aggregate, woke, now) for woke in rings), return_exceptions=True
        )
        for woke, outcome in zip(rings, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                log.error("a timer could not be heard", record=woke.record_id, problem=repr(outcome)[:300])
            elif _still_set(woke, outcome):
                log.error("a timer rang and was left set", record=woke.record_id)
            else:
                rung += 1
                telemetry.TIMERS_RUNG.labels(aggregate.name).inc()
    return rung
