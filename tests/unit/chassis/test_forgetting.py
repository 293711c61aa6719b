"""What an erased record had said: its words go, at once or as soon as they were said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel

from chassis.record import FORGET_AGAIN, Aggregate, Decided, Record, hear
from contracts.message import Command, Event, Message, Woke, message_id
from tests.unit.chassis.jars import COMMANDS, EVENTS, T0, heard, seconds


class Letter(Command):
    """Something with words in it."""

    wire: ClassVar[str] = "letter.v1"
    topic: ClassVar = COMMANDS
    key: ClassVar[str] = "desk"
    desk: str
    words: str = "dear Mr Li"


class Emptied(Event):
    """Told once everything is gone."""

    wire: ClassVar[str] = "emptied.v1"
    topic: ClassVar = EVENTS
    key: ClassVar[str] = "desk"
    desk: str


class Empty(Command):
    """Forget whose desk it was."""

    wire: ClassVar[str] = "empty.v1"
    topic: ClassVar = COMMANDS
    key: ClassVar[str] = "desk"
    desk: str


class Desk(BaseModel):
    letters: int = 0
    erased_at: AwareDatetime | None = None


Decision = tuple[Desk | None, Sequence[Message]]
DESKS: Aggregate[Desk] = Aggregate("desks", Desk)


@DESKS.handles(Letter)
def write(desk: Desk | None, letter: Letter, at: datetime) -> Decision:
    return Desk(letters=(desk.letters if desk else 0) + 1), [letter, Emptied(desk=letter.desk)]


@DESKS.handles(Empty)
def empty(desk: Desk | None, wish: Empty, at: datetime) -> Decision:
    return Desk(erased_at=at), [Emptied(desk=wish.desk)]


@DESKS.wakes
def wake(desk: Desk | None, woke: Woke, at: datetime) -> Decision:
    return desk, []


def words(record: Record[Desk]) -> list[str]:
    return [said.body for entry in record.journal for said in entry.said if said.body and "dear" in said.body]


def said(record: Record[Desk], *ids: str) -> Record[Desk]:
    """The record when these were said and marked."""
    return replace(record, unsaid=tuple(id for id in record.unsaid if id not in ids), fresh=(), pruned=False)


def rung(record: Record[Desk]) -> Decided[Desk]:
    assert record.wake_at is not None, "no timer is set"
    return hear(DESKS, record, heard(Woke(record_id="d", due=record.wake_at), f"ring-{record.wake_at}", record.wake_at))


def erased(*, unsaid: bool) -> Record[Desk]:
    """A desk with a letter and an event that tells of it, emptied; the letter was said before that or not."""
    record = hear(DESKS, Record("d"), heard(Letter(desk="d"), "letter")).record
    record = said(record, message_id("letter", 1), *([] if unsaid else [message_id("letter", 0)]))
    return hear(DESKS, record, heard(Empty(desk="d"), "empty", T0 + seconds(5))).record


def test_what_was_said_is_forgotten_at_once() -> None:
    record = erased(unsaid=False)
    assert words(record) == []
    assert record.pruned, "the stored journal is replaced"
    assert record.wake_at is None


def test_what_is_still_to_be_said_keeps_its_words_and_the_record_wakes_to_forget_them() -> None:
    record = erased(unsaid=True)
    assert len(words(record)) == 1
    assert record.wake_at == T0 + seconds(5) + FORGET_AGAIN

    woken = rung(said(record, *record.unsaid))
    assert woken.stored
    assert woken.record.pruned
    assert words(woken.record) == []
    assert woken.record.wake_at is None
    assert len(woken.record.journal) == 3, "that something was heard, and its id, stays"


def test_it_wakes_until_that_is_said() -> None:
    record = erased(unsaid=True)
    for _ in range(3):
        woken = rung(record)
        assert woken.stored
        assert len(words(woken.record)) == 1
        assert woken.record.wake_at == (record.wake_at or T0) + FORGET_AGAIN
        record = woken.record
    assert words(rung(said(record, *record.unsaid)).record) == []


def test_an_event_from_before_is_waited_for_too() -> None:
    """It may name the customer's bank."""
    record = hear(DESKS, Record("d"), heard(Letter(desk="d"), "letter")).record
    record = said(record, message_id("letter", 0))
    record = said(hear(DESKS, record, heard(Empty(desk="d"), "empty", T0 + seconds(5))).record, message_id("empty", 0))
    assert record.unsaid == (message_id("letter", 1),)
    assert record.wake_at == T0 + seconds(5) + FORGET_AGAIN

    record = rung(said(record, message_id("letter", 1))).record
    assert record.wake_at is None
    assert [one.is_forgotten for entry in record.journal for one in entry.said] == [True, True, False]


def test_an_event_from_before_of_a_process_whose_clock_is_ahead_is_forgotten_too() -> None:
    record = hear(DESKS, Record("d"), heard(Letter(desk="d"), "letter", T0 + seconds(300))).record
    record = hear(DESKS, record, heard(Empty(desk="d"), "empty", T0 + seconds(5))).record
    record = rung(said(record, *record.unsaid)).record
    assert [one.is_forgotten for entry in record.journal for one in entry.said] == [True, True, False]


def test_nobody_waits_for_an_event_since() -> None:
    record = erased(unsaid=False)
    assert record.unsaid == (message_id("empty", 0),)
    assert record.wake_at is None


def test_a_timer_with_nothing_to_forget_is_taken_off() -> None:
    """Left set it would ring for ever."""
    woken = rung(replace(erased(unsaid=False), wake_at=T0 + seconds(60)))
    assert woken.stored
    assert woken.record.wake_at is None
