"""A short `tuidan drill rolling`: instances restarted gracefully under load, and the same judge as the long one."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tools.drill.killing import Raid
from tools.drill.report import print_report
from tools.drill.rolling import drill_rolling, rolling_plan, signs_of
from tools.drill.rolling_report import passage_table, restart_table
from tools.replay.knock import Pace
from tools.stack import Plan, up
from tools.stack.home import Home

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]

MINUTES = 0.75
RATE = 2.0
DEPENDS_ON_THE_MACHINE = ("more --minutes", "by the old list", "by the new list")
"""How many restarts such a short load has room for."""


async def test_restarts_under_load_lose_and_double_nothing(home: Home, seed: int) -> None:
    raid = Raid("embedded", MINUTES, seed, 0.5, RATE, instances=1, troubled=0, patience=300)
    stack = up(home.root, plan=lambda place: rolling_plan(place, raid))
    said = io.StringIO()
    console = Console(file=said, width=140)
    outcome, restarts = await drill_rolling(stack, raid, Plan.load(home.plan), signs_of(home), console, Pace())
    print_report(outcome, console, restart_table(restarts), passage_table(outcome.evidence, outcome.shares))
    print(said.getvalue())
    wrong = [line for check in outcome.checks for line in check.differences]
    assert [line for line in wrong if not line.endswith(DEPENDS_ON_THE_MACHINE)] == []
    assert len(outcome.evidence.cases) == raid.count
    assert restarts[0].ready_in is not None
