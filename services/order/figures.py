"""What is shown of all cases at once: how many there are of each kind, and since when the oldest waits. Each figure is
read from an index that holds nothing but such cases."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prometheus_client import Gauge

from chassis.clock import Clock
from chassis.mongo import Collection
from chassis.readings import Readings, Series
from services.order.finding import EPOCH
from services.order.lists import Keys
from services.order.work_lists import LISTS

CASES = Gauge(
    "tuidan_open_cases",
    "Orders with a case in this state: any open one, or one in a list of what needs somebody",
    ["state"],
)
OLDEST_SECONDS = Gauge(
    "tuidan_open_case_oldest_seconds",
    "For how long the oldest case has been in this state; 0: there is none",
    ["state"],
)

STATES: dict[str, str] = {"open": "found_by.open_since", **{str(name): f"found_by.work.{name}" for name in LISTS}}
"""Where it stands since when an order has a case in this state."""
_SET = {"$gt": EPOCH}


class CaseFigures:
    """Reads them from the order records."""

    def __init__(self, orders: Collection, clock: Clock) -> None:
        self._orders = orders
        self._clock = clock

    async def prepare(self) -> None:
        """Make the index of open cases; those of the lists are there."""
        await self._orders.ensure_index(_index("open"), partial={STATES["open"]: _SET})

    def join(self, readings: Readings) -> None:
        """Be read with the service's metrics."""
        readings.add(CASES, self.counts)
        readings.add(OLDEST_SECONDS, self.ages)

    async def counts(self) -> Series:
        """How many orders have a case in each state."""
        return {(state,): float(await self._orders.count({field: _SET})) for state, field in STATES.items()}

    async def ages(self) -> Series:
        """For how long (s) the oldest case is in each state."""
        now = self._clock()
        return {(state,): await self._age(state, now) for state in STATES}

    async def _age(self, state: str, now: datetime) -> float:
        field, index = STATES[state], _index(state)
        found = await self._orders.find({field: _SET}, fields=[field], sort=index, limit=1, index=index)
        if not found:
            return 0.0
        since: Any = found[0]
        for name in field.split("."):
            since = since[name]
        return max(0.0, float((now - since).total_seconds()))


def _index(state: str) -> Keys:
    return [(STATES[state], 1), ("_id", 1)]
