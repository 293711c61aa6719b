"""An order's stock: reserved, held, kept, released, dispatched; repeated, late, and in the wrong order."""

from __future__ import annotations

import pytest

from chassis.record import Heard, Record, hear
from contracts.inventory import (
    StockDispatched,
    StockDispatchRefused,
    StockHeld,
    StockHoldRefused,
    StockKept,
    StockReleased,
    StockReserved,
    StockShort,
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
)

A, B = CaseId("case-a"), CaseId("case-b")

RESERVED = StockReserved(order_id=ORDER)
DISPATCHED = StockDispatched(order_id=ORDER)


def held(case: str = A) -> StockHeld:
    return StockHeld(order_id=ORDER, case_id=CaseId(case))


def kept(case: str = A) -> StockKept:
    return StockKept(order_id=ORDER, case_id=CaseId(case))


def back(*pieces: tuple[int, str, int], case: str = A) -> StockReleased:
    return StockReleased(order_id=ORDER, case_id=CaseId(case), lines=lines(*pieces))


def refused(reason: str, case: str = A) -> StockHoldRefused:
    return StockHoldRefused.model_validate({"order_id": ORDER, "case_id": case, "reason": reason})


def not_dispatched(reason: str) -> StockDispatchRefused:
    return StockDispatchRefused.model_validate({"order_id": ORDER, "reason": reason})


def short(*products: str) -> StockShort:
    return StockShort(order_id=ORDER, short=tuple(ProductId(product) for product in products))


ALL_BACK = back((1, "tea", 5), (2, "cup", 2))


# ── reserve ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_reserved_when_every_line_could_be_had(story: Story) -> None:
    assert story.hears(reserve()) == [MoveStock(order_id=ORDER, why="reserve", lines=TWO_LINES)]
    assert story.performs() == [RESERVED]
    assert story.pieces() == {"tea": {"available": -5, "reserved": 5}, "cup": {"available": -2, "reserved": 2}}


def test_asking_again_while_reserving_says_nothing_new(story: Story) -> None:
    story.hears(reserve())
    assert story.hears(reserve()) == []
    assert len(story.wishes()) == 1


def test_asking_again_repeats_the_answer(story: Story) -> None:
    story.reserved()
    assert story.hears(reserve()) == [RESERVED]
    assert story.wishes() == []


def test_one_line_short_gives_back_the_others(story: Story) -> None:
    story.hears(reserve())
    assert story.performs(1) == [MoveStock(order_id=ORDER, why="short", lines=lines((2, "cup", 2)))]
    assert story.hears(reserve()) == []
    assert story.performs() == [short("tea")]
    assert story.pieces() == {"cup": {}}
    assert story.hears(reserve()) == [short("tea")]


def test_all_lines_short_has_nothing_to_give_back(story: Story) -> None:
    story.hears(reserve(lines((1, "tea", 5), (2, "cup", 2), (3, "tea", 1))))
    assert story.performs(1, 2, 3) == [short("tea", "cup")]
    assert story.wishes() == []


def test_two_lines_of_one_product_move_by_themselves(story: Story) -> None:
    story.hears(reserve(lines((1, "tea", 5), (2, "tea", 3))))
    assert story.performs(2) == [MoveStock(order_id=ORDER, why="short", lines=lines((1, "tea", 5)))]
    story.performs()
    assert len({movement.id for movement in story.moved}) == 2


def test_a_line_named_twice_counts_together(story: Story) -> None:
    story.hears(reserve(lines((1, "tea", 5), (1, "tea", 3))))
    assert story.wishes()[0][1].lines == lines((1, "tea", 8))


def test_a_line_of_two_products_is_a_defect(story: Story) -> None:
    with pytest.raises(ValueError, match="line 1 is of tea and of cup"):
        story.hears(reserve(lines((1, "tea", 5), (1, "cup", 3))))


