"""How a case is opened, walked along its road, and closed. Pure."""

from __future__ import annotations

from datetime import datetime

from chassis.record import Refusal
from chassis.saga import Run
from contracts.message import CaseId, Event, Message, Money, RefundNumber
from contracts.order import (
    Actor,
    CancellationAccepted,
    CancellationCompleted,
    CancellationNotAccepted,
    CancelledLine,
    CancelOrder,
    Reason,
)
from contracts.payment import PaymentCloseRefused, RefundAccepted, RefundRefused, RefusalReason
from services.order import deciding, failed, parcel, unpaid
from services.order.announcing import announce
from services.order.cancellation import ROADS, SAGAS, Cancellation
from services.order.failed import learn
from services.order.model import REQUESTS_MAX, Case, Order, Request, Road
from services.order.otherroads import transfer_when
from services.order.pieces import NotCancellable, covers_all_left, pieces_to_cancel
from services.order.policies import Policy, Ruling
from services.order.reason import Chosen, NotGiven, ReasonList, ReasonWords, chosen
from services.order.tasks import close_tasks, match, raise_task, refund_to_match
from services.order.timeline import moment_of

Decision = tuple[Order, list[Message]]

CLOSING = "close the payment"
TAKING_OVER = "take over the refund"

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
            return order, [accepted(order, case)]
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
    the order's state, its lines, an open case that wants others."""
    standing = order.open_case
    if order.open_exchange is not None:
        raise _refusal(asked, "cancellation-open", because="exchange-open")
    if standing is None and order.state in _TOO_LATE:
        raise _refusal(asked, _TOO_LATE[order.state])
    if standing is None and asked.by.kind != "staff" and refund_to_match(order):
        raise _refusal(asked, "cancellation-open", because="refund-to-match")
    try:
        lines = pieces_to_cancel(order, asked.lines)
    except NotCancellable as problem:
        raise _refusal(asked, problem.reason, detail=problem.detail) from problem
    if standing is not None and lines != standing.lines:
        raise _refusal(asked, "cancellation-open", open_case_id=standing.case_id)
    if order.state == "pending-payment" and not covers_all_left(order, lines):
        raise _refusal(asked, "cancel-whole-unpaid-order")
    return lines


