"""A parcel that has left: the warehouse stops it or waits for it to come back, and only then money moves. Until the
warehouse has reported, the case waits like one that waits for approval, and can be taken back. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chassis.record import Refusal
from chassis.saga import Run
from contracts.inventory import StockHoldRefused
from contracts.message import Event, Message
from contracts.task import GoodsBack, ResolveTask, TaskNotResolved
from services.order.announcing import announce
from services.order.cancellation import ROADS, Cancellation
from services.order.model import Case, Order, Task
from services.order.policies import Ruling
from services.order.returned import Parcel
from services.order.tasks import raise_task

Decision = tuple[Order, list[Message]]

KIND = "intercept-parcel"
BACK = ("intercepted", "returned")
"""What the warehouse reports of goods that are in its hands again."""
ROLES = ("warehouse", "supervisor", "administrator")
"""Who sees parcels."""


def call_back(order: Order, case: Case, at: datetime) -> Decision:
    """Ask the warehouse to stop the parcel, or to wait for it; the case waits for its report."""
    ruling = case.ruling or Ruling(rule="", policy_version=0)
    waits = ruling.model_copy(update={"waits_for": "parcel", "until": None, "over": False})
    road = ROADS["returned"]
    run = Run(saga=road.name, version=road.version, step="", entered_at=at)
    waiting = case.model_copy(update={"road": "returned", "ruling": waits, "run": run})
    after = order.with_case(waiting).noting(at, "parcel-called-back", case.case_id)
    after, task = raise_task(after, waiting, "intercept-parcel", at)
    return after, [task, *announce(order, waiting, at)]


def was_faster(case: Case, message: Event) -> bool:
    """Whether it had left before its cancellation began."""
    asking = case.run.step == "hold the stock" and case.run.status == "running"
    return isinstance(message, StockHoldRefused) and message.reason == "already-dispatched" and asking


def reported(order: Order, case: Case, asked: ResolveTask, at: datetime) -> Decision:
    """The warehouse says what became of the parcel. Raises Refusal."""
    if asked.by.role not in ROLES:
        raise not_resolved(asked, "not-a-choice", because="not-your-task")
    if not case.waits or case.ruling is None or case.ruling.waits_for != "parcel":
        raise not_resolved(asked, "not-a-choice")
    goods = counted(case, asked) if asked.choice in BACK else ()
    parcel = Parcel.model_validate({"found": asked.choice, "goods": goods, "at": at, "by": asked.by})
    begun = case.model_copy(update={"parcel": parcel, "ruling": case.ruling.model_copy(update={"over": True})})
    if asked.choice in BACK:
        return _walk(order.noting(at, "parcel-came-back", case.case_id, found=asked.choice), begun, "returned", at)
    gone = begun.model_copy(update={"refusal": asked.choice})
    return _walk(order.noting(at, "parcel-not-back", case.case_id, found=asked.choice), gone, "rejected", at)


def counted(case: Case, asked: ResolveTask) -> Sequence[GoodsBack]:
    """What came back, each piece of the case good or damaged. Raises Refusal when that is not said of exactly these
    pieces."""
    wanted = {line.line_no: line.quantity for line in case.lines}
    found: dict[int, int] = {}
    for line in asked.goods:
        found[line.line_no] = found.get(line.line_no, 0) + line.good + line.damaged
    for line_no in sorted(wanted.keys() | found.keys()):
        if wanted.get(line_no, 0) != found.get(line_no, 0):
            detail = f"line {line_no}: {wanted.get(line_no, 0)} wanted, {found.get(line_no, 0)} reported"
            raise not_resolved(asked, "not-a-choice", because="goods-incomplete", detail=detail)
    return asked.goods


def same_report(case: Case, task: Task, asked: ResolveTask) -> bool:
    """Whether this repeats what was reported before."""
    return task.kind != KIND or (case.parcel.goods if case.parcel else ()) == tuple(asked.goods)


def pay_back(order: Order, case: Case, at: datetime) -> Decision:
    """The goods are in the house again: now their money goes back, if any was paid for them."""
    return _walk(order, case, "refund-returned" if case.amount.amount_minor else "returned-free", at)


def let_go(order: Order, case: Case, at: datetime) -> Order:
    """The order without an open wish to the warehouse about this case: it was taken back."""
    tasks = tuple(
        task.model_copy(update={"done_at": at, "note": "the cancellation was taken back"})
        if (task.case_id, task.kind) == (case.case_id, KIND) and task.done_at is None
        else task
        for task in order.tasks
    )
    return order.model_copy(update={"tasks": tasks})


def _walk(order: Order, case: Case, road: str, at: datetime) -> Decision:
    on = case.model_copy(update={"road": road})
    run, says = ROADS[road].start(Cancellation.of(order, on), at)
    return order.with_case(on.model_copy(update={"run": run})), says


def not_resolved(asked: ResolveTask, reason: str, *, because: str = "", detail: str = "") -> Refusal:
    """The refusal of a report; nothing was changed."""
    about = {"order_id": asked.order_id, "task_id": asked.task_id, "reason": reason}
    return Refusal(TaskNotResolved.model_validate({**about, "because": because, "detail": detail}))
