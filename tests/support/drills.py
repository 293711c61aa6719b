"""A stack that is drilled under kills inside a test; the whole report is printed, so a failure shows it."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable

from rich.console import Console

from tools.drill.disk import Disk
from tools.drill.kill_report import case_table, fault_table
from tools.drill.killing import Raid, drill_kill, raid_plan
from tools.drill.report import Outcome, print_report
from tools.drill.siege import Struck
from tools.replay.knock import Pace
from tools.stack import Plan, up
from tools.stack.home import Home

WIDTH = 140

Drilled = Callable[[Raid], Awaitable[tuple[Outcome, list[Struck]]]]


async def drill_at(home: Home, disk: Disk | None, raid: Raid) -> tuple[Outcome, list[Struck]]:
    """Start a stack in `home` and drill it; whoever owns the home stops it."""

    def draw(place: Home) -> Plan:
        return raid_plan(place, raid, has_disk=disk is not None)

    said = io.StringIO()
    console = Console(file=said, width=WIDTH)
    stack = up(home.root, plan=draw)
    outcome, struck = await drill_kill(stack, raid, Plan.load(home.plan), disk, console, Pace())
    print_report(outcome, console, fault_table(struck), case_table(outcome.evidence, outcome.shares))
    print(said.getvalue())
    return outcome, struck
