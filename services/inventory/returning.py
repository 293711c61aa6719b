"""A parcel that had left comes back: its good pieces go on the shelf again. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.inventory import StockTakenBack, TakeBackStock
from contracts.message import CaseId, Message
from services.inventory.model import HoldingCase, MoveStock, Reservation, merged

Decision = tuple[Reservation, Sequence[Message]]


def take_back(state: Reservation, asked: TakeBackStock) -> Decision:
    """Its good pieces go on the shelf, once per case. Unanswered while the books do not have it that they left: whoever
    waits asks again."""
    case = state.cases.get(asked.case_id, HoldingCase(status="refused"))
    if case.status == "came-back":
        return state, [_taken_back(state, asked.case_id)]
    lines = merged(asked.lines)
    if case.status == "coming-back" or state.status == "dispatching" or not state.gone or not state.has_sent(lines):
        return state, []
    coming = state.with_case(asked.case_id, case.model_copy(update={"status": "coming-back", "lines": lines}))
    if not lines:
        return came_back(coming, asked.case_id)
    return coming, [MoveStock(order_id=state.order_id, why="take-back", case_id=asked.case_id, lines=lines)]


def came_back(state: Reservation, case_id: CaseId) -> Decision:
    """The balances have moved."""
    case = state.cases[case_id]
    state = state.counted(case.lines, into="returned")
    state = state.with_case(case_id, case.model_copy(update={"status": "came-back"}))
    return state, [_taken_back(state, case_id)]


def _taken_back(state: Reservation, case_id: CaseId) -> StockTakenBack:
    return StockTakenBack(order_id=state.order_id, case_id=case_id, lines=state.cases[case_id].lines)
