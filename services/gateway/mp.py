"""The customers' door: the mini-program. A customer sees and touches own orders only; somebody else's order and one
that does not exist look the same."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response

from chassis.problem import Problem
from contracts.decision import WithdrawCancellation
from contracts.deleting import HideOrder
from contracts.message import CaseId as Case
from contracts.message import CustomerId
from contracts.message import OrderId as Order
from contracts.order import CancelOrder, Contact, PlaceOrder
from services.gateway import model
from services.gateway.api import Call, Calling, CaseId, GuardedRoute, Listing, OrderId, fetched, passed_on, told
from services.gateway.auth import allow_scope
from services.gateway.bodies import Empty, JsonBody
from services.gateway.clients import segment
from services.gateway.finding import OwnOrders
from services.gateway.owned import is_case_of
from services.gateway.owned import own_order as _own_order

router = APIRouter(prefix="/mp/v1", route_class=GuardedRoute, tags=["customer"])


@router.get("/products")
async def list_products(call: Calling, page: Listing) -> Response:
    """What is on sale: `{"products", "next"}`."""
    return await fetched(call.services.order, "/products", page)


@router.post("/orders", status_code=201)
async def place_order(
    call: Calling, wanted: Annotated[model.OrderWanted, Depends(JsonBody(model.OrderWanted))]
) -> Response:
    """Place an order; the same Idempotency-Key with the same body meets the same order. Problems: unknown-product,
    price-changed, wrong-currency and others (422), idempotency-key-reused (409), scope-missing (403)."""
    caller = call.caller
    if wanted.reference:
        allow_scope(caller, model.IMPORT_SCOPE, "reference")
    plain = model.fingerprint(wanted)
    command = PlaceOrder(
        order_id=model.order_id(caller.sub, call.key),
        customer_id=CustomerId(caller.sub),
        customer_group=caller.group,
        shop=caller.shop,
        contact=Contact(
            name=wanted.contact.name,
            phone=wanted.contact.phone,
            openid=caller.openid,
            language=wanted.contact.language,
        ),
        lines=wanted.lines,
        currency=wanted.currency,
        coupon=wanted.coupon or "",
        reference=wanted.reference,
        fingerprint=call.identity.vault.mark("order", plain),
    )
    answer = await call.services.order.ask("POST", "/orders", body=told(command))
    if answer.status == 409 and model.problem_of(answer.body) == "idempotency-key-reused":
        # The same wish may have been placed before fingerprints were marks: it has the plain one then. A wish that is
        # refused is kept nowhere, so no order that is placed now gets one.
        before = command.model_copy(update={"fingerprint": plain})
        answer = await call.services.order.ask("POST", "/orders", body=told(before))
    return passed_on(answer)


@router.get("/orders")
async def list_own_orders(call: Calling, which: Annotated[OwnOrders, Query()]) -> Response:
    """My orders, newest first: `{"orders", "next"}`. Problems: invalid-request, wrong-cursor (422)."""
    own = {"customer_id": call.caller.sub, "hidden": "false"}
    return passed_on(await call.services.order.ask("GET", "/orders", query={**which.query(), **own}))


@router.get("/orders/{order_id}")
async def show_own_order(call: Calling, order_id: OrderId) -> Response:
    """One of my orders, with its timeline in plain words. Problem: unknown-order (404)."""
    return passed_on(await _own_order(call, order_id))


@router.delete("/orders/{order_id}")
async def hide_own_order(call: Calling, order_id: OrderId) -> Response:
    """Take one of my orders out of my list: `{"order_id", "hidden_at"}`. Problems: unknown-order (404), not-finished,
    cancellation-open (409)."""
    order = await _own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    command = HideOrder(order_id=Order(order_id), by=call.actor)
    return passed_on(await call.services.order.ask("POST", f"/orders/{order_id}/hide", body=told(command)))


@router.post("/orders/{order_id}/pay")
async def pay_order(
    call: Calling,
    order_id: OrderId,
    _: Empty,
) -> Response:
    """Start to pay one of my orders: what the mini-program needs for it. Problems: unknown-order (404),
    payment-not-ready and others (409)."""
    order = await _own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    return passed_on(await call.services.payment.ask("POST", f"/payments/{order_id}/prepay", body=b"{}"))


@router.post("/orders/{order_id}/cancellation", status_code=202)
async def cancel_own_order(
    call: Calling,
    order_id: OrderId,
    wanted: Annotated[model.CustomersCancellation, Depends(JsonBody(model.CustomersCancellation))],
) -> Response:
    """Cancel one of my orders or some pieces of it: `{"case_id", "order_id", "status", …}`. The same Idempotency-Key
    with the same body meets the same case. Problems: unknown-order (404), the refusals of a cancellation (409, 422)."""
    # Whose order it is the order service sees for itself: a question less on the road that is measured most.
    return await _cancel(call, order_id, wanted, "cancellation")


@router.post("/orders/{order_id}/cancellation-preview")
async def preview_own_cancellation(
    call: Calling,
    order_id: OrderId,
    wanted: Annotated[model.CustomersCancellation, Depends(JsonBody(model.CustomersCancellation))],
) -> Response:
    """What the same body would do at `…/cancellation`: whether I may, what comes back and when, until when I can take
    it back: `{"way", "amount_minor", "expected_by", "undo_until", "lines", …}`. Problems: as there."""
    order = await _own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    return await _cancel(call, order_id, wanted, "cancellation-preview")


@router.post("/orders/{order_id}/cases/{case_id}/withdrawal")
async def withdraw_own_cancellation(call: Calling, order_id: OrderId, case_id: CaseId, _: Empty) -> Response:
    """Take a cancellation back while it waits. Problems: unknown-order, unknown-case (404), too-late (409)."""
    order = await _own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    command = WithdrawCancellation(order_id=Order(order_id), case_id=Case(case_id), by=call.actor)
    path = f"/cases/{segment(case_id)}/withdrawal"
    return passed_on(await call.services.order.ask("POST", path, body=told(command)))


async def _cancel(call: Call, order_id: str, wanted: model.CustomersCancellation, what: str) -> Response:
    caller = call.caller
    if wanted.reference:
        allow_scope(caller, model.IMPORT_SCOPE, "reference")
    command = CancelOrder(
        order_id=Order(order_id),
        request_id=model.request_id(caller.kind, caller.sub, order_id, call.key),
        fingerprint=model.fingerprint(wanted),
        lines=wanted.lines,
        reason=wanted.reason,
        by=call.actor,
        reference=wanted.reference,
    )
    return passed_on(await call.services.order.ask("POST", f"/orders/{order_id}/{what}", body=told(command)))


@router.get("/orders/{order_id}/cases/{case_id}/transfer")
async def show_transfer(call: Calling, order_id: OrderId, case_id: CaseId) -> Response:
    """What `wx.requestMerchantTransfer` needs so that I can confirm a refund that comes as a transfer: `{"mchId",
    "appId", "package", "confirm_by"}`. Problems: unknown-order, nothing-to-confirm (404), transfer-not-ready (409)."""
    order = await _own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    if not is_case_of(order_id, case_id):
        raise Problem(404, "nothing-to-confirm", "没有需要确认的收款。", "There is no transfer to confirm.")
    return passed_on(await call.services.payment.ask("GET", f"/refunds/{segment(case_id)}/transfer"))


@router.get("/inbox")
async def read_inbox(call: Calling) -> Response:
    """What I was told."""
    return passed_on(await call.services.notify.ask("GET", f"/inbox/{segment(call.caller.sub)}"))


@router.get("/subscriptions")
async def show_subscriptions(call: Calling) -> Response:
    """How many messages I still take from each template, as far as we know: `{"templates": [{"template_id", "left",
    "closed_by", "closed_at"}]}`. `closed_by`: reject, off, ban, no-quota; empty when nothing says that none is taken.
    A page asks again where `left` is 0."""
    return passed_on(await call.services.notify.ask("GET", "/subscriptions", query={"openid": call.caller.openid}))


@router.post("/subscriptions")
async def note_subscriptions(
    call: Calling, given: Annotated[model.SubscriptionAnswers, Depends(JsonBody(model.SubscriptionAnswers))]
) -> Response:
    """What I answered when the mini-program asked whether it may send me messages: `{"noted"}`. One answer of one
    Idempotency-Key counts once."""
    body = {"openid": call.caller.openid, "request_id": call.key, "answers": given.answers}
    return passed_on(await call.services.notify.ask("POST", "/subscriptions", body=json.dumps(body).encode()))
