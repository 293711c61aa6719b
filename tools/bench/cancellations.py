"""`tuidan bench cancellations`: a stack of its own, three loads, what they cost, an exit code."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import aiohttp
from rich.console import Console
from rich.table import Table

from tools.bench.bare import RECORDS, WRITES, bare_loop, workers
from tools.bench.cost import Moment, moment
from tools.bench.flames import NoFlames, drawn, painter
from tools.bench.ground import Provider, bare_plan, store, throughput_plan
from tools.bench.load import Load, Paid, Seen, paid_orders
from tools.bench.steady import quantile
from tools.bench.watching import watched
from tools.own_stack import on_own_stack
from tools.place import refuse
from tools.replay import doors
from tools.replay.knock import Pace
from tools.stack import Stack, up
from tools.stack.control import Draw
from tools.stack.display import UpDisplay
from tools.stack.layout import SERVICES

PROCESSES = (*SERVICES, "mongo", "broker", "redis", "sandbox")
WARM = 200
IDLE = 200
STEADY_SECONDS = 20.0
HALF = 0.5
TARGET_RATE = 300.0
TARGET_IDLE_MS = (45.0, 150.0)
CONNECTIONS = 128
"""Requests at once, fewer than the gateway hands on to one service at a time (`IN_HAND_MAX` of its clients): with more
cases than that under way, who comes then waits here, and is measured waiting."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many orders are cancelled at saturation, with how many cases under way, who refunds and tells, how many
    orders are there beforehand, and where pictures of what the services do meanwhile go."""

    count: int = 3_000
    in_flight: int = 128
    provider: Provider = "at-once"
    stored: int = 0
    flames: Path | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """One load: what was seen and what the machine spent."""

    name: str
    seen: Seen
    before: Moment
    after: Moment


def run_bench_cancellations(wanted: Wanted, *, keep: bool) -> None:
    """Measure a stack of its own. Exit code 1 when a target is missed, 2 when it could not be measured."""

    def task(home: Path, console: Console) -> bool:
        stack = _started(home, lambda place: throughput_plan(place, wanted.provider), console)
        asyncio.run(store(stack, wanted.stored, console))
        return show(console, asyncio.run(_measure(stack, wanted, console)), wanted)

    try:
        if wanted.flames is not None:
            painter()
        on_own_stack(task, keep=keep, what="benchmark")
    except NoFlames as problem:
        refuse(f"The benchmark could not be drawn: {problem}")


def run_bench_bare(count: int, in_flight: int, *, keep: bool) -> None:
    """Measure the bare loop. Exit code 2 when it could not be measured."""

    def task(home: Path, console: Console) -> bool:
        stack = _started(home, bare_plan, console)
        kafka, mongo = stack.address("broker"), f"mongodb://{stack.address('mongo')}"
        with workers(kafka, mongo):
            asyncio.run(bare_loop(kafka, WARM, 16))
            idle = asyncio.run(bare_loop(kafka, IDLE, 1))
            full = asyncio.run(bare_loop(kafka, count, in_flight))
        console.print(f"the bare loop: {RECORDS} records and {WRITES} writes a case", highlight=False)
        for name, seen in (("idle", idle), ("saturated", full)):
            told = sorted(seen.told)
            times = "   ".join(f"p{share * 100:.0f} {quantile(told, share) * 1000:.0f} ms" for share in (0.5, 0.99))
            console.print(f"{name:10} {seen.rate:5.0f} cases/s   {times}", highlight=False)
        return True

    on_own_stack(task, keep=keep, what="benchmark")


def _started(home: Path, draw: Draw, console: Console) -> Stack:
    with UpDisplay(console) as display:
        return up(home, plan=draw, progress=display.show)


async def _measure(stack: Stack, wanted: Wanted, console: Console) -> list[Measured]:
    gateway, sandbox = (f"http://{stack.address(name)}" for name in ("gateway", "sandbox"))
    found: list[Measured] = []
    async with AsyncExitStack() as held:
        shop, outside = await held.enter_async_context(doors(gateway, sandbox, Pace(), None))
        told = await held.enter_async_context(watched(stack.address("broker")))
        pool = aiohttp.TCPConnector(limit=CONNECTIONS)
        http = await held.enter_async_context(aiohttp.ClientSession(gateway, connector=pool))
        load = Load(http, told)

        async def take(name: str, orders: list[Paid], work: Callable[[list[Paid]], Coroutine[Any, Any, Seen]]) -> Seen:
            before = await moment(stack, PROCESSES)
            seen = await work(orders)
            found.append(Measured(name, seen, before, await moment(stack, PROCESSES)))
            return seen

        orders = await paid_orders(shop, outside, WARM + 2 * IDLE + wanted.count, console)
        warm, alone, in_a_row, many = _parts(orders, WARM, IDLE, IDLE)
        await load.at_once(warm, 16)
        await take("idle", alone, load.alone)
        await take("in a row", in_a_row, lambda some: load.at_once(some, 1))
        with drawn(stack, SERVICES, wanted.flames):
            full = await take("saturated", many, lambda some: load.at_once(some, wanted.in_flight))
        half = full.rate * HALF
        more = await paid_orders(shop, outside, max(1, int(half * STEADY_SECONDS)), console)
        await take("half load", more, lambda some: load.steadily(some, half))
    return found


def _parts(orders: list[Paid], *sizes: int) -> list[list[Paid]]:
    """The first so many, the next so many, and the rest."""
    places = [0, *accumulate(sizes), len(orders)]
    return [orders[begin:end] for begin, end in pairwise(places)]


def show(console: Console, measured: list[Measured], wanted: Wanted) -> bool:
    """Print what came out; whether every customer was told and the targets are met."""
    console.print(f"paid cancellations, request to customer told; providers: {wanted.provider}", highlight=False)
    table = Table("load", "cases", "cases/s", "told p50 ms", "p99", "worst", "accepted p50 ms", "p99", "failed")
    for one in measured:
        told, answered = sorted(one.seen.told), sorted(one.seen.answered)
        times = [f"{quantile(told, share) * 1000:.0f}" for share in (0.5, 0.99, 1.0)] if told else ["-"] * 3
        accepted = [f"{quantile(answered, share) * 1000:.0f}" for share in (0.5, 0.99)] if answered else ["-"] * 2
        table.add_row(one.name, str(len(told)), f"{one.seen.rate:.0f}", *times, *accepted, str(len(one.seen.wrong)))
    console.print(table)
    for one in measured:
        for wrong in one.seen.wrong[:3]:
            console.print(f"{one.name}: {wrong}", highlight=False, markup=False)
    _show_cost(console, measured)
    seen = {one.name: one.seen for one in measured}
    idle, full = seen["idle"], seen["saturated"]
    if any(one.seen.wrong or not one.seen.told for one in measured):
        return False
    ordered = [seconds * 1000 for seconds in sorted(idle.told)]
    within = all(quantile(ordered, share) <= limit for share, limit in zip((0.5, 0.99), TARGET_IDLE_MS, strict=True))
    return full.rate >= TARGET_RATE and within


def _show_cost(console: Console, measured: list[Measured]) -> None:
    full = next(one for one in measured if one.name == "saturated")
    cases, seconds = max(1, len(full.seen.told)), full.seen.seconds
    table = Table("process", "CPU s per 1,000 cases", "share of a core", "MB")
    spent = {name: full.after.cores[name] - full.before.cores[name] for name in full.after.cores}
    for name, used in spent.items():
        table.add_row(name, f"{used / cases * 1000:.2f}", f"{used / seconds:.0%}", f"{full.after.megabytes[name]:.0f}")
    total = sum(spent.values())
    table.add_row("all of them", f"{total / cases * 1000:.2f}", f"{total / seconds:.0%}", "")
    console.print(table)
    operations = {name: full.after.operations[name] - full.before.operations[name] for name in full.after.operations}
    shown = ", ".join(f"{count / cases:.1f} {name}" for name, count in operations.items() if count)
    console.print(f"MongoDB, operations a case: {shown}", highlight=False)
    console.print(f"Kafka, records a case: {(full.after.records - full.before.records) / cases:.1f}", highlight=False)
