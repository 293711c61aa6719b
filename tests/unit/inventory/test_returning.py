"""A parcel comes back: its good pieces are on the shelf once, and never before they had left."""

from __future__ import annotations

import pytest

from contracts.inventory import StockLine, StockReleased, StockTakenBack, TakeBackStock
from contracts.message import CaseId
from services.inventory.model import MoveStock
from tests.unit.inventory.story import ORDER, Story, dispatch, hold, lines, release, take_again

A = CaseId("o-1-c1")
GOOD = lines((1, "tea", 3))


def back(pieces: tuple[StockLine, ...] = GOOD, case: CaseId = A) -> TakeBackStock:
    return TakeBackStock(order_id=ORDER, case_id=case, lines=pieces)


def answer(pieces: tuple[StockLine, ...] = GOOD, case: CaseId = A) -> StockTakenBack:
    return StockTakenBack(order_id=ORDER, case_id=case, lines=pieces)


@pytest.fixture
def sent() -> Story:
    """Everything has left: five of tea, two cups."""
    story = Story().reserved()
    story.hears(dispatch())
    story.performs()
    return story


def test_good_pieces_are_on_the_shelf_and_what_is_broken_stays_sold(sent: Story) -> None:
    assert sent.hears(back()) == [MoveStock(order_id=ORDER, why="take-back", case_id=A, lines=GOOD)]
    assert sent.performs() == [answer()]
    assert sent.pieces() == {"tea": {"available": -2, "sold": 2}, "cup": {"available": -2, "sold": 2}}
    assert [(line.dispatched, line.returned, line.left) for line in sent.state.lines] == [(5, 3, 0), (2, 0, 0)]


def test_asked_twice_it_moves_once(sent: Story) -> None:
    sent.hears(back())
    assert sent.hears(back()) == [], "it is under way"
    sent.performs()
    assert sent.hears(back()) == [answer()]
    assert sent.wishes() == []


def test_nothing_good_moves_nothing_and_is_answered(sent: Story) -> None:
    assert sent.hears(back(())) == [answer(())]
    assert sent.hears(back(())) == [answer(())]


def test_two_cases_bring_back_no_more_than_left(sent: Story) -> None:
    sent.hears(back())
    sent.performs()
    other = CaseId("o-1-c2")
    assert sent.hears(back(GOOD, other)) == [], "only two are still out"
    assert sent.hears(back(lines((1, "tea", 2)), other)) != []
    assert sent.performs() == [answer(lines((1, "tea", 2)), other)]


def test_pieces_that_one_case_is_bringing_back_are_not_brought_by_another(sent: Story) -> None:
    other = CaseId("o-1-c2")
    sent.hears(back())
    assert sent.hears(back(GOOD, other)) == [], "only two are still out"
    assert sent.performs() == [answer()]
    assert sent.hears(back(GOOD, other)) == []
    assert sent.pieces()["tea"] == {"available": -2, "sold": 2}


def test_a_late_release_of_the_same_case_forgets_nothing_of_what_came_back(sent: Story) -> None:
    sent.hears(back())
    assert sent.hears(release(A, GOOD)) == [], "it is under way"
    sent.performs()
    assert sent.hears(release(A, GOOD)) == [StockReleased(order_id=ORDER, case_id=A, lines=GOOD)]
    assert sent.hears(back()) == [answer()]
    assert sent.hears(back(GOOD, CaseId("o-1-c2"))) == [], "only two are still out"
    assert sent.wishes() == []


@pytest.mark.parametrize("pieces", [GOOD, ()])
def test_before_the_parcel_has_left_nobody_is_answered(pieces: tuple[StockLine, ...]) -> None:
    assert Story().hears(back(pieces)) == []
    story = Story().reserved()
    assert story.hears(back(pieces)) == []
    story.hears(dispatch())
    assert story.hears(back(pieces)) == [], "its way out is under way"
    story.performs()
    assert story.hears(back(pieces)) != []


def test_a_late_hold_of_the_same_case_stays_refused(sent: Story) -> None:
    refused = sent.hears(hold(A))
    sent.hears(back())
    sent.performs()
    assert sent.hears(hold(A)) == refused


def test_what_came_back_is_not_taken_again(sent: Story) -> None:
    sent.hears(back())
    sent.performs()
    assert [said.wire for said in sent.hears(take_again(A))] == ["stock-not-taken-again.v1"]
