"""What the supervisor tells everybody else: one JSON file, and one lock that says whether the supervisor lives."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from tools.stack.home import Home
from tools.stack.processes import Identity

Phase = Literal["starting", "up", "stopping", "failed"]
ProgramState = Literal["waiting", "starting", "ready", "down"]


@dataclass(slots=True)
class Entry:
    """One program, as the supervisor last saw it."""

    name: str
    state: ProgramState = "waiting"
    process: Identity | None = None
    address: str | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the stack is not up: which program, the reason in a sentence, and what it said last."""

    name: str
    why: str
    lines: tuple[str, ...]


@dataclass(slots=True)
class State:
    """The whole stack at one moment."""

    supervisor: Identity
    phase: Phase = "starting"
    failure: Failure | None = None
    programs: dict[str, Entry] = field(default_factory=dict)

    def save(self, home: Home) -> None:
        """Write the file in one step, so that no reader ever sees half of it."""
        partial = home.state.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        partial.replace(home.state)


def read_state(home: Home) -> State | None:
    """Read what was saved last; None when there is nothing, or nothing that can be understood. Raises PermissionError
    where only somebody else may see what there is."""
    try:
        raw = json.loads(home.state.read_text(encoding="utf-8"))
        failure = raw["failure"]
        return State(
            supervisor=Identity(**raw["supervisor"]),
            phase=raw["phase"],
            failure=Failure(failure["name"], failure["why"], tuple(failure["lines"])) if failure else None,
            programs={name: _entry(row) for name, row in raw["programs"].items()},
        )
    except PermissionError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _entry(row: dict[str, Any]) -> Entry:
    process = row.pop("process")
    return Entry(process=Identity(**process) if process else None, **row)


@contextmanager
def claimed(home: Home) -> Iterator[int | None]:
    """Claim the folder without waiting: yields the lock's descriptor, or None while a supervisor lives.

    The lock belongs to the open file, not to a process: a supervisor that inherits the descriptor keeps the claim
    after we let go of ours, and there is no moment at which nobody holds it.
    """
    descriptor = os.open(home.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield descriptor
    finally:
        os.close(descriptor)


def supervisor_lives(home: Home) -> bool:
    """Tell whether a supervisor holds the folder now. Raises PermissionError where only somebody else may see that."""
    try:
        home.lock.stat()  # `exists` says "not there" of what may not be seen, in newer versions of Python
    except (FileNotFoundError, NotADirectoryError):
        return False
    with claimed(home) as descriptor:
        return descriptor is None
