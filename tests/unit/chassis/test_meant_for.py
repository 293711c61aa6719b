"""A wish that is meant for one version changes that version or nothing, and a repeat of it is still a repeat."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chassis.memory import MemoryStore
from chassis.record import Heard, Stale
from tests.unit.chassis.jars import JARS, PutMarbles, heard
from tests.unit.chassis.rig import Rig, Shaky, rig


@pytest.fixture
def process() -> Rig:
    return rig(Shaky(MemoryStore(JARS)), JARS)


def put(id: str, *versions: int, **more: Any) -> Heard:
    meant_for = frozenset(versions) if versions else None
    return heard(PutMarbles(jar_id="a", marbles=1), id, answers_travel=False, meant_for=meant_for, **more)


async def test_the_version_that_was_looked_at_is_changed(process: Rig) -> None:
    await process.engine.hear(put("h"))
    await process.engine.hear(put("i", 1))
    await process.engine.hear(put("j", 1, 2))
    assert (await process.jar("a")).marbles == 3


async def test_another_version_is_left_alone(process: Rig) -> None:
    await process.engine.hear(put("h"))
    for version in (0, 2):
        with pytest.raises(Stale):
            await process.engine.hear(put("i", version))
    assert ((await process.jar("a")).marbles, (await process.record("a")).version) == (1, 1)


async def test_what_is_not_there_has_no_version(process: Rig) -> None:
    with pytest.raises(Stale):
        await process.engine.hear(put("h", 1))


async def test_a_repeat_is_answered_although_the_version_is_another_by_now(process: Rig) -> None:
    await process.engine.hear(put("h"))
    await process.engine.hear(put("i", 1))
    again = await process.engine.hear(put("i", 1))
    assert again is not None
    assert again.repeat
    assert (await process.jar("a")).marbles == 2


async def test_of_several_at_once_one_is_made(process: Rig) -> None:
    """They meet in one batch, in which the version has not been saved yet."""
    await process.engine.hear(put("h"))
    outcomes = await asyncio.gather(
        *(process.engine.hear(put(f"i{number}", 1)) for number in range(5)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 4
    assert (await process.jar("a")).marbles == 2


async def test_of_two_processes_one_makes_it() -> None:
    store = MemoryStore(JARS)
    one, other = rig(Shaky(store), JARS), rig(Shaky(store), JARS)
    await one.engine.hear(put("h"))
    outcomes = await asyncio.gather(
        one.engine.hear(put("i", 1)), other.engine.hear(put("j", 1)), return_exceptions=True
    )
    assert sum(isinstance(outcome, Stale) for outcome in outcomes) == 1
    assert (await one.jar("a")).marbles == 2