def _meet(order: Order, standing: Case, asked: CancelOrder) -> Decision:
    """A second request meets the open case that wants the same pieces."""
    if len(standing.requests) >= REQUESTS_MAX:
        raise _refusal(asked, "cancellation-open", open_case_id=standing.case_id)
    met = standing.model_copy(
        update={"requests": (*standing.requests, Request(id=asked.request_id, fingerprint=asked.fingerprint))}
    )
    return order.with_case(met), [accepted(order, met)]


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
    after, says = open_case(
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


def open_case(
    order: Order,
    at: datetime,
    *,
    road: Road,
    lines: tuple[CancelledLine, ...],
    amount_minor: int,
    whole: bool,
    reason: Reason,
    words: ReasonWords | None = None,
    solution: str = "",
    by: Actor,
    requests: tuple[Request, ...] = (),
    occurred_at: datetime,
    reference: str = "",
    transfer: tuple[RefusalReason, ...] | None = None,
    found: RefundNumber | None = None,
    ruling: Ruling | None = None,
) -> Decision:
    """Put a new case into the order and take the first step of its road, unless its ruling makes it wait. `transfer`:
    refusals after which its money goes as a transfer, by default what the table of other roads says."""
    case = Case(
        case_id=CaseId(f"{order.order_id}-c{len(order.cases) + 1}"),
        road=road,
        requests=requests,
        lines=lines,
        amount=Money(amount_minor=amount_minor, currency=order.currency),
        whole=whole,
        reason=reason,
        words=words,
        solution=solution,
        by=by,
        state_before=order.state,
        run=Run(saga=ROADS[road].name, version=ROADS[road].version, step="", entered_at=at),
        accepted_at=at,
        occurred_at=occurred_at,
        reference=reference,
        transfer_when=transfer_when(reason.family, road, order.state, amount_minor) if transfer is None else transfer,
        found=found,
        ruling=ruling,
    )
    says: list[Message] = []
    placing = order.placing
    if not case.waits:
        run, says = ROADS[road].start(Cancellation.of(order, case), at)
        case, placing = case.model_copy(update={"run": run}), None
        says = [*announce(order, case, at), *says]
    step = case.run.step or (case.ruling.waits_for if case.ruling else "")
    code, who = reason.word or reason.code, f"{by.kind} {by.id}".strip()
    after = order.with_case(case).noting(at, "cancellation-accepted", case.case_id, reason=code, by=who, step=step)
    return after.model_copy(update={"placing": placing}), [accepted(after, case), *says]


def accepted(order: Order, case: Case) -> CancellationAccepted:
    """The event that tells of an open case."""
    return CancellationAccepted(
        order_id=order.order_id,
        case_id=case.case_id,
        customer_id=order.customer_id,
        customer_group=order.customer_group,
        whole=case.whole,
        lines=case.lines,
        amount=case.amount,
        reason=case.reason,
        by=case.by,
        accepted_at=case.accepted_at,
        occurred_at=case.occurred_at,
        reference=case.reference,
        waits_for=case.ruling.waits_for if case.ruling else "",
        rule=case.ruling.rule if case.ruling else "",
        policy_version=case.ruling.policy_version if case.ruling else 0,
    )


def hear_answer(order: Order, case: Case, message: Event, at: datetime) -> Decision:
    """A participant answered. An answer that the case does not wait for changes nothing."""
    if case.status != "open" or case.waits:
        return order, []
    if isinstance(message, PaymentCloseRefused) and case.road == "unpaid":
        return _turned_out_paid(order, case, message, at)
    if isinstance(message, RefundRefused) and case.run.step == TAKING_OVER:
        over = case.run.model_copy(update={"status": "undone", "wake_at": None})
        ended = learn(case, message).model_copy(update={"run": over})
        return _undo(order.with_moment(moment_of(message, at)), ended, at)
    if parcel.was_faster(case, message):
        return parcel.call_back(order.with_moment(moment_of(message, at)), case, at)
    learned = learn(case, message)
    if isinstance(message, RefundAccepted) and case.found is None:
        order = match(order, case, message.refund_number, at)
    saga = SAGAS[case.run.saga]
    run, says = saga.hear(case.run, message, Cancellation.of(order, learned), at)
    if run is case.run:
        return failed.after_acceptance(order, case, message, at)
    walked = learned.model_copy(update={"run": run})
    after = order.with_case(walked).with_moment(moment_of(message, at, step=run.step))
    if run.ended:
        after, more = _end(after, walked, at)
        return after, [*says, *more]
    return after, says


def wake(order: Order, case: Case, at: datetime) -> Decision:
    """The deadline of the case's step has come."""
    if case.waits:
        return deciding.wake(order, case, at)
    run, says = SAGAS[case.run.saga].wake(case.run, Cancellation.of(order, case), at)
    if run is case.run:
        return order, []
    says = [*says, *failed.pass_on_again(order, case)]
    turned = run.status == "undoing" and case.run.status == "running"
    walked = case.model_copy(update={"run": run, "refusal": "no-answer" if turned else case.refusal})
    what = "turned-back" if turned else "asked-again"
    after = order.with_case(walked).noting(at, what, case.case_id, step=run.step, attempt=str(run.attempts))
    if run.attention_at is not None and case.run.attention_at is None:
        after, more = failed.call_somebody(after, walked, at)
        says = [*says, *more]
    return after, says


def _turned_out_paid(order: Order, case: Case, message: PaymentCloseRefused, at: datetime) -> Decision:
    """The order turns out to be paid: the money has to go back too. On the paid road, unless the payment had been
    closed before: then its goods are being given away already, and what came too late goes back when the case ends."""
    # It may never have heard that its payment was opened: from now on it asks for what was received.
    order = unpaid.wait(order, at, unpaid.SOON)
    if case.run.step != CLOSING:
        return order.with_moment(moment_of(message, at, step=case.run.step)), []
    ways = transfer_when(case.reason.family, "paid", "paid", case.amount.amount_minor)
    on = case.model_copy(update={"road": "paid", "state_before": "paid", "transfer_when": ways})
    run, says = ROADS["paid"].start(Cancellation.of(order, on), at)
    return order.with_case(on.model_copy(update={"run": run})).with_moment(moment_of(message, at, step=run.step)), says


def _end(order: Order, case: Case, at: datetime) -> Decision:
    done = case.run.status == "done"
    if case.road == "returned":
        return parcel.pay_back(order, case, at)
    if case.road in ("resumed", "given-back", "refund-returned") and not done:
        return failed.wait_for_a_person(order, case, at)
    if done and case.road not in ("given-back", "rejected"):
        return _complete(order, case, at)
    return _undo(order, case, at)


def _complete(order: Order, case: Case, at: datetime) -> Decision:
    ended = case.model_copy(update={"status": "completed", "ended_at": at})
    given = {line.line_no: line for line in case.lines}
    lines = tuple(line.give_back(given[line.line_no]) if line.line_no in given else line for line in order.lines)
    state = "cancelled" if all(line.left == 0 for line in lines) else case.state_before
    after = order.with_case(ended).model_copy(update={"lines": lines, "state": state})
    after = close_tasks(after, ended, at, "it went on by itself").noting(at, "cancellation-completed", case.case_id)
    completed = CancellationCompleted(
        order_id=order.order_id,
        case_id=case.case_id,
        customer_id=order.customer_id,
        customer_group=order.customer_group,
        whole=case.whole,
        lines=case.lines,
        refunded=Money(amount_minor=case.refund.amount.amount_minor if case.refund else 0, currency=order.currency),
        reason=case.reason,
        completed_at=at,
        occurred_at=case.occurred_at,
        reference=case.reference,
        after_alternatives=len(order.alternatives) if state == "cancelled" else 0,
    )
    after, says = _refund_if_late(unpaid.ask_on(after, case, at), case, at)
    return after, [completed, *says]


def _undo(order: Order, case: Case, at: datetime) -> Decision:
    ended = case.model_copy(update={"status": "undone", "ended_at": at})
    after = order.with_case(ended).model_copy(update={"state": case.state_before})
    after = after.noting(at, "cancellation-undone", case.case_id, refusal=case.refusal)
    if case.road == "rejected":
        return after, [deciding.undone(order, ended)]
    after, task = raise_task(after, ended, "refund-refused", at)
    after, says = _refund_if_late(after, ended, at)
    return after, [deciding.undone(order, ended), task, *says]


def _refund_if_late(order: Order, case: Case, at: datetime) -> Decision:
    return refund_late_payment(order, at) if unpaid.was_paid_late(order, case) else (order, [])


def refund_late_payment(order: Order, at: datetime) -> Decision:
    """Money has arrived for an order that is cancelled: what was not given back by hand goes, by a case of its own."""
    assert order.paid is not None
    if order.paid.amount_minor <= order.refunded_minor:
        return order, []
    return open_case(
        order,
        at,
        road="late-payment",
        lines=(),
        amount_minor=order.paid.amount_minor - order.refunded_minor,
        whole=False,
        reason=Reason(family="system", code="late-payment"),
        by=Actor(kind="system", id="late-payment"),
        occurred_at=at,
    )


def _refusal(
    asked: CancelOrder, reason: str, *, open_case_id: CaseId | None = None, detail: str = "", because: str = ""
) -> Refusal:
    more = {"open_case_id": open_case_id, "detail": detail, "because": because}
    return Refusal(CancellationNotAccepted.model_validate({"order_id": asked.order_id, "reason": reason, **more}))
