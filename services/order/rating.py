"""A customer rates a cancellation that has ended. Pure."""

from __future__ import annotations

from datetime import datetime

from chassis.record import Refusal
from contracts.message import Message
from contracts.rating import CancellationNotRated, CancellationRated, RateCancellation
from services.order.model import Case, Order
from services.order.questionnaire import Rating, questionnaire

Decision = tuple[Order, list[Message]]


def rate(order: Order | None, asked: RateCancellation, at: datetime) -> Decision:
    """Note the rating, once per case. Raises Refusal."""
    if order is None or asked.by.kind != "customer" or asked.by.id != order.customer_id:
        raise _refusal(asked, "unknown-order")
    case = order.case(asked.case_id)
    if case is None:
        raise _refusal(asked, "unknown-case")
    given = {name: getattr(asked, name) for name in ("questionnaire", "stars", "answers", "remark")}
    if case.rating is not None:
        if case.rating.model_dump(include=set(given)) != given:
            raise _refusal(asked, "already-rated")
        return order, [_rated(case, case.rating, order)]
    _check(asked)
    if case.status == "open":
        raise _refusal(asked, "case-open")
    wanted = Rating(**given, outcome=case.status, rated_at=at)
    after = order.with_case(case.model_copy(update={"rating": wanted}))
    after = after.noting(at, "cancellation-rated", case.case_id, stars=str(wanted.stars))
    return after, [_rated(case, wanted, order)]


def _check(asked: RateCancellation) -> None:
    answered = questionnaire(asked.questionnaire)
    if answered is None:
        raise _refusal(asked, "unknown-questionnaire", str(asked.questionnaire))
    unknown = answered.unknown(asked.answers)
    if unknown:
        raise _refusal(asked, "unknown-answer", unknown)


def _rated(case: Case, rating: Rating, order: Order) -> CancellationRated:
    return CancellationRated.model_validate(
        {
            **rating.model_dump(exclude={"remark"}),
            "order_id": order.order_id,
            "case_id": case.case_id,
            "customer_group": order.customer_group,
            "reason": case.reason.model_copy(update={"remark": ""}),
            "occurred_at": case.occurred_at,
        }
    )


def _refusal(asked: RateCancellation, reason: str, detail: str = "") -> Refusal:
    return Refusal(
        CancellationNotRated(order_id=asked.order_id, case_id=asked.case_id, reason=reason, detail=detail[:200])
    )
