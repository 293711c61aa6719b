"""Decides what happens to an order's stock. Pure: nothing here touches a balance; the wish to do so is said as an
intent and its outcome is heard as a report.

Refusals are said as events and remembered, so that a wish refused once is refused however often it is repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chassis.record import Aggregate
from contracts.inventory import (
    DispatchStock,
    HoldStock,
    KeepStock,
    ReleaseStock,
    ReserveStock,
    StockDispatched,
    StockDispatchRefused,
    StockHeld,
    StockKept,
    StockLine,
    StockReleased,
    StockReserved,
    StockShort,
    StockTakenAgain,
    SwapStock,
    TakeBackStock,
    TakeStockAgain,
)
from contracts.message import CaseId, Message, OrderId
from services.inventory import returning, swapping
from services.inventory.model import (
    HoldingCase,
    HoldRefusal,
    MoveStock,
    Reservation,
    ReservedLine,
    StockMoved,
    Why,
    hold_refused,
    merged,
    take_refused,
)

RESERVATIONS = Aggregate("reservations", Reservation)

Decision = tuple[Reservation, Sequence[Message]]


@RESERVATIONS.handles(ReserveStock)
def reserve(known: Reservation | None, asked: ReserveStock, at: datetime) -> Decision:
    """Set every line aside, or none."""
    state = known or _not_asked(asked.order_id)
    if state.status in ("reserved", "dispatching", "dispatched"):
        return state, [StockReserved(order_id=state.order_id)]
    if state.status in ("short", "withdrawn"):
        return state, [StockShort(order_id=state.order_id, short=state.short)]
    if state.status == "reserving":
        return state, []
    lines = merged(asked.lines)
    reserving = state.model_copy(
        update={
            "status": "reserving",
            "lines": tuple(
                ReservedLine(line_no=line.line_no, product_id=line.product_id, quantity=line.quantity) for line in lines
            ),
        }
    )
    return reserving, [MoveStock(order_id=state.order_id, why="reserve", lines=lines)]


@RESERVATIONS.handles(StockMoved)
def moved(known: Reservation | None, report: StockMoved, at: datetime) -> Decision:
    """The balances have moved: go on from there. Raises ValueError for a report nothing was asked for."""
    if known is None:
        raise ValueError(f"order {report.order_id} has no reservation that could have moved")
    if report.why == "reserve":
        return _short(known, report) if report.refused else _reserved(known)
    if report.why == "short":
        return _nothing_had(known) if report.case_id is None else _not_taken(known, report.case_id, report.turn)
    if report.why == "release" and report.case_id is not None:
        return _released(known, report.case_id)
    if report.why == "take-again" and report.case_id is not None:
        return _too_few(known, report.case_id, report) if report.refused else _taken(known, report.case_id, report.turn)
    if report.why == "swap" and report.case_id is not None:
        return swapping.moved(known, report.case_id, refused=bool(report.refused))
    if report.why == "take-back" and report.case_id is not None:
        return returning.came_back(known, report.case_id)
    if report.why == "dispatch":
        gone = known.counted(known.unpromised(), into="dispatched").model_copy(update={"status": "dispatched"})
        return gone, [StockDispatched(order_id=known.order_id)]
    raise ValueError(f"a movement for {report.why!r} of case {report.case_id!r} makes no sense")


@RESERVATIONS.handles(HoldStock)
def hold(known: Reservation | None, asked: HoldStock, at: datetime) -> Decision:
    """Hold pieces for a case. Only the reservation knows: it changes who may dispatch, not how much can be sold."""
    state = known or _not_asked(asked.order_id)
    case = state.cases.get(asked.case_id)
    if case is None:
        lines = merged(asked.lines)
        if state.covers(lines):
            return state.with_case(asked.case_id, HoldingCase(status="held", lines=lines)), [_held(asked)]
        gone = state.status == "dispatching" or state.gone > 0
        reason: HoldRefusal = "already-dispatched" if gone else "not-reserved"
        refused = HoldingCase(status="refused", refusal=reason)
        return state.with_case(asked.case_id, refused), [hold_refused(state, asked.case_id, reason)]
    if case.status in ("kept", "withdrawn", "taken-again"):
        return state, [hold_refused(state, asked.case_id, "withdrawn")]
    if case.refusal is not None:
        return state, [hold_refused(state, asked.case_id, case.refusal)]
    return state, [_held(asked)]


@RESERVATIONS.handles(KeepStock)
def keep(known: Reservation | None, asked: KeepStock, at: datetime) -> Decision:
    """Undo a hold, seen or not. What is released already stays released: there is nothing left to keep."""
    state = known or _not_asked(asked.order_id)
    if swapping.under_way(state, asked.case_id):
        return state, []
    kept = StockKept(order_id=asked.order_id, case_id=asked.case_id)
    case = state.cases.get(asked.case_id)
    if case is None:
        return state.with_case(asked.case_id, HoldingCase(status="withdrawn")), [kept]
    if case.status == "held":
        return state.with_case(asked.case_id, case.model_copy(update={"status": "kept"})), [kept]
    return state, [kept]


@RESERVATIONS.handles(ReleaseStock)
def release(known: Reservation | None, asked: ReleaseStock, at: datetime) -> Decision:
    """Give a case's pieces back, once, held before or not. An order that has no stock yet will not get any."""
    state = known or _not_asked(asked.order_id)
    case = state.cases.get(asked.case_id)
    if case is not None and case.status in ("released", "taking-again", "taken-again", "came-back"):
        return state, [_back(state, asked.case_id)]
    moving = case is not None and case.status in ("wanted", "releasing", "coming-back")
    if moving or swapping.under_way(state, asked.case_id):
        return state, []
    lines = merged(asked.lines)
    if state.status == "reserving":
        return state.with_case(asked.case_id, HoldingCase(status="wanted", lines=lines)), []
    if state.status in ("not-asked", "short", "withdrawn"):
        never = "withdrawn" if state.status == "not-asked" else state.status
        return _nothing_back(state.model_copy(update={"status": never}), asked.case_id)
    return _give_back(state, asked.case_id, lines)


