"""How a case is opened, walked along its road, and closed. Pure."""

from __future__ import annotations

from datetime import datetime

from chassis.saga import Run
from contracts.message import CaseId, Event, Message, Money, RefundNumber
from contracts.order import (
    Actor,
    CancellationAccepted,
    CancellationCompleted,
    CancelledLine,
    Reason,
)
from contracts.payment import PaymentCloseRefused, RefundAccepted, RefundRefused, RefusalReason
from services.order import deciding, failed, parcel, unpaid
from services.order.announcing import announce
from services.order.cancellation import ROADS, SAGAS, Cancellation
from services.order.failed import learn
from services.order.model import Case, Order, Request, Road
from services.order.otherroads import transfer_when
from services.order.policies import Ruling
from services.order.reason import ReasonWords
from services.order.tasks import SILENCE, close_tasks, match, raise_task
from services.order.timeline import moment_of

Decision = tuple[Order, list[Message]]

CLOSING = "close the payment"
TAKING_OVER = "take over the refund"


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
    accepted_or_begun = "cancellation-accepted" if lines else "refund-begun"
    what = "time-to-pay-over" if case.nobody_paid else accepted_or_begun
    after = order.with_case(case).noting(at, what, case.case_id, reason=code, by=who, step=step)
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
        return _not_taken_over(order, case, message, at)
    if parcel.was_faster(case, message):
        after = order.with_moment(moment_of(message, at))
        return parcel.call_back(after, case, at)
    learned = learn(case, message)
    if isinstance(message, RefundAccepted) and case.found is None:
        order = match(order, case, message.refund_number, at)
    saga = SAGAS[case.run.saga]
    run, says = saga.hear(case.run, message, Cancellation.of(order, learned), at)
    if run is case.run:
        return failed.after_acceptance(order, case, message, at)
    walked = learned.model_copy(update={"run": run})
    after = order.with_case(walked).with_moment(moment_of(message, at, step=run.step))
    if run.step != case.run.step or run.ended:
        after = close_tasks(after, walked, at, "it was answered", SILENCE)
    if run.ended:
        after, more = _end(after, walked, at)
        return after, [*says, *more]
    return after, says


def _not_taken_over(order: Order, case: Case, message: RefundRefused, at: datetime) -> Decision:
    """A refund made by hand that the provider has closed since: no money went, so the case gives nothing back."""
    return _undo(order.with_moment(moment_of(message, at)), _over(learn(case, message)), at)


def _over(case: Case) -> Case:
    """The case before it is undone: its run walks no further."""
    return case.model_copy(update={"run": case.run.model_copy(update={"status": "undone", "wake_at": None})})


def wake(order: Order, case: Case, at: datetime) -> Decision:
    """The deadline of the case's step has come."""
    if case.waits:
        return deciding.wake(order, case, at)
    saga = SAGAS[case.run.saga]
    run, says = saga.wake(case.run, Cancellation.of(order, case), at)
    if run is case.run:
        return order, []
    says = [*says, *failed.pass_on_again(order, case)]
    turned = run.status == "undoing" and case.run.status == "running"
    walked = case.model_copy(update={"run": run, "refusal": "no-answer" if turned else case.refusal})
    what = "turned-back" if turned else "asked-again"
    after = order.with_case(walked).noting(at, what, case.case_id, step=run.step, attempt=str(run.attempts))
    if run.attention_at is not None and (case.run.attention_at is None or failed.is_left_alone(order, case, at)):
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
    if unpaid.was_paid_in_time(case):
        return _undo(order.with_moment(moment_of(message, at)), _over(case).model_copy(update={"refusal": "paid"}), at)
    ways = transfer_when(case.reason.family, "paid", "paid", case.amount.amount_minor)
    paid = case.model_copy(update={"road": "paid", "state_before": "paid", "transfer_when": ways})
    run, says = ROADS["paid"].start(Cancellation.of(order, paid), at)
    paid = paid.model_copy(update={"run": run})
    return order.with_case(paid).with_moment(moment_of(message, at, step=run.step)), says


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
    what = "cancellation-completed" if case.lines else "refund-completed"
    after = close_tasks(after, ended, at, "it went on by itself").noting(at, what, case.case_id)
    refunded = case.refund.amount.amount_minor if case.refund else 0
    completed = CancellationCompleted(
        order_id=order.order_id,
        case_id=case.case_id,
        customer_id=order.customer_id,
        customer_group=order.customer_group,
        whole=case.whole,
        lines=case.lines,
        refunded=Money(amount_minor=refunded, currency=order.currency),
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
    no_goods = "payment-not-returned" if case.road == "late-payment" else "refund-not-made"
    what = "cancellation-undone" if case.lines else no_goods
    after = after.noting(at, what, case.case_id, refusal=case.refusal)
    if case.road == "rejected" or case.nobody_paid:
        # Somebody may have been called because nobody told the customer for hours; now it has been done.
        return close_tasks(after, ended, at, "it went on by itself"), [deciding.undone(order, ended)]
    after, task = raise_task(after, ended, "refund-refused", at)
    after, says = _refund_if_late(after, ended, at)
    return after, [deciding.undone(order, ended), task, *says]


def _refund_if_late(order: Order, case: Case, at: datetime) -> Decision:
    """The case is over: money that came for its cancelled order meanwhile goes back now."""
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
