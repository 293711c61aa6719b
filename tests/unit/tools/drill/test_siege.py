"""What faults do to real processes, on a time of their own: who is hit, how, and when it counts as recovered."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import give_way, until, within
from tests.unit.tools.drill.fake_world import Clock
from tools.drill.disk import STALL_SECONDS, Disk
from tools.drill.faults import Fault, Kind
from tools.drill.siege import WELL_WITHIN_SECONDS, Siege
from tools.replay.knock import Pace
from tools.stack import StackError


def _idler() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is ended."""
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


victim = pytest.fixture(_idler, name="victim")
successor = pytest.fixture(_idler, name="successor")


class Street:
    """A stack of one process called payment. It is started again `back_after` seconds after its end."""

    def __init__(self, process: subprocess.Popen[bytes], clock: Clock, back_after: float = 3.0) -> None:
        self._process = process
        self._clock = clock
        self._back_after = back_after
        self._ended_at: float | None = None
        self.states: list[str] = []

    def pid(self, name: str) -> int:
        return self._process.pid

    def address(self, name: str) -> str:
        return name

    def restarts(self, name: str) -> int:
        return int(self._ended_at is not None and self._clock.now >= self._ended_at + self._back_after)

    def wait_ready(self, name: str, *, restarts: int = 0, timeout: float = 180) -> None:
        assert timeout == 0, "nobody waits in here"
        if self._ended_at is None and restarts:
            self._process.wait(timeout=10)
            self._ended_at = self._clock.now
        if name != "payment" or self.restarts(name) < restarts:
            raise StackError(f"{name} is on its way up")


async def _besieged(street: Street, clock: Clock, *plan: Fault, disk: Disk | None = None, well: bool = True) -> Siege:
    async def is_well(name: str) -> bool:
        return well

    siege = Siege(street, Pace(sleep=clock.sleep, clock=clock), is_well, disk)
    await siege.go_on(plan)
    return siege


@pytest.mark.parametrize(("kind", "ending"), [("kill", signal.SIGKILL), ("terminate", signal.SIGTERM)])
async def test_a_process_is_ended_and_its_recovery_is_timed(
    victim: subprocess.Popen[bytes], kind: Kind, ending: signal.Signals
) -> None:
    clock = Clock()
    siege = await _besieged(Street(victim, clock), clock, Fault(2.0, kind, "payment"))
    assert victim.returncode == -ending
    (struck,) = siege.struck
    assert (struck.at, struck.left_alone) == (2.0, False)
    assert struck.recovered_in == pytest.approx(3.0, abs=0.2)
    assert [kill.service for kill in siege.kills] == (["payment"] if kind == "kill" else []), "the judge counts kill -9"


async def test_who_is_away_is_killed_and_its_successor_does_not_come_up_until_it_is_over(
    victim: subprocess.Popen[bytes], successor: subprocess.Popen[bytes]
) -> None:
    clock, process = Clock(), psutil.Process(successor.pid)
    looks = iter([None, successor.pid])

    class Replaced(Street):
        """Nobody runs for a moment, then its successor does."""

        def pid(self, name: str) -> int:
            if victim.poll() is None:
                return victim.pid
            if next(looks, successor.pid) is None:
                raise StackError("payment is not running")
            return successor.pid

    async def sleep(seconds: float) -> None:
        if seconds == 600.0:
            victim.wait(timeout=10)
            await until(lambda: process.status() == psutil.STATUS_STOPPED, "it is stopped")
        clock.now += seconds
        await give_way(1)

    async def is_well(name: str) -> bool:
        return process.status() != psutil.STATUS_STOPPED

    siege = Siege(Replaced(victim, clock), Pace(sleep=sleep, clock=clock), is_well)
    await siege.go_on([Fault(1.0, "away", "payment", 600.0)])
    assert victim.returncode == -signal.SIGKILL
    assert siege.struck[0].recovered_in is not None
    assert clock.now >= 601.0
    await until(lambda: process.status() != psutil.STATUS_STOPPED, "it goes on")


async def test_who_is_away_and_never_started_again_is_given_up(
    victim: subprocess.Popen[bytes],
) -> None:
    clock = Clock()

    class Deserted(Street):
        """Nobody is started in its place."""

        def pid(self, name: str) -> int:
            if victim.poll() is None:
                return victim.pid
            raise StackError("payment is not running")

    async def sleep(seconds: float) -> None:
        assert clock.now < 1_000, "it is waited for without end"
        clock.now += seconds
        await give_way(1)

    async def is_well(name: str) -> bool:
        return True

    siege = Siege(Deserted(victim, clock, back_after=1e9), Pace(sleep=sleep, clock=clock), is_well)
    await siege.go_on([Fault(1.0, "away", "payment", 600.0)])
    (struck,) = siege.struck
    assert (struck.left_alone, struck.recovered_in) == (False, None)
    assert clock.now >= 2 * WELL_WITHIN_SECONDS


