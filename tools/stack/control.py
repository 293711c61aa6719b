"""Starting and stopping a stack from outside: what the command, the demo and the tests call."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools.stack.binaries import BinaryMissing
from tools.stack.home import SUPERVISOR, Home
from tools.stack.layout import tuidan_plan
from tools.stack.logs import lines_since, rotate
from tools.stack.plan import Plan
from tools.stack.processes import end, find
from tools.stack.state import Entry, Failure, State, claimed, read_state, supervisor_lives

UP_LIMIT_SECONDS = 180.0
"""Longest wait for everything to be ready. Each program has a shorter limit of its own, which speaks first."""
DOWN_LIMIT_SECONDS = 60.0
"""Longest wait for a supervisor that stops its programs: two waves with their grace, and some air."""
LEFTOVER_GRACE_SECONDS = 5.0
LOOK_EVERY_SECONDS = 0.05

Progress = Callable[[State], None]
Draw = Callable[[Home], Plan]
"""Makes the plan for a folder, once that folder is ours. May raise BinaryMissing."""


class StackError(Exception):
    """The stack is not as asked; the text says why in words for the person at the keyboard."""


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack that runs. Every answer is read anew, so it is right after restarts too."""

    home: Path
    already_up: bool = False

    def address(self, name: str) -> str:
        """Return where a program listens, as host:port."""
        if address := self._entry(name).address:
            return address
        raise StackError(f"{name} has no address yet")

    def pid(self, name: str) -> int:
        """Return the process id a program has now."""
        if process := self._entry(name).process:
            return process.pid
        raise StackError(f"{name} is not running")

    def restarts(self, name: str) -> int:
        """Return how often a program was started again."""
        return self._entry(name).restarts

    def wait_ready(self, name: str, *, restarts: int = 0, timeout: float = UP_LIMIT_SECONDS) -> None:
        """Wait until a program is ready, having been started again at least `restarts` times."""
        deadline = time.monotonic() + timeout
        while (entry := self._entry(name)).state != "ready" or entry.restarts < restarts:
            if time.monotonic() > deadline:
                raise StackError(f"{name} is not ready after {timeout:g} s; its log: {Home(self.home).log(name)}")
            time.sleep(LOOK_EVERY_SECONDS)

    def _entry(self, name: str) -> Entry:
        try:
            state = read_state(Home(self.home))
        except PermissionError as problem:
            raise StackError(f"{self.home} cannot be read: {problem}") from problem
        # What a killed supervisor has left behind names ports that another stack may have now.
        if state is None or find(state.supervisor) is None:
            raise StackError(f"no stack is up in {self.home}")
        if name not in state.programs:
            raise StackError(f"there is no {name} in this stack; it has: {', '.join(state.programs)}")
        return state.programs[name]


def up(
    home: Path, *, plan: Plan | Draw | None = None, progress: Progress | None = None, timeout: float = UP_LIMIT_SECONDS
) -> Stack:
    """Start a stack and wait until everything in it is ready; one that is up already is left as it is.

    Raises `StackError` when something cannot start; nothing is left running then.
    """
    place = Home(home.resolve())
    started = False

    def begun() -> None:
        nonlocal started
        started = True

    try:
        _start_or_join(place, plan, time.monotonic() + timeout, begun)
        # From here on: what the plan had to fetch first may have taken long, and has a limit of its own.
        _watch(place, time.monotonic() + timeout, progress or (lambda state: None))
    except BaseException as end:
        # Also when the person at the keyboard has had enough: half a stack is of no use to anybody.
        if started:
            down(place.root)
        if isinstance(end, OSError):
            raise StackError(f"{place.root} cannot be read or written: {end}") from end
        raise
    return Stack(place.root, already_up=not started)


