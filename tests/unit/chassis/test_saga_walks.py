"""Walking a list: forwards, backwards, through silence; and whatever the world does, it ends as it should."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.saga import ASK_AGAIN, ASK_AGAIN_LATE_MAX, ASK_AGAIN_MAX, Run, Saga, then
from contracts.message import Command, Event, Message
from tests.unit.chassis.jars import T0, seconds
from tests.unit.chassis.trips import (
    BOOK_TRAIN,
    CHARGE,
    PATIENCE,
    TOGETHER,
    TRIP,
    BookHotel,
    BookTrain,
    CancelHotel,
    CancelTrain,
    Charge,
    Charged,
    Console,
    Consoled,
    HotelBooked,
    HotelCancelled,
    HotelFull,
    NotCharged,
    SendTickets,
    Thank,
    Thanked,
    TicketsSent,
    TrainBooked,
    TrainCancelled,
    TrainFull,
    Trip,
)

FACTS = Trip()
YES: dict[type[Message], type[Event]] = {
    BookTrain: TrainBooked,
    BookHotel: HotelBooked,
    Charge: Charged,
    SendTickets: TicketsSent,
    Thank: Thanked,
    CancelTrain: TrainCancelled,
    CancelHotel: HotelCancelled,
    Console: Consoled,
}
NO: dict[type[Message], type[Event]] = {BookTrain: TrainFull, BookHotel: HotelFull, Charge: NotCharged}
UNDO: dict[type[Message], type[Message]] = {BookTrain: CancelTrain, BookHotel: CancelHotel}


class Walk:
    """One run and everything it said. `entered` leaves out what was only said again."""

    def __init__(self, saga: Saga[Trip] = TRIP, from_step: str | None = None) -> None:
        self.saga = saga
        self.at = T0
        self.said: list[type[Message]] = []
        self.entered: list[type[Message]] = []
        self.run, says = saga.start(FACTS, self.at, from_step)
        self._note(says)

    def hears(self, *events: type[Event], case_id: str = FACTS.case_id) -> Walk:
        for event in events:
            self.run, says = self.saga.hear(self.run, event.model_validate({"case_id": case_id}), FACTS, self.at)
            self._note(says)
        return self

    def wakes(self, at: datetime | None = None) -> Walk:
        self.at = at or self.run.wake_at or self.at
        self.run, says = self.saga.wake(self.run, FACTS, self.at)
        self._note(says)
        return self

    def silence(self, lasting: timedelta) -> Walk:
        end = self.at + lasting
        while self.run.wake_at is not None and self.run.wake_at <= end:
            self.wakes()
        self.at = end
        return self

    def _note(self, says: list[Message]) -> None:
        kinds = [type(message) for message in says]
        self.said += kinds
        self.entered += [kind for kind in kinds if self.run.attempts == 1]


def test_forwards_to_the_end() -> None:
    walk = Walk().hears(TrainBooked, HotelBooked, Charged, TicketsSent, Thanked)
    assert walk.said == [BookTrain, BookHotel, Charge, SendTickets, Thank]
    assert (walk.run.status, walk.run.wake_at, walk.run.ended) == ("done", None, True)


def test_a_command_is_filled_from_the_facts() -> None:
    _, says = TRIP.start(FACTS, T0)
    assert says == [BookTrain(case_id="trip-1", seats=2)]
    run, _ = TRIP.start(FACTS, T0, "charge")
    assert TRIP.wake(run, FACTS, T0 + ASK_AGAIN)[1] == [Charge(case_id="trip-1", reason="2 seats")]


def test_the_first_step_refused_undoes_nothing() -> None:
    walk = Walk().hears(TrainFull)
    assert walk.said == [BookTrain, Console]
    assert (walk.run.status, walk.run.refused_by) == ("undoing", "book the train")
    assert walk.hears(Consoled).run.status == "undone"


def test_a_later_refusal_undoes_what_was_granted_last_first() -> None:
    walk = Walk().hears(TrainBooked, HotelBooked, NotCharged, HotelCancelled, TrainCancelled, Consoled)
    assert walk.said == [BookTrain, BookHotel, Charge, CancelHotel, CancelTrain, Console]
    assert (walk.run.status, walk.run.refused_by) == ("undone", "charge")


def test_a_list_without_an_afterword_ends_with_the_last_undo() -> None:
    short: Saga[Trip] = Saga("short", 1, Trip, BOOK_TRAIN, CHARGE)
    assert Walk(short).hears(TrainFull).run.status == "undone"
    walk = Walk(short).hears(TrainBooked, NotCharged, TrainCancelled)
    assert (walk.run.status, walk.said[-1]) == ("undone", CancelTrain)
    assert Walk(short).hears(TrainBooked, Charged).run.status == "done"


@pytest.mark.parametrize("stray", [HotelBooked, Charged, TrainCancelled, Consoled, HotelFull, NotCharged])
def test_what_does_not_answer_the_current_line_changes_nothing(stray: type[Event]) -> None:
    walk = Walk()
    before = walk.run
    walk.hears(stray)
    assert walk.run is before
    assert walk.said == [BookTrain]


def test_the_answer_to_another_case_changes_nothing() -> None:
    walk = Walk().hears(TrainBooked, case_id="trip-2").hears(TrainFull, case_id="trip-2")
    assert walk.said == [BookTrain]


def test_after_the_end_nothing_is_said() -> None:
    for walk in (
        Walk().hears(TrainFull, Consoled),
        Walk().hears(*(YES[c] for c in (BookTrain, BookHotel, Charge, SendTickets, Thank))),
    ):
        said = len(walk.said)
        ended = walk.run
        walk.hears(*YES.values(), *NO.values()).wakes(walk.at + timedelta(days=1))
        assert walk.run is ended
        assert len(walk.said) == said


@pytest.mark.parametrize("answers", [(TicketsSent, Thanked), (Thanked, TicketsSent)])
def test_two_lines_said_at_once_are_done_when_both_are_answered(answers: tuple[type[Event], type[Event]]) -> None:
    walk = Walk(TOGETHER, "charge").hears(Charged)
    assert walk.said == [Charge, SendTickets, Thank]
    assert walk.hears(answers[0]).run.status == "running"
    assert walk.hears(answers[0], answers[1]).run.status == "done"
    assert walk.said == [Charge, SendTickets, Thank], "nothing is said twice"


def test_only_those_of_two_that_are_silent_are_asked_again() -> None:
    walk = Walk(TOGETHER, "send the tickets").wakes()
    assert walk.said == [SendTickets, Thank] * 2
    walk.hears(Thanked).wakes()
    assert walk.said[4:] == [SendTickets]
    other = Walk(TOGETHER, "send the tickets").hears(TicketsSent).wakes()
    assert other.said == [SendTickets, Thank, Thank]
    assert other.run.step == "thank"


def test_a_line_left_by_a_list_that_says_it_alone_goes_on_as_it_was() -> None:
    walk = Walk(TRIP, "send the tickets")
    walk.saga = TOGETHER
    assert walk.hears(Thanked).said == [SendTickets], "its wish was not said yet: that is no answer"
    assert walk.hears(TicketsSent).said == [SendTickets, Thank]


def test_of_two_pairs_the_second_knows_nothing_of_the_first() -> None:
    more = (then("console", Console, with_next=True), then("cancel the hotel", CancelHotel))
    pairs: Saga[Trip] = Saga("pairs", 1, Trip, CHARGE, *TOGETHER.forward[-2:], *more)
    walk = Walk(pairs, "charge").hears(Charged, Thanked, TicketsSent)
    assert walk.said[-2:] == [Console, CancelHotel]
    assert walk.hears(Consoled).run.status == "running", "one of the two is still silent"
    assert walk.hears(HotelCancelled).run.status == "done"


@pytest.mark.parametrize("answered", [False, True])
def test_a_list_that_has_another_line_there_skips_none_of_its_own(answered: bool) -> None:
    run = Run(saga=TRIP.name, version=2, step="send the tickets", entered_at=T0, wake_at=T0)
    run = run.model_copy(update={"ahead": "send a postcard", "ahead_answered": answered})
    assert TRIP.hear(run, Thanked(case_id="trip-1"), FACTS, T0) == (run, [])
    assert [type(said) for said in TRIP.wake(run, FACTS, T0)[1]] == [SendTickets]
    after, says = TRIP.hear(run, TicketsSent(case_id="trip-1"), FACTS, T0)
    assert (after.step, [type(said) for said in says]) == ("thank", [Thank])
    shorter: Saga[Trip] = Saga("short", 1, Trip, CHARGE, TRIP.line("send the tickets"))
    assert shorter.hear(run, TicketsSent(case_id="trip-1"), FACTS, T0)[0].status == "done"
    assert len(shorter.wake(run, FACTS, T0)[1]) == 1


def test_silence_asks_again_later_and_later() -> None:
    walk = Walk(from_step="thank")
    pauses = []
    for _ in range(10):
        before = walk.at
        walk.wakes()
        pauses.append((walk.at - before) / seconds(1))
    assert walk.said == [Thank] * 11
    assert pauses == [20, 40, 80, 160, 320, 600, 600, 600, 600, 600]
    assert ASK_AGAIN_MAX.total_seconds() == 600


def test_what_waits_for_days_is_asked_a_few_times_a_day() -> None:
    walk = Walk(from_step="thank")
    asked = {}
    while walk.at - T0 < timedelta(days=7):
        before = walk.at
        walk.wakes()
        asked[before - T0] = walk.at - before
    assert {pause for at, pause in asked.items() if timedelta(hours=1) < at < timedelta(hours=2)} == {ASK_AGAIN_MAX}
    assert all(pause <= max(at / 12, ASK_AGAIN_MAX) for at, pause in asked.items() if at > timedelta(hours=1))
    assert {pause for at, pause in asked.items() if at > timedelta(days=2)} == {ASK_AGAIN_LATE_MAX}
    assert len(asked) < 100


def test_a_timer_that_rings_early_or_twice_changes_nothing() -> None:
    walk = Walk()
    walk.wakes(T0 + ASK_AGAIN - seconds(0.001))
    assert walk.said == [BookTrain]
    walk.wakes(T0 + ASK_AGAIN).wakes(T0 + ASK_AGAIN)
    assert walk.said == [BookTrain] * 2


def test_silence_beyond_patience_undoes_the_silent_step_too() -> None:
    walk = Walk().hears(TrainBooked).silence(timedelta(minutes=10))
    assert walk.run.status == "undoing"
    assert walk.entered == [BookTrain, BookHotel, CancelHotel]
    walk.hears(HotelBooked, HotelFull)
    assert walk.run.step == "book the hotel", "the late answer to the wish does not answer its undo"
    walk.hears(HotelCancelled, TrainCancelled, Consoled)
    assert walk.entered == [BookTrain, BookHotel, CancelHotel, CancelTrain, Console]
    assert walk.run.status == "undone"


def test_at_and_after_the_pivot_silence_never_guesses_but_calls_a_person() -> None:
    for walk, asked in (
        (Walk().hears(TrainBooked, HotelBooked), Charge),
        (Walk().hears(TrainBooked, HotelBooked, Charged), SendTickets),
    ):
        assert walk.run.attention_at is None
        walk.silence(timedelta(days=2))
        assert set(walk.said[walk.said.index(asked) :]) == {asked}
        assert walk.run.status == "running"
        assert walk.run.attention_at is not None
        assert PATIENCE <= walk.run.attention_at - T0 <= PATIENCE + ASK_AGAIN_MAX
        walk.hears(YES[asked])
        assert walk.run.attention_at is None, "what moves again needs no one"


def test_an_undo_that_stays_silent_calls_a_person_and_goes_on_asking() -> None:
    walk = Walk().hears(TrainBooked, HotelFull).silence(timedelta(days=1))
    assert (walk.run.status, walk.run.step) == ("undoing", "book the train")
    assert walk.run.attention_at is not None
    walk.hears(TrainCancelled, Consoled)
    assert walk.run.status == "undone"


def test_a_run_that_begins_in_the_middle_undoes_what_lies_before() -> None:
    walk = Walk(from_step="charge").hears(NotCharged, HotelCancelled, TrainCancelled, Consoled)
    assert walk.said == [Charge, CancelHotel, CancelTrain, Console]


def test_a_run_survives_being_stored() -> None:
    walk = Walk().hears(TrainBooked).wakes()
    assert Run.model_validate(walk.run.model_dump()) == walk.run
    assert Run.model_validate_json(walk.run.model_dump_json()) == walk.run


class World:
    """Everyone who takes part, as they are allowed to be: each remembers its answer, accepts the undo of something it
    never saw and refuses the late original. Wishes and answers get lost, doubled and reordered on the way."""

    def __init__(self) -> None:
        self.answers: dict[type[Message], type[Event]] = {}
        self.wishes: list[type[Message]] = []
        self.on_the_way: list[type[Event]] = []

    def decide(self, wish: type[Message], grant: bool) -> None:
        assert issubclass(wish, Command)
        if wish not in self.answers:
            withdrawn = wish in UNDO and UNDO[wish] in self.answers
            granted = wish not in NO or (grant and not withdrawn)
            self.answers[wish] = YES[wish] if granted else NO[wish]
        self.on_the_way.append(self.answers[wish])

    def holds(self, wish: type[Message]) -> bool:
        return self.answers.get(wish) is YES[wish] and UNDO[wish] not in self.answers


@pytest.mark.parametrize("saga", [TRIP, TOGETHER])
@given(st.data())
def test_whatever_happens_it_ends_and_the_end_is_true(saga: Saga[Trip], data: st.DataObject) -> None:
    walk, world = Walk(saga), World()
    for _ in range(data.draw(st.integers(0, 40), label="trouble")):
        what = data.draw(st.sampled_from(["decide", "deliver", "ring", "stray"]), label="what")
        if what == "decide":
            world.decide(data.draw(st.sampled_from(walk.said)), data.draw(st.booleans(), label="grant"))
        elif what == "deliver" and world.on_the_way:
            walk.hears(data.draw(st.sampled_from(world.on_the_way)))
        elif what == "ring":
            walk.wakes(walk.at + data.draw(st.timedeltas(seconds(0), seconds(400)), label="after"))
        elif what == "stray":
            walk.hears(data.draw(st.sampled_from([*YES.values(), *NO.values()])), case_id="another")
        check(walk, world)
    while not walk.run.ended:  # from here on nothing gets lost
        before = walk.run
        for wish in walk.said[-2:]:
            world.decide(wish, grant=True)
            walk.hears(world.on_the_way[-1])
            check(walk, world)
        assert walk.run is not before, "an answer to what was asked last leads on"

    truth = {wish: world.holds(wish) for wish in UNDO}
    if walk.run.status == "done":
        assert truth == {BookTrain: True, BookHotel: True}
        assert {Charge, SendTickets, Thank} <= {wish for wish, yes in YES.items() if world.answers.get(wish) is yes}
    else:
        assert truth == {BookTrain: False, BookHotel: False}
        assert world.answers.get(Charge) is not Charged
    over = walk.run
    walk.hears(*world.on_the_way).wakes(walk.at + timedelta(days=1))
    assert walk.run is over


def check(walk: Walk, world: World) -> None:
    """True at every moment."""
    entered = walk.entered
    assert len(entered) == len(set(entered)), "nothing begins twice, so no step is undone twice"
    undone = [wish for wish in entered if wish in UNDO.values()]
    if SendTickets in entered:
        assert undone == [], "behind the pivot there is no way back"
        assert Console not in entered
    assert undone in ([], [CancelTrain], [CancelHotel], [CancelHotel, CancelTrain])
    if Console in entered:
        granted = [wish for wish in UNDO if wish in entered and world.answers.get(wish) is YES[wish]]
        assert {UNDO[wish] for wish in granted} <= set(undone)


def test_a_line_that_only_a_newer_list_has_is_left_to_the_newer_process() -> None:
    run = Run(saga=TRIP.name, version=2, step="send a postcard", entered_at=T0, wake_at=T0)
    assert TRIP.hear(run, Thanked(case_id="trip-1"), FACTS, T0) == (run, [])
    assert TRIP.wake(run, FACTS, T0 + timedelta(days=1)) == (run, [])
    assert not TRIP.knows(run)
    assert TRIP.knows(run.model_copy(update={"step": BOOK_TRAIN.name}))
