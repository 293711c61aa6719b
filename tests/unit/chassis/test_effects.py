"""Effects: performed outside any save, again after a crash, settled once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chassis import relay as relay_module
from chassis.documents import Documents
from chassis.journal import Said
from chassis.keeping import Keeping
from chassis.memory import MemoryStore
from chassis.memory_database import MemoryRecords
from chassis.record import Heard
from chassis.store import StoreUnavailable
from contracts.message import message_id
from tests.support.waiting import give_way, until
from tests.unit.chassis.jars import (
    JARS,
    T0,
    JarPolished,
    Polish,
    Polished,
    PolishJar,
    heard,
    jar_with,
)
from tests.unit.chassis.rig import Rig, Shaky, rig


@pytest.fixture
def process() -> Rig:
    return rig(Shaky(MemoryStore(JARS)), JARS)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "REPORT_BACKOFF_SECONDS", 0)


def polish(id: str, **more: Any) -> Heard:
    return heard(PolishJar(jar_id="a"), id, **more)


class Hanging:
    """Performs when its gate opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = 0

    async def __call__(self, intent: Polish, attempt: int) -> Polished:
        self.begun += 1
        await self.gate.wait()
        return Polished(jar_id=intent.jar_id)


def intent(wire: str, number: int) -> Said:
    body = Polish(jar_id="a").model_dump_json()
    return Said(id=f"{wire}/{number}", topic=None, key="a", wire=wire, body=body, at=T0, cause="")


def restarted(process: Rig) -> Rig:
    """Another process on the same store, with the same topics, that knows nothing of the first."""
    return rig(process.store, JARS, topics=process.topics, clock=process.clock)


async def test_an_effect_is_performed_once_and_its_outcome_is_heard(process: Rig) -> None:
    await process.engine.hear(polish("h"))
    await process.settle()
    assert process.polisher.attempts == [1]
    assert process.topics.messages == [JarPolished(jar_id="a", times=1)]
    assert (await process.jar("a")).polished == 1
    assert message_id("h", 0) not in (await process.record("a")).unsaid
    assert process.engine.relay.idle


async def test_a_message_heard_again_does_not_perform_again(process: Rig) -> None:
    await process.engine.hear(polish("h"))
    await process.settle()
    await process.engine.hear(polish("h"))
    await process.settle()
    assert process.polisher.attempts == [1]


async def test_an_effect_that_a_crash_ended_is_performed_again_as_the_second_attempt(process: Rig) -> None:
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    await until(lambda: process.polisher.attempts)
    for task in process.engine.relay._performing.values():
        task.cancel()
    await process.settle()

    after = restarted(process)
    assert await after.sweep() == 0
    process.clock.later(16)
    assert await after.sweep() == 1
    await after.settle()
    assert (process.polisher.attempts, after.polisher.attempts) == ([1], [2])
    assert (await process.jar("a")).polished == 1


async def test_each_further_attempt_knows_how_many_there_were(process: Rig) -> None:
    process.polisher.fails = ConnectionError("no answer")
    await process.engine.hear(polish("h"))
    for _ in range(3):
        await process.settle()
        process.clock.later(16)
        assert await process.sweep() == 1
    await process.settle()
    assert process.polisher.attempts == [1, 2, 3, 4]

    process.polisher.fails = None
    process.clock.later(16)
    await process.sweep()
    await process.settle()
    assert (await process.jar("a")).polished == 1
    process.clock.later(60)
    await process.flush()
    assert await process.sweep() == 0


async def test_a_sweep_leaves_alone_what_is_being_performed_here(process: Rig) -> None:
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    process.clock.later(60)
    assert await process.sweep() == 0
    process.polisher.gate.set()
    await process.settle()
    assert process.polisher.attempts == [1]


async def test_an_outcome_heard_twice_counts_once(process: Rig) -> None:
    process.polisher.fails = ConnectionError("no answer")
    await process.engine.hear(polish("h"))
    await process.settle()
    intent = message_id("h", 0)
    outcome = heard(Polished(jar_id="a"), message_id(intent, "report"), settles=intent)
    late = heard(Polished(jar_id="a"), "told by somebody else", settles=intent)
    for one in (outcome, outcome, late):
        await process.engine.hear(one)
    assert (await process.jar("a")).polished == 1
    assert set(process.topics.ids) == {message_id(outcome.id, 0)}


