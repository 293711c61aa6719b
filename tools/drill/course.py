"""What every drill goes through: the shop opens, orders come while trouble is about, the trouble ends, everything comes
to rest, the books are compared. A drill says what its trouble is and what it wants to see besides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from rich.console import Console

from sandbox.faults import Shares
from tools.drill.doors import Doors, opened
from tools.drill.judge import Evidence, Kill, judge
from tools.drill.lag import Lag
from tools.drill.load import IN_FLIGHT, Load
from tools.drill.people import People
from tools.drill.plan import PRODUCTS
from tools.drill.reading import read_inbox, read_ledger, read_orders
from tools.drill.report import Outcome
from tools.drill.settle import Say, settle, stand, tell_progress
from tools.drill.trouble import Processes
from tools.replay.judge.sides import Check
from tools.replay.knock import Pace
from tools.replay.opening import open_shop
from tools.stack import StackError

DOORS = ("gateway", "sandbox", "order", "payment")
READY_WITHIN_SECONDS = 60.0


class Place(Processes, Protocol):
    """The stack that is drilled (`tools.stack.Stack`)."""

    def address(self, name: str) -> str:
        """Where a program listens, host:port."""

    def restarts(self, name: str) -> int:
        """How often a program was started again."""


@dataclass(frozen=True, slots=True)
class Course:
    """`programs`: who must be ready in the end. `shares`: which refunds meet trouble. `apart`: seconds between two
    orders, 0 for as fast as they go. `patience`: seconds that cases may take to come to their end after the load.
    `linger`: see `Load`."""

    programs: tuple[str, ...]
    seed: int
    count: int
    shares: Shares
    patience: float
    in_flight: int = IN_FLIGHT
    apart: float = 0.0
    linger: float = 0.0


@dataclass(slots=True)
class Seen:
    """What is noted down on the way: see `Outcome`."""

    kills: list[Kill] = field(default_factory=list)
    lags: dict[str, Lag] = field(default_factory=dict)
    ended: int = 0
    calm_at: str = ""
    settled_in: float = 0.0


Troubles = Callable[[Doors, Seen], Sequence[Coroutine[Any, Any, None]]]
"""What goes wrong as long as the load lasts. Each is cancelled after it, and may still put right what it did."""
More = Callable[[Doors, Evidence], Awaitable[list[Check]]]
"""What a drill wants to see besides, once everything is still."""


async def run(
    place: Place,
    course: Course,
    console: Console,
    pace: Pace,
    troubles: Troubles,
    more: More | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Outcome:
    """Drill a stack that nobody else uses. Raises UnexpectedAnswerError or TimeoutError when it does not even open."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    seen = Seen()
    async with opened({name: place.address(name) for name in DOORS}, pace, transport) as doors:
        await open_shop(PRODUCTS, doors.shop)
        await doors.shop.begin_at_once()
        load = Load(doors, course.seed, course.count, course.apart, course.linger)
        async with _running(People(doors, load).live()):
            async with AsyncExitStack() as trouble:
                for work in troubles(doors, seen):
                    await trouble.enter_async_context(_running(work))
                await _load(doors, load, course, seen, say)
            began = pace.clock()
            say("故障停止，等待全部结束 · the trouble is over, waiting for every case to end …")
            await settle(doors, len(load.driven.asked), course.patience, say)
            seen.settled_in = pace.clock() - began
        say("对账 · comparing the books …")
        evidence = await _gather(place, course, doors, load, seen)
        checks = judge(evidence) + (await more(doors, evidence) if more else [])
    return _outcome(course, load, seen, evidence, checks)


async def _load(doors: Doors, load: Load, course: Course, seen: Seen, say: Say) -> None:
    """The load, with seeded faults in the refunds' way."""
    await doors.provider.trouble(course.shares)
    async with _running(tell_progress(doors, load.driven, course.count, say)):
        await load.run(course.in_flight)
    seen.ended = (await stand(doors)).ended
    seen.calm_at = await doors.provider.now()
    await doors.provider.trouble(Shares())


async def _gather(place: Place, course: Course, doors: Doors, load: Load, seen: Seen) -> Evidence:
    """Read all books."""
    ready = {name: await asyncio.to_thread(_is_ready, place, name) for name in course.programs}
    ledger = await read_ledger(doors)
    orders = await read_orders(doors)
    return Evidence(
        asked=load.driven.asked,
        ledger=ledger,
        orders=orders,
        inbox=await read_inbox(doors, orders, ledger),
        kills=seen.kills,
        restarts={name: place.restarts(name) for name in course.programs},
        ready=ready,
        failures=load.driven.failures,
    )


def _is_ready(place: Place, name: str) -> bool:
    try:
        place.wait_ready(name, timeout=READY_WITHIN_SECONDS)
    except StackError:
        return False
    return True


def _outcome(course: Course, load: Load, seen: Seen, evidence: Evidence, checks: list[Check]) -> Outcome:
    return Outcome(
        seed=course.seed,
        count=course.count,
        shares=course.shares,
        evidence=evidence,
        checks=checks,
        seconds=load.driven.seconds,
        ended=seen.ended,
        calm_at=seen.calm_at,
        settled_in=seen.settled_in,
        lags=seen.lags,
    )


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Something that goes on in the background, and is stopped and waited for at the end. Raises what it raised."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