def _start_or_join(home: Home, plan: Plan | Draw | None, deadline: float, begun: Callable[[], None]) -> None:
    """Start a supervisor, or find the one that is there. `begun` is told before one is started here: who is interrupted
    meanwhile cannot know whether it lives."""
    home.make()
    while time.monotonic() < deadline:
        with claimed(home) as descriptor:
            if descriptor is not None:
                _clear_leftovers(home)
                drawn = _drawn(home, plan)
                begun()
                _spawn(home, drawn, descriptor)
                return
        state = read_state(home)
        if state and state.phase in ("starting", "up") and find(state.supervisor):
            return
        time.sleep(LOOK_EVERY_SECONDS)  # one that is stopping: wait for its end, then start ours
    if (state := read_state(home)) and state.phase == "stopping" and find(state.supervisor):
        raise StackError(f"another stack in {home.root} is stopping and has not come to its end")
    raise StackError(
        f"{home.root} is in use: another `up` still has to fetch what it starts, or a backup or a restore has the "
        "database. Try again when that is done"
    )


def _drawn(home: Home, plan: Plan | Draw | None) -> Plan:
    if isinstance(plan, Plan):
        return plan
    try:
        return (plan or tuidan_plan)(home)
    except BinaryMissing as missing:
        raise StackError(str(missing)) from missing


def _spawn(home: Home, plan: Plan, descriptor: int) -> None:
    plan.save(home.plan)
    rotate(home.root / "logs")
    source = str(Path(__file__).resolve().parents[2])
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (source, environment.get("PYTHONPATH"))))
    # -P: a folder that happens to be called `services` where the command is typed must not hide ours.
    command = [sys.executable, "-P", "-m", "tools.stack.supervisor"]
    with home.log(SUPERVISOR).open("ab") as output:
        subprocess.run(
            [*command, "--home", str(home.root), "--lock", str(descriptor)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(descriptor,),
            start_new_session=True,
            check=False,  # whether it lives is seen by its lock
        )


def _watch(home: Home, deadline: float, progress: Progress) -> None:
    while True:
        lives = supervisor_lives(home)  # asked before reading: what a dead one has written is its last word
        state = read_state(home)
        if state:
            progress(state)
            if state.phase == "up" and lives:
                return
        if not lives:
            raise StackError(_why_failed(home, state.failure if state else None))
        if time.monotonic() > deadline:
            waiting = [entry.name for entry in state.programs.values() if entry.state != "ready"] if state else []
            raise StackError(f"the stack is not up in time; still waiting for {', '.join(waiting) or SUPERVISOR}")
        time.sleep(LOOK_EVERY_SECONDS)


def _why_failed(home: Home, failure: Failure | None) -> str:
    if failure is None:
        lines = tuple(lines_since(home.log(SUPERVISOR), 0, 5))
        failure = Failure(SUPERVISOR, "ended before everything was ready", lines)
    said = "".join(f"\n    {line}" for line in failure.lines) or "\n    (nothing)"
    return (
        f"{failure.name} {failure.why}\n  It said last:{said}\n  Its log: {home.log(failure.name)}"
        "\n  Everything that had been started is stopped again."
    )


def _clear_leftovers(home: Home) -> None:
    """End what a killed supervisor may have left, then forget its state. Called only while holding the claim."""
    if state := read_state(home):
        end((entry.process for entry in state.programs.values()), LEFTOVER_GRACE_SECONDS)
    home.state.unlink(missing_ok=True)


def down(home: Path) -> bool:
    """Stop the stack and wait for its end. Tells whether there was one."""
    place = Home(home.resolve())
    deadline = time.monotonic() + DOWN_LIMIT_SECONDS
    found = supervisor_lives(place)
    if found:
        state = read_state(place)
        while state is None and supervisor_lives(place):  # one that has only just been started
            if time.monotonic() > deadline:
                raise StackError(f"the supervisor in {place.root} holds its lock but does not say which process it is")
            time.sleep(LOOK_EVERY_SECONDS)
            state = read_state(place)
        if state:
            # Should it have to be killed in the end, its children die with it.
            end([state.supervisor], deadline - time.monotonic())
            after = read_state(place)  # of another one, where somebody waited for this one's end to start anew
            if after and after.supervisor == state.supervisor and supervisor_lives(place):
                raise StackError(f"the supervisor in {place.root} did not end; its log: {place.log(SUPERVISOR)}")
    if place.lock.exists():
        with claimed(place) as descriptor:
            state = read_state(place)
            # A failure stays on record for `status`, until the next `up`.
            if descriptor is not None and state and state.phase != "failed":
                _clear_leftovers(place)
    return found