@RESERVATIONS.handles(TakeStockAgain)
def take_again(known: Reservation | None, asked: TakeStockAgain, at: datetime) -> Decision:
    """Give the order back what a case released, all of it or nothing. Unanswered while pieces of the case, or the
    parcel, are under way: whoever waits asks again."""
    state = known or _not_asked(asked.order_id)
    case = state.cases.get(asked.case_id)
    if case is not None and case.status in ("wanted", "releasing", "taking-again"):
        return state, []
    refused = state.not_taken_at(asked.case_id, asked.attempt)
    if refused is not None:
        return state, [refused]
    if case is not None and case.status == "taken-again":
        return state, [_again(state, asked.case_id, asked.attempt)]
    had = state.status in ("reserved", "dispatching", "dispatched")
    if case is None or case.status != "released" or not had:
        refused = take_refused(state, asked.case_id, asked.attempt, "not-released")
        return state.noting(refused), [refused]
    if not case.lines:
        return _taken(state, asked.case_id, asked.attempt)
    if state.status == "dispatching":
        return state, []
    taking = state.with_case(asked.case_id, case.model_copy(update={"status": "taking-again"}))
    return taking, [_moving(state, "take-again", asked.case_id, case.lines, asked.attempt)]


@RESERVATIONS.handles(SwapStock)
def swap(known: Reservation | None, asked: SwapStock, at: datetime) -> Decision:
    """Set other goods aside in place of some of the order's."""
    return swapping.swap(known or _not_asked(asked.order_id), asked)


@RESERVATIONS.handles(TakeBackStock)
def take_back(known: Reservation | None, asked: TakeBackStock, at: datetime) -> Decision:
    """Put on the shelf what came back of a parcel that had left."""
    return returning.take_back(known or _not_asked(asked.order_id), asked)


@RESERVATIONS.handles(DispatchStock)
def dispatch(known: Reservation | None, asked: DispatchStock, at: datetime) -> Decision:
    """The parcel leaves with everything no case has taken back."""
    state = known or _not_asked(asked.order_id)
    if state.status == "dispatching" or any(case.status == "taking-again" for case in state.cases.values()):
        return state, []
    held = any(case.status == "held" for case in state.cases.values())
    leaving = state.unpromised()
    if state.gone and not leaving and not held:
        return state, [StockDispatched(order_id=state.order_id)]
    if held or not leaving:
        refused = state.model_copy(update={"dispatches_refused": state.dispatches_refused + 1})
        reason = "held-by-a-case" if held else "not-reserved"
        return refused, [StockDispatchRefused.model_validate({"order_id": state.order_id, "reason": reason})]
    dispatching = state.model_copy(update={"status": "dispatching"})
    return dispatching, [MoveStock(order_id=state.order_id, why="dispatch", turn=state.gone, lines=leaving)]


def _not_asked(order_id: OrderId) -> Reservation:
    return Reservation(order_id=order_id, status="not-asked")


