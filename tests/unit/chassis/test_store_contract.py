"""What every store promises, held against each of them: in memory, MongoDB through motor, MongoDB through PyMongo."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from chassis.journal import JOURNAL_MAX
from chassis.record import Record, hear
from chassis.store import NEVER_CLAIMED, Store
from contracts.message import Money, Woke, message_id
from tests.unit.chassis.jars import (
    JARS,
    T0,
    Jar,
    LookAtJar,
    Marble,
    Polished,
    PolishJar,
    PutMarbles,
    RemindOfJar,
    decide,
    heard,
    jar_with,
    seconds,
)


async def stored(store: Store, id: str) -> Record[Jar]:
    return (await store.load([id]))[id]


async def test_everything_comes_back_as_it_was(store: Store) -> None:
    jar = Jar(
        jar_id="a",
        marbles=3,
        worth=Money(amount_minor=1999, currency="JPY"),
        bought_at=T0,
        rows=(("红", 1), ("blue", 2)),
        samples=(Marble(colour="绿", worth=Money(amount_minor=7)),),
        wake_at=T0 + seconds(0.25),
    )
    record = decide(Record("a", state=jar), heard(PolishJar(jar_id="a"), "h1", saga="case-1", traceparent="00-1-2-01"))
    record = decide(record, heard(PutMarbles(jar_id="a", marbles=2), "h2", T0 + seconds(1)))
    assert await store.save([record]) == set()

    found = await stored(store, "a")
    assert found.state == jar.model_copy(update={"marbles": 5})
    assert found == replace(record, version=1, fresh=(), pruned=False)
    assert [said.saga for said in found.still_to_say()] == ["case-1", None]


async def test_absent_records_are_absent(store: Store) -> None:
    await store.save([jar_with("here")])
    assert set(await store.load(["here", "not-here"])) == {"here"}
    assert await store.load([]) == {}
    assert set(await store.load(["here", "not-here"], certain=True)) == {"here"}
    assert await store.load(["here"], certain=True) == await store.load(["here"])
    await store.ping()


async def test_of_two_who_saw_the_same_version_one_saves(store: Store) -> None:
    await store.save([jar_with("a")])
    seen = await stored(store, "a")
    mine = decide(seen, heard(PutMarbles(jar_id="a", marbles=10), "mine"))
    theirs = decide(seen, heard(PutMarbles(jar_id="a", marbles=20), "theirs"))

    assert await store.save([mine]) == set()
    assert await store.save([theirs]) == {"a"}

    found = await stored(store, "a")
    assert (found.version, found.state and found.state.marbles) == (2, 11)
    assert [entry.heard for entry in found.journal] == ["put-a", "mine"]
    assert found.entry("theirs") is None


async def test_a_save_loses_when_what_it_had_to_say_was_marked_meanwhile(store: Store) -> None:
    """It would write the mark back, and the sweep would say it again."""
    await store.save([jar_with("a")])
    seen = await stored(store, "a")
    more = decide(seen, heard(PutMarbles(jar_id="a"), "more"))
    await store.mark_said({"a": seen.unsaid})
    assert await store.save([more]) == {"a"}

    found = await stored(store, "a")
    assert (found.version, found.unsaid) == (1, ())
    assert await store.save([decide(found, heard(PutMarbles(jar_id="a"), "more"))]) == set()
    assert (await stored(store, "a")).unsaid == (message_id("more", 0),)


async def test_of_many_who_make_a_new_record_at_once_one_does(store: Store) -> None:
    wishes = [decide(Record("new"), heard(PutMarbles(jar_id="new", marbles=n), f"h{n}")) for n in range(1, 9)]
    lost = await asyncio.gather(*(store.save([wish]) for wish in wishes))
    assert sorted(map(len, lost)) == [0] + [1] * 7

    winner = lost.index(set())
    found = await stored(store, "new")
    assert found == replace(wishes[winner], version=1, fresh=())


async def test_several_messages_go_in_with_one_save(store: Store) -> None:
    record = decide(Record("a"), *(heard(PutMarbles(jar_id="a"), f"h{n}") for n in range(5)))
    assert await store.save([record]) == set()

    found = await stored(store, "a")
    assert (found.version, found.state and found.state.marbles) == (1, 5)
    assert [entry.heard for entry in found.journal] == [f"h{n}" for n in range(5)]
    assert found.unsaid == tuple(message_id(f"h{n}", 0) for n in range(5))

    assert await store.save([decide(found, heard(PutMarbles(jar_id="a"), "h5"))]) == set()
    assert [entry.heard for entry in (await stored(store, "a")).journal] == [f"h{n}" for n in range(6)]


async def test_a_save_whose_answer_was_lost_is_recognised(store: Store) -> None:
    record = jar_with("a")
    await store.save([record])
    assert await store.save([record]) == {"a"}, "saved again it must lose, not count twice"

    found = await stored(store, "a")
    again = hear(JARS, found, heard(PutMarbles(jar_id="a"), "put-a"))
    assert (again.repeat, again.stored) == (True, False)
    assert again.says == record.journal[0].said
    assert found.state is not None
    assert found.state.marbles == 1


async def test_a_long_life_does_not_grow_for_ever(store: Store) -> None:
    await store.save([decide(Record("a"), heard(PutMarbles(jar_id="a", marbles=7), "first"))])
    await store.mark_said({"a": [message_id("first", 0)]})
    for turn in range(JOURNAL_MAX + 4):
        wake_at = T0 + seconds(turn)
        record = await stored(store, "a")
        assert record.state is not None
        woken = replace(record, state=record.state.model_copy(update={"wake_at": wake_at}), wake_at=wake_at)
        ring = heard(Woke(record_id="a", due=wake_at), f"ring-{turn}", wake_at)
        assert await store.save([decide(woken, ring)]) == set()
        if turn != 0:
            await store.mark_said({"a": [message_id(f"ring-{turn}", 0)]})

    found = await stored(store, "a")
    assert len(found.journal) <= JOURNAL_MAX
    assert found.entry("first") is not None, "a message that is recognised by its id only stays for ever"
    assert found.entry("ring-0") is not None, "what is still to be said stays"
    assert [said.id for said in found.still_to_say()] == [message_id("ring-0", 0)]
    assert found.entry(f"ring-{JOURNAL_MAX + 3}") is not None
    assert found.entry("ring-5") is None


async def test_pruning_loses_like_any_save(store: Store) -> None:
    record = decide(Record("a"), heard(PutMarbles(jar_id="a"), "first"))
    for turn in range(JOURNAL_MAX):
        intent = heard(PolishJar(jar_id="a"), f"wish-{turn}")
        record = decide(
            record, intent, heard(Polished(jar_id="a"), f"done-{turn}", settles=message_id(f"wish-{turn}", 0))
        )
    record = replace(record, unsaid=())
    await store.save([record])
    seen = await stored(store, "a")
    mine = decide(seen, heard(PolishJar(jar_id="a"), "mine"))
    pruned = decide(seen, heard(RemindOfJar(jar_id="a", at=T0), "theirs"))
    assert pruned.pruned
    assert await store.save([mine]) == set()
    assert await store.save([pruned]) == {"a"}
    assert (await stored(store, "a")).entry("mine") is not None


async def test_marks_take_only_what_was_said(store: Store) -> None:
    await store.save([decide(Record("a"), *(heard(PutMarbles(jar_id="a"), f"h{n}") for n in range(3))), jar_with("b")])
    said = message_id("h1", 0)
    await store.mark_said({"a": [said, "never-said"], "nobody": ["x"]})

    assert (await stored(store, "a")).unsaid == (message_id("h0", 0), message_id("h2", 0))
    assert (await stored(store, "b")).unsaid == (message_id("put-b", 0),)
    assert set(await store.load(["nobody"])) == set()
    assert (await stored(store, "a")).version == 1, "a mark is no change: whoever decides meanwhile does not lose"


async def test_a_mark_and_a_save_at_once_lose_nothing(store: Store) -> None:
    """Whichever comes first: a save that comes second loses and is decided again."""
    await store.save([jar_with("a")])
    for turn in range(10):
        seen = await stored(store, "a")
        wish = heard(PutMarbles(jar_id="a"), f"turn-{turn}")
        lost, _ = await asyncio.gather(store.save([decide(seen, wish)]), store.mark_said({"a": list(seen.unsaid)}))
        if lost:
            assert await store.save([decide(await stored(store, "a"), wish)]) == set()
        found = await stored(store, "a")
        assert not set(found.unsaid) & set(seen.unsaid)
        assert message_id(f"turn-{turn}", 0) in found.unsaid
        assert found.state is not None
        assert found.state.marbles == turn + 2


async def test_unsaid_finds_the_oldest_first_up_to_a_limit(store: Store) -> None:
    ages = [5, 1, 9, 3, 7]
    await store.save([jar_with(f"j{age}", touched_at=T0 - seconds(age)) for age in ages])
    await store.save([replace(jar_with("silent", touched_at=T0 - seconds(50)), unsaid=())])

    found = await store.unsaid(T0 - seconds(1), 10)
    assert [record.id for record in found] == ["j9", "j7", "j5", "j3"], "the moment itself is not before it"
    assert [record.id for record in await store.unsaid(T0, 2)] == ["j9", "j7"]
    assert found[0] == await stored(store, "j9")


async def test_of_many_who_claim_one_gets_it(store: Store) -> None:
    await store.save([jar_with("a")])
    seen = await stored(store, "a")
    won = await asyncio.gather(*(store.claim(seen, T0 + seconds(20 + n)) for n in range(8)))
    assert sorted(won) == [False] * 7 + [True]

    found = await stored(store, "a")
    assert (found.attempts, found.touched_at) == (1, T0 + seconds(20 + won.index(True)))
    assert found.version == seen.version
    assert await store.claim(seen, T0 + seconds(99)) is False
    assert await store.claim(found, T0 + seconds(99)) is True


async def test_a_claim_at_the_very_same_time_is_told_apart(store: Store) -> None:
    await store.save([jar_with("a")])
    seen = await stored(store, "a")
    assert seen.touched_at is not None
    assert await store.claim(seen, seen.touched_at) is True
    assert await store.claim(seen, seen.touched_at) is False


async def test_nothing_is_claimed_that_is_gone_or_went_on(store: Store) -> None:
    assert await store.claim(jar_with("nobody"), T0) is False
    await store.save([jar_with("a")])
    seen = await stored(store, "a")
    await store.save([decide(seen, heard(PutMarbles(jar_id="a"), "later", T0 + seconds(1)))])
    assert await store.claim(seen, T0 + seconds(20)) is False


async def test_a_save_starts_the_count_of_attempts_again(store: Store) -> None:
    await store.save([jar_with("a")])
    assert await store.claim(await stored(store, "a"), T0 + seconds(20))
    await store.save([decide(await stored(store, "a"), heard(PutMarbles(jar_id="a"), "h"))])
    assert (await stored(store, "a")).attempts == 0


async def test_timers_come_earliest_first_up_to_a_limit(store: Store) -> None:
    times = {f"j{offset}": T0 + seconds(offset) for offset in (4, -3, 0, 9, -8)}
    await store.save([jar_with(id, wake_at=at) for id, at in times.items()])
    await store.save([jar_with("without")])

    assert await store.due(T0, 10) == [("j-8", times["j-8"]), ("j-3", times["j-3"]), ("j0", T0)]
    assert [id for id, _ in await store.due(T0 + seconds(60), 3)] == ["j-8", "j-3", "j0"]
    assert await store.due(T0 - seconds(9), 10) == []


async def test_a_hand_of_losers_does_not_hold_up_five_hundred(store: Store, chance: random.Random) -> None:
    ids = [f"j{n}" for n in range(500)]
    old = ids[:250]
    assert await store.save([jar_with(id) for id in old]) == set()
    seen = await store.load(old)
    wishes = {id: decide(seen.get(id) or Record(id), heard(PutMarbles(jar_id=id), f"wish-{id}")) for id in ids}

    beaten = set(chance.sample(old, 20)) | set(chance.sample(ids[250:], 20))
    faster = [
        decide(seen.get(id) or Record(id), heard(LookAtJar(jar_id=id), "look"), heard(PolishJar(jar_id=id), "f"))
        for id in beaten
    ]
    assert await store.save(faster) == set()

    mixed = list(wishes.values())
    chance.shuffle(mixed)
    assert await store.save(mixed) == beaten

    found = await store.load(ids)
    assert {id for id in ids if found[id].entry(f"wish-{id}")} == set(ids) - beaten
    for id in beaten:
        assert found[id].entry("f") is not None


@pytest.mark.parametrize("text", ["", "$set", "a.b", "\u0000", "𝄞 退单"])
async def test_odd_text_is_only_text(store: Store, text: str) -> None:
    jar = Jar(jar_id="a", bought_at=T0, rows=((text, 1),))
    await store.save([decide(Record("a", state=jar), heard(PolishJar(jar_id="a"), f"h{text}"))])
    found = await stored(store, "a")
    assert found.state == jar
    assert found.entry(f"h{text}") is not None


async def test_what_is_in_hand_is_renewed_while_there_is_something_to_say(store: Store) -> None:
    await store.save([jar_with("a"), jar_with("b")])
    await store.mark_said({"b": (await store.load(["b"]))["b"].unsaid})
    await store.renew(["a", "b", "nobody"], T0 + seconds(30))
    kept = await store.load(["a", "b"])
    assert (kept["a"].touched_at, kept["a"].attempts) == (T0 + seconds(30), 0)
    assert kept["b"].touched_at == T0
    assert set(await store.load(["nobody"])) == set()


async def test_what_is_handed_over_is_old_and_untried_unless_it_went_on(store: Store) -> None:
    await store.save([jar_with("a"), jar_with("b")])
    seen = await store.load(["a", "b"])
    assert await store.claim(seen["b"], T0 + seconds(20))
    await store.hand_over(list(seen.values()), T0 - seconds(60))
    kept = await store.load(["a", "b"])
    assert (kept["a"].touched_at, kept["a"].attempts) == (T0 - seconds(60), NEVER_CLAIMED)
    assert (kept["b"].touched_at, kept["b"].attempts) == (T0 + seconds(20), 1)
    await store.hand_over([], T0)
    await store.renew([], T0)
