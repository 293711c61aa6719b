"""What is stored gets said, whatever ends the process in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import pytest

from chassis.journal import Said
from chassis.memory import MemoryStore
from chassis.record import Aggregate, Heard, hear
from chassis.relay import TooLarge
from chassis.store import Store, StoreUnavailable
from contracts.message import message_id
from tests.support.waiting import give_way, until
from tests.unit.chassis.jars import (
    JARS,
    T0,
    Jar,
    MarblesPut,
    PutMarbles,
    heard,
    jar_with,
)
from tests.unit.chassis.rig import ProcessDied, Rig, Shaky, Topics, rig


@pytest.fixture
def process() -> Rig:
    return rig(Shaky(MemoryStore(JARS)), JARS)


def put(id: str, jar: str = "a") -> Heard:
    return heard(PutMarbles(jar_id=jar), id)


def restarted(process: Rig) -> Rig:
    """Another process on the same store, with the same topics, that knows nothing of the first."""
    return rig(process.store, JARS, topics=process.topics, clock=process.clock)


async def test_a_crash_between_save_and_send_is_healed_by_a_sweep(process: Rig) -> None:
    process.topics.refuses = lambda _: True
    with pytest.raises(Exception, match=r"jars\.events"):
        await process.engine.hear(put("h"))
    process.topics.refuses = lambda _: False

    after = restarted(process)
    assert await after.sweep() == 0, "it may still be about to be said"
    process.clock.later(16)
    assert await after.sweep() == 1
    assert process.topics.messages == [MarblesPut(jar_id="a", total=1)]
    assert process.topics.ids == [message_id("h", 0)]

    await after.flush()
    process.clock.later(60)
    assert await after.sweep() == 0
    assert await restarted(process).sweep() == 0
    assert (await process.record("a")).unsaid == ()


async def test_what_was_never_sent_is_sent_in_the_order_it_was_decided(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    await store.kept.save([jar_with("b")])
    for number in range(3):
        record = await process.record("b")
        await store.kept.save([hear(JARS, record, put(f"h{number}", "b")).record])
    process.clock.later(16)
    assert await process.sweep() == 1
    assert process.topics.messages == [MarblesPut(jar_id="b", total=total) for total in (1, 2, 3, 4)]


async def test_two_sweeps_at_once_say_it_once(store: Store, jars: Aggregate[Jar]) -> None:
    await store.save([jar_with(f"jar-{n}") for n in range(10)])
    topics = Topics()
    processes = [rig(store, jars, topics=topics) for _ in range(3)]
    for process in processes:
        process.clock.later(16)
    taken = await asyncio.gather(*(process.sweep() for process in processes))
    assert sum(taken) == 10
    assert sorted(sent.key for sent in topics.sent) == sorted(f"jar-{n}" for n in range(10))


async def test_what_this_process_has_said_is_not_swept(process: Rig) -> None:
    await process.engine.hear(put("h"))
    process.clock.later(60)
    assert await process.sweep() == 0
    assert len(process.topics.sent) == 1


async def test_said_marks_go_in_with_the_next_save(process: Rig) -> None:
    await process.engine.hear(put("h1"))
    assert (await process.record("a")).unsaid == (message_id("h1", 0),)
    await process.engine.hear(put("h2"))
    assert (await process.record("a")).unsaid == (message_id("h2", 0),)
    assert process.engine.relay.known_said("jars", "a") == {message_id("h2", 0)}


async def test_said_marks_go_in_with_a_flush_when_no_save_comes(process: Rig) -> None:
    await process.engine.hear(put("h1"))
    await process.flush()
    assert (await process.record("a")).unsaid == ()
    assert process.engine.relay.known_said("jars", "a") == frozenset()


async def test_a_flush_leaves_what_was_said_just_now_to_the_next_save(process: Rig) -> None:
    await process.engine.hear(put("h1"))
    await process.flush(everything=False)
    assert (await process.record("a")).unsaid == (message_id("h1", 0),)
    await process.flush(everything=False)
    assert (await process.record("a")).unsaid == (), "no save came"


async def test_what_is_acknowledged_during_a_save_is_not_written_back_by_it(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    held = process.topics.held = asyncio.Event()
    first = asyncio.create_task(process.engine.hear(put("h1")))
    await until(lambda: process.topics.ids == [message_id("h1", 0)])

    async def acknowledge_and_mark() -> None:
        store.before_save = None
        held.set()
        await first
        await process.flush()

    store.before_save = acknowledge_and_mark
    await process.engine.hear(put("h2"))
    await process.flush()
    assert (await process.record("a")).unsaid == ()
    process.clock.later(60)
    assert await restarted(process).sweep() == 0, "nobody says it again"


async def test_marks_outlive_a_store_that_is_away(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    await process.engine.hear(put("h1"))
    store.away = True
    with pytest.raises(StoreUnavailable):
        await process.flush()
    with pytest.raises(StoreUnavailable):
        await process.engine.hear(put("h2"))
    store.away = False
    await process.flush()
    assert (await process.record("a")).unsaid == ()


async def test_a_save_that_lost_keeps_its_marks(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    await process.engine.hear(put("h1"))
    rival = restarted(process)

    async def win() -> None:
        store.before_save = None
        await rival.engine.hear(put("rival"))

    store.before_save = win
    await process.engine.hear(put("h2"))
    assert set((await process.record("a")).unsaid) == {message_id("rival", 0), message_id("h2", 0)}


async def test_nothing_is_marked_before_the_topic_has_it(process: Rig) -> None:
    process.topics.held = asyncio.Event()
    hearing = asyncio.create_task(process.engine.hear(put("h")))
    await until(lambda: process.topics.sent)
    await give_way()
    await process.flush()
    assert (await process.record("a")).unsaid == (message_id("h", 0),)
    assert not hearing.done(), "the offset may not be committed yet"

    process.topics.held.set()
    await hearing
    await process.flush()
    assert (await process.record("a")).unsaid == ()


async def test_one_message_that_cannot_be_said_does_not_hold_up_the_sweep(process: Rig) -> None:
    await process.store.save([jar_with(id) for id in ("monster", "b", "c")])
    process.clock.later(16)
    process.topics.refuses = lambda body: b"monster" in body
    assert await process.sweep() == 3
    assert [sent.key for sent in process.topics.sent] == ["b", "c"]

    process.topics.refuses = lambda _: False
    process.clock.later(16)
    assert await process.sweep() == 1
    assert process.topics.sent[-1].key == "monster"


async def test_one_record_that_cannot_be_read_does_not_hold_up_the_sweep() -> None:
    store = MemoryStore(JARS)
    process = rig(store, JARS)
    await store.save([jar_with("torn"), jar_with("whole")])
    store.documents["torn"]["state"] = {"from": "another version"}
    process.clock.later(16)
    assert await process.sweep() == 1
    assert [sent.key for sent in process.topics.sent] == ["whole"]


async def test_a_process_that_dies_while_it_says_leaves_the_rest_to_the_next(process: Rig) -> None:
    await asyncio.gather(*(process.engine.hear(put(f"h{n}", f"jar-{n}")) for n in range(3)))
    process.topics.sent.clear()
    real = process.topics.send
    calls = 0

    async def die_at_the_second(*what: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise ProcessDied
        return await real(*what)

    process.topics.send = die_at_the_second  # type: ignore[assignment,method-assign]
    dying = restarted(process)
    process.clock.later(16)
    with pytest.raises(ProcessDied):
        await dying.sweep()
    process.topics.send = real  # type: ignore[method-assign]

    process.clock.later(16)
    await restarted(process).sweep()
    assert {sent.key for sent in process.topics.sent} == {"jar-0", "jar-1", "jar-2"}


async def test_a_record_whose_topic_takes_nothing_does_not_hold_up_those_behind_it(process: Rig) -> None:
    await process.store.save([jar_with("silent")])
    process.clock.later(1)
    await process.store.save([jar_with("b")])
    process.clock.later(16)
    waits = process.topics.held = asyncio.Event()
    sweeping = asyncio.create_task(process.sweep())
    await until(lambda: [sent.key for sent in process.topics.sent] == ["silent", "b"])
    waits.set()
    assert await sweeping == 2


async def test_a_message_that_no_topic_takes_does_not_hold_back_what_is_said_behind_it(process: Rig) -> None:
    class Narrow(Topics):
        async def send(
            self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
        ) -> Awaitable[object]:
            if b"monster" in body:
                raise TooLarge(topic)
            return await super().send(topic, key, body, headers)

    narrow = rig(process.store, JARS, topics=Narrow())
    puts = [MarblesPut(jar_id=jar, total=1) for jar in ("monster", "b")]
    says = [
        Said(
            id=f"m-{put.jar_id}",
            topic="jars.events",
            key=put.jar_id,
            wire="marbles-put.v1",
            body=put.model_dump_json(),
            at=T0,
            cause="",
        )
        for put in puts
    ]
    with pytest.raises(TooLarge):
        await narrow.engine.relay.say("jars", "a", says)
    assert [sent.key for sent in narrow.topics.sent] == ["b"]
