"""Events of a small shop, for analytics."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from contracts.alternative import AlternativeTaken
from contracts.inventory import StockLine, StockReleased
from contracts.message import CaseId, CustomerId, Event, Money, OrderId, ProductId, RefundNumber
from contracts.notify import CustomerTold
from contracts.order import (
    CancellationAccepted,
    CancellationCompleted,
    CancellationUndone,
    CancelledLine,
    OrderPlaced,
    PricedLine,
    Reason,
)
from contracts.payment import RefundAttempted, RefundSettled
from contracts.rating import CancellationRated
from contracts.zone import CHINA

JANUARY = datetime(2025, 1, 31, 23, 30, tzinfo=CHINA)
FEBRUARY = datetime(2025, 2, 3, 12, 0, tzinfo=UTC)
REASONS = {
    "case-1": Reason(family="customer", code="changed-mind"),
    "case-2": Reason(family="merchant", code="out-of-stock"),
    "case-3": Reason(family="customer", code="changed-mind"),
}


def placed(
    order: str, lines: list[tuple[str, str, int, int]], group: str = "vip", at: datetime = JANUARY
) -> OrderPlaced:
    """`lines`: product, category, pieces, minor units paid."""
    priced = tuple(
        PricedLine(
            line_no=number,
            product_id=ProductId(product),
            name=product,
            category=category,
            quantity=quantity,
            unit_price_minor=paid // quantity,
            paid_minor=paid,
        )
        for number, (product, category, quantity, paid) in enumerate(lines, start=1)
    )
    return OrderPlaced(
        order_id=OrderId(order),
        customer_id=CustomerId("c-1"),
        customer_group=group,
        lines=priced,
        total=Money(amount_minor=sum(line.paid_minor for line in priced)),
        placed_at=at,
        occurred_at=at,
    )


def _case(case: str, order: str, lines: list[tuple[str, int, int]], group: str, at: datetime) -> dict[str, Any]:
    return {
        "order_id": order,
        "case_id": case,
        "customer_id": "c-1",
        "customer_group": group,
        "whole": True,
        "lines": tuple(
            CancelledLine(
                line_no=n, product_id=ProductId(product), category="cups", quantity=pieces, amount_minor=minor
            )
            for n, (product, pieces, minor) in enumerate(lines, start=1)
        ),
        "reason": REASONS[case],
        "occurred_at": at,
    }


def accepted(
    case: str, order: str, lines: list[tuple[str, int, int]], group: str = "vip", at: datetime = JANUARY
) -> CancellationAccepted:
    amount = Money(amount_minor=sum(minor for _, _, minor in lines))
    by = {"kind": "customer", "id": "c-1"}
    return CancellationAccepted.model_validate(
        {**_case(case, order, lines, group, at), "amount": amount, "by": by, "accepted_at": at}
    )


def completed(
    case: str,
    order: str,
    lines: list[tuple[str, int, int]],
    group: str = "vip",
    at: datetime = JANUARY,
    after: int = 0,
) -> CancellationCompleted:
    refunded = Money(amount_minor=sum(minor for _, _, minor in lines))
    return CancellationCompleted.model_validate(
        {
            **_case(case, order, lines, group, at),
            "refunded": refunded,
            "completed_at": at,
            "after_alternatives": after,
        }
    )


def undone(case: str, order: str) -> CancellationUndone:
    return CancellationUndone(
        order_id=OrderId(order),
        case_id=CaseId(case),
        customer_id=CustomerId("c-1"),
        because="already-dispatched",
        undone_at=FEBRUARY,
        occurred_at=FEBRUARY,
    )


def settled(case: str, order: str, minor: int, number: str = "") -> RefundSettled:
    return RefundSettled(
        order_id=OrderId(order),
        case_id=CaseId(case),
        refund_number=RefundNumber(number or f"{case}-1"),
        amount=Money(amount_minor=minor),
        settled_at=FEBRUARY,
    )


def attempted(case: str, order: str, outcome: str, attempt: int) -> RefundAttempted:
    return RefundAttempted.model_validate(
        {
            "order_id": order,
            "case_id": case,
            "refund_number": f"{case}-1",
            "outcome": outcome,
            "provider_code": "SYSTEM_ERROR",
            "attempt": attempt,
        }
    )


def told(case: str, order: str, channel: str) -> CustomerTold:
    return CustomerTold.model_validate(
        {
            "order_id": order,
            "case_id": case,
            "outcome": "refund-arrived",
            "channel": channel,
            "told_at": FEBRUARY,
        }
    )


def released(case: str, order: str, lines: list[tuple[str, int]]) -> StockReleased:
    return StockReleased(
        order_id=OrderId(order),
        case_id=CaseId(case),
        lines=tuple(
            StockLine(line_no=number, product_id=ProductId(product), quantity=pieces)
            for number, (product, pieces) in enumerate(lines, start=1)
        ),
    )


def kept(order: str, number: int = 1, kind: str = "later-delivery", at: datetime = JANUARY) -> AlternativeTaken:
    return AlternativeTaken(
        order_id=OrderId(order), number=number, kind=kind, customer_group="vip", taken_at=at, occurred_at=at
    )


def rated(case: str, order: str, stars: int, at: datetime = JANUARY, **answers: str) -> CancellationRated:
    return CancellationRated(
        order_id=OrderId(order),
        case_id=CaseId(case),
        customer_group="vip",
        questionnaire=1,
        stars=stars,
        answers=answers,
        reason=REASONS[case],
        outcome="completed",
        rated_at=FEBRUARY,
        occurred_at=at,
    )


STORY: tuple[Event, ...] = (
    placed("order-1", [("mug", "cups", 2, 20_00), ("lamp", "light", 1, 50_00), ("mug", "cups", 1, 10_00)]),
    placed("order-2", [("mug", "cups", 3, 30_00)], group="new", at=FEBRUARY),
    placed("order-3", [("lamp", "light", 1, 50_00)], group="new", at=FEBRUARY),
    accepted("case-1", "order-1", [("mug", 2, 20_00), ("lamp", 1, 50_00), ("mug", 1, 10_00)]),
    completed("case-1", "order-1", [("mug", 2, 20_00), ("lamp", 1, 50_00), ("mug", 1, 10_00)]),
    settled("case-1", "order-1", 80_00),
    attempted("case-1", "order-1", "unknown", 1),
    attempted("case-1", "order-1", "unknown", 2),
    told("case-1", "order-1", "wechat"),
    released("case-1", "order-1", [("mug", 2), ("lamp", 1), ("mug", 1)]),
    accepted("case-2", "order-2", [("mug", 3, 30_00)], group="new", at=FEBRUARY),
    undone("case-2", "order-2"),
    told("case-2", "order-2", "inbox"),
    accepted("case-3", "order-3", [("lamp", 1, 50_00)], group="new", at=FEBRUARY),
    completed("case-3", "order-3", [("lamp", 1, 50_00)], group="new", at=FEBRUARY, after=2),
    settled("case-3", "order-3", 50_00),
    kept("order-4"),
    kept("order-4", 2),
    kept("order-5", 1, "exchange", FEBRUARY),
    kept("order-3"),
    kept("order-3", 2),
    rated("case-1", "order-1", 5, again="yes", kept="later"),
    rated("case-2", "order-2", 1, at=FEBRUARY),
    rated("case-3", "order-3", 3, at=FEBRUARY, again="yes"),
)
