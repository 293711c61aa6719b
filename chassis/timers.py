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


def _still_set(heard: Heard, outcome: Decided[Any]) -> bool:
    """Whether the timer stands where it stood: the handler left it, so it would be found due for ever."""
    return isinstance(heard.message, Woke) and outcome.record.wake_at == heard.message.due


def _ring(aggregate: Aggregate[Any], record_id: str, at: datetime, now: datetime, nth: str = "") -> Heard:
    return Heard(Woke(record_id=record_id, due=at), message_id(f"{aggregate.name}/{record_id}", f"woke/{at}{nth}"), now)


async def _heard_at_last(engine: Engine, aggregate: Aggregate[Any], heard: Heard) -> Decided[Any]:
    """Let a timer be heard, also one set a second time for a moment it has rung at already, as it is when the clock
    steps back between. The version names that second time alike for whoever else rings it."""
    outcome = await engine.hear_at(aggregate, heard)
    if not outcome.repeat or not _still_set(heard, outcome):
        return outcome
    woke = heard.message
    assert isinstance(woke, Woke)
    again = _ring(aggregate, woke.record_id, woke.due, heard.at, f"/{outcome.record.version}")
    return await engine.hear_at(aggregate, again)


async def ring(engine: Engine) -> int:
    """Ring every timer that is due; returns how many. A record that fails to hear its timer keeps it."""
    rung = 0
    for aggregate in engine.aggregates:
        if Woke not in aggregate.handlers:
            continue
        now = engine.clock()
        due = await engine.stores[aggregate.name].due(now, DUE_LIMIT)
        rings = [_ring(aggregate, record_id, at, now) for record_id, at in due]
        outcomes = await asyncio.gather(
            *(_heard_at_last(engine, aggregate, heard) for heard in rings), return_exceptions=True
        )
        for heard, outcome in zip(rings, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                log.error("a timer could not be heard", record=heard.message.key_value, problem=repr(outcome)[:300])
            elif _still_set(heard, outcome):
                log.error("a timer rang and was left set", record=heard.message.key_value)
            else:
                rung += 1
                telemetry.TIMERS_RUNG.labels(aggregate.name).inc()
    return rung
