"""`tuidan drill …`, as a person types it: a fresh stack of its own, the drill, the report, an exit code."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

from rich.console import Console

from tools.drill import DEFAULT_PACE, Orders, drill
from tools.drill.disk import Disk, NoDiskError, mounted
from tools.drill.kill_report import case_table, fault_table, slowest_recoveries
from tools.drill.killing import Raid, drill_kill, raid_plan
from tools.drill.report import print_report
from tools.drill.rolling import drill_rolling, rolling_plan, signs_of
from tools.drill.rolling_report import passage_table, restart_table
from tools.own_stack import on_own_stack
from tools.replay.knock import Pace
from tools.stack import Stack, down, up
from tools.stack.display import UpDisplay
from tools.stack.home import Home
from tools.stack.layout import Kafka, choose_kafka
from tools.stack.plan import Plan


def run_drill(orders: Orders, *, keep: bool) -> None:
    """Start a stack, drill it, stop it and, unless `keep`, delete it. Leaves with exit code 0 when there was no
    violation, 1 when there was one, 2 when the drill could not be run."""
    on_own_stack(lambda home, console: _drilled(home, orders, console), keep=keep)


def run_kill_drill(raid: Raid, kafka: Kafka | Literal["auto"], *, keep: bool) -> None:
    """The same with processes killed and disks filled. What cannot be had here is said, and the drill goes on without;
    a broker that was asked for by name and cannot be had ends it."""
    console = Console()
    here = _as_can_be_had(raid, kafka, console)
    on_own_stack(lambda home, _: _killed(home, here, console), keep=keep)


def run_rolling_drill(raid: Raid, kafka: Kafka | Literal["auto"], *, keep: bool) -> None:
    """The same with each instance in turn restarted gracefully."""
    console = Console()
    here = _as_can_be_had(raid, kafka, console)
    on_own_stack(lambda home, _: _rolled(home, here, console), keep=keep)


def _drilled(home: Path, orders: Orders, console: Console) -> bool:
    with UpDisplay(console) as display:
        stack: Stack = up(home, progress=display.show)
    outcome = asyncio.run(drill(stack, orders, console))
    print_report(outcome, console)
    return outcome.good


def _killed(root: Path, raid: Raid, console: Console) -> bool:
    home = Home(root)
    home.make()
    with ExitStack() as held:
        disk = _own_disk(home, held, console)

        def draw(place: Home) -> Plan:
            return raid_plan(place, raid, has_disk=disk is not None)

        held.callback(down, root)  # before the disk is taken away
        with UpDisplay(console) as display:
            stack = up(root, plan=draw, progress=display.show)
        plan = Plan.load(home.plan)
        outcome, struck = asyncio.run(drill_kill(stack, raid, plan, disk, console, _patient(raid)))
    tables = (fault_table(struck), slowest_recoveries(struck), case_table(outcome.evidence, outcome.shares))
    print_report(outcome, console, *tables)
    return outcome.good


def _rolled(root: Path, raid: Raid, console: Console) -> bool:
    home = Home(root)
    home.make()
    with UpDisplay(console) as display:
        stack = up(root, plan=lambda place: rolling_plan(place, raid), progress=display.show)
    plan = Plan.load(home.plan)
    outcome, restarts = asyncio.run(drill_rolling(stack, raid, plan, signs_of(home), console, DEFAULT_PACE))
    print_report(outcome, console, restart_table(restarts), passage_table(outcome.evidence, outcome.shares))
    return outcome.good


def _as_can_be_had(raid: Raid, kafka: Kafka | Literal["auto"], console: Console) -> Raid:
    chosen, why_not = choose_kafka(kafka)
    if why_not:
        _say(console, f"内置代理 · on the embedded broker: {why_not}")
    if chosen == "embedded" and raid.instances > 1:
        _say(console, "内置代理每组只服务一个成员 · the embedded broker serves one member per group: one instance each")
    return replace(raid, kafka=chosen, instances=raid.instances if chosen == "native" else 1)


def _patient(raid: Raid) -> Pace:
    """Everybody asks on for as long as something planned may stay away."""
    longest = max((fault.seconds for fault in raid.chosen), default=0.0)
    return replace(DEFAULT_PACE, patience=DEFAULT_PACE.patience + longest)


def _own_disk(home: Home, held: ExitStack, console: Console) -> Disk | None:
    try:
        return held.enter_context(mounted(home.data("mongo"), home.root / "mongo.disk"))
    except NoDiskError as why_not:
        _say(console, f"不填满、不放慢磁盘 · the disk is neither filled nor slowed here: {why_not}")
        return None


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False)
