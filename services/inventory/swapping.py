"""Setting other goods aside in place of some of an order's: an exchange. Pure.

The old pieces are held like those of a cancellation case, under the exchange's id, so nothing dispatches them and no
case gets them; then the new ones are taken from the shelf. Too few there: the old pieces belong to the order again.
The old ones go back by `ReleaseStock`, only once the order has swapped its line.
"""

from __future__ import annotations

from collections.abc import Sequence

from contracts.inventory import StockNotSwapped, StockSwapped, SwapStock
from contracts.message import CaseId, Message
from services.inventory.model import HoldingCase, MoveStock, Reservation, ReservedLine, Swap

Decision = tuple[Reservation, Sequence[Message]]


def swap(state: Reservation, asked: SwapStock) -> Decision:
    """One exchange has one answer for ever. Unanswered while its pieces are under way: whoever waits asks again."""
    known = state.swaps.get(asked.case_id)
    if known is not None:
        return state, [] if known.status == "taking" else [_answer(state, asked.case_id, known)]
    hindrance = _hindrance(state, asked)
    if hindrance:
        refused = Swap(status="refused", new=asked.new, refusal=hindrance)
        return _with(state, asked.case_id, refused), [_answer(state, asked.case_id, refused)]
    holding = state.with_case(asked.case_id, HoldingCase(status="held", lines=(asked.old,)))
    taking = _with(holding, asked.case_id, Swap(status="taking", new=asked.new))
    return taking, [MoveStock(order_id=state.order_id, why="swap", case_id=asked.case_id, lines=(asked.new,))]


def moved(state: Reservation, case_id: CaseId, *, refused: bool) -> Decision:
    """The new pieces are set aside, or there were too few of them. Raises KeyError for an exchange nobody wished."""
    new = state.swaps[case_id].new
    if refused:
        kept = state.with_case(case_id, state.cases[case_id].model_copy(update={"status": "kept"}))
        ended = Swap(status="refused", new=new, refusal="out-of-stock")
        return _with(kept, case_id, ended), [_answer(state, case_id, ended)]
    line = ReservedLine(line_no=new.line_no, product_id=new.product_id, quantity=new.quantity)
    done = Swap(status="done", new=new)
    after = _with(state.model_copy(update={"lines": (*state.lines, line)}), case_id, done)
    return after, [_answer(state, case_id, done)]


def under_way(state: Reservation, case_id: CaseId) -> bool:
    """Whether the new pieces of this exchange are being taken: what becomes of the old ones is not known yet."""
    return case_id in state.swaps and state.swaps[case_id].status == "taking"


def _hindrance(state: Reservation, asked: SwapStock) -> str:
    """Why the old pieces cannot be given for others; empty when they can."""
    under_way = {one.new.line_no for one in state.swaps.values() if one.status == "taking"}
    taken = under_way | {line.line_no for line in state.lines}
    free = asked.case_id not in state.cases and asked.new.line_no not in taken
    if free and state.covers((asked.old,)):
        return ""
    return "already-dispatched" if state.status == "dispatching" or state.gone else "not-reserved"


def _with(state: Reservation, case_id: CaseId, swap: Swap) -> Reservation:
    return state.model_copy(update={"swaps": {**state.swaps, case_id: swap}})


def _answer(state: Reservation, case_id: CaseId, swap: Swap) -> Message:
    if swap.status == "refused":
        return StockNotSwapped(order_id=state.order_id, case_id=case_id, reason=swap.refusal)
    return StockSwapped(order_id=state.order_id, case_id=case_id)
