"""Tasks for staff: what is true now, what can be done. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from contracts.message import RefundNumber
from contracts.payment import RefusalReason
from contracts.task import StaffTaskRaised
from services.order.model import Case, Order, Task
from services.order.otherroads import TRANSFERABLE_FEN
from services.order.words import task_in_words

Kind = Literal[
    "refund-refused",
    "refund-stuck",
    "refund-abnormal",
    "cannot-give-back",
    "refund-made-outside",
    "shipping-record",
    "no-answer",
    "intercept-parcel",
]

MATCHING: Kind = "refund-made-outside"
"""A person has to say what a refund was for that nobody had asked for."""

ABOUT_REFUND: tuple[Kind, ...] = (
    "refund-refused",
    "refund-stuck",
    "refund-abnormal",
    "cannot-give-back",
    "no-answer",
)

SILENCE: tuple[Kind, ...] = ("no-answer",)

LOOKED_FOR = ("refund the payment", "see the refund arrive")
"""Steps that wait for a refund. It may have stopped at a strange answer of which no word came: asking for it again is
answered by nobody then, looking again is."""

GONE_BACK = "more-than-was-paid"
"""The refusal of money that has gone back already, or a part of it: by hand, as a rule."""

SHUT_BY_PROVIDER: tuple[RefusalReason, ...] = ("account-abnormal", "too-old", "refused-by-provider")

WISHES = ("look-again", "send-again", "transfer", "settled-outside")
"""Choices that the payment service follows, or refuses where it could pay twice."""

TRANSFERS = ("transfer", "cancel-by-transfer")

CHOICES: dict[Kind, tuple[str, ...]] = {
    "refund-refused": ("cancel-by-transfer", "done"),
    "refund-stuck": ("look-again", "send-again", "transfer", "settled-outside", "give-back"),
    "refund-abnormal": ("look-again", "done"),
    "cannot-give-back": ("give-back", "transfer", "send-again", "settled-outside"),
    "refund-made-outside": ("done",),
    "shipping-record": ("done",),
    "no-answer": ("ask-again", "done"),
    "intercept-parcel": ("intercepted", "returned", "delivered", "not-intercepted"),
}


def raise_task(
    order: Order, case: Case, kind: Kind, at: datetime, *, facts: Mapping[str, str] | None = None
) -> tuple[Order, StaffTaskRaised]:
    """The order with one more open task, and the event that tells of it. Older ones about the same refund are closed:
    what they said is no longer the whole truth."""
    number = sum(task.case_id == case.case_id for task in order.tasks) + 1
    zh, en = _words(case, kind, facts or {})
    task = Task(
        task_id=f"{case.case_id}-t{number}",
        case_id=case.case_id,
        kind=kind,
        zh=zh,
        en=en,
        choices=_choices(case, kind, facts),
        raised_at=at,
        facts=dict(facts or {}),
    )
    raised = StaffTaskRaised(
        order_id=order.order_id,
        case_id=case.case_id,
        task_id=task.task_id,
        kind=kind,
        what=en,
        choices=task.choices,
        raised_at=at,
    )
    if kind in ABOUT_REFUND:
        order = close_tasks(order, case, at, f"replaced by {task.task_id}", _replaced(case, kind))
    after = order.model_copy(update={"tasks": (*order.tasks, task)})
    return after.noting(at, "task-raised", case.case_id, task=task.task_id, kind=kind), raised


def _replaced(case: Case, kind: Kind) -> tuple[Kind, ...]:
    """What a new task makes untrue. That a step is silent which does not wait for the refund says nothing of it, nor
    the refund of that."""
    if kind in SILENCE:
        return SILENCE
    of_refund = case.run.ended or case.run.step in LOOKED_FOR
    return tuple(one for one in ABOUT_REFUND if of_refund or one not in SILENCE)


def close_tasks(order: Order, case: Case, at: datetime, note: str, kinds: tuple[Kind, ...] = ABOUT_REFUND) -> Order:
    """The order without open tasks of these kinds about this case."""
    tasks = tuple(
        task.model_copy(update={"done_at": at, "note": note})
        if task.case_id == case.case_id and task.kind in kinds and task.done_at is None
        else task
        for task in order.tasks
    )
    return order.model_copy(update={"tasks": tasks})


def has_open_task(order: Order, case: Case, *kinds: Kind) -> bool:
    """Whether someone has been asked already."""
    return any(task.case_id == case.case_id and task.kind in kinds and task.done_at is None for task in order.tasks)


def refund_to_match(order: Order) -> bool:
    """Whether money went back and a person has still to say for which goods: it may be those that are wished now."""
    return any(task.kind == MATCHING and task.done_at is None for task in order.tasks)


def matched_refunds(order: Order) -> tuple[RefundNumber, ...]:
    """Refunds nobody had asked for of which it is known what they were for: a person has said so."""
    numbers = [(task.facts.get("refund_number"), task.done_at) for task in order.tasks if task.kind == MATCHING]
    to_match = {number for number, done_at in numbers if done_at is None}
    known = dict.fromkeys(number for number, _ in numbers if number is not None and number not in to_match)
    return tuple(RefundNumber(number) for number in known)


def match(order: Order, case: Case, number: RefundNumber, at: datetime) -> Order:
    """The order without a person having to say what this refund was for: it is the case's own."""
    tasks = tuple(
        task.model_copy(update={"done_at": at, "note": f"it is the refund of {case.case_id}"})
        if task.kind == MATCHING and task.done_at is None and task.facts.get("refund_number") == number
        else task
        for task in order.tasks
    )
    return order if tasks == order.tasks else order.model_copy(update={"tasks": tasks})


