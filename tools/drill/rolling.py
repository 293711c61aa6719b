"""The proof under an upgrade: a steady load through the public door while each instance of each service in turn is
asked to stop (SIGTERM), and the next one only when it is back and ready. The order service comes back as tomorrow's,
with a longer list for paid orders (`tomorrow`), so old and new walk the same cases while the first round lasts."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from tools.drill import versions
from tools.drill.course import Course, Place, Seen, run
from tools.drill.doors import Doors
from tools.drill.judge import Evidence
from tools.drill.killing import HIT, Raid, figures_agree, in_front, stock_agrees, well_by
from tools.drill.letters import dead_letters
from tools.drill.plan import shares
from tools.drill.report import Outcome
from tools.drill.siege import LOOK_EVERY_SECONDS, WELL_WITHIN_SECONDS, Well
from tools.drill.tomorrow import SIGN
from tools.replay.judge.sides import Check
from tools.replay.knock import Pace
from tools.stack import StackError
from tools.stack.home import Home
from tools.stack.layout import tuidan_plan
from tools.stack.plan import DEFAULT_STOP_GRACE_SECONDS, Plan, python_module

UPGRADED = "order"
WARM_SECONDS = 5.0
"""So long orders come before the first restart: there are cases on their way then."""


@dataclass(slots=True)
class Restart:
    """One graceful restart: `at` seconds after the load began; seconds until the process had ended, and until the next
    one was ready, None when that never was; `in_load`: whether orders still came when it was over."""

    at: float
    name: str
    stopped_in: float | None = None
    ready_in: float | None = None
    in_load: bool = False


@dataclass
class Roll:
    """Restarts one instance after the other, round by round, until cancelled."""

    place: Place
    pace: Pace
    well: Well
    signs: Path
    restarts: list[Restart] = field(default_factory=list)

    async def go_on(self, names: tuple[str, ...], pause: float) -> None:
        """The one that is under way is waited for when the load ends; it does not count then."""
        began = self.pace.clock()
        await self.pace.sleep(WARM_SECONDS)
        for name in _in_turn(names):
            one = Restart(self.pace.clock() - began, name)
            self.restarts.append(one)
            work = asyncio.create_task(self._restart(one))
            try:
                await asyncio.shield(work)
                one.in_load = True
            except asyncio.CancelledError:
                await work
                raise
            await self.pace.sleep(pause)

    async def _restart(self, one: Restart) -> None:
        (self.signs / one.name).touch()
        began = self.pace.clock()
        try:
            restarts, process = self.place.restarts(one.name), psutil.Process(self.place.pid(one.name))
            os.kill(process.pid, signal.SIGTERM)
        except (StackError, psutil.NoSuchProcess, ProcessLookupError):
            return  # it had died by itself, which nobody should
        while self.pace.clock() < began + WELL_WITHIN_SECONDS:
            if one.stopped_in is None and not _lives(process):
                one.stopped_in = self.pace.clock() - began
            if one.stopped_in is not None and await self._is_back(one.name, restarts + 1):
                one.ready_in = self.pace.clock() - began
                return
            await self.pace.sleep(LOOK_EVERY_SECONDS)

    async def _is_back(self, name: str, restarts: int) -> bool:
        try:
            await asyncio.to_thread(self.place.wait_ready, name, restarts=restarts, timeout=0)
        except StackError:
            return False
        return await self.well(name)


def rolling_plan(home: Home, raid: Raid) -> Plan:
    """The stack that is drilled: the order service may become tomorrow's at a restart. Raises BinaryMissing."""
    plan = tuidan_plan(home, raid.kafka, raid.instances)
    signs = signs_of(home)
    signs.mkdir(exist_ok=True)
    upgraded = raid.programs((UPGRADED,))
    return replace(
        plan,
        programs=tuple(
            replace(
                program,
                command=python_module("tools.drill.tomorrow"),
                env={**program.env, SIGN: str(signs / program.name)},
            )
            if program.name in upgraded
            else program
            for program in plan
        ),
    )


def signs_of(home: Home) -> Path:
    """Where a file says of an instance that it is tomorrow's from its next start on."""
    return home.root / "tomorrow"


async def drill_rolling(
    place: Place, raid: Raid, plan: Plan, signs: Path, console: Console, pace: Pace
) -> tuple[Outcome, list[Restart]]:
    """Drill a stack that nobody else uses; `raid.every`: seconds between two restarts. Raises UnexpectedAnswerError or
    TimeoutError when it does not even open."""
    addresses = {program.name: place.address(program.name) for program in plan}
    roll = Roll(place, pace, well_by(raid, plan, addresses), signs)
    names = tuple(one for name in HIT for one in raid.programs((name,)))

    def troubles(doors: Doors, seen: Seen) -> tuple[Coroutine[Any, Any, None], ...]:
        return (roll.go_on(names, raid.every),)

    async def more(doors: Doors, evidence: Evidence) -> list[Check]:
        return [
            all_restarted(roll.restarts, names),
            await asyncio.to_thread(versions.both_walked, addresses["broker"], evidence),
            await stock_agrees(doors),
            await figures_agree(doors, evidence, pace),
            dead_letters(addresses["broker"]),
        ]

    course = Course(
        programs=(*raid.programs(), "mongo", "redis", "broker"),
        seed=raid.seed,
        count=raid.count,
        shares=shares(raid.seed, raid.troubled),
        patience=raid.patience,
        apart=1 / raid.rate,
    )
    outcome = await run(place, course, console, pace, troubles, more, in_front(raid, addresses))
    return outcome, roll.restarts


def all_restarted(restarts: list[Restart], names: tuple[str, ...]) -> Check:
    """Each instance was restarted under load, stopped in the time it is given, and came back."""
    check = Check(("每个实例都在负载下平滑重启", "each instance restarted gracefully under load"))
    check.compared = len(restarts)
    for one in restarts:
        if one.ready_in is None:
            check.differences.append(f"{one.name}: not ready again within {WELL_WITHIN_SECONDS:.0f} s")
        if one.stopped_in is not None and one.stopped_in > DEFAULT_STOP_GRACE_SECONDS:
            check.differences.append(f"{one.name}: took {one.stopped_in:.1f} s to stop, it would have been killed")
    under_load = {one.name for one in restarts if one.in_load}
    missing = [name for name in names if name not in under_load]
    check.differences += [f"{name}: not restarted while orders came; more --minutes" for name in missing]
    return check


def _in_turn(names: tuple[str, ...]) -> Iterator[str]:
    for _ in count():
        yield from names


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
