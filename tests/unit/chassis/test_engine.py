"""Hearing: once, together, against others, and with a store that is away."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import ValidationError

from chassis.engine import Engine
from chassis.memory import MemoryStore
from chassis.record import Aggregate, Heard, Record, Refusal
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
    MeltJar,
    PolishJar,
    PutMarbles,
    RainFell,
    heard,
    jar_aggregate,
    seconds,
)
from tests.unit.chassis.rig import Clock, Rig, Shaky, Topics, rig


@pytest.fixture
def process() -> Rig:
    return rig(Shaky(MemoryStore(JARS)), JARS)


def put(id: str, marbles: int = 1, *, jar: str = "a", **more: Any) -> Heard:
    return heard(PutMarbles(jar_id=jar, marbles=marbles), id, **more)


async def test_a_message_heard_twice_counts_once_and_is_answered_twice(process: Rig) -> None:
    first = await process.engine.hear(put("h"))
    again = await process.engine.hear(put("h", at=T0 + seconds(60)))
    assert first is not None
    assert again is not None
    assert (first.repeat, again.repeat) == (False, True)
    assert process.topics.messages == [MarblesPut(jar_id="a", total=1)] * 2
    assert process.topics.sent[0] == process.topics.sent[1]
    assert (await process.record("a")).version == 1


async def test_who_counts_what_is_said_sees_it_once_and_only_when_it_is_saved(process: Rig) -> None:
    seen: list[str] = []
    process.engine.tally(MarblesPut, lambda said: seen.append(said.id))
    process.engine.tally(JarSeen, lambda said: seen.append(said.id))
    first = await process.engine.hear(put("h"))
    await process.engine.hear(put("h", at=T0 + seconds(60)))
    await process.engine.hear(heard(LookAtJar(jar_id="a"), "look"))
    assert first is not None
    assert seen == [said.id for said in first.says]


async def test_what_only_an_old_primary_does_not_know_is_decided_again() -> None:
    store = Shaky(MemoryStore(JARS))
    process = rig(store, JARS)
    await process.engine.hear(put("h"))
    store.deposed = 2
    seen = await process.engine.hear(heard(LookAtJar(jar_id="a"), "look"))
    assert seen is not None
    assert process.topics.messages[-1] == JarSeen(jar_id="a", total=1)
    assert store.deposed == 0


async def test_who_reads_at_once_shares_one_reading(process: Rig) -> None:
    for jar in ("a", "b"):
        await process.engine.hear(put(f"h-{jar}", jar=jar))
    loads: list[Sequence[str]] = []
    load = process.store.load

    async def counted(ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
        loads.append(ids)
        return await load(ids, certain=certain)

    process.store.load = counted  # type: ignore[method-assign]
    jars = process.engine.aggregates[0]
    found = await asyncio.gather(*(process.engine.read(jars, id) for id in ("a", "b", "a", "nowhere")))
    assert [record and record.id for record in found] == ["a", "b", "a", None]
    assert loads == [["a", "b", "nowhere"]]


async def test_a_record_that_cannot_be_read_hides_no_other() -> None:
    store = MemoryStore(JARS)
    process = rig(store, JARS)
    for jar in ("a", "b"):
        await process.engine.hear(put(f"h-{jar}", jar=jar))
    store.documents["b"] = {**store.documents["b"], "state": {"marbles": "many"}}
    whole, broken = await asyncio.gather(*(process.engine.read(JARS, id) for id in ("a", "b")), return_exceptions=True)
    assert isinstance(whole, Record)
    assert isinstance(broken, ValidationError)


async def test_a_message_heard_twice_at_once_counts_once(process: Rig) -> None:
    await asyncio.gather(*(process.engine.hear(put("h")) for _ in range(5)))
    assert set(process.topics.ids) == {message_id("h", 0)}
    assert (await process.jar("a")).marbles == 1


async def test_what_leaves_says_where_it_comes_from(process: Rig) -> None:
    await process.engine.hear(put("h", saga="case-7", traceparent="00-aa-bb-01"))
    (sent,) = process.topics.sent
    assert (sent.topic, sent.key) == ("jars.events", "a")
    assert sent.envelope.headers() == {
        "ce_id": message_id("h", 0),
        "ce_type": "marbles-put.v1",
        "ce_source": "jars",
        "ce_time": "2026-11-01T08:30:15.123000Z",
        "ce_specversion": "1.0",
        "content-type": "application/json",
        "ce_cause": "h",
        "ce_saga": "case-7",
        "traceparent": "00-aa-bb-01",
    }


async def test_an_answer_without_a_change_is_said_and_not_stored(process: Rig) -> None:
    await process.engine.hear(heard(LookAtJar(jar_id="a"), "h"))
    assert process.topics.messages == [JarSeen(jar_id="a", total=0)]
    assert await process.store.load(["a"]) == {}


async def test_a_refusal_travels_over_topics_and_raises_over_http(process: Rig) -> None:
    over_topic, over_http = put("t", FULL + 1), put("w", FULL + 1, answers_travel=False)
    await process.engine.hear(over_topic)
    await process.engine.hear(over_topic)
    refused = MarblesNotPut(jar_id="a", why="full")
    assert process.topics.messages == [refused, refused]
    assert process.topics.ids == [message_id("t", 0)] * 2

    with pytest.raises(Refusal) as caught:
        await process.engine.hear(over_http)
    assert caught.value.event == refused
    assert len(process.topics.sent) == 2
    assert await process.store.load(["a"]) == {}


def test_who_hears_what() -> None:
    engine = rig(MemoryStore(JARS), JARS).engine
    assert engine.hears(PutMarbles)
    assert not engine.hears(MeltJar)
    assert not engine.hears(RainFell)


async def test_messages_that_arrive_together_are_saved_together(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    await asyncio.gather(*(process.engine.hear(put(f"h{n}", jar=f"jar-{n % 7}")) for n in range(70)))
    assert store.saves == 1
    totals = [(sent.key, sent.message.total) for sent in process.topics.sent if isinstance(sent.message, MarblesPut)]
    assert Counter(totals) == Counter((f"jar-{jar}", total) for jar in range(7) for total in range(1, 11))
    for jar in range(7):
        said = [total for key, total in totals if key == f"jar-{jar}"]
        assert said == sorted(said), "about one thing the order of the messages is kept"


async def test_a_lost_answer_of_the_store_does_not_count_twice(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    store.replies_lost = 1
    with pytest.raises(StoreUnavailable):
        await process.engine.hear(put("h"))
    assert process.topics.sent == [], "nothing is said of which nobody knows that it is stored"

    await process.engine.hear(put("h"))
    assert process.topics.messages == [MarblesPut(jar_id="a", total=1)]
    assert (await process.jar("a")).marbles == 1


async def test_a_store_that_is_away_changes_nothing(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    store.away = True
    outcomes = await asyncio.gather(*(process.engine.hear(put(f"h{n}")) for n in range(3)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    store.away = False
    await asyncio.gather(*(process.engine.hear(put(f"h{n}")) for n in range(3)))
    assert (await process.jar("a")).marbles == 3


async def test_two_processes_that_saw_the_same_record_both_decide_once(store: Store, jars: Aggregate[Jar]) -> None:
    slow, quick = Shaky(store), Shaky(store)
    first, second = rig(slow, jars), rig(quick, jars)

    async def let_the_other_one_win() -> None:
        slow.before_save = None
        await second.engine.hear(put("quick", 20))

    slow.before_save = let_the_other_one_win
    await first.engine.hear(put("slow", 1))

    assert slow.saves == 2
    assert second.topics.messages == [MarblesPut(jar_id="a", total=20)]
    assert first.topics.messages == [MarblesPut(jar_id="a", total=21)], "decided again on what the other one stored"
    record = await first.record("a")
    assert [entry.heard for entry in record.journal] == ["quick", "slow"]


async def test_a_wish_that_lost_the_race_may_be_refused_after_all(store: Store, jars: Aggregate[Jar]) -> None:
    slow = Shaky(store)
    first, second = rig(slow, jars), rig(store, jars)

    async def fill_the_jar() -> None:
        slow.before_save = None
        await second.engine.hear(put("quick", FULL))

    slow.before_save = fill_the_jar
    await first.engine.hear(put("slow", 1))
    assert first.topics.messages == [MarblesNotPut(jar_id="a", why="full")]
    assert (await first.jar("a")).marbles == FULL


async def test_two_processes_under_load_count_every_message_once(
    store: Store, jars: Aggregate[Jar], chance: random.Random
) -> None:
    processes = [rig(store, jars), rig(store, jars)]
    wishes = [put(f"h{n}", jar=f"jar-{chance.randrange(3)}") for n in range(60)]
    twice = wishes + chance.sample(wishes, 20)
    chance.shuffle(twice)
    await asyncio.gather(*(chance.choice(processes).engine.hear(wish) for wish in twice))

    expected = Counter(wish.message.key_value for wish in wishes)
    said = {sent.id: sent for process in processes for sent in process.topics.sent}
    assert len(said) == len(wishes)
    for jar, marbles in expected.items():
        assert (await processes[0].jar(jar)).marbles == marbles
        totals = [s.message.total for s in said.values() if isinstance(s.message, MarblesPut) and s.key == jar]
        assert sorted(totals) == list(range(1, marbles + 1))


async def test_whoever_loses_every_race_waits_like_for_a_store_that_is_away(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    rival = rig(store.kept, JARS)
    races = 0

    async def lose() -> None:
        nonlocal races
        races += 1
        await rival.engine.hear(put(f"rival-{races}", 0))

    store.before_save = lose
    with pytest.raises(StoreUnavailable):
        await process.engine.hear(put("unlucky"))
    store.before_save = None
    await process.engine.hear(put("unlucky"))
    assert (await process.jar("a")).marbles == 1


async def test_a_caller_over_http_does_not_wait_for_topics() -> None:
    topics = Topics(held=asyncio.Event())
    process = rig(MemoryStore(JARS), JARS, topics=topics)
    decided = await process.engine.hear(put("h", answers_travel=False))
    assert decided is not None
    assert decided.stored
    assert topics.messages == [MarblesPut(jar_id="a", total=1)]
    assert topics.held is not None
    topics.held.set()


async def test_a_caller_over_http_is_answered_while_the_broker_is_away() -> None:
    topics = Topics(refuses=lambda _: True)
    process = rig(MemoryStore(JARS), JARS, topics=topics)
    decided = await process.engine.hear(put("h", answers_travel=False))
    assert decided is not None
    assert decided.stored

    topics.refuses = lambda _: False
    process.clock.later(20)
    assert await process.sweep() == 1
    assert topics.messages == [MarblesPut(jar_id="a", total=1)]


def test_two_kinds_of_record_may_not_hear_the_same_message() -> None:
    """What they said would have the same ids, and whoever hears both would take the second for a repeat."""
    one, other = jar_aggregate("one"), jar_aggregate("other")
    with pytest.raises(ValueError, match="handled by two aggregates"):
        Engine("jars", {one: MemoryStore(one), other: MemoryStore(other)}, Topics(), Clock())


async def test_an_intent_is_stored_even_when_nothing_else_changed(process: Rig) -> None:
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(put("h0"))
    await process.engine.hear(heard(PolishJar(jar_id="a"), "h1"))
    record = await process.record("a")
    assert message_id("h1", 0) in record.unsaid
    process.polisher.gate.set()
    await process.settle()
