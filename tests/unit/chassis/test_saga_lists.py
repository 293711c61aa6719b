"""A list that cannot be walked is found when the module loads, not when the first customer cancels."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.saga import Line, Saga, after_undo, pivot, step, then
from contracts.message import Command
from tests.unit.chassis.trips import (
    BOOK_HOTEL,
    BOOK_TRAIN,
    CHARGE,
    CONSOLE,
    SEND_AND_THANK,
    SEND_TICKETS,
    THANK,
    TRIP,
    BookHotel,
    BookTrain,
    CancelTrain,
    Charge,
    Console,
    SendTickets,
    Thank,
    Trip,
    Unanswered,
    charge,
)


def unnamed(trip: Trip):  # type: ignore[no-untyped-def]
    return charge(trip)


def named_too_loosely(trip: Trip) -> Command:
    return charge(trip)


def named_wrongly(trip: Trip) -> str:
    return trip.case_id


def again(trip: Trip) -> Thank:
    return Thank(case_id=trip.case_id)


def unanswered(trip: Trip) -> Unanswered:
    return Unanswered(case_id=trip.case_id)


WRONG: dict[str, tuple[tuple[Line, ...], str]] = {
    "empty": ((), "exactly one pivot"),
    "no pivot": ((BOOK_TRAIN, THANK), "exactly one pivot"),
    "two pivots": ((CHARGE, pivot("charge again", charge)), "exactly one pivot"),
    "a step after the pivot": ((CHARGE, BOOK_TRAIN), "must come as"),
    "what follows before the pivot": ((THANK, CHARGE), "must come as"),
    "what follows before a step": ((BOOK_TRAIN, THANK, BOOK_HOTEL, CHARGE), "must come as"),
    "what follows an undo in the middle": ((BOOK_TRAIN, CONSOLE, CHARGE), "must come as"),
    "the last line said with one that is not there": ((CHARGE, SEND_AND_THANK), "must be one more `then`"),
    "a line said with what follows an undo": ((CHARGE, SEND_AND_THANK, CONSOLE), "must be one more `then`"),
    "three lines said at once": (
        (CHARGE, SEND_AND_THANK, then("thank", Thank, with_next=True), then("again", again)),
        "must be one more `then`",
    ),
    "two lines of one name": ((BOOK_TRAIN, step("book the train", BookHotel, undo=CancelTrain), CHARGE), "same name"),
    "a then that may be refused": ((CHARGE, then("tickets", Charge)), "may not be refused"),
    "a then as a function that may be refused": ((CHARGE, then("tickets", charge)), "may not be refused"),
    "an undo that may be refused": ((step("train", BookTrain, undo=BookHotel), CHARGE), "may not be refused"),
    "an after-undo that may be refused": ((CHARGE, after_undo("console", BookTrain)), "may not be refused"),
    "a command that nobody answers": ((CHARGE, then("tickets", Unanswered)), "nobody answers"),
    "an undo that nobody answers": ((step("train", BookTrain, undo=Unanswered), CHARGE), "nobody answers"),
    "a function whose command nobody answers": ((CHARGE, then("tickets", unanswered)), "nobody answers"),
    "missing facts": ((pivot("charge", Charge),), r"no fact for \['reason'\] of Charge"),
    "a step without an undo": ((Line("step", "train", BookTrain), CHARGE), "has no undo"),
    "the same command in two steps": (
        (BOOK_TRAIN, step("another train", BookTrain, undo=CancelTrain), CHARGE),
        "cannot be told apart",
    ),
    "the same command twice after the pivot": ((CHARGE, SEND_TICKETS, then("again", SendTickets)), "told apart"),
    "the same undo for two steps": (
        (BOOK_TRAIN, step("hotel", BookHotel, undo=CancelTrain), CHARGE),
        "cannot be told apart",
    ),
}


@pytest.mark.parametrize("lines", WRONG.values(), ids=WRONG)
def test_a_wrong_list_does_not_load(lines: tuple[tuple[Line, ...], str]) -> None:
    with pytest.raises(ValueError, match=lines[1]) as caught:
        Saga("wrong", 1, Trip, *lines[0])
    assert str(caught.value).startswith("wrong: "), "the message names the list"


@pytest.mark.parametrize("say", [unnamed, named_wrongly, lambda _: charge(Trip())])
def test_a_function_must_name_the_command_it_returns(say: Any) -> None:
    with pytest.raises(TypeError, match="must declare the command it returns"):
        Saga("wrong", 1, Trip, pivot("charge", say))


def test_a_function_that_names_any_command_is_answered_by_nobody() -> None:
    with pytest.raises(ValueError, match="nobody answers Command"):
        Saga("wrong", 1, Trip, pivot("charge", named_too_loosely))


def test_a_list_may_be_as_short_as_its_pivot() -> None:
    assert [line.name for line in Saga("short", 1, Trip, CHARGE).forward] == ["charge"]


def test_lines_are_found_by_name() -> None:
    assert TRIP.line("book the hotel") is BOOK_HOTEL
    assert TRIP.line("console").command is Console
    with pytest.raises(KeyError, match="book-trip has no line 'fly'"):
        TRIP.line("fly")


def test_the_command_of_a_line_is_known_before_it_is_said() -> None:
    assert [line.command for line in TRIP.forward[:3]] == [BookTrain, BookHotel, Charge]
