"""What becomes of a wish to cancel: a case of its own, the open one that wants the same, or a refusal. Pure."""

from __future__ import annotations

from datetime import datetime

from chassis.record import Refusal
from contracts.message import CaseId, Message
from contracts.order import CancellationNotAccepted, CancelledLine, CancelOrder
from services.order import cases, deciding, parcel
from services.order.model import REQUESTS_MAX, Case, Order, Request, Road
from services.order.pieces import NotCancellable, covers_all_left, pieces_to_cancel
from services.order.policies import Policy
from services.order.reason import Chosen, NotGiven, ReasonList, chosen
from services.order.tasks import refund_to_match

Decision = tuple[Order, list[Message]]

CASES_MAX = 50
CASE_LINES_MAX = 10_000
"""Cases of an order, and lines of all its cases, once for each wish that was answered with them, after which its
customer opens no more, and no wish is told them again. Each is kept with the order for ever, with what was said of it,
and one that is taken back at once costs nothing: thousands of them, or forty of an order of 2,000 lines, are more than
the database keeps in one record."""

_TOO_LATE = {
    "cancelled": "already-cancelled",
    "delivered": "already-shipped",
    "completed": "already-completed",
}


def request_cancellation(
    order: Order | None, asked: CancelOrder, policy: Policy, reasons: ReasonList, at: datetime
) -> Decision:
    """Open a case, or meet the one that the same request, or the same wish, has opened. Raises Refusal."""
    order = expect_own(order, asked)
    for case in order.cases:
        request = case.met_by(asked.request_id)
        if request is not None:
            if request.fingerprint != asked.fingerprint:
                raise _refusal(asked, "idempotency-key-reused")
            return order, [cases.accepted(order, case)]
    reason = reason_chosen(asked, reasons)
    lines, standing = pieces_wanted(order, asked), order.open_case
    if standing is not None:
        return _meet(order, standing, asked)
    return _open(order, asked, reason, lines, policy, at)


def expect_own(order: Order | None, asked: CancelOrder) -> Order:
    """The order, if there is one and a customer's wish comes from whose it is. Raises Refusal, the same for both."""
    if order is None or (asked.by.kind == "customer" and asked.by.id != order.customer_id):
        raise _refusal(asked, "unknown-order")
    return order


def reason_chosen(asked: CancelOrder, reasons: ReasonList) -> Chosen:
    """The reason of this wish, as a case keeps it. Raises Refusal."""
    try:
        return chosen(asked, reasons)
    except NotGiven as refused:
        about = {"order_id": asked.order_id, **refused.about}
        raise Refusal(CancellationNotAccepted.model_validate(about)) from refused


def pieces_wanted(order: Order, asked: CancelOrder) -> tuple[CancelledLine, ...]:
    """What this wish would give back, or the open case that wants the same. Raises Refusal for everything that stands
    in its way before any rule is asked: an exchange under way, a refund of which nobody has said yet what it was for,
    the order's state, its lines, an open case that wants others or takes no wishes, too many cases of a customer."""
    standing = order.open_case
    if order.open_exchange is not None:
        raise _refusal(asked, "cancellation-open", because="exchange-open")
    # Of a cancelled order only money is under way, if anything is: that case has no pieces, and no wish meets it.
    if order.state in _TOO_LATE and (standing is None or order.state == "cancelled"):
        raise _refusal(asked, _TOO_LATE[order.state])
    if standing is None and asked.by.kind != "staff" and refund_to_match(order):
        raise _refusal(asked, "cancellation-open", because="refund-to-match")
    if standing is None and _asks_too_often(order, asked):
        raise _refusal(asked, "cancellation-open", because="too-many-cancellations")
    try:
        lines = pieces_to_cancel(order, asked.lines)
    except NotCancellable as problem:
        raise _refusal(asked, problem.reason, detail=problem.detail) from problem
    if standing is not None and (lines != standing.lines or takes_no_wishes(standing)):
        raise _refusal(asked, "cancellation-open", open_case_id=standing.case_id)
    if order.state == "pending-payment" and not covers_all_left(order, lines):
        raise _refusal(asked, "cancel-whole-unpaid-order")
    return lines


def _asks_too_often(order: Order, asked: CancelOrder) -> bool:
    """Whether only the shop cancels more of it. What has happened in another system is taken over all the same."""
    if asked.by.kind != "customer" or asked.reference is not None:
        return False
    return len(order.cases) >= CASES_MAX or _lines_told(order) >= CASE_LINES_MAX


def _lines_told(order: Order) -> int:
    return sum(len(case.lines) * max(1, len(case.requests)) for case in order.cases)


def takes_no_wishes(case: Case) -> bool:
    """Whether it began because nobody paid: it ends without a word where somebody did, and a wish that it had met
    would be forgotten with it."""
    return case.nobody_paid


def _meet(order: Order, standing: Case, asked: CancelOrder) -> Decision:
    """A second request meets the open case that wants the same pieces."""
    if len(standing.requests) >= REQUESTS_MAX or _lines_told(order) >= CASE_LINES_MAX:
        raise _refusal(asked, "cancellation-open", open_case_id=standing.case_id)
    met = standing.model_copy(
        update={"requests": (*standing.requests, Request(id=asked.request_id, fingerprint=asked.fingerprint))}
    )
    return order.with_case(met), [cases.accepted(order, met)]


def _open(
    order: Order,
    asked: CancelOrder,
    why: Chosen,
    lines: tuple[CancelledLine, ...],
    policy: Policy,
    at: datetime,
) -> Decision:
    amount = sum(line.amount_minor for line in lines)
    road: Road = "unpaid" if order.state == "pending-payment" else "paid" if amount else "no-money"
    road = "returned" if order.state == "shipped" else road
    after, says = cases.open_case(
        order,
        at,
        road=road,
        lines=lines,
        amount_minor=amount,
        whole=covers_all_left(order, lines),
        reason=why.reason,
        words=why.words,
        solution=why.solution,
        by=asked.by,
        requests=(Request(id=asked.request_id, fingerprint=asked.fingerprint),),
        occurred_at=asked.reference.occurred_at if asked.reference else at,
        reference=asked.reference.number if asked.reference else "",
        ruling=deciding.ruling(order, asked, why.reason, lines, policy, at),
    )
    after = after.model_copy(update={"state": "cancelling"})
    case = after.cases[-1]
    if case.ruling is not None and case.ruling.waits_for == "parcel":
        after, more = parcel.call_back(after, case, at)
        return after, [*says, *more]
    return after, says


def _refusal(
    asked: CancelOrder, reason: str, *, open_case_id: CaseId | None = None, detail: str = "", because: str = ""
) -> Refusal:
    more = {"open_case_id": open_case_id, "detail": detail, "because": because}
    return Refusal(CancellationNotAccepted.model_validate({"order_id": asked.order_id, "reason": reason, **more}))