def test_two_thousand_lines(story: Story) -> None:
    many = lines(*((number, f"p{number % 7}", 1) for number in range(1, 2_001)))
    story.hears(reserve(many))
    assert story.performs() == [RESERVED]
    assert story.hears(hold(A, many)) == [held()]
    story.hears(release(A, many))
    assert story.performs() == [StockReleased(order_id=ORDER, case_id=A, lines=many)]
    assert len({movement.id for movement in story.moved}) == 4_000


def test_a_report_nobody_asked_for_is_a_defect() -> None:
    with pytest.raises(ValueError, match="no reservation"):
        hear(RESERVATIONS, Record(ORDER), Heard(StockMoved(order_id=ORDER, why="reserve"), "r", BEGIN))


# ── hold and keep ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_hold_moves_no_balance(story: Story) -> None:
    story.reserved()
    assert story.hears(hold(A)) == [held()]
    assert story.hears(hold(A)) == [held()]
    assert story.wishes() == []


def test_hold_before_the_stock_is_reserved_is_refused_for_good(story: Story) -> None:
    story.hears(reserve())
    assert story.hears(hold(A)) == [refused("not-reserved")]
    story.performs()
    assert story.hears(hold(A)) == [refused("not-reserved")]
    assert story.hears(dispatch())[0].wire == "move-stock"


def test_hold_of_an_unknown_order_is_refused_and_does_not_stop_reserving(story: Story) -> None:
    assert story.hears(hold(A)) == [refused("not-reserved")]
    assert story.hears(reserve())[0].wire == "move-stock"


def test_hold_after_dispatch(story: Story) -> None:
    story.reserved().hears(dispatch())
    assert story.hears(hold(A)) == [refused("already-dispatched")]
    story.performs()
    assert story.hears(hold(B)) == [refused("already-dispatched", B)]


def test_hold_of_a_short_order(story: Story) -> None:
    story.hears(reserve())
    story.performs(1, 2)
    assert story.hears(hold(A)) == [refused("not-reserved")]


@pytest.mark.parametrize(
    "asked",
    [lines((1, "tea", 6)), lines((3, "tea", 1)), lines((1, "cup", 1)), lines((1, "tea", 3), (1, "tea", 3))],
    ids=["too many", "unknown line", "another product", "too many in two parts"],
)
def test_hold_of_what_is_not_there(story: Story, asked: tuple[()]) -> None:
    story.reserved()
    assert story.hears(hold(A, asked)) == [refused("not-reserved")]
    assert story.hears(dispatch())[0].wire == "move-stock"


def test_keep_before_hold(story: Story) -> None:
    story.reserved()
    assert story.hears(keep(A)) == [kept()]
    assert story.hears(hold(A)) == [refused("withdrawn")]
    assert story.hears(keep(A)) == [kept()]
    assert story.hears(dispatch())[0].wire == "move-stock"


def test_keep_before_anything(story: Story) -> None:
    assert story.hears(keep(A)) == [kept()]
    story.reserved()
    assert story.hears(hold(A)) == [refused("withdrawn")]
    assert story.hears(hold(B)) == [held(B)]


def test_keep_gives_the_pieces_back_to_the_order(story: Story) -> None:
    story.reserved().hears(hold(A))
    assert story.hears(keep(A)) == [kept()]
    assert story.hears(keep(A)) == [kept()]
    assert story.hears(hold(A)) == [refused("withdrawn")]
    assert story.hears(hold(B)) == [held(B)]


def test_keep_after_release_changes_nothing(story: Story) -> None:
    story.reserved().hears(hold(A))
    story.hears(release(A))
    assert story.hears(keep(A)) == [kept()]
    assert story.performs() == [ALL_BACK]
    assert story.hears(keep(A)) == [kept()]
    assert story.hears(release(A)) == [ALL_BACK]


