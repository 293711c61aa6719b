"""Figures that nobody counts while things happen and that are looked up when somebody asks for `/metrics`: how old the
oldest unsaid message is, how far a consumer is behind. Whoever is not watched pays nothing for them.

A figure that cannot be looked up is left out of the answer, not shown as it was: nobody is told that all is well while
nobody knows.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import structlog
from prometheus_client import Gauge

from chassis import clock, telemetry
from chassis.engine import Engine

EVERY_SECONDS = 5.0
"""However many ask, they are looked up no more often."""
TAKES_AT_MOST_SECONDS = 4.0
"""Longer than the checks of readiness, which are among them."""
UNSAID_LOOKED_AT = 20
"""Records whose messages are looked at for the oldest one: those touched longest ago."""

Series = Mapping[tuple[str, ...], float]
"""The figure by the values of the gauge's labels."""
Look = Callable[[], Awaitable[Series]]

NOTHING: Series = {}
UNKNOWN: Series = {(): math.nan}
"""For a gauge without labels, which always shows something: a number that is above and below nothing, so no alert is
raised by it, and none of another process is hidden (Prometheus' `max` passes it over)."""

log = structlog.get_logger()


class Readings:
    """What one process looks up when it is asked."""

    def __init__(self, monotonic: Callable[[], float] = clock.monotonic) -> None:
        self._looks: list[tuple[Gauge, Look, Series]] = []
        self._monotonic = monotonic
        self._taken_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()
        self._told: set[Gauge] = set()

    def add(self, gauge: Gauge, look: Look, otherwise: Series = NOTHING) -> None:
        """Let `gauge` show what `look` finds, and no series that it does not find; `otherwise` when it cannot look."""
        self._looks.append((gauge, look, otherwise))

    async def take(self) -> None:
        """Look everything up, unless that was done a moment ago. Never raises."""
        async with self._one_at_a_time:
            if self._monotonic() - self._taken_at < EVERY_SECONDS:
                return
            await asyncio.gather(*(self._take_one(*each) for each in self._looks))
            self._taken_at = self._monotonic()

    async def _take_one(self, gauge: Gauge, look: Look, otherwise: Series) -> None:
        try:
            async with asyncio.timeout(TAKES_AT_MOST_SECONDS):
                found = await look()
        except Exception as problem:  # why: whatever it is, the other figures are shown
            if gauge not in self._told:
                log.warning(
                    "a figure cannot be looked up",
                    figure=next(iter(gauge.describe())).name,
                    problem=repr(problem)[:300],
                )
            self._told.add(gauge)
            found = otherwise
        else:
            self._told.discard(gauge)
        gauge.clear()
        for labels, value in found.items():
            (gauge.labels(*labels) if labels else gauge).set(value)


def unsaid_ages(engine: Engine) -> Look:
    """How long the oldest message of each kind of record has waited to be said (s); 0 when none waits."""

    async def look() -> Series:
        now = engine.clock()
        found: dict[tuple[str, ...], float] = {}
        for place, store in engine.stores.items():
            records = await store.unsaid(now + timedelta(milliseconds=1), UNSAID_LOOKED_AT)
            waits = [(now - said.at).total_seconds() for record in records for said in record.still_to_say()]
            found[place,] = max(0.0, *waits, 0.0)
        return found

    return look


def wire_readings(readings: Readings, engine: Engine, lags: Look) -> None:
    """What every service that hears topics can be asked."""
    readings.add(telemetry.UNSAID_OLDEST_SECONDS, unsaid_ages(engine))
    readings.add(telemetry.LAG_MESSAGES, lags)