def _choices(case: Case, kind: Kind, facts: Mapping[str, str] | None) -> tuple[str, ...]:
    """What fits the case and its amount: a transfer that WeChat would not make is no way out."""
    possible = _transferable(case)
    return tuple(choice for choice in _fitting(case, kind, facts) if possible or choice not in TRANSFERS)


def _fitting(case: Case, kind: Kind, facts: Mapping[str, str] | None) -> tuple[str, ...]:
    """What fits the case: while it still goes on by itself only looking does, and once somebody has looked, settling
    what the provider shows wrongly; goods that were never released, or came back as a parcel, cannot be given back; an
    undone case has no refund to go on with, and is cancelled by transfer only where the provider was the one to
    refuse. Of a late payment that has gone back otherwise nothing is left to choose: its rest follows by itself. A
    refund made by hand that the case was not made of is none's yet, also where the case was made of another."""
    choices = CHOICES[kind]
    if kind == "refund-refused" and case.road == "late-payment" and case.refusal != GONE_BACK:
        return ("transfer", "send-again", "settled-outside")
    if kind == "refund-refused" and not _shut(case):
        return ("done",)
    if kind == "refund-made-outside" and facts and facts.get("refund_number") != case.found:
        return ("take-over", "done")
    if kind == "no-answer" and case.run.step in LOOKED_FOR:
        return ("ask-again", "look-again", "done")
    if kind != "refund-stuck":
        return choices
    if not case.run.ended:
        seen_twice = case.run.step == "refund the payment" and case.decisions > 0
        return ("look-again", "settled-outside") if seen_twice else ("look-again",)
    return choices if _released(case) else tuple(choice for choice in choices if choice != "give-back")


def _shut(case: Case) -> bool:
    """Whether it was the provider who refused to send the case's money back."""
    return case.road != "no-money" and case.found is None and case.refusal in SHUT_BY_PROVIDER


def _transferable(case: Case) -> bool:
    """Whether WeChat would make a transfer of its money."""
    return case.amount.amount_minor in TRANSFERABLE_FEN


def _released(case: Case) -> bool:
    """Whether its goods went back to the shelf as one with its refund: not those of a parcel, of which only the good
    ones did, and not where nobody knows which goods the money was for."""
    return bool(case.lines) and case.parcel is None


def _words(case: Case, kind: Kind, facts: Mapping[str, str]) -> tuple[str, str]:
    wording = _undone(case) if kind == "refund-refused" else str(kind)
    if kind == "refund-stuck" and case.run.ended:
        wording = "refund-failed" if _released(case) else "refund-alone-failed"
    # A refund made by hand is not of the case that happened to be open, nor of its amount.
    minor = int(facts.get("amount_minor", case.amount.amount_minor))
    amount = f"{minor / 100:.2f} {case.amount.currency}"
    return task_in_words(wording, amount, case.refusal, case.run.step)


def _undone(case: Case) -> str:
    """Which words tell of a case that was undone."""
    if case.road == "late-payment":
        return "late-payment-gone-back" if case.refusal == GONE_BACK else "late-payment-refused"
    if case.found is not None:
        return "refund-made-outside-closed"
    if not _shut(case):
        return "not-cancelled"
    return "refund-refused" if _transferable(case) else "refund-refused-no-transfer"
