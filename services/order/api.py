"""The order service's HTTP: place, show, list, cancel, ship. Internal: only the gateway calls it, and says who asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_json

from chassis.engine import Engine
from chassis.etags import etag
from chassis.problem import Problem
from contracts.order import Actor, CompleteOrder, DeliverOrder, PlaceOrder, ShipOrder
from contracts.task import ResolveTask
from services.order.catalogue import Catalogue
from services.order.lists import OrderLists, Wanted
from services.order.model import Order, TaskDone
from services.order.offer import Coupon
from services.order.problems import not_valid, problem
from services.order.story import customers_order
from services.order.telling import IfMatch, read, read_version, same_order, tell
from services.order.views import OrderViews, WaitsFor, order_view

After = Annotated[str, Query(max_length=64)]
Limit = Annotated[int, Query(ge=1, le=500)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Done(_Body):
    """A task was dealt with."""

    by: Actor
    note: str = Field("", max_length=500)


class CouponBody(_Body):
    """What a coupon takes off, and from which value of goods (fen)."""

    amount_minor: int = Field(ge=1)
    minimum_minor: int = Field(0, ge=0)


def routes(engine: Engine, catalogue: Catalogue, views: OrderViews, lists: OrderLists) -> APIRouter:
    """The routes of the order service."""
    router = APIRouter()
    _add_commands(router, engine, catalogue, views)
    _add_readings(router, engine, views, lists)
    return router


def _add_commands(router: APIRouter, engine: Engine, catalogue: Catalogue, views: OrderViews) -> None:
    @router.post("/orders", status_code=201)
    async def place(asked: PlaceOrder) -> dict[str, Any]:
        order = await tell(engine, await catalogue.ready(asked), f"{asked.order_id}/place/{asked.fingerprint}")
        return customers_order(order)

    @router.post("/orders/{order_id}/ship")
    async def ship(order_id: str, asked: ShipOrder, if_match: IfMatch = None) -> dict[str, Any]:
        return order_view(await _move(engine, order_id, asked, if_match))

    @router.post("/orders/{order_id}/deliver")
    async def deliver(order_id: str, asked: DeliverOrder, if_match: IfMatch = None) -> dict[str, Any]:
        return order_view(await _move(engine, order_id, asked, if_match))

    @router.post("/orders/{order_id}/complete")
    async def complete(order_id: str, asked: CompleteOrder, if_match: IfMatch = None) -> dict[str, Any]:
        return order_view(await _move(engine, order_id, asked, if_match))

    @router.post("/tasks/{task_id}/done")
    async def task_done(task_id: str, done: Done, if_match: IfMatch = None) -> dict[str, Any]:
        order_id = task_id.rsplit("-", 2)[0]
        known = await read(engine, order_id)
        if not any(task.task_id == task_id for task in known.tasks):
            raise problem("unknown-task")
        heard = TaskDone(order_id=known.order_id, task_id=task_id, by=done.by, note=done.note)
        order = await tell(engine, heard, f"{task_id}/done", if_match)
        return {"task": next(task.model_dump() for task in order.tasks if task.task_id == task_id)}

    @router.post("/tasks/{task_id}/resolve")
    async def resolve_task(task_id: str, asked: ResolveTask, if_match: IfMatch = None) -> dict[str, Any]:
        if asked.task_id != task_id:
            raise Problem(
                422,
                "invalid-request",
                "地址与内容中的待办号不一致。",
                "The task in the path is not the one in the body.",
            )
        goods = "".join(f"/{line.line_no}:{line.good}:{line.damaged}" for line in asked.goods)
        cause = f"{task_id}/resolve/{asked.choice}/{asked.note}{goods}"
        return order_view(await tell(engine, asked, cause, if_match))

    @router.put("/coupons/{code}", status_code=204)
    async def put_coupon(code: str, body: CouponBody) -> Response:
        await views.put_coupon(Coupon(code=code, **body.model_dump()))
        return Response(status_code=204)


def _add_readings(router: APIRouter, engine: Engine, views: OrderViews, lists: OrderLists) -> None:
    @router.get("/orders/{order_id}")
    async def show(order_id: str, response: Response, view: Literal["staff", "customer"] = "staff") -> dict[str, Any]:
        order, version = await read_version(engine, order_id)
        response.headers["ETag"] = etag(version)
        return customers_order(order) if view == "customer" else order_view(order)

    @router.get("/orders")
    async def list_orders(request: Request) -> Response:
        # Written out at once: the framework's own way through every value takes longer than finding the orders.
        return Response(to_json(await lists.page(_wanted(request.query_params))), media_type="application/json")

    @router.get("/cases")
    async def list_cases(
        status: str | None = None, waits_for: WaitsFor | None = None, after: After = "", limit: Limit = 50
    ) -> dict[str, Any]:
        return await views.cases(status=status, waits_for=waits_for, after=after, limit=limit)

    @router.get("/tasks")
    async def list_tasks(after: After = "", limit: Limit = 50) -> dict[str, Any]:
        return await views.tasks(after=after, limit=limit)

    @router.get("/products")
    async def list_products(after: After = "", limit: Limit = 50) -> dict[str, Any]:
        return await views.products(after=after, limit=limit)

    @router.get("/summary")
    async def summary() -> dict[str, Any]:
        return await views.summary()


async def _move(
    engine: Engine, order_id: str, asked: ShipOrder | DeliverOrder | CompleteOrder, if_match: str | None
) -> Order:
    same_order(order_id, asked)
    parcel = f"/{asked.carrier}/{asked.tracking_number}" if isinstance(asked, ShipOrder) else ""
    return await tell(engine, asked, f"{order_id}/{asked.wire}{parcel}", if_match)


def _wanted(query: Mapping[str, str]) -> Wanted:
    """What a query asks for. Raises RequestValidationError. The framework's own reading goes through the model field by
    field with each request, which is a seventh of what a list costs."""
    try:
        return Wanted.model_validate(dict(query))
    except ValidationError as wrong:
        raise not_valid("query", wrong) from wrong
