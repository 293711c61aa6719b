"""Whatever an order hears, in whatever order and however often: its pieces are moved at most once each."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as some

from contracts.inventory import StockLine, SwapStock, TakeBackStock
from contracts.message import CaseId, Message
from services.inventory.model import MAY_FIND_TOO_LITTLE
from tests.unit.inventory.story import (
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

NEW_LINES = lines((3, "hat", 2), (4, "bag", 2))
PIECES = {line.line_no: line.quantity for line in (*TWO_LINES, *NEW_LINES)}

Step = Message | tuple[int, ...] | int
"""A message to hear, lines that a movement is refused for, or which of the last messages comes again."""

cases = some.sampled_from(["a", "b", "c"])
parts = some.sampled_from(
    [TWO_LINES, lines((1, "tea", 2)), lines((1, "tea", 4), (2, "cup", 1)), lines((2, "cup", 9)), lines((3, "hat", 2))]
)


def swap(case: str, old: StockLine, new: StockLine) -> SwapStock:
    return SwapStock(order_id=ORDER, case_id=CaseId(case), old=old, new=new)


def take_back(case: str, asked: tuple[StockLine, ...]) -> TakeBackStock:
    return TakeBackStock(order_id=ORDER, case_id=CaseId(case), lines=asked)


messages: some.SearchStrategy[Message] = some.one_of(
    some.builds(reserve),
    some.builds(hold, cases, parts),
    some.builds(keep, cases),
    some.builds(release, cases, parts),
    some.builds(take_again, cases, some.integers(1, 2)),
    some.builds(dispatch),
    some.builds(swap, cases, some.sampled_from(lines((1, "tea", 2), (2, "cup", 2))), some.sampled_from(NEW_LINES)),
    some.builds(take_back, cases, parts),
)
performs = some.lists(some.sampled_from([1, 2]), max_size=2, unique=True).map(tuple)
again = some.integers(0, 5)
a_part_was_released: list[Step] = [reserve(), (), release("a", lines((1, "tea", 2))), ()]
the_rest_left: list[Step] = [*a_part_was_released, dispatch(), ()]
all_left: list[Step] = [reserve(), (), dispatch(), ()]
beginnings = some.sampled_from(
    [
        [],
        [*a_part_was_released, take_again("a")],
        the_rest_left,
        [*the_rest_left, take_again("a")],
        [*all_left, take_back("a", lines((1, "tea", 4), (2, "cup", 1)))],
        [reserve(), (), swap("a", TWO_LINES[0], NEW_LINES[0])],
    ]
)


@given(beginnings, some.lists(some.one_of(messages, performs, again), max_size=25))
def test_no_piece_moves_twice(beginning: list[Step], steps: list[Step]) -> None:
    story = Story()
    heard: list[tuple[Message, str]] = []
    for step in (*beginning, *steps):
        if isinstance(step, Message):
            heard.append((step, f"id-{len(heard)}"))
            story.hears(*heard[-1])
        elif isinstance(step, int):
            if step < len(heard):
                story.hears(*heard[-1 - step])
        elif story.wishes():
            wish = story.wishes()[0][1]
            can_be_refused = {line.line_no for line in wish.lines} if wish.why in MAY_FIND_TOO_LITTLE else set()
            story.performs(*(line_no for line_no in step if line_no in can_be_refused))
        _check(story)
    story.performs_all()
    _check(story)
    _check_at_rest(story)


def _check(story: Story) -> None:
    ids = Counter(movement.id for movement in story.moved)
    assert set(ids.values()) <= {1}, "a movement was wished twice"
    sums: dict[int, Counter[str]] = {line_no: Counter() for line_no in PIECES}
    for movement in story.moved:
        sums[movement.line_no].update(movement.amounts._asdict())
    for line_no, places in sums.items():
        assert places["available"] + places["reserved"] + places["sold"] == 0
        assert 0 <= places["reserved"] <= PIECES[line_no]
        assert 0 <= places["sold"] <= PIECES[line_no]
        assert -PIECES[line_no] <= places["available"] <= 0


def _check_at_rest(story: Story) -> None:
    """The reservation knows exactly what was moved, and leaves nobody without an answer."""
    if story.record.state is None:
        return
    assert story.state.status not in ("reserving", "dispatching")
    assert not [case for case in story.state.cases.values() if case.status in _UNDER_WAY]
    assert not [one for one in story.state.swaps.values() if one.status == "taking"]
    sold = Counter[int]()
    aside = Counter[int]()
    for movement in story.moved:
        sold[movement.line_no] += movement.amounts.sold
        aside[movement.line_no] += movement.amounts.reserved
    for line in story.state.lines:
        assert line.dispatched - line.returned == sold[line.line_no]
        has = story.state.status in ("reserved", "dispatched")
        assert aside[line.line_no] == (line.left if has else 0)


_UNDER_WAY = ("wanted", "releasing", "taking-again", "coming-back")