def _reserved(state: Reservation) -> Decision:
    """All lines are set aside; what was wanted back meanwhile goes back now."""
    state = state.model_copy(update={"status": "reserved"})
    says: list[Message] = [StockReserved(order_id=state.order_id)]
    for case_id, case in state.cases.items():
        if case.status == "wanted":
            state, more = _give_back(state, case_id, case.lines)
            says.extend(more)
    return state, says


def _short(state: Reservation, report: StockMoved) -> Decision:
    """Some lines could not be had: give back the others."""
    refused = set(report.refused)
    short = tuple(dict.fromkeys(line.product_id for line in state.lines if line.line_no in refused))
    state = state.model_copy(update={"short": short})
    had = tuple(
        StockLine(line_no=line.line_no, product_id=line.product_id, quantity=line.quantity)
        for line in state.lines
        if line.line_no not in refused
    )
    if not had:
        return _nothing_had(state)
    return state, [MoveStock(order_id=state.order_id, why="short", lines=had)]


def _nothing_had(state: Reservation) -> Decision:
    """Nothing is set aside for this order and nothing will be; so nothing of what was wanted back can come."""
    state = state.model_copy(update={"status": "short"})
    says: list[Message] = [StockShort(order_id=state.order_id, short=state.short)]
    for case_id, case in state.cases.items():
        if case.status == "wanted":
            state, more = _nothing_back(state, case_id)
            says.extend(more)
    return state, says


def _nothing_back(state: Reservation, case_id: CaseId) -> Decision:
    """The case gives back nothing, because nothing was set aside for it, or not any more."""
    state = state.with_case(case_id, HoldingCase(status="released"))
    return state, [_back(state, case_id)]


def _give_back(state: Reservation, case_id: CaseId, asked: tuple[StockLine, ...]) -> Decision:
    """Give back what the case can have of `asked`; never more than is there, and nothing of a parcel that left."""
    lines = state.within(asked, for_case=case_id)
    if not lines:
        return _nothing_back(state, case_id)
    state = state.with_case(case_id, HoldingCase(status="releasing", lines=lines))
    return state, [_moving(state, "release", case_id, lines)]


def _released(state: Reservation, case_id: CaseId) -> Decision:
    case = state.cases[case_id]
    state = state.counted(case.lines, into="released")
    state = state.with_case(case_id, case.model_copy(update={"status": "released"}))
    return state, [_back(state, case_id)]


def _taken(state: Reservation, case_id: CaseId, attempt: int) -> Decision:
    """The case's pieces belong to the order as if it had never released them."""
    case = state.cases[case_id]
    state = state.uncounted(case.lines).with_case(case_id, case.model_copy(update={"status": "taken-again"}))
    if state.status == "dispatched" and case.lines:
        # The parcel left without them: they wait for the next one, and may be held until it leaves.
        state = state.model_copy(update={"status": "reserved"})
    return state, [_again(state, case_id, attempt)]


def _too_few(state: Reservation, case_id: CaseId, report: StockMoved) -> Decision:
    """Some of the case's lines could not be had: put the others back on the shelf."""
    lines = state.cases[case_id].lines
    short = tuple(dict.fromkeys(line.product_id for line in lines if line.line_no in report.refused))
    state = state.noting(take_refused(state, case_id, report.turn, "out-of-stock", short))
    had = tuple(line for line in lines if line.line_no not in report.refused)
    if not had:
        return _not_taken(state, case_id, report.turn)
    return state, [_moving(state, "short", case_id, had, report.turn)]


def _not_taken(state: Reservation, case_id: CaseId, attempt: int) -> Decision:
    """Everything is on the shelf, where the case had released it to. Raises ValueError when nothing was refused."""
    refused = state.not_taken_at(case_id, attempt)
    if refused is None:
        raise ValueError(f"attempt {attempt} of case {case_id!r} was not refused")
    return state.with_case(case_id, state.cases[case_id].model_copy(update={"status": "released"})), [refused]


def _again(state: Reservation, case_id: CaseId, attempt: int) -> StockTakenAgain:
    return StockTakenAgain(order_id=state.order_id, case_id=case_id, attempt=attempt)


def _moving(state: Reservation, why: Why, case_id: CaseId, lines: tuple[StockLine, ...], turn: int = 0) -> MoveStock:
    return MoveStock(order_id=state.order_id, why=why, case_id=case_id, turn=turn, lines=lines)


def _held(asked: HoldStock) -> StockHeld:
    return StockHeld(order_id=asked.order_id, case_id=asked.case_id)


def _back(state: Reservation, case_id: CaseId) -> StockReleased:
    lines, exchanged = state.cases[case_id].lines, case_id in state.swaps
    return StockReleased(order_id=state.order_id, case_id=case_id, lines=lines, exchanged=exchanged)
