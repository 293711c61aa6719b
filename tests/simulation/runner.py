"""Many worlds, one after the other, each in a copy (`fork`) of a process in which all houses stand ready: every seed
begins from the very same state, whatever ran before, and what it leaves behind is gone with it."""

from __future__ import annotations

import atexit
import gc
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from tests.simulation import walked
from tests.simulation.evidence import Violation
from tests.simulation.plan import Plan
from tests.simulation.sealed import make_small_keys
from tests.simulation.world import SHAPES, Options, Outcome, World

CPU_SECONDS_MAX = 120
"""Of a core, not by the clock on the wall: others may need the machine, too."""

_KEYS = {False: "one-merchant", True: "shops"}

Task = tuple[Plan, tuple[str, ...]]
"""A plan, and the names of guards that are switched off (see `sabotage`)."""


@dataclass
class Ready:
    """The houses that stand ready in this process, by name."""

    worlds: dict[str, World] = field(default_factory=dict)

    @classmethod
    def made(cls, names: Iterable[str] = SHAPES) -> Ready:
        """Build them: a second each."""
        folder = Path(tempfile.mkdtemp(prefix="tuidan-simulation-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)  # copies of this process end without
        for shops in (False, True):
            make_small_keys(folder / _KEYS[shops], shops=shops)
        walked.count()
        ready = cls()
        for name in names:
            world = World(folder / _KEYS[SHAPES[name].shops], SHAPES[name])
            world.open()
            ready.worlds[name] = world
        gc.collect()
        gc.freeze()
        return ready

    def live(self, plan: Plan, off: tuple[str, ...], options: Options) -> Outcome:
        """Run one plan here, in this process: afterwards it is good for nothing else."""
        from tests.simulation.sabotage import switch_off

        gc.disable()
        world = self.worlds[plan.house]
        world.put_on()
        for guard in off:
            switch_off(guard, world)
        return world.run(plan, options)


def _child(writing: int, work: Callable[[], Any]) -> None:
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS_MAX)
    warnings.simplefilter("ignore")
    sys.unraisablehook = lambda _: None
    try:
        found = work()
    except BaseException:  # why: whatever it was, the parent must hear of it
        found = {"problem": traceback.format_exc()[-3000:]}
    content = json.dumps(found, default=str).encode()
    while content:
        content = content[os.write(writing, content) :]
    os._exit(0)


def outcome_of(found: dict[str, Any]) -> Outcome:
    """Read back what a copy has written."""
    violations = [Violation(**violation) for violation in found.pop("violations")]
    return Outcome(**found, violations=violations)


class Workers:
    """Runs tasks in copies of this process, several at a time."""

    def __init__(self, ready: Ready, count: int, options: Options | None = None) -> None:
        self._ready, self._count, self._options = ready, count, options or Options()
        self._running: dict[int, tuple[int, Task, list[bytes]]] = {}

    def run(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Outcome]]:
        """All tasks, in the order they get done. Nobody is left running when the reader goes away."""
        queue = iter(tasks)
        try:
            for task in islice(queue, self._count):
                self._begin(task)
            while self._running:
                for reading in select.select(list(self._running), [], [])[0]:
                    done = self._read(reading)
                    if done is None:
                        continue
                    for task in islice(queue, 1):
                        self._begin(task)
                    yield done
        finally:
            for child, _, _ in self._running.values():
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            self._running.clear()

    def one(self, task: Task) -> Outcome:
        """A single task."""
        return next(iter(self.run([task])))[1]

    def _begin(self, task: Task) -> None:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _child(writing, lambda: asdict(self._ready.live(*task, self._options)))
        os.close(writing)
        self._running[reading] = (child, task, [])

    def _read(self, reading: int) -> tuple[Task, Outcome] | None:
        """What a copy has written, once it has ended."""
        child, task, parts = self._running[reading]
        if part := os.read(reading, 1 << 16):
            parts.append(part)
            return None
        del self._running[reading]
        os.close(reading)
        _, status = os.waitpid(child, 0)
        return task, _outcome(task, b"".join(parts), status)


def _outcome(task: Task, content: bytes, status: int) -> Outcome:
    if content:
        found = json.loads(content)
    else:
        late = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGPROF
        found = {
            "problem": f"no verdict within {CPU_SECONDS_MAX} s of a core" if late else f"the world ended with {status}"
        }
    return outcome_of({"seed": task[0].seed, "digest": "", "violations": [], **found})
