"""A refund failed after its pieces were released: the order wants them back, all of them or none."""

from __future__ import annotations

import pytest

from chassis.record import Heard, hear
from contracts.inventory import (
    StockDispatched,
    StockDispatchRefused,
    StockHeld,
    StockHoldRefused,
    StockKept,
    StockNotTakenAgain,
    StockReleased,
    StockTakenAgain,
)
from contracts.message import CaseId, ProductId
from services.inventory.handlers import RESERVATIONS
from services.inventory.model import MoveStock, StockMoved
from tests.unit.inventory.story import (
    BEGIN,
    ORDER,
    TWO_LINES,
    Story,
    dispatch,
    hold,
    keep,
    lines,
    release,
    reserve,
    take_again,
)

A, B = CaseId("case-a"), CaseId("case-b")

SET_ASIDE = {"tea": {"available": -5, "reserved": 5}, "cup": {"available": -2, "reserved": 2}}
ALL_SOLD = {"tea": {"available": -5, "sold": 5}, "cup": {"available": -2, "sold": 2}}
DISPATCHED = StockDispatched(order_id=ORDER)


def taken(attempt: int = 1, case: CaseId = A) -> StockTakenAgain:
    return StockTakenAgain(order_id=ORDER, case_id=case, attempt=attempt)


def too_few(*products: str, attempt: int = 1) -> StockNotTakenAgain:
    short = tuple(ProductId(product) for product in products)
    return StockNotTakenAgain(order_id=ORDER, case_id=A, attempt=attempt, reason="out-of-stock", short=short)


def not_released(attempt: int = 1, case: CaseId = A) -> StockNotTakenAgain:
    return StockNotTakenAgain(order_id=ORDER, case_id=case, attempt=attempt, reason="not-released")


@pytest.fixture
def released(story: Story) -> Story:
    """Reserved, then everything released by case A."""
    story.reserved().hears(hold(A))
    story.hears(release(A))
    story.performs()
    return story


def places(story: Story) -> list[tuple[int, int, int]]:
    """(left, released, dispatched) of each line."""
    return [(line.left, line.released, line.dispatched) for line in story.state.lines]


# ── all of it ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_order_has_its_pieces_as_if_never_released(released: Story) -> None:
    wish = MoveStock(order_id=ORDER, why="take-again", case_id=A, turn=1, lines=TWO_LINES)
    assert released.hears(take_again(A)) == [wish]
    assert released.performs() == [taken()]
    assert released.pieces() == SET_ASIDE
    assert places(released) == [(5, 0, 0), (2, 0, 0)]
    assert released.state.cases[A].status == "taken-again"


def test_only_what_the_case_released(story: Story) -> None:
    story.reserved().hears(release(A, lines((1, "tea", 2))))
    story.hears(release(B, lines((1, "tea", 1), (2, "cup", 1))))
    story.performs_all()
    story.hears(take_again(A))
    assert story.performs() == [taken()]
    assert places(story) == [(4, 1, 0), (1, 1, 0)]


def test_the_same_attempt_again_repeats_its_answer(released: Story) -> None:
    released.hears(take_again(A), "t-1")
    released.performs()
    assert released.hears(take_again(A)) == [taken()]
    assert released.hears(take_again(A, 2)) == [taken(2)]
    assert released.hears(take_again(A), "t-1") == []  # its answer is said by the report
    assert released.wishes() == []
    assert released.pieces() == SET_ASIDE


def test_nothing_is_answered_while_it_is_under_way(released: Story) -> None:
    released.hears(take_again(A))
    assert released.hears(take_again(A)) == []
    assert released.hears(take_again(A, 2)) == []
    assert len(released.wishes()) == 1
    assert released.performs_all() == [taken()]


def test_a_report_twice_counts_once(released: Story) -> None:
    released.hears(take_again(A))
    said, wish = released.wishes()[0]
    released.performs()
    report = StockMoved(order_id=ORDER, why=wish.why, case_id=A, turn=1)
    again = hear(RESERVATIONS, released.record, Heard(report, "another id", BEGIN, settles=said.id))
    assert (again.repeat, again.says) == (True, ())
    assert places(released) == [(5, 0, 0), (2, 0, 0)]