def test_two_cases_on_one_line(story: Story) -> None:
    story.reserved()
    assert story.hears(hold(A, lines((1, "tea", 2)))) == [held(A)]
    assert story.hears(hold(B, lines((1, "tea", 4)))) == [refused("not-reserved", B)]
    assert story.hears(hold(CaseId("case-c"), lines((1, "tea", 3)))) == [held("case-c")]
    story.hears(release(A, lines((1, "tea", 2))))
    assert story.performs() == [back((1, "tea", 2))]
    assert story.hears(keep("case-c")) == [kept("case-c")]
    story.hears(dispatch())
    assert story.performs() == [DISPATCHED]
    assert story.pieces() == {
        "tea": {"available": -3, "sold": 3},
        "cup": {"available": -2, "sold": 2},
    }


# ── release ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_release_of_what_was_held(story: Story) -> None:
    story.reserved().hears(hold(A))
    assert story.hears(release(A)) == [MoveStock(order_id=ORDER, why="release", case_id=A, lines=TWO_LINES)]
    assert story.hears(release(A)) == []
    assert story.performs() == [ALL_BACK]
    assert story.hears(release(A)) == [ALL_BACK]
    assert story.hears(hold(A)) == [held()]
    assert story.wishes() == []
    assert story.pieces() == {"tea": {}, "cup": {}}


def test_release_without_hold(story: Story) -> None:
    story.reserved()
    story.hears(release(A, lines((2, "cup", 1))))
    assert story.performs() == [back((2, "cup", 1))]
    assert story.pieces()["cup"] == {"available": -1, "reserved": 1}


def test_release_of_less_than_was_held_leaves_the_rest_to_the_order(story: Story) -> None:
    story.reserved().hears(hold(A))
    story.hears(release(A, lines((1, "tea", 1))))
    assert story.performs() == [back((1, "tea", 1))]
    story.hears(dispatch())
    assert story.performs() == [DISPATCHED]
    assert story.pieces()["tea"] == {"available": -4, "sold": 4}


def test_release_takes_nothing_that_another_case_holds(story: Story) -> None:
    story.reserved().hears(hold(B, lines((1, "tea", 4))))
    story.hears(release(A))
    assert story.performs() == [back((1, "tea", 1), (2, "cup", 2))]


def test_release_before_anything_and_a_late_reserve(story: Story) -> None:
    assert story.hears(release(A)) == [back()], "what was never set aside does not come back"
    assert story.hears(release(A)) == [back()]
    assert story.hears(reserve()) == [short()]
    assert story.hears(dispatch()) == [not_dispatched("not-reserved")]
    assert story.wishes() == []
    assert story.moved == []


def test_release_of_a_short_order(story: Story) -> None:
    story.hears(reserve())
    story.performs(1, 2)
    assert story.hears(release(A)) == [back()]
    assert story.hears(reserve()) == [short("tea", "cup")]


def test_release_while_reserving_waits_and_happens_once(story: Story) -> None:
    story.hears(reserve())
    assert story.hears(release(A)) == []
    assert story.hears(release(A)) == []
    assert len(story.wishes()) == 1
    says = story.performs()
    assert says == [RESERVED, MoveStock(order_id=ORDER, why="release", case_id=A, lines=TWO_LINES)]
    assert story.hears(release(A)) == []
    assert story.performs_all() == [ALL_BACK]
    assert story.pieces() == {"tea": {}, "cup": {}}


def test_release_while_reserving_turns_out_short(story: Story) -> None:
    story.hears(reserve())
    story.hears(release(A))
    assert story.performs(1)[0].wire == "move-stock"
    assert story.hears(release(B)) == []
    assert story.performs() == [short("tea"), back(), back(case=B)]
    assert story.hears(release(A)) == [back()]
    assert story.pieces() == {"cup": {}}


def test_two_releases_while_reserving_share_what_there_is(story: Story) -> None:
    story.hears(reserve())
    story.hears(release(A, lines((1, "tea", 3))))
    story.hears(release(B, lines((1, "tea", 3))))
    story.performs()
    assert story.performs_all() == [back((1, "tea", 3)), back((1, "tea", 2), case=B)]
    assert story.pieces()["tea"] == {}