async def test_who_is_down_is_left_alone(victim: subprocess.Popen[bytes]) -> None:
    clock = Clock()
    siege = await _besieged(Street(victim, clock), clock, Fault(1.0, "kill", "order"))
    assert [one.left_alone for one in siege.struck] == [True]
    assert victim.poll() is None


async def test_nobody_suffers_two_faults_at_once(victim: subprocess.Popen[bytes]) -> None:
    clock = Clock()
    siege = await _besieged(
        Street(victim, clock), clock, Fault(1.0, "kill", "payment"), Fault(0.0, "freeze", "payment", 9.0)
    )
    assert sorted(one.left_alone for one in siege.struck) == [False, True]


async def test_who_never_gets_well_is_not_recovered(victim: subprocess.Popen[bytes]) -> None:
    clock = Clock()
    siege = await _besieged(Street(victim, clock), clock, Fault(1.0, "kill", "payment"), well=False)
    assert [one.recovered_in for one in siege.struck] == [None]
    assert clock.now >= WELL_WITHIN_SECONDS


@pytest.mark.parametrize("kind", ["freeze", "stutter"])
async def test_who_is_stopped_goes_on_in_the_end(victim: subprocess.Popen[bytes], kind: Kind) -> None:
    clock, process, stops = Clock(), psutil.Process(victim.pid), list[float]()

    async def sleep(seconds: float) -> None:
        if seconds in (8.0, STALL_SECONDS):
            await until(lambda: process.status() == psutil.STATUS_STOPPED, "it is stopped")
            stops.append(seconds)
        clock.now += seconds
        await give_way(1)

    async def is_well(name: str) -> bool:
        return process.status() != psutil.STATUS_STOPPED

    siege = Siege(Street(victim, clock), Pace(sleep=sleep, clock=clock), is_well)
    await siege.go_on([Fault(1.0, kind, "payment", 8.0)])
    assert stops == ([8.0] if kind == "freeze" else [STALL_SECONDS] * len(stops))
    assert stops
    await until(lambda: process.status() != psutil.STATUS_STOPPED, "it goes on")
    assert siege.struck[0].recovered_in is not None
    assert clock.now >= 9.0


@pytest.mark.parametrize("later", [[Fault(10_000.0, "kill", "order")], []], ids=["more to come", "the plan at its end"])
async def test_the_end_of_the_load_waits_for_what_lasts(victim: subprocess.Popen[bytes], later: list[Fault]) -> None:
    clock, process = Clock(), psutil.Process(victim.pid)
    frozen, thawing = asyncio.Event(), asyncio.Event()

    async def sleep(seconds: float) -> None:
        if seconds == 8.0:
            frozen.set()
            await thawing.wait()
        elif seconds > 100:
            await asyncio.Event().wait()
        clock.now += seconds
        await give_way(1)

    async def is_well(name: str) -> bool:
        return True

    siege = Siege(Street(victim, clock), Pace(sleep=sleep, clock=clock), is_well)
    load = asyncio.create_task(siege.go_on([Fault(1.0, "freeze", "payment", 8.0), *later]))
    await within(frozen, "the process is frozen")
    load.cancel()
    await give_way()
    assert not load.done()
    await until(lambda: process.status() == psutil.STATUS_STOPPED, "it is stopped")
    thawing.set()
    with pytest.raises(asyncio.CancelledError):
        await load
    await until(lambda: process.status() != psutil.STATUS_STOPPED, "it goes on")
    assert siege.struck[0].recovered_in is not None


class NotedDisk(Disk):
    """Notes what is done to it instead of doing it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        object.__setattr__(self, "done", [])

    done: list[str]

    def fill(self) -> int:
        self.done.append("fill")
        return 0

    def free(self) -> None:
        self.done.append("free")

    def stall(self, seconds: float = 0.5) -> None:
        self.done.append("stall")


@pytest.mark.parametrize(("kind", "done"), [("disk-full", {"fill", "free"}), ("slow-disk", {"stall"})])
async def test_the_disk_is_filled_and_freed_or_stalled(
    victim: subprocess.Popen[bytes], tmp_path: Path, kind: Kind, done: set[str]
) -> None:
    clock, disk = Clock(), NotedDisk(tmp_path)
    siege = await _besieged(Street(victim, clock), clock, Fault(1.0, kind, "payment", 5.0), disk=disk)
    assert set(disk.done) == done
    assert disk.done[-1] != "fill"
    assert siege.struck[0].recovered_in is not None
    assert clock.now >= 6.0
