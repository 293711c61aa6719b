"""What an order hears, and what people choose, when a refund does not go its usual way."""

from __future__ import annotations

from datetime import timedelta

from contracts import inventory, payment
from contracts.message import Money, RefundNumber
from contracts.order import Reason
from contracts.task import ResolveTask
from tests.unit.order.told import (
    CASE,
    ID,
    STAFF,
    Told,
    accepted,
    cancel,
    held,
    paid_order,
    released,
    told,
)

OUT_OF_STOCK = Reason(family="merchant", code="out-of-stock")
BY_TRANSFER = payment.RefundAccepted(
    order_id=ID,
    case_id=CASE,
    refund_number=RefundNumber("t1"),
    amount=Money(amount_minor=1900),
    route="微信零钱(商家转账)",
    accepted_at=paid_order().now,
    confirm_by=paid_order().now + timedelta(hours=24),
)


def taken_again(attempt: int = 1) -> inventory.StockTakenAgain:
    return inventory.StockTakenAgain(order_id=ID, case_id=CASE, attempt=attempt)


def sold(attempt: int = 1) -> inventory.StockNotTakenAgain:
    return inventory.StockNotTakenAgain(order_id=ID, case_id=CASE, attempt=attempt, reason="out-of-stock")


def resumed(attempt: int) -> payment.RefundResumed:
    return payment.RefundResumed(order_id=ID, case_id=CASE, attempt=attempt)


def not_resumed(attempt: int, status: str = "unknown") -> payment.RefundNotResumed:
    return payment.RefundNotResumed(order_id=ID, case_id=CASE, attempt=attempt, status=status)


def mismatch() -> payment.RefundAttempted:
    return payment.RefundAttempted(
        order_id=ID,
        case_id=CASE,
        refund_number=RefundNumber("o1-c1-1"),
        outcome="unknown",
        provider_code="MISMATCH",
        attempt=1,
    )


def choose(order: Told, choice: str, note: str = "") -> Told:
    open_tasks = [task for task in order.order.tasks if task.done_at is None]
    return order.hears(ResolveTask(order_id=ID, task_id=open_tasks[-1].task_id, choice=choice, note=note, by=STAFF))


def arriving(reason: Reason | None = None) -> Told:
    """A case whose refund is on its way."""
    wish = cancel() if reason is None else cancel(reason=reason, by=STAFF)
    return paid_order().hears(wish, held(), accepted(), released(), told("refund-on-its-way"))


def found(amount: int) -> payment.RefundFound:
    return payment.RefundFound(
        order_id=ID,
        refund_number=RefundNumber("platform-1"),
        amount=Money(amount_minor=amount),
        found_at=paid_order().now,
    )
