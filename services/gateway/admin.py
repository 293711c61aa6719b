"""The door of the shop's staff."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from contracts.message import OrderId as Order
from contracts.order import Actor, CancelOrder, CompleteOrder, DeliverOrder, ShipOrder
from contracts.task import ResolveTask
from services.gateway import model
from services.gateway.api import (
    Call,
    Calling,
    CaseId,
    Code,
    GuardedRoute,
    Listing,
    OrderId,
    Page,
    ProductId,
    TaskId,
    Word,
    fetched,
    passed_on,
    told,
)
from services.gateway.auth import allow_scope
from services.gateway.bodies import Empty, JsonBody
from services.gateway.clients import SLOW_SECONDS, Answer, segment
from services.gateway.confirmations import CANCEL, confirm
from services.gateway.finding import WhichOrders
from services.gateway.operators import WorkList

router = APIRouter(prefix="/admin/v1", route_class=GuardedRoute, tags=["staff"])


class WhichCases(Page):
    """Which cancellation cases; `waits_for`: open ones that wait for approval, for the end of their undo window, or for
    a person (approval among them). `list`: those that need somebody, the longest wait first, and nothing else is given:
    see `operators.WorkList`."""

    after: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,128}$")] | None = None
    status: Word | None = None
    waits_for: Literal["approval", "undo-window", "parcel", "person"] | None = None
    list: WorkList | None = None

    @field_validator("list")
    @classmethod
    def _alone(cls, name: WorkList | None, others: ValidationInfo) -> WorkList | None:
        if name is not None and (others.data.get("status") or others.data.get("waits_for")):
            raise ValueError("a list is asked for without status and waits_for")
        return name


class WhichNotices(BaseModel):
    """Notices about which order."""

    model_config = ConfigDict(extra="forbid")
    order_id: Annotated[str, Field(pattern=model.ORDER_ID_PATTERN)]


Subject = Literal[
    "orders", "cancellations", "refunds", "refund-attempts", "stock-returns", "notices", "ratings", "saved-orders"
]


class WhichFigures(BaseModel):
    """Figures per what: month, product, reason, group, and what else the figure can be broken down by."""

    model_config = ConfigDict(extra="forbid")
    by: Annotated[str, Field(pattern=r"^[a-z][a-z_-]{0,31}$")] | None = None


class Done(BaseModel):
    """A task that somebody did."""

    note: str
    by: Actor


@router.get("/orders")
async def list_orders(call: Calling, which: Annotated[WhichOrders, Query()]) -> Response:
    """Orders, newest first, with who ordered, masked: `{"orders", "next"}`. Problems: invalid-request, wrong-cursor
    (422)."""
    query = {**which.query(), "contacts": "true"}
    return passed_on(await call.services.order.ask("GET", "/orders", query=query))


@router.get("/orders/{order_id}")
async def show_order(call: Calling, order_id: OrderId) -> Response:
    """One order. Problem: unknown-order (404)."""
    return passed_on(await call.services.order.ask("GET", f"/orders/{order_id}"))


@router.post("/orders/{order_id}/cancellation", status_code=202)
async def cancel_order(
    call: Calling,
    order_id: OrderId,
    wanted: Annotated[model.StaffCancellation, Depends(JsonBody(model.StaffCancellation))],
) -> Response:
    """Cancel an order or some pieces of it: `{"case_id", "order_id", "status", …}`. The same Idempotency-Key with the
    same body meets the same case. Problems: unknown-order (404), the refusals of a cancellation (409, 422), code-wrong
    (403), codes-not-available (503)."""
    if wanted.code is not None and wanted.amount_minor is not None:
        await confirm(call, CANCEL, order_id, wanted.amount_minor, wanted.code, wanted)
    return await _order(call, order_id, "cancellation", cancellation(call, order_id, wanted))


@router.post("/orders/{order_id}/ship")
async def ship_order(
    call: Calling,
    order_id: OrderId,
    wanted: Annotated[model.ShipmentWanted, Depends(JsonBody(model.ShipmentWanted))],
) -> Response:
    """The parcel has left. Problems: unknown-order (404), wrong-state, cancellation-open, exchange-open,
    payment-not-confirmed, deliver-later (409)."""
    command = ShipOrder(
        order_id=Order(order_id),
        carrier=wanted.carrier,
        tracking_number=wanted.tracking_number,
        by=call.actor,
        early=wanted.early,
    )
    return await _order(call, order_id, "ship", command)


@router.post("/orders/{order_id}/deliver")
async def deliver_order(call: Calling, order_id: OrderId, _: Empty) -> Response:
    """The parcel has arrived. Problems: unknown-order (404), wrong-state, cancellation-open (409)."""
    return await _order(call, order_id, "deliver", DeliverOrder(order_id=Order(order_id), by=call.actor))


@router.post("/orders/{order_id}/complete")
async def complete_order(call: Calling, order_id: OrderId, _: Empty) -> Response:
    """Nothing more will happen to the order. Problems: unknown-order (404), wrong-state, cancellation-open (409)."""
    return await _order(call, order_id, "complete", CompleteOrder(order_id=Order(order_id), by=call.actor))


@router.get("/cases")
async def list_cases(call: Calling, which: Annotated[WhichCases, Query()]) -> Response:
    """Cancellation cases: `{"cases", "next"}`. Those of a `list` also say `since` when and how long they wait
    (`age_seconds`), `attempts`, `next_try_at`, `last_provider_code`, their open `tasks`, and the `commands` that fit.
    Problem: wrong-cursor (422)."""
    if which.list is None:
        return await fetched(call.services.order, "/cases", which)
    query = {"after": which.after, "limit": which.limit}
    return passed_on(await call.services.order.ask("GET", f"/work-lists/{which.list}", query=query))


@router.get("/tasks")
async def list_tasks(call: Calling, page: Listing) -> Response:
    """What waits for a person: `{"tasks", "next"}`."""
    return await fetched(call.services.order, "/tasks", page)


@router.post("/tasks/{task_id}/done")
async def finish_task(
    call: Calling, task_id: TaskId, done: Annotated[model.TaskDone, Depends(JsonBody(model.TaskDone))]
) -> Response:
    """A person has done a task."""
    body = told(Done(note=done.note, by=call.actor))
    return passed_on(await _task(call, task_id, "done", body))


@router.post("/tasks/{task_id}/resolution")
async def resolve_task(
    call: Calling, task_id: TaskId, wanted: Annotated[model.TaskResolution, Depends(JsonBody(model.TaskResolution))]
) -> Response:
    """Do what was chosen about a task: the order as it is then. The same choice again changes nothing. Problems:
    unknown-task (404), already-resolved (409), not-a-choice, proof-required (422)."""
    order_id = Order(task_id.rsplit("-", 2)[0])
    command = ResolveTask(order_id=order_id, task_id=task_id, choice=wanted.choice, note=wanted.note, by=call.actor)
    return passed_on(await _task(call, task_id, "resolve", told(command)))


@router.post("/cases/{case_id}/bank-card", status_code=202)
async def name_bank_card(
    call: Calling, case_id: CaseId, card: Annotated[model.BankCard, Depends(JsonBody(model.BankCard))]
) -> Response:
    """Another bank card for an abnormal refund: `{"case_id", "status"}`. Problems: refund-unknown (404),
    refund-not-abnormal (409), payment-provider-away (503)."""
    path = f"/refunds/{segment(case_id)}/bank-card"
    return passed_on(await call.services.payment.ask("POST", path, body=told(card)))


@router.put("/coupons/{code}", status_code=204)
async def put_coupon(
    call: Calling, code: Code, wanted: Annotated[model.CouponPut, Depends(JsonBody(model.CouponPut))]
) -> Response:
    """Make or change a coupon."""
    return passed_on(await call.services.order.ask("PUT", f"/coupons/{segment(code)}", body=told(wanted)))


@router.get("/summary")
async def show_summary(call: Calling) -> Response:
    """Counts and sums of the orders' book."""
    return passed_on(await call.services.order.ask("GET", "/summary", seconds=SLOW_SECONDS))


