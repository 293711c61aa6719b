"""The proof under fire: orders are placed, paid and cancelled while refunds meet every kind of trouble, the merchant's
money runs short and services are killed. Then three ledgers are compared, and no case may be lost or paid twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
from rich.console import Console

from sandbox.faults import Shares
from tools.drill.doors import Doors, opened
from tools.drill.judge import Evidence, Kill, judge
from tools.drill.lag import Lag, watch
from tools.drill.load import IN_FLIGHT, Load
from tools.drill.people import People
from tools.drill.plan import PRODUCTS, VICTIMS, blows, shares, weather
from tools.drill.reading import read_inbox, read_ledger, read_orders
from tools.drill.report import Outcome
from tools.drill.settle import Say, settle, stand, tell_progress
from tools.drill.trouble import Processes, bring_weather, strike
from tools.replay.knock import Pace
from tools.replay.opening import open_shop
from tools.stack import StackError

__all__ = ["Orders", "drill"]

DEFAULT_PACE = Pace()
DOORS = ("gateway", "sandbox", "order", "payment")
READY_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What is drilled. `kill_every`: seconds between two kills on average, 0 for none; `patience`: seconds that cases
    may take to come to their end after the load."""

    count: int = 10_000
    seed: int = 7
    kill_every: float = 5.0
    patience: float = 900.0
    in_flight: int = IN_FLIGHT


class Place(Processes, Protocol):
    """The stack that is drilled (`tools.stack.Stack`)."""

    def address(self, name: str) -> str:
        """Where a program listens, host:port."""

    def restarts(self, name: str) -> int:
        """How often a program was started again."""


@dataclass(slots=True)
class Seen:
    """What is noted down on the way: see `Outcome`."""

    kills: list[Kill] = field(default_factory=list)
    lags: dict[str, Lag] = field(default_factory=dict)
    ended: int = 0
    calm_at: str = ""
    settled_in: float = 0.0


async def drill(
    place: Place,
    orders: Orders,
    console: Console,
    pace: Pace = DEFAULT_PACE,
    transport: httpx.AsyncBaseTransport | None = None,
) -> Outcome:
    """Drill a stack that nobody else uses. Raises UnexpectedAnswerError or TimeoutError when it does not even open."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    seen = Seen()
    async with opened({name: place.address(name) for name in DOORS}, pace, transport) as doors:
        await open_shop(PRODUCTS, doors.shop)
        load = Load(doors, orders.seed, orders.count)
        async with _running(People(doors, load).live()):
            async with AsyncExitStack() as trouble:
                lags = watch({name: place.address(name) for name in VICTIMS}, pace, seen.lags, transport)
                for work in (*_troubles(place, orders, doors, seen), lags):
                    await trouble.enter_async_context(_running(work))
                await _load(doors, load, orders, seen, say)
            began = pace.clock()
            say("故障停止，等待全部结束 · the trouble is over, waiting for every case to end …")
            await settle(doors, len(load.driven.asked), orders.patience, say)
            seen.settled_in = pace.clock() - began
        say("对账 · comparing the books …")
        return _outcome(orders, load, seen, await _gather(place, doors, load, seen))


def _troubles(place: Place, orders: Orders, doors: Doors, seen: Seen) -> tuple[Coroutine[Any, Any, None], ...]:
    """What goes wrong as long as the load lasts."""
    return (
        bring_weather(weather(orders.seed), doors.provider, doors.pace),
        strike(blows(orders.seed, orders.kill_every), place, doors.pace, seen.kills),
    )


async def _load(doors: Doors, load: Load, orders: Orders, seen: Seen, say: Say) -> None:
    """The load, with seeded faults in the refunds' way."""
    await doors.provider.trouble(shares(orders.seed))
    async with _running(tell_progress(doors, load.driven, orders.count, say)):
        await load.run(orders.in_flight)
    seen.ended = (await stand(doors)).ended
    seen.calm_at = await doors.provider.now()
    await doors.provider.trouble(Shares())


async def _gather(place: Place, doors: Doors, load: Load, seen: Seen) -> Evidence:
    """Read all books."""
    ready = {name: await asyncio.to_thread(_is_ready, place, name) for name in VICTIMS}
    ledger = await read_ledger(doors)
    orders = await read_orders(doors)
    return Evidence(
        asked=load.driven.asked,
        ledger=ledger,
        orders=orders,
        inbox=await read_inbox(doors, orders, ledger),
        kills=seen.kills,
        restarts={name: place.restarts(name) for name in VICTIMS},
        ready=ready,
        failures=load.driven.failures,
    )


def _is_ready(place: Place, name: str) -> bool:
    try:
        place.wait_ready(name, timeout=READY_WITHIN_SECONDS)
    except StackError:
        return False
    return True


def _outcome(orders: Orders, load: Load, seen: Seen, evidence: Evidence) -> Outcome:
    return Outcome(
        seed=orders.seed,
        count=orders.count,
        shares=shares(orders.seed),
        evidence=evidence,
        checks=judge(evidence),
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
