"""Notices over HTTP, for the gateway. Personal data leaves masked."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from services.notify.views import Notices


def router(notices: Notices) -> APIRouter:
    """`GET /notices?order_id=`, `GET /notices/summary`, `GET /inbox/{customer_id}`."""
    routes = APIRouter(tags=["notices"])

    @routes.get("/notices")
    async def of_order(order_id: Annotated[str, Query(min_length=1, max_length=64)]) -> dict[str, Any]:
        return {"notices": await notices.of_order(order_id)}

    @routes.get("/notices/summary")
    async def summary() -> dict[str, Any]:
        return await notices.summary()

    @routes.get("/inbox/{customer_id}")
    async def inbox(customer_id: str) -> dict[str, Any]:
        return {"notices": await notices.inbox(customer_id)}

    return routes
