"""How many records are decided on together."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chassis import room
from chassis.journal import Entry, Said
from chassis.memory import MemoryStore
from chassis.record import Record
from tests.unit.chassis.jars import JARS, T0, PutMarbles, heard
from tests.unit.chassis.rig import rig


async def test_so_many_are_decided_together_as_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever waited during an outage comes at once, and after each start again."""
    monkeypatch.setattr(room, "TEXT_TOGETHER_MAX", 10_000)
    monkeypatch.setattr(room, "TEXT_USUAL", 500)
    loads: list[int] = []

    class Asked(MemoryStore):
        async def load(self, ids: Any, *, certain: bool = False) -> dict[str, Record[Any]]:
            loads.append(len(ids))
            return await super().load(ids, certain=certain)

    store = Asked(JARS)
    for number, length in enumerate([2_000] * 40 + [10] * 40):
        said = Said(f"{number}/0", "jar-seen.v1", "jars.events", f"{number}", "x" * length, "h", T0)
        entry = Entry("h", (said,))
        await store.save([Record(f"{number}", journal=(entry,), fresh=(entry,))])
    process = rig(store, JARS)
    wishes = [heard(PutMarbles(jar_id=f"{number}"), f"h{number}") for number in range(80)]
    await asyncio.gather(*map(process.engine.hear, wishes[:40]))
    assert loads[0] == 20, "nobody knows yet"
    assert set(loads[1:]) <= {4, 5, 1}, "by what was loaded"
    loads.clear()
    await asyncio.gather(*map(process.engine.hear, wishes[40:]))
    assert sum(loads) == 40
    assert max(loads) > 10, "small ones may be many again"
