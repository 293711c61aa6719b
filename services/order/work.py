"""What of an order's cases needs somebody's eye, and which commands fit it. Pure.

A case stands in at most one list:

approval: it waits for a second person's yes or no, nothing has moved.
person: it does not go on by itself, or something about it can only be done by hand, such as a parcel to be intercepted.
parked: the merchant's balance is short; it resumes by itself when there is money.
stuck: it goes on by itself, and for so long without an answer that somebody should look.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from services.order.model import Case, Moment, Order, Task

WorkList = Literal["stuck", "parked", "person", "approval"]
Word = Literal["try-again", "other-route", "settled-outside", "give-up"]

COMMANDS: Mapping[Word, tuple[str, ...]] = {
    "try-again": ("send-again", "ask-again", "look-again"),
    "other-route": ("transfer", "cancel-by-transfer"),
    "settled-outside": ("settled-outside",),
    "give-up": ("give-back",),
}
"""What an operator says, and the choices of a task that it means, the most telling first: where the money can be sent
again under its own number, only looking for it again would change nothing."""

_BY_HAND = ("refund-abnormal", "refund-made-outside", "shipping-record")
_TOLD_OF_REFUND = ("refund-attempted", "refund-accepted", "refund-refused", "refund-rerouted", "refund-arrived")


class Work(NamedTuple):
    """One entry of a list: the case, since when it stands there, and its open tasks."""

    case: Case
    list: WorkList
    since: datetime
    tasks: tuple[Task, ...]


class Tries(NamedTuple):
    """How often something was tried, when it is next tried by itself (UTC), and the provider's last word."""

    attempts: int
    next_try_at: datetime | None
    last_provider_code: str


def work_of(order: Order) -> Iterator[Work]:
    """The order's entries in all lists."""
    for case in order.cases:
        tasks = tuple(task for task in order.tasks if task.case_id == case.case_id and task.done_at is None)
        raised = [task.raised_at for task in tasks]
        parked = _parked_at(order, case)
        if case.waits:
            waits_for = case.ruling.waits_for if case.ruling is not None else ""
            if waits_for == "approval":
                yield Work(case, "approval", case.accepted_at, tasks)
            elif waits_for == "parcel":
                yield Work(case, "person", min(raised, default=case.accepted_at), tasks)
        elif case.waits_for_a_person or any(case.status != "open" or task.kind in _BY_HAND for task in tasks):
            yield Work(case, "person", min(raised, default=case.run.entered_at), tasks)
        elif parked is not None:
            yield Work(case, "parked", parked, tasks)
        elif case.run.attention_at is not None or tasks:
            yield Work(case, "stuck", min([*raised, *_given(case.run.attention_at)]), tasks)


def work_since(order: Order) -> dict[str, datetime]:
    """For each list in which the order stands: since when. The lists are found by it, the longest wait first."""
    found: dict[str, datetime] = {}
    for work in work_of(order):
        found[work.list] = min(work.since, found.get(work.list, work.since))
    return found


def choice_for(task: Task, word: Word) -> str | None:
    """What this command means for this task, or None where it does not fit."""
    return next((choice for choice in COMMANDS[word] if choice in task.choices), None)


def commands_of(work: Work) -> list[dict[str, str]]:
    """What can be said about an entry: `command` is an operator's word, `choice` and `task_id` what it means."""
    if work.list == "approval":
        return [{"command": "decide"}]
    found = []
    for task in work.tasks:
        if task.kind == "refund-abnormal":
            found.append({"command": "name-bank-card", "task_id": task.task_id})
        for word in COMMANDS:
            choice = choice_for(task, word)
            if choice is not None:
                found.append({"command": word, "task_id": task.task_id, "choice": choice})
        both = (choice for choice in ("take-over", "done") if choice in task.choices)
        found.extend({"command": choice, "task_id": task.task_id, "choice": choice} for choice in both)
    return found


def tries_of(order: Order, case: Case, now: datetime) -> Tries:
    """Of the refund where the provider is the one who is tried, else of the case's step."""
    codes = (one.detail.get("provider_code", "") for one in reversed(order.timeline) if one.case_id == case.case_id)
    code = next((code for code in codes if code), "")
    last, attempts, refund_at = _last_of_refund(order, case), case.run.attempts, None
    if last is not None and last.what == "refund-attempted":
        attempts = int(last.detail.get("attempt", attempts))
        told = last.detail.get("next_try_at", "")
        refund_at = datetime.fromisoformat(told) if told else None
    coming = [at for at in (refund_at, case.run.wake_at) if at is not None and at >= now]
    return Tries(attempts, min(coming, default=case.run.wake_at), code)


def _parked_at(order: Order, case: Case) -> datetime | None:
    last = _last_of_refund(order, case)
    if case.status != "open" or last is None or last.detail.get("outcome") != "parked":
        return None
    return last.at


def _last_of_refund(order: Order, case: Case) -> Moment | None:
    about = (one for one in reversed(order.timeline) if one.case_id == case.case_id and one.what in _TOLD_OF_REFUND)
    return next(about, None)


def _given(at: datetime | None) -> tuple[datetime, ...]:
    return () if at is None else (at,)
