"""Facts: one document per order line, case, refund, attempt and notice, each written by its own id.

Several events of one case write into one document, each into a part of its own (`accepted`, `completed`, `undone`),
so the document is the same in whatever order and however often they are heard. Times are UTC, months "YYYY-MM"
by the shop's clock, amounts minor units.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chassis.projection import Projection, Update
from contracts.alternative import AlternativeTaken
from contracts.inventory import StockReleased, StockTakenBack
from contracts.notify import CustomerTold
from contracts.order import (
    CancellationAccepted,
    CancellationCompleted,
    CancellationUndone,
    OrderPlaced,
)
from contracts.payment import RefundAttempted, RefundSettled
from contracts.rating import CancellationRated
from contracts.zone import CHINA
from services.analytics import model

ORDER_LINES = Projection(model.ORDER_LINES)
CASES = Projection(model.CASES)
REFUNDS = Projection(model.REFUNDS)
REFUND_ATTEMPTS = Projection(model.REFUND_ATTEMPTS)
NOTICES = Projection(model.NOTICES)
STOCK_RETURNS = Projection(model.STOCK_RETURNS)
RATINGS = Projection(model.RATINGS)
SAVED_ORDERS = Projection(model.SAVED_ORDERS)

PROJECTIONS = (ORDER_LINES, CASES, REFUNDS, REFUND_ATTEMPTS, NOTICES, STOCK_RETURNS, RATINGS, SAVED_ORDERS)


def month_of(at: datetime) -> str:
    """The month of the shop's clock that figures count `at` under."""
    return at.astimezone(CHINA).strftime("%Y-%m")


def _written(id: str, **facts: Any) -> Update:
    return Update({"_id": id}, {"$set": facts}, upsert=True)


@ORDER_LINES.of(OrderPlaced)
def order_lines(event: OrderPlaced) -> Sequence[Update]:
    """One document per line: `{order_id}/{line_no}`. `first_of` says for which breakdowns this line is the first of
    its order, so that orders can be counted by adding, without comparing half a million lines."""
    month = month_of(event.occurred_at)
    seen: set[tuple[str, str]] = set()
    updates = []
    for line in event.lines:
        keys = {
            "month": month,
            "product": line.product_id,
            "category": line.category,
            "group": event.customer_group,
        }
        first_of = {by: int((by, key) not in seen) for by, key in keys.items()}
        seen.update(keys.items())
        updates.append(
            _written(
                f"{event.order_id}/{line.line_no}",
                order_id=event.order_id,
                quantity=line.quantity,
                amount_minor=line.paid_minor,
                first_of=first_of,
                **keys,
            )
        )
    return updates


@CASES.of(CancellationAccepted)
def case_accepted(event: CancellationAccepted) -> Sequence[Update]:
    """The case is open."""
    return [_written(event.case_id, order_id=event.order_id, accepted=_case_facts(event))]


@CASES.of(CancellationCompleted)
def case_completed(event: CancellationCompleted) -> Sequence[Update]:
    """The case is closed and counts."""
    facts = {**_case_facts(event), "refunded_minor": event.refunded.amount_minor}
    return [_written(event.case_id, order_id=event.order_id, completed=facts)]


@CASES.of(CancellationUndone)
def case_undone(event: CancellationUndone) -> Sequence[Update]:
    """The case is closed and everything is as it was."""
    facts = {"because": event.because, "month": month_of(event.occurred_at)}
    return [_written(event.case_id, order_id=event.order_id, undone=facts)]


def _case_facts(event: CancellationAccepted | CancellationCompleted) -> dict[str, Any]:
    return {
        "month": month_of(event.occurred_at),
        "reason": event.reason.word or event.reason.code,
        "family": event.reason.family,
        "group": event.customer_group,
        "whole": event.whole,
        "quantity": sum(line.quantity for line in event.lines),
        "amount_minor": sum(line.amount_minor for line in event.lines),
        "lines": [
            {
                "product": line.product_id,
                "category": line.category,
                "quantity": line.quantity,
                "amount_minor": line.amount_minor,
            }
            for line in event.lines
        ],
    }


@REFUNDS.of(RefundSettled)
def refund_settled(event: RefundSettled) -> Sequence[Update]:
    """The money has arrived. Whose case it was is looked up when figures are asked for."""
    return [
        _written(
            event.refund_number,
            order_id=event.order_id,
            case_id=event.case_id,
            amount_minor=event.amount.amount_minor,
            month=month_of(event.settled_at),
        )
    ]


@REFUND_ATTEMPTS.of(RefundAttempted)
def refund_attempted(event: RefundAttempted) -> Sequence[Update]:
    """A call that settled nothing: `{refund_number}/{outcome}/{attempt}`."""
    return [
        _written(
            f"{event.refund_number}/{event.outcome}/{event.attempt}",
            order_id=event.order_id,
            case_id=event.case_id,
            outcome=event.outcome,
            provider_code=event.provider_code,
        )
    ]


@NOTICES.of(CustomerTold)
def customer_told(event: CustomerTold) -> Sequence[Update]:
    """One notice: `{case_id}/{outcome}`, as the notify service names it."""
    return [
        _written(
            f"{event.case_id}/{event.outcome}",
            order_id=event.order_id,
            case_id=event.case_id,
            outcome=event.outcome,
            channel=event.channel,
            month=month_of(event.told_at),
        )
    ]


@STOCK_RETURNS.of(StockReleased)
def stock_released(event: StockReleased) -> Sequence[Update]:
    """One document per line of a case that is on the shelf again: `{case_id}/{line_no}`. What was exchanged for other
    goods came back from no case."""
    return [] if event.exchanged else _on_the_shelf(event)


@STOCK_RETURNS.of(StockTakenBack)
def stock_taken_back(event: StockTakenBack) -> Sequence[Update]:
    """The same of a parcel that came back."""
    return _on_the_shelf(event)


def _on_the_shelf(event: StockReleased | StockTakenBack) -> Sequence[Update]:
    return [
        _written(
            f"{event.case_id}/{line.line_no}",
            order_id=event.order_id,
            case_id=event.case_id,
            product=line.product_id,
            quantity=line.quantity,
        )
        for line in event.lines
    ]


@RATINGS.of(CancellationRated)
def cancellation_rated(event: CancellationRated) -> Sequence[Update]:
    """One rating: a case is rated once, so it has the case's id."""
    return [
        _written(
            event.case_id,
            order_id=event.order_id,
            stars=event.stars,
            reason=event.reason.word or event.reason.code,
            group=event.customer_group,
            outcome=event.outcome,
            month=month_of(event.occurred_at),
            answers=[f"{question}={answer}" for question, answer in sorted(event.answers.items())],
        )
    ]


@SAVED_ORDERS.of(AlternativeTaken)
def alternative_taken(event: AlternativeTaken) -> Sequence[Update]:
    """The order was kept under other terms: `{order_id}/{number}`."""
    return [
        _written(
            f"{event.order_id}/{event.number}",
            order_id=event.order_id,
            kind=event.kind,
            group=event.customer_group,
            month=month_of(event.occurred_at),
        )
    ]


@SAVED_ORDERS.of(CancellationCompleted)
def cancelled_all_the_same(event: CancellationCompleted) -> Sequence[Update]:
    """What was kept has been cancelled later: those alternatives have saved nothing."""
    return [_written(f"{event.order_id}/{number}", lost=True) for number in range(1, event.after_alternatives + 1)]
