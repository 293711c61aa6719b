"""How the stack is now: what the supervisor wrote down, checked against the processes themselves."""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

import psutil

from tools.stack.home import Home
from tools.stack.layout import NAMES
from tools.stack.plan import Plan, Program
from tools.stack.probes import ask
from tools.stack.processes import find
from tools.stack.state import Entry, Failure, read_state, supervisor_lives

Condition = Literal["ready", "starting", "not ready", "down"]


@dataclass(frozen=True, slots=True)
class Row:
    """One program now."""

    name: str
    state: Condition
    why: str | None = None
    pid: int | None = None
    address: str | None = None
    uptime_seconds: float | None = None
    restarts: int = 0
    memory_mb: float | None = None

    @property
    def port(self) -> int | None:
        """The port it listens on."""
        return int(self.address.rpartition(":")[2]) if self.address else None


@dataclass(frozen=True, slots=True)
class Report:
    """The whole stack now."""

    rows: tuple[Row, ...]
    supervisor_pid: int | None
    supervisor_memory_mb: float
    failure: Failure | None

    @property
    def ready(self) -> bool:
        """Tell whether every program is ready and looked after."""
        return self.supervisor_pid is not None and all(row.state == "ready" for row in self.rows)

    @property
    def memory_mb(self) -> float:
        """All programs together, with the supervisor."""
        return round(self.supervisor_memory_mb + sum(row.memory_mb or 0.0 for row in self.rows), 1)


def known_names(home: Home) -> tuple[str, ...]:
    """Return the names of the programs of this stack, or of the one that `up` would start."""
    plan = _plan(home)
    return plan.names if plan else NAMES


def has_real_kafka(home: Home) -> bool:
    """Whether the stack was started with Apache Kafka; the broker in memory chooses its port anew each time."""
    plan = _plan(home)
    return plan is not None and any(program.name == "broker" and program.port is not None for program in plan)


def look(home: Home) -> Report:
    """Ask every program how it is."""
    state, plan = read_state(home), _plan(home)
    supervisor = find(state.supervisor) if state and supervisor_lives(home) else None
    failure = state.failure if state else None
    if state is None or plan is None:
        rows = [Row(name, "down") for name in known_names(home)]
    else:
        rows = asyncio.run(_rows(plan, state.programs))
    memory = _memory_mb(supervisor) if supervisor else None
    return Report(tuple(rows), supervisor.pid if supervisor else None, memory or 0.0, failure)


def memory_bytes(home: Home) -> dict[str, int]:
    """Return the resident memory of every program that runs now, by name; nobody is asked anything."""
    state = read_state(home)
    found = {name: find(entry.process) for name, entry in state.programs.items()} if state else {}
    return {name: int((_memory_mb(process) or 0.0) * 1_000_000) for name, process in found.items() if process}


async def _rows(plan: Plan, entries: dict[str, Entry]) -> list[Row]:
    return list(await asyncio.gather(*(_row(program, entries.get(program.name)) for program in plan)))


async def _row(program: Program, entry: Entry | None) -> Row:
    entry = entry or Entry(program.name)
    process = find(entry.process)
    if process is None:
        return Row(program.name, "down", address=entry.address, restarts=entry.restarts)
    why_not = await ask(program.check, entry.address, program.path) if entry.address else "it has no address yet"
    condition: Condition = "ready" if why_not is None else "not ready" if entry.state == "ready" else "starting"
    return Row(
        program.name,
        condition,
        why=why_not,
        pid=process.pid,
        address=entry.address,
        uptime_seconds=round(max(time.time() - process.create_time(), 0.0), 1),
        restarts=entry.restarts,
        memory_mb=_memory_mb(process),
    )


def _memory_mb(process: psutil.Process) -> float | None:
    try:
        return round(process.memory_info().rss / 1_000_000, 1)
    except psutil.Error:
        return None


def _plan(home: Home) -> Plan | None:
    try:
        return Plan.load(home.plan)
    except (OSError, ValueError, KeyError, TypeError):
        return None