async def test_two_processes_that_perform_the_same_intent_settle_it_once(process: Rig) -> None:
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    other = restarted(process)
    process.clock.later(16)
    assert await other.sweep() == 1
    await other.settle()
    process.polisher.gate.set()
    await process.settle()
    assert (process.polisher.attempts, other.polisher.attempts) == ([1], [2])
    assert (await process.jar("a")).polished == 1
    assert set(process.topics.ids) == {message_id(message_id(message_id("h", 0), "report"), 0)}


async def test_an_outcome_waits_for_a_store_however_long_it_is_away(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    store.unanswered = 50
    process.polisher.gate.set()
    await process.settle()
    assert process.polisher.attempts == [1]
    assert process.topics.messages == [JarPolished(jar_id="a", times=1)]
    assert (await process.jar("a")).polished == 1


async def test_an_outcome_whose_saving_was_not_confirmed_counts_once(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    store.replies_lost = 2
    process.polisher.gate.set()
    await process.settle()
    assert (await process.jar("a")).polished == 1
    assert process.topics.messages == [JarPolished(jar_id="a", times=1)]


async def test_an_outcome_that_died_with_its_process_while_the_store_was_away_is_asked_for_again(process: Rig) -> None:
    store = process.store
    assert isinstance(store, Shaky)
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    await until(lambda: process.polisher.attempts)
    store.away = True
    process.polisher.gate.set()
    (waiting,) = process.engine.relay._performing.values()
    await give_way()
    waiting.cancel()
    store.away = False
    assert (await process.jar("a")).polished == 0

    after = restarted(process)
    process.clock.later(16)
    assert await after.sweep() == 1
    await after.settle()
    assert after.polisher.attempts == [2]
    assert (await process.jar("a")).polished == 1


async def test_an_intent_that_nobody_performs_stays_for_those_who_do(process: Rig) -> None:
    process.engine.relay.performers.clear()
    await process.engine.hear(polish("h"))
    await process.settle()
    assert (await process.record("a")).unsaid == (message_id("h", 0),)

    after = restarted(process)
    process.clock.later(16)
    await after.sweep()
    await after.settle()
    assert (await process.jar("a")).polished == 1


async def test_effects_are_bounded(process: Rig) -> None:
    relay, hanging, kinds = process.engine.relay, Hanging(), 4
    for kind in range(kinds):
        relay.performers[f"kind-{kind}"] = (Polish, hanging)
    per_kind, most = relay_module.OF_ONE_KIND_MAX, relay_module.PERFORMING_MAX
    for kind in range(kinds):
        await relay.say("jars", "a", [intent(f"kind-{kind}", n) for n in range(per_kind + 20)])
        await give_way()
        assert hanging.begun == min(most, per_kind * (kind + 1))
    assert per_kind * kinds > most
    hanging.gate.set()
    await process.settle()
    assert hanging.begun == (per_kind + 20) * kinds


async def test_effects_of_a_kind_that_hangs_leave_room_for_the_others(process: Rig) -> None:
    relay, hanging, quick = process.engine.relay, Hanging(), Hanging()
    quick.gate.set()
    relay.performers |= {"call": (Polish, hanging), "look": (Polish, hanging), "other": (Polish, quick)}
    for kind in ("call", "look"):
        await relay.say("jars", "a", [intent(kind, n) for n in range(relay_module.PERFORMING_MAX)])
    await give_way()
    await relay.say("jars", "a", [intent("other", n) for n in range(200)])
    await until(lambda: quick.begun == 200)
    assert hanging.begun == 2 * relay_module.OF_ONE_KIND_MAX
    hanging.gate.set()
    await process.settle()


async def test_a_stop_waits_for_effects_for_a_while_and_no_longer(process: Rig) -> None:
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    await process.engine.relay.drain(0)
    assert not process.engine.relay.idle
    process.polisher.gate.set()
    await process.settle()
    assert process.engine.relay.idle
    await process.engine.relay.drain(0)


async def test_what_is_in_hand_is_left_alone_by_others_however_much_it_is(
    process: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "SWEEP_LIMIT", 2)
    process.polisher.gate = asyncio.Event()
    other = restarted(process)
    await asyncio.gather(*(process.engine.hear(heard(PolishJar(jar_id=f"j{n}"), f"h{n}")) for n in range(50)))
    taken = 0
    for _ in range(60):
        process.clock.later(1)
        await process.sweep()
        taken += await other.sweep()
    assert taken == 0
    process.polisher.gate.set()
    await process.settle()
    assert process.polisher.attempts == [1] * 50


async def test_what_has_not_begun_when_a_process_ends_is_begun_at_once_by_another_as_if_for_the_first_time(
    process: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "OF_ONE_KIND_MAX", 1)
    process.polisher.gate = asyncio.Event()
    for jar in "ab":
        await process.engine.hear(heard(PolishJar(jar_id=jar), f"h-{jar}"))
    await give_way()
    assert process.polisher.attempts == [1], "the other one waits for its turn"
    await process.engine.relay.close(process.engine.stores, 0)
    process.polisher.gate.set()
    await process.settle()
    assert process.polisher.attempts == [1], "no effect begins while the process ends"

    other = restarted(process)
    assert await other.sweep() == 1
    await other.settle()
    assert other.polisher.attempts == [1], "nobody has to find out what came of it: it was never tried"


async def test_what_was_cut_off_by_the_end_of_a_process_is_not_handed_over_as_new(process: Rig) -> None:
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    await give_way()
    await process.engine.relay.close(process.engine.stores, 0)
    other = restarted(process)
    assert await other.sweep() == 0
    process.clock.later(16)
    assert await other.sweep() == 1
    await other.settle()
    assert other.polisher.attempts == [2]


async def test_what_another_process_may_have_tried_is_not_handed_over_as_new(
    process: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One record with two intents: of one nobody knows, the other waits for its turn here."""
    died, process = process, restarted(process)
    died.polisher.gate = asyncio.Event()
    await died.engine.hear(polish("first"))
    await give_way()
    monkeypatch.setattr(relay_module, "OF_ONE_KIND_MAX", 0)
    await process.engine.hear(polish("second"))
    await process.engine.relay.close(process.engine.stores, 0)
    monkeypatch.undo()
    third = restarted(process)
    assert await third.sweep() == 0
    process.clock.later(16)
    assert await third.sweep() == 1
    await third.settle()
    assert third.polisher.attempts == [2, 2]


class Deaf:
    """A way to a store that does what it is asked, and loses the answer of the next `lost` writes."""

    def __init__(self) -> None:
        self.lost = 0

    async def through(self, what: str, work: Callable[[], Any]) -> Any:
        found = work()
        if what.startswith("write") and self.lost:
            self.lost -= 1
            raise StoreUnavailable("the answer was lost")
        return found


def deaf() -> tuple[Deaf, Rig]:
    line = Deaf()
    return line, rig(MemoryRecords(Documents(), Keeping(JARS), line), JARS)


async def test_what_was_saved_without_an_answer_is_begun_when_it_is_heard_again_as_the_first_attempt() -> None:
    line, process = deaf()
    line.lost = 1
    with pytest.raises(StoreUnavailable):
        await process.engine.hear(polish("h"))
    assert process.polisher.attempts == []
    process.clock.later(5)
    await process.engine.hear(polish("h", at=process.clock()))
    await process.settle()
    assert process.polisher.attempts == [1]
    await process.engine.hear(polish("h", at=process.clock()))
    await process.settle()
    assert process.polisher.attempts == [1], "once"


async def test_what_others_may_have_taken_up_by_then_is_left_to_the_sweep() -> None:
    line, process = deaf()
    line.lost = 1
    with pytest.raises(StoreUnavailable):
        await process.engine.hear(polish("h"))
    process.clock.later(11)
    await process.engine.hear(polish("h", at=process.clock()))
    await process.settle()
    assert process.polisher.attempts == []
    process.clock.later(5)
    assert await process.sweep() == 1
    await process.settle()
    assert process.polisher.attempts == [2]


async def test_what_another_process_has_saved_is_not_begun_by_who_hears_it_too() -> None:
    _, process = deaf()
    other = restarted(process)
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    await other.engine.hear(polish("h"))
    await give_way()
    assert (process.polisher.attempts, other.polisher.attempts) == ([1], [])
    process.polisher.gate.set()
    await process.settle()


async def test_what_is_in_hand_is_renewed_while_a_sweep_waits_for_a_topic(process: Rig) -> None:
    process.polisher.gate = asyncio.Event()
    await process.engine.hear(polish("h"))
    await process.store.save([jar_with("left")])
    process.topics.held = asyncio.Event()
    process.clock.later(16)
    relay, stores = process.engine.relay, process.engine.stores
    await relay.renew(stores)
    sweeping = asyncio.create_task(relay.sweep(stores))
    await until(lambda: bool(process.topics.sent))
    process.clock.later(16)
    await relay.renew(stores)
    assert not sweeping.done()
    found = await process.store.unsaid(process.clock(), 10)
    assert [record.id for record in found] == ["left"], "what is in hand is young"
    process.polisher.gate.set()
    process.topics.held.set()
    await sweeping
    await process.settle()
    assert process.polisher.attempts == [1]
