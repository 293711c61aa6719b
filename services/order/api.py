"""The order service's HTTP: place, show, list, cancel, ship. Internal: only the gateway calls it, and says who asks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from chassis.engine import Engine
from chassis.problem import Problem
from chassis.record import Heard, Refusal
from contracts.message import Command, Message, message_id
from contracts.order import Actor, CancelOrder, CompleteOrder, DeliverOrder, PlaceOrder, ShipOrder
from contracts.task import ResolveTask
from services.order.catalogue import Catalogue
from services.order.handlers import ORDERS
from services.order.lists import OrderLists, Wanted
from services.order.model import Coupon, Order, TaskDone
from services.order.problems import problem_of
from services.order.story import customers_case, customers_order
from services.order.views import OrderViews, case_view, order_view

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
        order = await _tell(engine, await catalogue.ready(asked), f"{asked.order_id}/place/{asked.fingerprint}")
        return customers_order(order)

    @router.post("/orders/{order_id}/cancellation", status_code=202)
    async def cancel(order_id: str, asked: CancelOrder) -> dict[str, Any]:
        _same_order(order_id, asked)
        cause = f"{order_id}/cancel/{asked.request_id}/{asked.fingerprint}"
        order = await _tell(engine, asked, cause)
        case = next(case for case in order.cases if case.met_by(asked.request_id))
        return customers_case(order, case) if asked.by.kind == "customer" else case_view(order, case)

    @router.post("/orders/{order_id}/ship")
    async def ship(order_id: str, asked: ShipOrder) -> dict[str, Any]:
        return order_view(await _move(engine, order_id, asked))

    @router.post("/orders/{order_id}/deliver")
    async def deliver(order_id: str, asked: DeliverOrder) -> dict[str, Any]:
        return order_view(await _move(engine, order_id, asked))

    @router.post("/orders/{order_id}/complete")
    async def complete(order_id: str, asked: CompleteOrder) -> dict[str, Any]:
        return order_view(await _move(engine, order_id, asked))

    @router.post("/tasks/{task_id}/done")
    async def task_done(task_id: str, done: Done) -> dict[str, Any]:
        order_id = task_id.rsplit("-", 2)[0]
        known = await _read(engine, order_id)
        if not any(task.task_id == task_id for task in known.tasks):
            raise Problem(404, "unknown-task", "没有这个任务。", "There is no such task.")
        heard = TaskDone(order_id=known.order_id, task_id=task_id, by=done.by, note=done.note)
        order = await _tell(engine, heard, f"{task_id}/done")
        return {"task": next(task.model_dump() for task in order.tasks if task.task_id == task_id)}

    @router.post("/tasks/{task_id}/resolve")
    async def resolve_task(task_id: str, asked: ResolveTask) -> dict[str, Any]:
        if asked.task_id != task_id:
            raise Problem(
                422,
                "invalid-request",
                "地址与内容中的任务号不一致。",
                "The task in the path is not the one in the body.",
            )
        cause = f"{task_id}/resolve/{asked.choice}/{asked.note}"
        return order_view(await _tell(engine, asked, cause))

    @router.put("/coupons/{code}", status_code=204)
    async def put_coupon(code: str, body: CouponBody) -> Response:
        await views.put_coupon(Coupon(code=code, **body.model_dump()))
        return Response(status_code=204)


def _add_readings(router: APIRouter, engine: Engine, views: OrderViews, lists: OrderLists) -> None:
    @router.get("/orders/{order_id}")
    async def show(order_id: str, view: Literal["staff", "customer"] = "staff") -> dict[str, Any]:
        order = await _read(engine, order_id)
        return customers_order(order) if view == "customer" else order_view(order)

    @router.get("/orders")
    async def list_orders(wanted: Annotated[Wanted, Query()]) -> Response:
        # Written out at once: the framework's own way through every value takes longer than finding the orders.
        return Response(to_json(await lists.page(wanted)), media_type="application/json")

    @router.get("/cases")
    async def list_cases(status: str | None = None, after: After = "", limit: Limit = 50) -> dict[str, Any]:
        return await views.cases(status=status, after=after, limit=limit)

    @router.get("/tasks")
    async def list_tasks(after: After = "", limit: Limit = 50) -> dict[str, Any]:
        return await views.tasks(after=after, limit=limit)

    @router.get("/products")
    async def list_products(after: After = "", limit: Limit = 50) -> dict[str, Any]:
        return await views.products(after=after, limit=limit)

    @router.get("/summary")
    async def summary() -> dict[str, Any]:
        return await views.summary()


async def _tell(engine: Engine, message: Message, cause: str) -> Order:
    """Let the order hear `message`; returns it as it is afterwards. The same `cause` is heard once."""
    heard = Heard(message, message_id(cause, "http"), engine.clock(), answers_travel=False)
    try:
        decided = await engine.hear(heard)
    except Refusal as refusal:
        raise problem_of(refusal.event) from refusal
    assert decided is not None
    assert isinstance(decided.record.state, Order)
    return decided.record.state


async def _move(engine: Engine, order_id: str, asked: ShipOrder | DeliverOrder | CompleteOrder) -> Order:
    _same_order(order_id, asked)
    return await _tell(engine, asked, f"{order_id}/{asked.wire}")


def _same_order(order_id: str, asked: Command) -> None:
    if asked.key_value != order_id:
        raise Problem(
            422, "invalid-request", "地址与内容中的订单号不一致。", "The order in the path is not the one in the body."
        )


async def _read(engine: Engine, order_id: str) -> Order:
    record = await engine.read(ORDERS, order_id)
    if record is None or not isinstance(record.state, Order):
        raise Problem(404, "unknown-order", "没有这个订单。", "There is no such order.")
    return record.state
