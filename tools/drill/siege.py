"""What the planned faults do to real processes, and how long each takes to be well again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Iterable, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

import psutil

from tools.drill.course import Place
from tools.drill.disk import BREATH_SECONDS, STALL_SECONDS, Disk
from tools.drill.faults import Fault, Kind
from tools.drill.judge import Kill
from tools.replay.knock import Pace
from tools.stack import StackError

WELL_WITHIN_SECONDS = 120.0
LOOK_EVERY_SECONDS = 0.1
SUCCESSOR_LOOK_SECONDS = 0.02

Well = Callable[[str], Awaitable[bool]]
"""Whether a program does its work now, asked of the program itself."""


@dataclass(slots=True)
class Struck:
    """One fault as it happened: `at` seconds after the load began. `left_alone`: the victim had not come back from an
    earlier fault, and nothing was done. `recovered_in`: seconds from the blow, or from the end of what lasts, until the
    victim was ready; None when it never was."""

    at: float
    fault: Fault
    left_alone: bool = False
    recovered_in: float | None = None


@dataclass
class Siege:
    """Strikes what the plan says. `struck` and `kills` grow with it; `kills` is what the judge is shown."""

    place: Place
    pace: Pace
    well: Well
    disk: Disk | None = None
    struck: list[Struck] = field(default_factory=list)
    kills: list[Kill] = field(default_factory=list)
    _busy: set[str] = field(default_factory=set)

    async def go_on(self, plan: Iterable[Fault]) -> None:
        """Strike until cancelled. Faults may overlap, but nobody suffers two at once. Returns only when what lasts is
        over and everybody had the time to recover."""
        began = due = self.pace.clock()
        under_way: set[asyncio.Task[None]] = set()
        try:
            for fault in plan:
                due += fault.after
                await self.pace.sleep(max(0.0, due - self.pace.clock()))
                under_way.add(asyncio.create_task(self._strike(Struck(self.pace.clock() - began, fault))))
        finally:
            await _all_over(under_way)

    async def _strike(self, struck: Struck) -> None:
        self.struck.append(struck)
        victim = struck.fault.victim
        if victim in self._busy:
            struck.left_alone = True
            return
        self._busy.add(victim)
        try:
            if not await self._is_up(victim, 0):
                struck.left_alone = True
                return
            restarts = self.place.restarts(victim)
            ended = await self._blows[struck.fault.kind](self, struck.fault)
            if struck.fault.kind == "kill":
                self.kills.append(Kill(struck.at, victim, 0))
            hit = self.pace.clock()
            if await self._recovers(victim, restarts + ended):
                struck.recovered_in = self.pace.clock() - hit
        except (StackError, psutil.NoSuchProcess, ProcessLookupError):
            struck.left_alone = True  # it had gone by itself at that very moment
        finally:
            self._busy.discard(victim)

    async def _recovers(self, victim: str, restarts: int) -> bool:
        deadline = self.pace.clock() + WELL_WITHIN_SECONDS
        while self.pace.clock() < deadline:
            if await self._is_up(victim, restarts) and await self.well(victim):
                return True
            await self.pace.sleep(LOOK_EVERY_SECONDS)
        return False

    async def _is_up(self, victim: str, restarts: int) -> bool:
        try:
            await asyncio.to_thread(partial(self.place.wait_ready, victim, restarts=restarts, timeout=0))
        except StackError:
            return False
        return True

    # Each blow returns how many more restarts the victim must have had before it counts as recovered.

    async def _kill(self, fault: Fault) -> int:
        os.kill(self.place.pid(fault.victim), signal.SIGKILL)
        return 1

    async def _terminate(self, fault: Fault) -> int:
        os.kill(self.place.pid(fault.victim), signal.SIGTERM)
        return 1

    async def _freeze(self, fault: Fault) -> int:
        process = psutil.Process(self.place.pid(fault.victim))
        process.suspend()
        try:
            await self.pace.sleep(fault.seconds)
        finally:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        return 0

    async def _away(self, fault: Fault) -> int:
        gone = self.place.pid(fault.victim)
        os.kill(gone, signal.SIGKILL)
        deadline = self.pace.clock() + WELL_WITHIN_SECONDS
        while self._pid_now(fault.victim) in (None, gone):
            if self.pace.clock() >= deadline:
                return 1  # nobody starts it again, so it will not be well
            await self.pace.sleep(SUCCESSOR_LOOK_SECONDS)
        # What is started in its place is stopped before it listens: whoever connects is refused.
        await self._freeze(fault)
        return 1

    def _pid_now(self, victim: str) -> int | None:
        try:
            return self.place.pid(victim)
        except StackError:
            return None

    async def _stutter(self, fault: Fault) -> int:
        until = self.pace.clock() + fault.seconds
        while self.pace.clock() < until:
            await self._freeze(fault._replace(seconds=STALL_SECONDS))
            await self.pace.sleep(BREATH_SECONDS)
        return 0

    async def _disk_full(self, fault: Fault) -> int:
        assert self.disk is not None
        await asyncio.to_thread(self.disk.fill)
        try:
            await self.pace.sleep(fault.seconds)
        finally:
            await asyncio.to_thread(self.disk.free)
        return 0

    async def _slow_disk(self, fault: Fault) -> int:
        assert self.disk is not None
        until = self.pace.clock() + fault.seconds
        while self.pace.clock() < until:
            await asyncio.to_thread(self.disk.stall)
            await self.pace.sleep(BREATH_SECONDS)
        return 0

    _blows: ClassVar[dict[Kind, Callable[[Siege, Fault], Awaitable[int]]]] = {
        "kill": _kill,
        "terminate": _terminate,
        "freeze": _freeze,
        "away": _away,
        "stutter": _stutter,
        "disk-full": _disk_full,
        "slow-disk": _slow_disk,
    }


async def _all_over(tasks: Set[asyncio.Task[None]]) -> None:
    """Wait for all of them, also when cancelled meanwhile: a plan may have come to its end before the load has. Raises
    what they raised."""
    cancelled = False
    while any(not task.done() for task in tasks):
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            cancelled = True
    for task in tasks:
        task.result()
    if cancelled:
        raise asyncio.CancelledError