def test_keep_does_not_stop_a_release_that_waits(story: Story) -> None:
    story.hears(reserve())
    story.hears(release(A))
    assert story.hears(keep(A)) == [kept()]
    story.performs()
    assert story.performs() == [ALL_BACK]


def test_never_released_and_dispatched(story: Story) -> None:
    story.reserved().hears(dispatch())
    assert story.hears(release(A)) == [back()]
    assert story.performs() == [DISPATCHED]
    assert story.hears(release(B)) == [back(case=B)]
    assert story.wishes() == []
    assert story.pieces()["tea"] == {"available": -5, "sold": 5}


# ── dispatch ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_dispatch(story: Story) -> None:
    story.reserved()
    assert story.hears(dispatch()) == [MoveStock(order_id=ORDER, why="dispatch", lines=TWO_LINES)]
    assert story.hears(dispatch()) == []
    assert story.performs() == [DISPATCHED]
    assert story.hears(dispatch()) == [DISPATCHED]
    assert story.hears(reserve()) == [RESERVED]
    assert story.pieces() == {"tea": {"available": -5, "sold": 5}, "cup": {"available": -2, "sold": 2}}


def test_dispatch_while_a_case_holds_is_refused_then_possible(story: Story) -> None:
    story.reserved().hears(hold(A, lines((2, "cup", 1))))
    assert story.hears(dispatch()) == [not_dispatched("held-by-a-case")]
    story.hears(keep(A))
    assert story.hears(dispatch())[0].wire == "move-stock"


def test_a_refused_dispatch_that_is_delivered_again_is_refused_again(story: Story) -> None:
    story.reserved().hears(hold(A))
    assert story.hears(dispatch(), "d-1") == [not_dispatched("held-by-a-case")]
    story.hears(keep(A))
    assert story.hears(dispatch(), "d-1") == [not_dispatched("held-by-a-case")]
    assert story.wishes() == []


def test_dispatch_beside_a_release_under_way_takes_the_rest(story: Story) -> None:
    story.reserved()
    story.hears(release(A, lines((1, "tea", 2))))
    assert story.hears(dispatch()) == [
        MoveStock(order_id=ORDER, why="dispatch", lines=lines((1, "tea", 3), (2, "cup", 2)))
    ]
    assert story.performs_all() == [back((1, "tea", 2)), DISPATCHED]
    assert [(line.released, line.dispatched) for line in story.state.lines] == [(2, 3), (0, 2)]


@pytest.mark.parametrize("status", ["unknown", "reserving", "short", "all released"])
def test_dispatch_of_what_is_not_reserved(story: Story, status: str) -> None:
    if status != "unknown":
        story.hears(reserve())
    if status == "short":
        story.performs(1, 2)
    if status == "all released":
        story.performs()
        story.hears(release(A))
        story.performs()
    assert story.hears(dispatch()) == [not_dispatched("not-reserved")]


def test_the_same_message_twice_says_the_same_and_moves_nothing(story: Story) -> None:
    for message, id in ((reserve(), "1"), (hold(A), "2"), (release(A), "3")):
        story.hears(message, id)
        story.performs_all()
    moved = len(story.moved)
    assert story.hears(hold(A), "2") == [held()]
    assert story.hears(reserve(), "1") == []  # its answer is said by the report, which is repeated on asking anew
    assert story.performs_all() == []
    assert len(story.moved) == moved


def test_a_report_twice_counts_once(story: Story) -> None:
    story.hears(reserve())
    said, wish = story.wishes()[0]
    story.performs()
    report = StockMoved(order_id=ORDER, why=wish.why)
    again = hear(RESERVATIONS, story.record, Heard(report, "another id", BEGIN, settles=said.id))
    assert again.repeat
    assert again.says == ()