def test_dispatched_afterwards(released: Story) -> None:
    released.hears(take_again(A))
    released.performs()
    released.hears(dispatch())
    assert released.performs() == [DISPATCHED]
    assert released.pieces() == ALL_SOLD


def test_another_case_can_hold_and_release_them_afterwards(released: Story) -> None:
    released.hears(take_again(A))
    released.performs()
    assert released.hears(hold(B)) == [StockHeld(order_id=ORDER, case_id=B)]
    released.hears(release(B))
    assert released.performs() == [StockReleased(order_id=ORDER, case_id=B, lines=TWO_LINES)]
    assert released.pieces() == {"tea": {}, "cup": {}}
    released.hears(take_again(B))
    assert released.performs() == [taken(case=B)]
    assert released.hears(take_again(A)) == [taken()]
    assert released.pieces() == SET_ASIDE


def test_the_same_case_neither_holds_nor_releases_twice(released: Story) -> None:
    released.hears(take_again(A))
    all_back = [StockReleased(order_id=ORDER, case_id=A, lines=TWO_LINES)]
    assert released.hears(release(A)) == all_back
    released.performs()
    withdrawn = StockHoldRefused(order_id=ORDER, case_id=A, reason="withdrawn")
    assert released.hears(hold(A)) == [withdrawn]
    assert released.hears(keep(A)) == [StockKept(order_id=ORDER, case_id=A)]
    assert released.hears(release(A)) == all_back
    assert released.wishes() == []
    assert places(released) == [(5, 0, 0), (2, 0, 0)]


# ── or nothing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_line_short_puts_the_others_back(released: Story) -> None:
    released.hears(take_again(A))
    wish = MoveStock(order_id=ORDER, why="short", case_id=A, turn=1, lines=lines((2, "cup", 2)))
    assert released.performs(1) == [wish]
    assert released.hears(take_again(A)) == []
    assert released.hears(take_again(A, 2)) == []
    assert released.performs() == [too_few("tea")]
    assert released.pieces() == {"tea": {}, "cup": {}}
    assert places(released) == [(0, 5, 0), (0, 2, 0)]
    assert released.state.cases[A].status == "released"


def test_all_lines_short_has_nothing_to_put_back(story: Story) -> None:
    asked = lines((1, "tea", 5), (2, "cup", 2), (3, "tea", 1))
    story.hears(reserve(asked))
    story.performs()
    story.hears(release(A, asked))
    story.performs()
    story.hears(take_again(A))
    assert story.performs(1, 2, 3) == [too_few("tea", "cup")]
    assert story.wishes() == []


def test_a_refused_attempt_stays_refused_and_the_next_looks_again(released: Story) -> None:
    released.hears(take_again(A))
    released.performs(1)
    released.performs()
    assert released.hears(take_again(A)) == [too_few("tea")]
    assert released.wishes() == []
    released.hears(take_again(A, 2))
    assert released.performs(1, 2) == [too_few("tea", "cup", attempt=2)]
    released.hears(take_again(A, 3))
    assert released.performs() == [taken(3)]
    assert released.hears(take_again(A)) == [too_few("tea")]
    assert released.hears(take_again(A, 2)) == [too_few("tea", "cup", attempt=2)]
    assert released.hears(take_again(A, 3)) == [taken(3)]
    assert released.pieces() == SET_ASIDE


def test_every_attempt_has_ledger_lines_of_its_own(released: Story) -> None:
    before = len(released.moved)
    for attempt in (1, 2):
        released.hears(take_again(A, attempt))
        released.performs(1)
        released.performs()
    moved = released.moved[before:]
    assert [one.cause for one in moved] == [
        f"{why}:case-a:{attempt}" for attempt in (1, 2) for why in ("take-again", "short")
    ]
    assert len({one.id for one in moved}) == 4
    assert [one.firm for one in moved] == [False, True, False, True]


# ── never released ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("status", ["unknown order", "unknown case", "held", "hold refused", "kept"])
def test_a_case_that_never_released_anything(story: Story, status: str) -> None:
    if status != "unknown order":
        story.reserved()
    if status in ("held", "kept"):
        story.hears(hold(A))
    if status == "hold refused":
        story.hears(hold(A, lines((1, "tea", 6))))
    if status == "kept":
        story.hears(keep(A))
    assert story.hears(take_again(A)) == [not_released()]
    assert story.hears(take_again(A)) == [not_released()]
    assert story.wishes() == []


