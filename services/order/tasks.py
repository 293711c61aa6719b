"""Tasks for staff: what is true now, what can be done."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from contracts.order import StaffTaskRaised
from services.order.model import Case, Order, Task
from services.order.words import refusal_in_words

Kind = Literal["refund-refused", "refund-stuck", "no-answer"]


def raise_task(order: Order, case: Case, kind: Kind, at: datetime) -> tuple[Order, StaffTaskRaised]:
    """The order with one more open task, and the event that tells of it."""
    number = sum(task.case_id == case.case_id for task in order.tasks) + 1
    zh, en = _words(case, kind)
    task = Task(task_id=f"{case.case_id}-t{number}", case_id=case.case_id, kind=kind, zh=zh, en=en, raised_at=at)
    raised = StaffTaskRaised(
        order_id=order.order_id, case_id=case.case_id, task_id=task.task_id, kind=kind, what=en, raised_at=at
    )
    after = order.model_copy(update={"tasks": (*order.tasks, task)})
    return after.noting(at, "task-raised", case.case_id, task=task.task_id, kind=kind), raised


def has_open_task(order: Order, case: Case, kind: Kind) -> bool:
    """Whether someone has been asked already."""
    return any(task.case_id == case.case_id and task.kind == kind and task.done_at is None for task in order.tasks)


def _words(case: Case, kind: Kind) -> tuple[str, str]:
    amount = f"{case.amount.amount_minor / 100:.2f} {case.amount.currency}"
    if kind == "refund-refused":
        return (
            f"退款 {amount} 被拒绝({refusal_in_words(case.refusal, 'zh')}),订单已恢复原状,顾客已收到通知。"
            "请联系顾客:发货,或线下退款后登记。",
            f"The refund of {amount} was refused ({refusal_in_words(case.refusal, 'en')}). The order is as it was and "
            "the customer has been told. Talk to the customer: ship the order, or pay the money back another way.",
        )
    if kind == "refund-stuck":
        return (
            f"退款 {amount} 未到账,系统会继续查询。请检查商户余额与支付平台的退款状态。",
            f"The refund of {amount} has not arrived; it is still being asked for. Check the merchant balance and the "
            "refund at the provider. Never refund by hand while it is under way.",
        )
    return (
        f"步骤“{case.run.step}”一直没有回应,系统会继续询问。请检查相应服务。",
        f"Nobody has answered the step “{case.run.step}”; it is still being asked. Check the service that should.",
    )
