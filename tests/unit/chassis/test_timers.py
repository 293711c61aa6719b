"""Timers are stored, ring late or twice, and are heard once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest
import structlog

from chassis import timers
from chassis.memory import MemoryStore
from chassis.record import Aggregate
from chassis.store import Store
from contracts.message import Message, Woke, message_id
from tests.unit.chassis.jars import JARS, T0, Jar, JarRang, PutMarbles, RemindOfJar, heard, jar_with, ring, seconds
from tests.unit.chassis.rig import Clock, Rig, Shaky, Topics, rig


@pytest.fixture
def process() -> Rig:
    return rig(Shaky(MemoryStore(JARS)), JARS)


async def test_a_timer_rings_when_it_is_due_and_once(process: Rig) -> None:
    await process.store.save([jar_with("a", wake_at=T0 + seconds(60))])
    assert await timers.ring(process.engine) == 0
    process.clock.later(60)
    assert await timers.ring(process.engine) == 1
    assert await timers.ring(process.engine) == 0
    assert process.topics.messages == [JarRang(jar_id="a")]
    assert (await process.record("a")).wake_at is None
    assert (await process.jar("a")).rows == (("rang", 1),)


async def test_a_timer_that_rings_days_late_rings_all_the_same(process: Rig) -> None:
    await process.store.save([jar_with("a", wake_at=T0)])
    process.clock.later(3 * 86_400)
    assert await timers.ring(process.engine) == 1
    assert process.topics.sent[0].envelope.time == process.clock()


async def test_two_processes_ring_the_same_timers_and_each_is_heard_once(store: Store, jars: Aggregate[Jar]) -> None:
    await store.save([jar_with(f"jar-{n}", wake_at=T0 - seconds(n)) for n in range(20)])
    topics = Topics()
    processes = [rig(store, jars, topics=topics) for _ in range(3)]
    await asyncio.gather(*(timers.ring(process.engine) for process in processes))
    for n in range(20):
        assert (await processes[0].jar(f"jar-{n}")).rows == (("rang", 1),)
    assert len(set(topics.ids)) == 20, "who rang second says the same again, under the same id"


async def test_a_timer_that_was_set_again_meanwhile_does_not_ring_for_the_old_time(process: Rig) -> None:
    await process.store.save([jar_with("a", wake_at=T0)])
    old = heard(Woke(record_id="a", due=T0), message_id("jars/a", f"woke/{T0}"))
    await process.engine.hear(heard(RemindOfJar(jar_id="a", at=T0 + seconds(60)), "later"))
    decided = await process.engine.hear_at(JARS, old)
    assert decided.repeat
    assert process.topics.messages == []
    assert (await process.record("a")).wake_at == T0 + seconds(60)


async def test_a_timer_set_between_the_look_and_the_ring_is_kept(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    await store.kept.save([jar_with("a", wake_at=T0)])
    rival = rig(store.kept, JARS)

    async def set_again() -> None:
        store.before_save = None
        await rival.engine.hear(heard(RemindOfJar(jar_id="a", at=T0 + seconds(60)), "later"))

    store.before_save = set_again
    await timers.ring(process.engine)
    assert (await process.record("a")).wake_at == T0 + seconds(60)
    assert process.topics.messages == []


async def test_a_timer_set_again_for_a_moment_it_rang_at_rings_again(process: Rig) -> None:
    await process.store.save([jar_with("a", wake_at=T0)])
    assert await timers.ring(process.engine) == 1
    await process.engine.hear(heard(RemindOfJar(jar_id="a", at=T0), "after the clock stepped back"))
    assert await timers.ring(process.engine) == 1
    assert await timers.ring(process.engine) == 0
    assert (await process.record("a")).wake_at is None
    assert (await process.jar("a")).rows == (("rang", 1), ("rang", 1))


async def test_one_timer_that_cannot_be_heard_holds_up_no_other() -> None:
    torn = Aggregate("jars", Jar)
    torn.handles(PutMarbles)(JARS.handlers[PutMarbles])

    @torn.wakes
    def break_for_b(jar: Jar | None, rang: Woke, at: datetime) -> tuple[Jar | None, list[Message]]:
        if rang.record_id == "b":
            raise ZeroDivisionError
        decided, says = ring(jar, rang, at)
        return decided, list(says)

    process = rig(MemoryStore(torn), torn)
    await process.store.save([jar_with(id, wake_at=T0) for id in ("a", "b", "c")])
    with structlog.testing.capture_logs() as lines:
        assert await timers.ring(process.engine) == 2
    assert [(line["event"], line["record"]) for line in lines] == [("a timer could not be heard", "b")]
    assert sorted(sent.key for sent in process.topics.sent) == ["a", "c"]
    assert (await process.record("b")).wake_at == T0, "it keeps its timer and rings again"


async def test_many_timers_that_cannot_be_heard_hold_up_none_behind_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after an upgrade that was taken back: they stay due, and stand first in line."""
    monkeypatch.setattr(timers, "DUE_LIMIT", 2)
    torn = Aggregate("jars", Jar)

    @torn.wakes
    def break_for_some(jar: Jar | None, rang: Woke, at: datetime) -> tuple[Jar | None, list[Message]]:
        if rang.record_id.startswith("torn"):
            raise ZeroDivisionError
        decided, says = ring(jar, rang, at)
        return decided, list(says)

    process = rig(MemoryStore(torn), torn, clock=Clock(T0 + seconds(9)))
    await process.store.save([jar_with(f"torn-{n}", wake_at=T0 + seconds(n)) for n in range(4)])
    await process.store.save([jar_with("whole", wake_at=T0 + seconds(8))])
    unheard = timers.Unheard()
    with structlog.testing.capture_logs() as lines:
        rung = [await timers.ring(process.engine, unheard) for _ in range(100)]
    assert (rung.count(1), rung.count(0)) == (1, 99)
    told = [line["record"] for line in lines]
    assert {told.count(f"torn-{n}") for n in range(4)} <= {5, 6, 7}, "tried again later and later"
    await process.store.save([replace(await process.record("torn-0"), wake_at=None)])
    await timers.ring(process.engine, unheard)
    assert len(unheard) == 3, "what is due no more is forgotten"


@pytest.mark.parametrize("change", [{}, {"polished": 1}])
async def test_a_handler_that_leaves_its_timer_set_is_told_on(change: dict[str, int]) -> None:
    """Otherwise it would be found due for ever, and the second ring taken for a repeat without a word."""
    stubborn = Aggregate("jars", Jar)

    @stubborn.wakes
    def look_away(jar: Jar | None, rang: Woke, at: datetime) -> tuple[Jar | None, list[Message]]:
        assert jar is not None
        return (jar.model_copy(update=change) if change else jar), []

    process = rig(MemoryStore(stubborn), stubborn)
    await process.store.save([jar_with("a", wake_at=T0)])
    for _ in range(2):
        with structlog.testing.capture_logs() as lines:
            assert await timers.ring(process.engine) == 0
        assert [line["event"] for line in lines] == ["a timer rang and was left set"]


async def test_kinds_without_a_timer_are_not_asked() -> None:
    plain = Aggregate("plain", Jar)
    plain.handles(PutMarbles)(JARS.handlers[PutMarbles])
    store = Shaky(MemoryStore(plain))
    store.away = True
    assert await timers.ring(rig(store, plain, clock=Clock()).engine) == 0
