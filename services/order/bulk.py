"""One command for many tasks: what it would do to each, and the digest that says so. Pure.

The plan is made by deciding each task as the command for one task does, and throwing the decision away. So what is
shown is what would be done, and a plan made again has another digest as soon as anything that was shown has changed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic_core import to_json

from chassis.record import Refusal
from contracts.message import Fen, OrderId
from contracts.order import Actor
from contracts.task import ResolveTask
from services.order import resolving
from services.order.model import Order
from services.order.problems import problem, problem_of
from services.order.work import Word, choice_for

TASKS_MAX = 200


class Standing(BaseModel):
    """How things stand about a task, for whoever compares before and after."""

    model_config = ConfigDict(frozen=True)

    order: str
    case: str
    road: str
    task: str


class Planned(BaseModel):
    """One task of a bulk command: `choice` is what the command means for it; `refusal`, with its words, says why it
    will not be done; `amount_minor` (fen) is the case's money; `before`: as it stood when this was planned."""

    model_config = ConfigDict(frozen=True)

    task_id: str
    order_id: str = ""
    case_id: str = ""
    kind: str = ""
    choice: str = ""
    refusal: str = ""
    zh: str = ""
    en: str = ""
    amount_minor: Fen = 0
    currency: str = "CNY"
    before: Standing | None = None


class Plan(BaseModel):
    """What a bulk command would do, task by task, in the order they were named."""

    model_config = ConfigDict(frozen=True)

    command: Word
    note: str
    tasks: tuple[Planned, ...]

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of all that is shown: whoever names it has seen this plan and no other."""
        return hashlib.sha256(to_json(self.model_dump(exclude_defaults=True))).hexdigest()

    @property
    def to_do(self) -> tuple[Planned, ...]:
        """The tasks that are not refused."""
        return tuple(task for task in self.tasks if not task.refusal)


def order_of(task_id: str) -> str:
    """A task carries its order's id."""
    return task_id.rsplit("-", 2)[0]


def plan(
    orders: Mapping[str, Order], task_ids: Iterable[str], command: Word, note: str, by: Actor, at: datetime
) -> Plan:
    """What the command would do to each task. Two tasks of one order are decided one after the other."""
    standing = dict(orders)
    planned = []
    for task_id in task_ids:
        order = standing.get(order_of(task_id))
        one = _planned(order, task_id, command)
        if order is not None and not one.refusal:
            try:
                standing[order.order_id], _ = resolving.resolve(order, wish(one, note, by), at)
            except Refusal as refusal:
                refused = problem_of(refusal.event)
                one = one.model_copy(update={"refusal": refused.code, "zh": refused.zh, "en": refused.en})
        planned.append(one)
    return Plan(command=command, note=note, tasks=tuple(planned))


def wish(task: Planned, note: str, by: Actor) -> ResolveTask:
    """The command for one task."""
    return ResolveTask(order_id=OrderId(task.order_id), task_id=task.task_id, choice=task.choice, note=note, by=by)


def sums(tasks: Sequence[Planned]) -> list[dict[str, Any]]:
    """The money of these tasks' cases, per currency."""
    found: defaultdict[str, int] = defaultdict(int)
    for one in {task.case_id: task for task in tasks}.values():  # two tasks of a case are about the same money
        found[one.currency] += one.amount_minor
    return [{"currency": currency, "amount_minor": amount} for currency, amount in sorted(found.items())]


def standing_of(order: Order, task_id: str) -> Standing | None:
    """How things stand about this task now, or None when there is no such task."""
    task = order.task(task_id)
    case = order.case(task.case_id) if task is not None else None
    if task is None or case is None:
        return None
    said = "open" if task.done_at is None else f"done: {task.choice}".rstrip(": ")
    return Standing(order=order.state, case=case.status, road=case.road, task=said)


def _planned(order: Order | None, task_id: str, command: Word) -> Planned:
    """The task and what the command means for it; a task that is closed is decided, and refused, as any other."""
    task = order.task(task_id) if order is not None else None
    case = order.case(task.case_id) if order is not None and task is not None else None
    if order is None or task is None or case is None:
        return _refused(Planned(task_id=task_id, order_id=order_of(task_id)), "unknown-task")
    one = Planned(
        task_id=task_id,
        order_id=order.order_id,
        case_id=case.case_id,
        kind=task.kind,
        choice=choice_for(task, command) or "",
        amount_minor=case.amount.amount_minor,
        currency=case.amount.currency,
        before=standing_of(order, task_id),
    )
    if task.done_at is not None:
        return _refused(one, "already-resolved")
    return one if one.choice else _refused(one, "not-a-choice")


def _refused(task: Planned, code: str) -> Planned:
    words = problem(code)
    return task.model_copy(update={"refusal": code, "zh": words.zh, "en": words.en})
