"""What waits for a person, and the commands by which a person decides. Said and heard by the order service."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from contracts.message import CaseId, Command, Event, OrderId, answered_by
from contracts.order import COMMANDS, EVENTS, Actor


class GoodsBack(BaseModel):
    """Pieces of one line that are in the warehouse again: those that can be sold, and the others (what is missing
    counts as damaged)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    line_no: int = Field(ge=1)
    good: int = Field(0, ge=0, le=1_000_000)
    damaged: int = Field(0, ge=0, le=1_000_000)


@EVENTS.carries("staff-task-raised.v2")
class StaffTaskRaised(Event):
    """A person has to look: `what` says what is true now, `choices` what can be done about it by `ResolveTask`. `kind`
    is an open list: refund-refused, refund-stuck, no-answer, cannot-give-back, refund-made-outside, …"""

    order_id: OrderId
    case_id: CaseId
    task_id: str
    kind: str = Field(max_length=32)
    what: str
    choices: tuple[str, ...] = ()
    raised_at: AwareDatetime


@EVENTS.carries("task-resolved.v1")
class TaskResolved(Event):
    """What was chosen is under way, the task is closed. Should it fail, a new task says so."""

    order_id: OrderId
    task_id: str
    choice: str
    by: Actor
    resolved_at: AwareDatetime


@EVENTS.carries("task-not-resolved.v1")
class TaskNotResolved(Event):
    """Nothing was changed. `because`: a finer word for the reason (open list: goods-incomplete, not-your-task)."""

    order_id: OrderId
    task_id: str
    reason: Literal["unknown-task", "already-resolved", "not-a-choice", "proof-required"]
    choices: tuple[str, ...] = ()
    because: str = Field("", max_length=32)
    detail: str = ""


@answered_by(yes=TaskResolved, no=TaskNotResolved, same=("order_id", "task_id"))
@COMMANDS.carries("resolve-task.v1")
class ResolveTask(Command):
    """Do what was chosen about a task. `note`: the proof when money was paid outside this system, else a remark.
    `goods`: of a parcel that was `intercepted` or `returned`, what is in the warehouse again, every piece of
    the case."""

    order_id: OrderId
    task_id: str = Field(max_length=64)
    choice: str = Field(max_length=32)
    note: str = Field("", max_length=500)
    by: Actor
    goods: tuple[GoodsBack, ...] = Field((), max_length=2_000)
