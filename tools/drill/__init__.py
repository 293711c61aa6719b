"""The proof under fire: orders are placed, paid and cancelled while things go wrong. Then three ledgers are compared,
and no case may be lost or paid twice.

`drill` is the one about refunds: every kind of trouble at the provider, a merchant short of money, services killed.
`killing` is the one about machines: processes killed, frozen and stopped, a disk that is full or slow."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from rich.console import Console

from tools.drill.course import Course, Place, Seen, run
from tools.drill.doors import Doors
from tools.drill.judge import Evidence, Kill
from tools.drill.lag import watch
from tools.drill.load import IN_FLIGHT
from tools.drill.plan import VICTIMS, blows, shares, weather
from tools.drill.report import Outcome
from tools.drill.trouble import bring_weather, strike
from tools.replay.judge.sides import Check
from tools.replay.knock import Pace

__all__ = ["Orders", "drill"]

DEFAULT_PACE = Pace()


@dataclass(frozen=True, slots=True)
class Orders:
    """What is drilled. `kill_every`: seconds between two kills on average, 0 for none; `patience`: seconds that cases
    may take to come to their end after the load."""

    count: int = 10_000
    seed: int = 7
    kill_every: float = 5.0
    patience: float = 900.0
    in_flight: int = IN_FLIGHT


async def drill(
    place: Place,
    orders: Orders,
    console: Console,
    pace: Pace = DEFAULT_PACE,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Outcome:
    """Drill a stack that nobody else uses. Raises UnexpectedAnswerError or TimeoutError when it does not even open."""

    def troubles(doors: Doors, seen: Seen) -> tuple[Coroutine[Any, Any, None], ...]:
        return (
            bring_weather(weather(orders.seed), doors.provider, doors.pace),
            strike(blows(orders.seed, orders.kill_every), place, doors.pace, seen.kills),
            watch({name: place.address(name) for name in VICTIMS}, pace, seen.lags, transport),
        )

    async def more(doors: Doors, evidence: Evidence) -> list[Check]:
        return [killed_at_all(evidence.kills)] if orders.kill_every else []

    course = Course(VICTIMS, orders.seed, orders.count, shares(orders.seed), orders.patience, orders.in_flight)
    return await run(place, course, console, pace, troubles, more, transport)


def killed_at_all(kills: Sequence[Kill]) -> Check:
    """Services were to be killed: a load that is over before the first kill has not tried it."""
    check = Check(("确有服务被强杀", "services were killed while orders came"), compared=len(kills))
    if not kills:
        check.differences.append("nobody was killed; ask for more orders (--count), or for none (--kill-every 0)")
    return check
