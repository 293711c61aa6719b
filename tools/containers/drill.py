"""Everything that containers are for, once: built, up from nothing, the replay judged by its books, each container
killed under load, one service on two containers, everything stopped gracefully."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from tools.containers.compose import Compose, ContainersFailed, wait_for
from tools.replay import run
from tools.replay.driver import ReplayStoppedError
from tools.replay.knock import UnexpectedAnswerError
from tools.replay.settle import HangingError
from tools.stack.layout import SERVICES
from tools.stack.ports import LOOPBACK, Ports

PROJECT = "tuidan-drill"
USUAL_PORTS = {"gateway": 8090, "sandbox": 9710}
OURS = (*SERVICES, "sandbox", "operator")
BESIDE = ("kafka", "mongo", "redis")
READY_SECONDS = 300.0
PAUSE_SECONDS = 3.0
"""Between a victim's recovery and the next kill: so long everybody works."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How much is replayed: so many invoices in peace, and on to so many while containers are killed."""

    calm: int
    stormy: int
    build: bool = True
    keep: bool = False


@dataclass(slots=True)
class Seen:
    """What the drill saw; `broken` holds a sentence for each thing that was not as it must be."""

    sizes_mb: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    ready: dict[str, float] = field(default_factory=dict)
    ready_cpu: dict[str, float] = field(default_factory=dict)
    recovery: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


class Drill:
    """One run. Raises ContainersFailed when it cannot go on."""

    def __init__(self, wanted: Wanted, console: Console) -> None:
        self._wanted, self._console = wanted, console
        self.seen = Seen()
        ports = Ports().choose(USUAL_PORTS)
        self._gateway, self._sandbox = (f"http://{LOOPBACK}:{ports[name]}" for name in ("gateway", "sandbox"))
        published = {"GATEWAY_PORTS": f"{LOOPBACK}:{ports['gateway']}", "SANDBOX_PORT": str(ports["sandbox"])}
        self._compose = Compose(PROJECT, published)

    def run(self) -> Seen:
        """All of it, in order."""
        with ExitStack() as left, TemporaryDirectory(prefix="tuidan-containers-") as folder:
            self._compose("down", "--volumes", "--remove-orphans")
            if not self._wanted.keep:
                left.callback(self._compose, "down", "--volumes")
            if self._wanted.build:
                self._timed("build", lambda: self._compose("build"))
            self._weigh()
            self._timed("up from nothing", self._up)
            self._replay("replay in peace", self._wanted.calm, Path(folder))
            self._storm(Path(folder))
            self._stop()
        return self.seen

    def _weigh(self) -> None:
        images = self._compose("config", "--images").split()
        for image in sorted({each for each in images if any(f"{name}:" in each for name in OURS)}):
            self.seen.sizes_mb[image] = self._compose.size_mb(image)

    def _up(self) -> None:
        """Start everything; notes each service's time from its container's start to its first yes, all six at once."""
        self._compose.up(*BESIDE)
        for name, at in self._compose.first_ready(SERVICES, READY_SECONDS).items():
            container = self._compose.containers(name)[0]
            self.seen.ready[name] = at - self._compose.started_at(container)
            self.seen.ready_cpu[name] = self._compose.cpu_seconds(container)

    def _replay(self, what: str, invoices: int, folder: Path) -> None:
        report = folder / "report.html"

        def through_the_door() -> None:
            asked = run(self._gateway, self._sandbox, invoices=invoices, report=report, console=self._console)
            if not asyncio.run(asked):
                self._broke(f"{what}: the books do not agree")

        try:
            self._timed(what, through_the_door)
        except (HangingError, ReplayStoppedError, UnexpectedAnswerError, TimeoutError) as problem:
            self._broke(f"{what} did not come to its end: {problem}")

    def _storm(self, folder: Path) -> None:
        """Kill one container after the other, then give one service a second, while orders keep coming."""
        over = threading.Event()
        failed: list[ContainersFailed] = []

        def kill_all() -> None:
            try:
                for name in (*SERVICES, *BESIDE):
                    if over.wait(PAUSE_SECONDS):
                        return
                    self._kill(name)
                if not over.is_set():
                    self._timed("payment on two", self._two_payments)
            except ContainersFailed as problem:
                failed.append(problem)

        killing = threading.Thread(target=kill_all, name="killer")
        killing.start()
        try:
            self._replay("replay under kills", self._wanted.stormy, folder)
        finally:
            over.set()
            killing.join()
        if failed:
            raise failed[0]
        if "payment on two" not in self.seen.seconds:
            self._broke("the replay was over before every container had been killed: ask for more invoices")

    def _kill(self, name: str) -> None:
        container = self._compose.containers(name)[0]
        self._compose.signal(container, "KILL")
        began = time.monotonic()
        self._compose.start(container)
        back = self._compose.is_ready if name in SERVICES else self._compose.is_healthy
        wait_for(partial(back, container), f"{name} is back", READY_SECONDS)
        self.seen.recovery[name] = time.monotonic() - began
        self._console.print(f"killed {name}: back after {self.seen.recovery[name]:.1f} s", highlight=False)

    def _two_payments(self) -> None:
        self._compose("up", "--detach", "--no-deps", "--no-recreate", "--scale", "payment=2", "payment")
        for container in self._compose.containers("payment"):
            wait_for(partial(self._compose.is_ready, container), "payment is ready twice", READY_SECONDS)

    def _stop(self) -> None:
        """Everything says good-bye within its grace, and nobody has to be killed."""
        containers = {id: name for name in SERVICES for id in self._compose.containers(name)}
        if len(containers) != len(SERVICES) + 1:
            self._broke(f"{len(containers)} containers of services, expected one each and two of payment")
        self._timed("stop", lambda: self._compose("stop"))
        for container, name in containers.items():
            if code := self._compose.inspected(container)["State"]["ExitCode"]:
                self._broke(f"{name} ended with exit code {code} when it was stopped")

    def _timed(self, what: str, call: Callable[[], object]) -> None:
        began = time.monotonic()
        call()
        self.seen.seconds[what] = time.monotonic() - began

    def _broke(self, sentence: str) -> None:
        self.seen.broken.append(sentence)
