"""Doing what a person chose about a task. A choice is a command, so nobody has to change a database. Pure."""

from __future__ import annotations

from datetime import datetime

from chassis.record import Refusal
from contracts.message import Message, Money, RefundNumber
from contracts.order import Actor, CancelLine, Reason
from contracts.payment import RefundFound
from contracts.task import ResolveTask, TaskNotResolved, TaskResolved
from services.order import cases, failed, parcel, unpaid
from services.order.cancellation import SAGAS, Cancellation
from services.order.model import Case, Order, Task, TaskDone
from services.order.pieces import NotCancellable, covers_all_left, pieces_to_cancel
from services.order.reason import ReasonWords
from services.order.tasks import SHUT_BY_PROVIDER, WISHES, raise_task

Decision = tuple[Order, list[Message]]

BY_HAND = ReasonWords(
    zh="商家已退款",
    en="refunded by the shop",
    solution_zh="款项按原路退回。",
    solution_en="The money goes back the way it came.",
)
"""What its customer reads of a refund that somebody made on the merchant platform, or that a restore has forgotten. The
platform's number for it stands with the case."""


def resolve(order: Order | None, asked: ResolveTask, at: datetime) -> Decision:
    """Close the task and do what was chosen. Raises Refusal."""
    task = order.task(asked.task_id) if order is not None else None
    case = order.case(task.case_id) if order is not None and task is not None else None
    if order is None or task is None or case is None:
        raise _refusal(asked, "unknown-task")
    if task.done_at is not None:
        same = (task.choice, task.note) == (asked.choice, asked.note)
        if same and parcel.same_report(case, task, asked):
            return order, [_resolved(task)]
        raise _refusal(asked, "already-resolved")
    if asked.choice not in task.choices:
        raise _refusal(asked, "not-a-choice", task.choices)
    if asked.choice == "settled-outside" and not asked.note.strip():
        raise _refusal(asked, "proof-required")
    closed = task.model_copy(update={"done_at": at, "done_by": asked.by.id, "note": asked.note, "choice": asked.choice})
    tasks = tuple(closed if one.task_id == task.task_id else one for one in order.tasks)
    order = order.model_copy(update={"tasks": tasks})
    order = order.noting(at, "task-done", task.case_id, task=task.task_id, choice=asked.choice, by=asked.by.id)
    after, says = _do(order, case, closed, asked, at)
    return after, [_resolved(closed), *says]


def only_looked_at(order: Order, heard: TaskDone) -> None:
    """Raises Refusal for a task that is more than a look: somebody's case waits for what is chosen."""
    task = order.task(heard.task_id)
    if task is not None and task.done_at is None and "done" not in task.choices:
        about = {"order_id": order.order_id, "task_id": task.task_id, "reason": "not-a-choice", "choices": task.choices}
        raise Refusal(TaskNotResolved.model_validate(about))


def _do(order: Order, case: Case, task: Task, asked: ResolveTask, at: datetime) -> Decision:
    """Raises Refusal for what would open a case beside an open one, or while goods are being exchanged."""
    standing = order.open_case
    if task.kind == parcel.KIND:
        return parcel.reported(order, case, asked, at)
    opens = asked.choice == "take-over" or (case.status != "open" and asked.choice != "done")
    if opens and (standing is not None or order.open_exchange is not None):
        raise _refusal(asked, "not-a-choice")
    if asked.choice == "ask-again":
        return _ask_again(order, case, asked, at)
    if asked.choice in WISHES:
        return failed.resume(order, case, asked.choice, asked.note, asked.by, at)
    if asked.choice == "give-back":
        return failed.take_road(order, case, "given-back", at)
    if asked.choice == "cancel-by-transfer":
        return _cancel_by_transfer(order, case, asked, at)
    if asked.choice == "take-over":
        return _take_over(
            order, RefundNumber(task.facts["refund_number"]), int(task.facts["amount_minor"]), asked.by, at
        )
    return order, []


def _ask_again(order: Order, case: Case, asked: ResolveTask, at: datetime) -> Decision:
    """The command that was not answered, once more and now. Should it stay without an answer, the case calls for a
    person again when it next asks by itself. Raises Refusal for a case that asks nobody any more."""
    if case.status != "open" or case.waits or case.run.ended:
        raise _refusal(asked, "not-a-choice")
    saga, due = SAGAS[case.run.saga], case.run.model_copy(update={"wake_at": at})
    run, says = saga.wake(due, Cancellation.of(order, case), at)
    walked = case.model_copy(update={"run": run.soon(at).model_copy(update={"attention_at": None})})
    after = order.with_case(walked).noting(at, "asked-again", case.case_id, step=run.step, attempt=str(run.attempts))
    return after, says


