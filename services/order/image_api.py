"""How orders and coupons stand, in few words and without a person or a parcel in them: what the audit trail keeps
before and after a deed. Internal: only the gateway asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from chassis.mongo import Collection

ORDERS_MAX = 200
SHOWN_MAX = 10
"""Cases and tasks of one order, the newest."""

_FIELDS = [
    "version",
    "state.state",
    "state.paid.amount_minor",
    "state.carrier",
    "state.deliver_after",
    "state.hidden_at",
    "state.erased.at",
    "state.cases.case_id",
    "state.cases.status",
    "state.cases.road",
    "state.cases.run.step",
    "state.cases.run.status",
    "state.cases.amount",
    "state.cases.decisions",
    "state.cases.wish",
    "state.tasks.task_id",
    "state.tasks.kind",
    "state.tasks.choice",
    "state.tasks.done_by",
    "state.tasks.done_at",
]


class Wanted(BaseModel):
    """Which orders."""

    model_config = ConfigDict(extra="forbid")
    order_ids: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(max_length=ORDERS_MAX)


def image_routes(orders: Collection, coupons: Collection) -> APIRouter:
    """The routes; both read by id."""
    router = APIRouter()

    @router.post("/orders/images")
    async def images(wanted: Wanted) -> dict[str, Any]:
        found = await orders.find({"_id": {"$in": list(wanted.order_ids)}}, fields=_FIELDS)
        known = {str(document["_id"]): document for document in found if document.get("state")}
        return {"orders": [image(known[id]) for id in dict.fromkeys(wanted.order_ids) if id in known]}

    @router.get("/coupons/{code}")
    async def coupon(code: str) -> dict[str, Any]:
        """`{"coupon"}`, null where there is none."""
        found = await coupons.find({"_id": code}, limit=1)
        return {"coupon": {**found[0], "_id": code} if found else None}

    return router


def image(document: Mapping[str, Any]) -> dict[str, Any]:
    """One order; `version` tells two images of the same state apart. What is not so is left out."""
    state = document["state"]
    cases = [
        _without_nothing({**case, "run": f"{case['run'].get('step', '')}: {case['run'].get('status', '')}"})
        for case in state.get("cases", ())[-SHOWN_MAX:]
    ]
    plain = {name: state.get(name) for name in ("state", "carrier", "deliver_after", "hidden_at")}
    found = {
        "order_id": document["_id"],
        "version": document["version"],
        **plain,
        "paid_minor": (state.get("paid") or {}).get("amount_minor"),
        "erased_at": (state.get("erased") or {}).get("at"),
        "cases": cases,
        "tasks": [_without_nothing(task) for task in state.get("tasks", ())[-SHOWN_MAX:]],
    }
    return _without_nothing(found)


def _without_nothing(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value not in (None, "", [])}
