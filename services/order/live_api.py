"""HTTP in: which of these orders have changed. One cheap question for all orders that somebody watches."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field

from chassis.mongo import Collection

AT_ONCE_MAX = 500


class Watched(BaseModel):
    order_ids: list[str] = Field(max_length=AT_ONCE_MAX)


class Versions(BaseModel):
    """By order; what does not exist is not there."""

    versions: dict[str, int]


def live_routes(orders: Collection) -> APIRouter:
    """`POST /orders/versions`."""
    routes = APIRouter(tags=["live"])

    @routes.post("/orders/versions")
    async def versions(asked: Watched) -> Versions:
        found = await orders.find({"_id": {"$in": asked.order_ids}}, fields=["version"])
        return Versions(versions={one["_id"]: one["version"] for one in found})

    return routes