def _cancel_by_transfer(order: Order, case: Case, asked: ResolveTask, at: datetime) -> Decision:
    """The undone case once more, this time by the other road if the first is still shut. Raises Refusal."""
    try:
        wanted = [CancelLine(line_no=line.line_no, quantity=line.quantity) for line in case.lines]
        lines = pieces_to_cancel(order, wanted)
    except NotCancellable as problem:
        raise _refusal(asked, "not-a-choice") from problem
    if order.state != "paid":
        raise _refusal(asked, "not-a-choice")
    after, says = cases.open_case(
        order,
        at,
        road="paid",
        lines=lines,
        amount_minor=sum(line.amount_minor for line in lines),
        whole=covers_all_left(order, lines),
        reason=case.reason,
        words=case.words,
        solution=case.solution,
        by=asked.by,
        occurred_at=case.occurred_at,
        reference=case.reference,
        transfer=SHUT_BY_PROVIDER,
    )
    return after.model_copy(update={"state": "cancelling"}), says


def refund_found(order: Order, heard: RefundFound, at: datetime) -> Decision:
    """A refund was made by hand on the merchant platform. It becomes a case of its own; while another one is open a
    person has to say when, and while goods are being exchanged it waits for the end of that. One that a case has taken
    up since is known."""
    known = any(heard.refund_number in _numbers(case) for case in order.cases)
    asked = any(task.facts.get("refund_number") == heard.refund_number for task in order.tasks)
    if known or asked:
        return order, []
    exchange = order.open_exchange
    if exchange is not None:
        waits = any(one.refund_number == heard.refund_number for one in exchange.found)
        later = exchange.model_copy(update={"found": (*exchange.found, heard)})
        return (order if waits else order.with_exchange(later)), []
    if order.open_case is None:
        by = Actor(kind="system", id="reconciliation")
        return _take_over(order, heard.refund_number, heard.amount.amount_minor, by, at)
    facts = {"refund_number": heard.refund_number, "amount_minor": str(heard.amount.amount_minor)}
    after, task = raise_task(order, order.open_case, "refund-made-outside", at, facts=facts)
    return after, [task]


def _numbers(case: Case) -> tuple[RefundNumber | None, ...]:
    return (case.found, case.refund.number, *case.refund.former) if case.refund else (case.found,)


def _take_over(order: Order, number: RefundNumber, amount_minor: int, by: Actor, at: datetime) -> Decision:
    """All that was left to pay back, and nothing has been shipped: the order is cancelled. Else nobody knows which
    goods are meant: only the money is taken over, and a person hears of it. What was refunded was paid, also where the
    word of that is still under way, or lost: the order would be shipped as soon as it came, so it is asked for now."""
    order = unpaid.wait(order, at, unpaid.SOON)
    lines = pieces_to_cancel(order, ())
    whole = order.state in ("pending-payment", "paid") and sum(line.amount_minor for line in lines) == amount_minor
    after, says = cases.open_case(
        order,
        at,
        road="made-outside" if whole else "made-outside-in-part",
        lines=lines if whole else (),
        amount_minor=amount_minor,
        whole=whole,
        reason=Reason(family="system", code="other"),
        words=BY_HAND,
        by=by,
        occurred_at=at,
        found=number,
        transfer=(),
    )
    if whole:
        return after.model_copy(update={"state": "cancelling"}), says
    amount = Money(amount_minor=amount_minor, currency=order.currency)
    facts = {"refund_number": str(number), "amount_minor": str(amount.amount_minor)}
    after, task = raise_task(after, after.cases[-1], "refund-made-outside", at, facts=facts)
    return after, [*says, task]


def _resolved(task: Task) -> TaskResolved:
    assert task.done_at is not None
    return TaskResolved.model_validate(
        {
            "order_id": task.task_id.rsplit("-", 2)[0],
            "task_id": task.task_id,
            "choice": task.choice,
            "by": {"kind": "staff", "id": task.done_by},
            "resolved_at": task.done_at,
        }
    )


def _refusal(asked: ResolveTask, reason: str, choices: tuple[str, ...] = ()) -> Refusal:
    return Refusal(
        TaskNotResolved.model_validate(
            {"order_id": asked.order_id, "task_id": asked.task_id, "reason": reason, "choices": choices}
        )
    )
