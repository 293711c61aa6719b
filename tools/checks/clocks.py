"""Time, chance and waiting stay where they belong. What decides is given the time and its ids as arguments: only so
can it be decided again, replayed, and run on virtual time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

from tools.checks.source import Problem, Source

_DECIDES = "importlinter:contract:what-decides-touches-nothing"


def _patterns(text: str) -> tuple[str, ...]:
    """The files of the modules that import-linter's contract lists: one table of what decides, for both."""
    listed = ConfigParser()
    listed.read_string(text)
    modules = listed[_DECIDES]["source_modules"].split()
    packages = listed["importlinter"]["root_packages"].split()
    return tuple(f"{one.replace('.', '/')}{'/*' if one in packages else ''}.py" for one in modules)


# The places that decide. Deciding again must give the same answer and the same ids.
PURE = _patterns((Path(__file__).resolve().parents[2] / ".importlinter").read_text("utf-8"))

# Outside the pure places the time comes from chassis.clock, so that tests can drive it. These may ask the machine.
CLOCKS = {
    "chassis/clock.py": "the one place that asks the machine",
}

VIRTUAL_TIME = ("tests/simulation/", "tests/unit/simulation/")

_CLOCK = (
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
    *(f"time.{name}{unit}" for name in ("time", "monotonic", "perf_counter", "process_time") for unit in ("", "_ns")),
    "time.localtime",
    "time.gmtime",
)
_CHANCE = ("uuid.uuid1", "uuid.uuid4", "uuid.uuid7", "os.urandom", "os.getrandom")
_CHANCE_MODULES = ("random.", "secrets.", "numpy.random.")


def no_clock_in_decisions(source: Source) -> Iterator[Problem]:
    if not (source.is_python and source.matches(PURE)):
        return
    for line, name in source.uses():
        if name in _CLOCK:
            yield Problem(source.path, line, "pure-clock", f"{name} in a place that decides; take the time as argument")
        elif name in _CHANCE or name.startswith(_CHANCE_MODULES):
            yield Problem(
                source.path,
                line,
                "pure-chance",
                f"{name} in a place that decides; make ids from their cause (message_id)",
            )
    for node, name in source.calls():
        if name == "sleep":
            yield Problem(
                source.path, node.lineno, "pure-sleep", "waiting in a place that decides; set wake_at and hear Woke"
            )


def clock_from_chassis(source: Source) -> Iterator[Problem]:
    """In chassis and services the time comes from chassis.clock."""
    watched = source.is_python and source.matches(("chassis/", "services/")) and not source.matches(PURE)
    if not watched or source.path in CLOCKS:
        return
    for line, name in source.uses():
        if name in _CLOCK and not source.explained(line):
            yield Problem(
                source.path, line, "clock", f"{name}: take the time from chassis.clock, or say `# why: …` on this line"
            )


def no_sleep_in_tests(source: Source) -> Iterator[Problem]:
    """Tests drain. What polls a real process lives in tests/support, what measures in tests/benchmarks, and says why;
    sleep(0) only gives way. In the simulation the time that passes is virtual, so there asyncio.sleep costs none."""
    if not (source.is_python and source.matches(("tests/",))):
        return
    for node, name in source.calls():
        if name != "sleep" or _gives_way(node) or (source.matches(VIRTUAL_TIME) and _is_asyncio(node)):
            continue
        if source.matches(("tests/support/", "tests/benchmarks/")) and source.explained(node.lineno):
            continue
        yield Problem(
            source.path,
            node.lineno,
            "test-sleep",
            "tests wait for something, never for a while: drain, or poll through tests/support",
        )


def _is_asyncio(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "asyncio.sleep"


def _gives_way(node: ast.Call) -> bool:
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
