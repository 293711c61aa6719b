"""A primary that has lost its majority shows for some seconds what it alone has, and what is taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from chassis import timers
from chassis.memory import MemoryStore
from chassis.record import Heard, Record
from chassis.store import StoreUnavailable
from contracts.message import Woke, message_id
from tests.unit.chassis.jars import JARS, T0, PutMarbles, heard, jar_with
from tests.unit.chassis.rig import Shaky, rig


def put(id: str) -> Heard:
    return heard(PutMarbles(jar_id="a"), id)


class Torn(Shaky):
    """`kept`: what the primary without its majority has, until it leads no more; `lasts`: what the majority has."""

    def __init__(self, kept: MemoryStore, lasts: MemoryStore) -> None:
        super().__init__(kept)
        self.lasts = lasts
        self.leads = True

    async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
        if certain and self.leads:
            raise StoreUnavailable("no majority")
        return await (super().load(ids) if self.leads else self.lasts.load(ids))

    async def save(self, records: Sequence[Record[Any]]) -> set[str]:
        return await (super().save(records) if self.leads else self.lasts.save(records))


@pytest.mark.parametrize("known", [True, False])
async def test_what_only_that_primary_has_heard_was_not_heard(known: bool) -> None:
    kept, lasts = MemoryStore(JARS), MemoryStore(JARS)
    for one in (kept, lasts) if known else ():
        await rig(one, JARS).engine.hear(put("before"))
    store = Torn(kept, lasts)
    process = rig(store, JARS)
    store.replies_lost = 1
    for _ in range(2):  # no majority acknowledges the save; heard again it seems to be a repeat
        with pytest.raises(StoreUnavailable):
            await process.engine.hear(put("h"))
    assert process.topics.messages == []

    store.leads = False
    after = await process.engine.hear(put("h"))
    assert after is not None
    assert after.stored
    assert (await process.jar("a")).marbles == 1 + known
    again = await process.engine.hear(put("h"))
    assert again is not None
    assert again.repeat
    assert again.says == after.says


async def test_a_timer_that_another_process_has_rung_costs_no_certain_reading() -> None:
    asked: list[Sequence[str]] = []

    class Asked(MemoryStore):
        async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
            asked.extend([ids] if certain else [])
            return await super().load(ids, certain=certain)

    process = rig(Asked(JARS), JARS)
    await process.store.save([jar_with("a", wake_at=T0)])
    await timers.ring(process.engine)
    late = heard(Woke(record_id="a", due=T0), message_id("jars/a", f"woke/{T0}"))
    assert (await process.engine.hear_at(JARS, late)).repeat
    assert asked == []