def test_never_released_stays_refused_for_that_attempt_and_case_only(story: Story) -> None:
    story.reserved().hears(take_again(A))
    assert story.hears(hold(A)) == [StockHeld(order_id=ORDER, case_id=A)]
    story.hears(release(A))
    story.performs()
    assert story.hears(take_again(A)) == [not_released()]
    assert story.hears(take_again(B)) == [not_released(case=B)]
    story.hears(take_again(A, 2))
    assert story.performs() == [taken(2)]


@pytest.mark.parametrize("status", ["withdrawn", "short"])
def test_an_order_that_never_had_its_stock_had_nothing_released(story: Story, status: str) -> None:
    if status == "short":
        story.hears(reserve())
        story.performs(1, 2)
    story.hears(release(A))
    assert story.hears(take_again(A)) == [not_released()]
    assert story.wishes() == []


def test_while_the_release_waits_or_is_under_way(story: Story) -> None:
    story.hears(reserve())
    story.hears(release(A))
    assert story.hears(take_again(A)) == []
    story.performs()
    assert story.hears(take_again(A)) == []
    story.performs()
    story.hears(take_again(A))
    assert story.performs() == [taken()]


# ── beside a parcel ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_parcel_waits_for_what_is_taken_again(story: Story) -> None:
    story.reserved().hears(release(A, lines((1, "tea", 2))))
    story.performs()
    story.hears(take_again(A))
    assert story.hears(dispatch()) == []
    story.performs()
    assert story.hears(dispatch()) == [MoveStock(order_id=ORDER, why="dispatch", lines=TWO_LINES)]
    assert story.performs() == [DISPATCHED]


@pytest.fixture
def parcel_gone(story: Story) -> Story:
    """Two of five teas released by case A, everything else dispatched."""
    story.reserved().hears(release(A, lines((1, "tea", 2))))
    story.performs()
    story.hears(dispatch())
    assert story.hears(take_again(A)) == []
    assert story.performs() == [DISPATCHED]
    return story


def test_after_the_parcel_they_leave_with_the_next(parcel_gone: Story) -> None:
    story = parcel_gone
    story.hears(take_again(A))
    assert story.hears(dispatch()) == []
    assert story.performs() == [taken()]
    assert places(story) == [(2, 0, 3), (0, 0, 2)]
    assert story.hears(dispatch()) == [MoveStock(order_id=ORDER, why="dispatch", turn=5, lines=lines((1, "tea", 2)))]
    assert story.performs() == [DISPATCHED]
    assert story.hears(dispatch()) == [DISPATCHED]
    assert len({movement.id for movement in story.moved}) == len(story.moved)
    assert story.pieces() == ALL_SOLD


def test_after_the_parcel_a_case_holds_what_is_there_and_nothing_that_left(parcel_gone: Story) -> None:
    story = parcel_gone
    story.hears(take_again(A))
    story.performs()
    assert story.hears(hold(CaseId("c"))) == [
        StockHoldRefused(order_id=ORDER, case_id=CaseId("c"), reason="already-dispatched")
    ]
    part = lines((1, "tea", 2))
    assert story.hears(hold(B, part)) == [StockHeld(order_id=ORDER, case_id=B)]
    assert story.hears(dispatch()) == [StockDispatchRefused(order_id=ORDER, reason="held-by-a-case")]
    story.hears(release(B, part))
    story.performs()
    assert story.hears(dispatch()) == [DISPATCHED]
    assert story.wishes() == []


def test_refused_after_the_parcel_leaves_it_dispatched(parcel_gone: Story) -> None:
    story = parcel_gone
    story.hears(take_again(A))
    assert story.performs(1) == [too_few("tea")]
    assert story.state.status == "dispatched"
    assert story.hears(dispatch()) == [DISPATCHED]


def test_a_case_that_came_after_the_parcel_had_nothing_to_give(story: Story) -> None:
    story.reserved().hears(dispatch())
    story.performs()
    story.hears(release(A))
    assert story.hears(take_again(A)) == [taken()]
    assert story.wishes() == []
    assert story.state.status == "dispatched"
