"""The stages of the fault tests: a real Kafka alone, and stacks that are drilled as `tuidan drill kill` drills them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.support.drills import Drilled, drill_at
from tools.drill.disk import Disk, mounted, why_no_disk
from tools.stack import Plan, Stack, down, up
from tools.stack.home import Home
from tools.stack.jars import why_no_kafka
from tools.stack.layout import tuidan_plan


@pytest.fixture
def kafka_or_skip() -> None:
    """Only where there is Java, and Kafka can be had."""
    if why_not := why_no_kafka():
        pytest.skip(f"SKIPPED: faults on a real Kafka were not tried: {why_not}")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A folder for one stack, which is stopped in the end whatever the test did."""
    place = Home(tmp_path / "stack")
    place.make()
    yield place
    down(place.root)


@pytest.fixture
def lone_kafka(kafka_or_skip: None, home: Home) -> Stack:
    """A real Kafka and nothing else."""

    def drawn(place: Home) -> Plan:
        return Plan(tuple(program for program in tuidan_plan(place, "native") if program.name == "broker"))

    return up(home.root, plan=drawn)


@pytest.fixture
def own_disk(home: Home) -> Iterator[Disk | None]:
    """A disk of its own for the database, where we may have one; said in the test's output when not."""
    if why_not := why_no_disk():
        print(f"the disk is neither filled nor slowed here: {why_not}")
        yield None
        return
    with ExitStack() as held:
        disk = held.enter_context(mounted(home.data("mongo"), home.root / "mongo.disk"))
        held.callback(down, home.root)  # before the disk is taken away
        yield disk


@pytest.fixture
def drilled(home: Home, own_disk: Disk | None) -> Drilled:
    """Start a stack and drill it."""
    return partial(drill_at, home, own_disk)