@router.post("/products")
async def list_products(
    call: Calling, wanted: Annotated[model.ProductsListed, Depends(JsonBody(model.ProductsListed))]
) -> Response:
    """Put products on sale or change them."""
    return passed_on(await call.services.inventory.ask("POST", "/products", body=told(wanted)))


@router.post("/stock-receipts")
async def receive_stock(
    call: Calling, wanted: Annotated[model.StockReceived, Depends(JsonBody(model.StockReceived))]
) -> Response:
    """Book pieces that came in."""
    return passed_on(await call.services.inventory.ask("POST", "/stock-receipts", body=told(wanted)))


@router.get("/stock")
async def list_stock(call: Calling, page: Listing) -> Response:
    """The balance of every product: `{"stock", "next"}`."""
    return await fetched(call.services.inventory, "/stock", page)


@router.get("/stock/{product_id}")
async def show_stock(call: Calling, product_id: ProductId) -> Response:
    """The balance of one product."""
    return passed_on(await call.services.inventory.ask("GET", f"/stock/{segment(product_id)}"))


@router.post("/stock/recount")
async def recount_stock(call: Calling, _: Empty) -> Response:
    """Prove every balance against its ledger: `{"differences", …}`."""
    return passed_on(await call.services.inventory.ask("POST", "/stock/recount", body=b"{}", seconds=SLOW_SECONDS))


@router.get("/figures/{subject}")
async def show_figures(
    call: Calling,
    subject: Subject,
    which: Annotated[WhichFigures, Query()],
) -> Response:
    """Counts and sums: `{"rows"}`."""
    query = which.model_dump(exclude_none=True)
    answer = await call.services.analytics.ask("GET", f"/figures/{subject}", query=query, seconds=SLOW_SECONDS)
    return passed_on(answer)


@router.get("/notices")
async def list_notices(call: Calling, which: Annotated[WhichNotices, Query()]) -> Response:
    """What customers were told about an order."""
    return await fetched(call.services.notify, "/notices", which)


async def _order(call: Call, order_id: str, what: str, command: BaseModel) -> Response:
    path, body = f"/orders/{order_id}/{what}", told(command)
    return passed_on(await call.services.order.ask("POST", path, body=body, headers=call.conditions))


def cancellation(call: Call, order_id: str, wanted: model.StaffCancellation) -> CancelOrder:
    """The command for this wish. Raises the 403 problem scope-missing."""
    caller = call.caller
    if wanted.reference:
        allow_scope(caller, model.IMPORT_SCOPE, "reference")
    return CancelOrder(
        order_id=Order(order_id),
        request_id=model.request_id(caller.kind, caller.sub, order_id, call.key),
        fingerprint=model.fingerprint(wanted.wish()),
        lines=wanted.lines,
        reason=wanted.reason,
        solution=wanted.solution,
        by=call.actor,
        reference=wanted.reference,
        confirmed=wanted.code is not None,
        confirmed_minor=wanted.amount_minor or 0,
    )


async def _task(call: Call, task_id: str, what: str, body: bytes) -> Answer:
    path = f"/tasks/{segment(task_id)}/{what}"
    return await call.services.order.ask("POST", path, body=body, headers=call.conditions)
