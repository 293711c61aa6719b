"""Other goods set aside in place of some of an order's: taken once, all or nothing, the old ones held meanwhile."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from contracts.inventory import (
    StockDispatchRefused,
    StockHoldRefused,
    StockNotSwapped,
    StockReleased,
    StockSwapped,
    SwapStock,
)
from contracts.message import CaseId, Message
from tests.unit.inventory.story import ORDER, Story, dispatch, hold, keep, lines, release, reserve

OLD = lines((1, "tea", 2))


def swap(id: str = "x1", pieces: int = 2, line_no: int = 3) -> SwapStock:
    (old,), (new,) = lines((1, "tea", pieces)), lines((line_no, "green", pieces))
    return SwapStock(order_id=ORDER, case_id=CaseId(id), old=old, new=new)


def swapped(id: str = "x1") -> list[Message]:
    return [StockSwapped(order_id=ORDER, case_id=CaseId(id))]


def not_swapped(reason: str, id: str = "x1") -> list[Message]:
    return [StockNotSwapped(order_id=ORDER, case_id=CaseId(id), reason=reason)]


def test_new_goods_are_taken_and_the_old_ones_go_back() -> None:
    story = Story().reserved()
    assert [type(one).__name__ for one in story.hears(swap())] == ["MoveStock"]
    assert story.hears(swap()) == []
    assert story.performs() == swapped()
    assert story.pieces()["green"] == {"available": -2, "reserved": 2}
    assert story.pieces()["tea"]["reserved"] == 5
    story.hears(release("x1", OLD))
    (back,) = story.performs()
    assert back == StockReleased(order_id=ORDER, case_id=CaseId("x1"), lines=OLD, exchanged=True)
    assert story.pieces()["tea"] == {"available": -3, "reserved": 3}
    story.hears(dispatch())
    story.performs()
    assert {name: places["sold"] for name, places in story.pieces().items()} == {"tea": 3, "cup": 2, "green": 2}


def test_too_few_are_left_and_everything_is_as_before() -> None:
    story = Story().reserved()
    before = story.pieces()
    story.hears(swap())
    assert story.performs(3) == not_swapped("out-of-stock")
    assert (story.pieces(), story.state.unpromised()) == (before, Story().reserved().state.unpromised())
    assert story.hears(swap()) == not_swapped("out-of-stock")
    story.hears(swap("x2"))
    assert story.performs() == swapped("x2")


def test_old_pieces_are_neither_kept_nor_released_while_the_new_ones_are_being_taken() -> None:
    """Otherwise the parcel could leave meanwhile, and new goods that never left would count as sold."""
    story = Story().reserved()
    story.hears(swap())
    assert story.hears(keep("x1")) == []
    assert story.hears(release("x1", OLD)) == []
    assert story.hears(dispatch()) == [StockDispatchRefused(order_id=ORDER, reason="held-by-a-case")]
    assert story.performs() == swapped()
    story.hears(release("x1", OLD))
    story.performs()
    story.hears(dispatch())
    story.performs()
    assert {name: places["sold"] for name, places in story.pieces().items()} == {"tea": 3, "cup": 2, "green": 2}


def test_one_exchange_has_one_answer_for_ever() -> None:
    story = Story().reserved()
    story.hears(swap())
    story.performs()
    story.hears(release("x1", OLD))
    story.performs()
    assert story.hears(swap()) == swapped()
    assert len(story.wishes()) == 0


def test_the_old_pieces_are_nobody_elses_meanwhile() -> None:
    story = Story().reserved()
    story.hears(swap())
    assert isinstance(story.hears(dispatch())[0], StockDispatchRefused)
    assert isinstance(story.hears(hold("c1"))[0], StockHoldRefused)
    assert story.hears(swap("x2", 4)) == not_swapped("not-reserved", "x2")
    assert story.hears(swap("x3", 2)) == not_swapped("not-reserved", "x3")  # the same new line
    assert [type(one).__name__ for one in story.hears(swap("x4", 3, 4))] == ["MoveStock"]


def test_what_is_not_there_is_not_exchanged() -> None:
    assert Story().hears(swap()) == not_swapped("not-reserved")
    held = Story().reserved()
    held.hears(hold("c1"))
    assert held.hears(swap()) == not_swapped("not-reserved")
    gone = Story().reserved()
    gone.hears(dispatch())
    assert gone.hears(swap()) == not_swapped("already-dispatched")
    gone.performs()
    assert gone.hears(swap("x2")) == not_swapped("already-dispatched", "x2")


def test_the_new_goods_are_held_and_released_like_any() -> None:
    story = Story().reserved()
    story.hears(swap())
    story.performs()
    story.hears(release("x1", OLD))
    story.performs()
    everything = lines((1, "tea", 3), (2, "cup", 2), (3, "green", 2))
    story.hears(hold("c1", everything))
    story.hears(release("c1", everything))
    story.performs()
    assert story.pieces() == {"tea": {}, "cup": {}, "green": {}}


Step = Message | tuple[int, ...]
wishes: some.SearchStrategy[Message] = some.one_of(
    some.just(reserve()),
    some.builds(swap, some.sampled_from(["x1", "x2"]), some.integers(1, 5), some.integers(3, 4)),
    some.builds(release, some.sampled_from(["x1", "x2", "c1"]), some.just(OLD)),
    some.builds(hold, some.sampled_from(["c1"]), some.just(OLD)),
    some.just(dispatch()),
)
performs: some.SearchStrategy[Step] = some.sampled_from([(), (3, 4)])


@given(some.lists(some.one_of(wishes, performs), max_size=25))
def test_in_whatever_order_no_piece_is_lost_or_made_up(steps: list[Step]) -> None:
    story = Story()
    for step in (reserve(), (), *steps):
        if isinstance(step, Message):
            story.hears(step)
        elif story.wishes():
            can_be_refused = {line.line_no for line in story.wishes()[0][1].lines if story.wishes()[0][1].why == "swap"}
            story.performs(*(line_no for line_no in step if line_no in can_be_refused))
    story.performs_all()
    assert set(Counter(movement.id for movement in story.moved).values()) <= {1}
    aside, sold = Counter[int](), Counter[int]()
    for movement in story.moved:
        aside[movement.line_no] += movement.amounts.reserved
        sold[movement.line_no] += movement.amounts.sold
        assert movement.amounts.available + movement.amounts.reserved + movement.amounts.sold == 0
    known = {line.line_no: line for line in story.state.lines}
    assert set(aside) <= set(known)
    for line_no, line in known.items():
        assert (line.left, line.dispatched) == (aside[line_no], sold[line_no])
        assert line.left >= 0
    assert not [one for one in story.state.swaps.values() if one.status == "taking"]
