"""HTTP in: the questionnaire, and what customers answer to it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from chassis.engine import Engine
from chassis.problem import Problem
from contracts.rating import RateCancellation
from services.order.questionnaire import questionnaire_view
from services.order.telling import same_order, tell


def rating_routes(engine: Engine) -> APIRouter:
    """`GET /questionnaire`, `POST /orders/{order_id}/cases/{case_id}/rating`."""
    routes = APIRouter(tags=["ratings"])

    @routes.get("/questionnaire")
    async def show_questionnaire() -> dict[str, Any]:
        return questionnaire_view()

    @routes.post("/orders/{order_id}/cases/{case_id}/rating")
    async def rate(order_id: str, case_id: str, asked: RateCancellation) -> dict[str, Any]:
        """The rating as it is noted: `{"case_id", "questionnaire", "stars", "answers", "remark", "rated_at"}`."""
        same_order(order_id, asked)
        if asked.case_id != case_id:
            raise Problem(
                422,
                "invalid-request",
                "地址与内容中的取消单号不一致。",
                "The case in the path is not the one in the body.",
            )
        order = await tell(engine, asked, f"{case_id}/rate/{asked.model_dump_json()}")
        case = order.case(case_id)
        assert case is not None
        assert case.rating is not None
        return {"case_id": case_id, **case.rating.model_dump(exclude={"outcome"})}

    return routes
