"""Records as this process has last saved them: asked for nothing, trusted for nothing that no save confirms."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chassis.journal import Entry, Said
from chassis.known import Known
from chassis.memory import MemoryStore
from chassis.record import Aggregate, Heard, Record
from chassis.store import Store, StoreUnavailable
from contracts.message import message_id
from tests.unit.chassis.jars import (
    FULL,
    JARS,
    T0,
    Jar,
    JarSeen,
    LookAtJar,
    MarblesNotPut,
    MarblesPut,
    PutMarbles,
    RemindOfJar,
    heard,
    seconds,
)
from tests.unit.chassis.rig import Shaky, rig


def put(id: str, marbles: int = 1, **more: Any) -> Heard:
    return heard(PutMarbles(jar_id="a", marbles=marbles), id, **more)


class Counted(Shaky):
    """Counts the records that are asked for."""

    def __init__(self, kept: Store) -> None:
        super().__init__(kept)
        self.loaded: list[str] = []

    async def load(self, ids: Any, *, certain: bool = False) -> dict[str, Record[Any]]:
        self.loaded += ids
        return await super().load(ids, certain=certain)


async def test_what_was_saved_here_is_not_asked_for_again() -> None:
    store = Counted(MemoryStore(JARS))
    process = rig(store, JARS)
    for number in range(5):
        await process.engine.hear(put(f"h{number}"))
    assert store.loaded == ["a"]
    assert (await process.jar("a")).marbles == 5


async def test_what_another_process_saved_since_is_what_counts(store: Store, jars: Aggregate[Jar]) -> None:
    first, second = rig(store, jars), rig(store, jars)
    for number in range(4):
        await first.engine.hear(put(f"f{number}", 1))
        await second.engine.hear(put(f"s{number}", 10))
    assert (await first.jar("a")).marbles == 44
    assert (await first.record("a")).version == 8
    assert first.topics.messages[-1] == MarblesPut(jar_id="a", total=34)


async def test_a_refusal_is_never_told_from_memory(store: Store, jars: Aggregate[Jar]) -> None:
    """Emptied elsewhere: the jar that is full for this process takes the marble."""
    first = rig(store, jars)
    await first.engine.hear(put("f", FULL))
    record = await first.record("a")
    assert record.state is not None
    emptied = replace(record, state=record.state.model_copy(update={"marbles": 0}))
    assert await store.save([emptied]) == set()
    await first.engine.hear(put("g", 1))
    assert first.topics.messages[-1] == MarblesPut(jar_id="a", total=1)


async def test_a_wish_is_refused_by_what_is_stored(store: Store, jars: Aggregate[Jar]) -> None:
    first, second = rig(store, jars), rig(store, jars)
    await first.engine.hear(put("f", 1))
    await second.engine.hear(put("s", FULL - 1))
    await first.engine.hear(put("g", 1))
    assert first.topics.messages[-1] == MarblesNotPut(jar_id="a", why="full")


async def test_an_answer_that_stores_nothing_is_given_from_what_is_stored(store: Store, jars: Aggregate[Jar]) -> None:
    first, second = rig(store, jars), rig(store, jars)
    await first.engine.hear(put("f", 1))
    await second.engine.hear(put("s", 5))
    await first.engine.hear(heard(LookAtJar(jar_id="a"), "look"))
    assert first.topics.messages[-1] == JarSeen(jar_id="a", total=6)


async def test_after_a_save_without_an_answer_the_store_is_asked() -> None:
    store = Counted(MemoryStore(JARS))
    process = rig(store, JARS)
    await process.engine.hear(put("h0"))
    store.replies_lost = 1
    with pytest.raises(StoreUnavailable):
        await process.engine.hear(put("h1"))
    again = await process.engine.hear(put("h1"))
    assert again is not None
    assert again.repeat
    assert store.loaded == ["a", "a", "a"], "at last the majority: what it alone had heard would be taken back"
    assert (await process.jar("a")).marbles == 2


async def test_what_was_marked_as_said_is_not_written_back(store: Store, jars: Aggregate[Jar]) -> None:
    process = rig(store, jars)
    await process.engine.hear(put("h0"))
    await process.flush()
    assert (await process.record("a")).unsaid == ()
    await process.engine.hear(put("h1"))
    await process.flush()
    assert (await process.record("a")).unsaid == ()


async def test_an_own_mark_costs_the_next_save_nothing() -> None:
    store = Counted(MemoryStore(JARS))
    process = rig(store, JARS)
    await process.engine.hear(put("h0"))
    await process.flush()
    store.loaded.clear()
    await process.engine.hear(put("h1"))
    assert store.loaded == [], "it did not lose against its own mark"


async def test_what_another_process_marked_as_said_is_not_written_back(store: Store, jars: Aggregate[Jar]) -> None:
    first, second = rig(store, jars), rig(store, jars)
    await first.engine.hear(put("f"))
    await second.engine.hear(put("s"))  # it has seen what the first still had to say
    await first.flush()
    await second.engine.hear(put("t"))
    assert message_id("f", 0) not in (await second.record("a")).unsaid
    await second.flush()
    assert (await second.record("a")).unsaid == ()
    assert (await second.jar("a")).marbles == 3


async def test_a_timer_of_a_finer_time_than_stores_keep_rings_all_the_same(store: Store, jars: Aggregate[Jar]) -> None:
    process = rig(store, jars)
    at = T0 + seconds(60) + timedelta(microseconds=7)
    await process.engine.hear(heard(RemindOfJar(jar_id="a", at=at), "remind"))
    (id, due), *_ = await store.due(T0 + seconds(120), 10)
    assert (id, due) == ("a", process.engine._reactors[jars.name]._known.among(["a"])["a"].wake_at)


def test_only_so_many_are_known_the_newest_ones() -> None:
    known = Known(size_max=2)
    for id in ("a", "b", "a", "c"):
        known.saved(Record(id, touched_at=datetime(2026, 1, 1, tzinfo=UTC)))
    assert set(known.among(["a", "b", "c"])) == {"a", "c"}


def test_large_records_do_not_fill_the_memory() -> None:
    """Five hundred orders of two hundred lines each were more than a container has."""

    def saved(id: str, length: int) -> Record[Any]:
        said = Said(f"{id}/0", "jar-seen.v1", "jars.events", id, "x" * length, "h", T0)
        return Record(id, journal=(Entry("h", (said,)),))

    known = Known(size_max=3, text_max=100)
    for id, length in (("a", 30), ("b", 60), ("a", 40)):
        known.saved(saved(id, length))
    assert set(known.among("abc")) == {"a", "b"}, "what is saved again counts once"
    known.saved(saved("c", 1))
    assert set(known.among("abc")) == {"a", "c"}, "the one saved longest ago goes"
    known.forget(["a"])
    known.saved(saved("b", 99))
    assert set(known.among("abc")) == {"b", "c"}, "what is forgotten counts no more"
    known.saved(saved("d", 101))
    assert not known.among("abcd"), "one that is too large alone is not kept either"
    for id in "abcd":
        known.saved(saved(id, 1))
    assert set(known.among("abcd")) == {"b", "c", "d"}
