"""The customers' door: how did it go? The questionnaire, and one rating per cancellation that has ended."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chassis.problem import Problem
from contracts.message import CaseId as Case
from contracts.message import OrderId as Order
from contracts.rating import RateCancellation, Stars, Word
from services.gateway.api import Calling, CaseId, GuardedRoute, OrderId, passed_on, told
from services.gateway.bodies import JsonBody
from services.gateway.clients import segment
from services.gateway.owned import is_case_of, own_order

router = APIRouter(prefix="/mp/v1", route_class=GuardedRoute, tags=["customer"])

# Neither control characters (but line breaks and tabs) nor those that turn the direction of what follows: staff read
# this beside other texts.
Remark = Annotated[
    str,
    StringConstraints(max_length=200, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]*$"),
]


class RatingWanted(BaseModel):
    """How a cancellation went: stars, and answers of one version of the questionnaire (question → answer)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    questionnaire: int = Field(ge=1, le=10_000, description="the version that was shown")
    stars: Stars
    answers: dict[Word, Word] = Field(default_factory=dict, max_length=20)
    remark: Remark = ""


@router.get("/questionnaire")
async def show_questionnaire(call: Calling) -> Response:
    """What to ask after a cancellation: `{"version", "stars", "remark_max", "questions"}`."""
    return passed_on(await call.services.order.ask("GET", "/questionnaire"))


@router.post("/orders/{order_id}/cases/{case_id}/rating")
async def rate_cancellation(
    call: Calling,
    order_id: OrderId,
    case_id: CaseId,
    wanted: Annotated[RatingWanted, Depends(JsonBody(RatingWanted))],
) -> Response:
    """Rate a cancellation of mine that has ended, once. The same again changes nothing. Problems: unknown-order,
    unknown-case (404), case-open, already-rated (409), unknown-questionnaire, unknown-answer (422)."""
    order = await own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    if not is_case_of(order_id, case_id):
        raise Problem(404, "unknown-case", "没有这个取消单。", "There is no such cancellation.")
    command = RateCancellation(
        order_id=Order(order_id),
        case_id=Case(case_id),
        by=call.actor,
        **wanted.model_dump(),
    )
    path = f"/orders/{order_id}/cases/{segment(case_id)}/rating"
    return passed_on(await call.services.order.ask("POST", path, body=told(command)))
