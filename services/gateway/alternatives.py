"""The customers' door: what may help more than cancelling, and taking it in one call."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.problem import Problem
from contracts.alternative import PostponeDelivery
from contracts.message import OrderId as Order
from services.gateway import model
from services.gateway.api import Call, Calling, GuardedRoute, JsonBody, OrderId, passed_on, told
from services.gateway.owned import own_order

router = APIRouter(prefix="/mp/v1", route_class=GuardedRoute, tags=["customer"])

SHOWN_MAX = 20
LOOKED_AT_MAX = 500


class AlternativeWanted(BaseModel):
    """What to do in place of cancelling. `later-delivery`: the parcel does not leave before `day` (in China)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kind: Literal["later-delivery"]
    day: date = Field(description="YYYY-MM-DD")


@router.get("/orders/{order_id}/alternatives")
async def show_alternatives(call: Calling, order_id: OrderId) -> Response:
    """What may help more than cancelling: `{"order_id", "later_delivery", "similar", "stock_known"}`. `later_delivery`
    says whether it can be had, why not, and from which to which day. `similar`: goods of the same category, at most a
    fifth dearer or cheaper, with enough pieces on the shelf; empty when nobody knows the stock now. Problem:
    unknown-order (404)."""
    order = await own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    answer = await call.services.order.ask("GET", f"/orders/{order_id}/alternatives")
    if answer.status != 200:
        return passed_on(answer)
    found: dict[str, Any] = json.loads(answer.body)
    similar = found.pop("similar", [])[:LOOKED_AT_MAX]
    stock = await _stock(call, sorted({row["product_id"] for row in similar}))
    there = [row for row in similar if stock and stock.get(row["product_id"], 0) >= row["quantity"]]
    return JSONResponse({**found, "similar": there[:SHOWN_MAX], "stock_known": stock is not None})


@router.post("/orders/{order_id}/alternatives")
async def take_alternative(
    call: Calling, order_id: OrderId, wanted: Annotated[AlternativeWanted, Depends(JsonBody(AlternativeWanted))]
) -> Response:
    """Keep one of my orders under other terms: the order as it is then. The same Idempotency-Key with the same body
    changes nothing more. Problems: unknown-order (404), not-paid-yet, too-late-to-change, already-cancelled,
    cancellation-open, too-many-alternatives, idempotency-key-reused (409), day-out-of-reach (422)."""
    order = await own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    caller = call.caller
    command = PostponeDelivery(
        order_id=Order(order_id),
        request_id=model.request_id(caller.kind, caller.sub, order_id, call.key),
        fingerprint=model.fingerprint(wanted),
        day=wanted.day,
        by=call.actor,
    )
    path = f"/orders/{order_id}/postponement"
    return passed_on(await call.services.order.ask("POST", path, body=told(command)))


async def _stock(call: Call, product_ids: list[str]) -> dict[str, int] | None:
    """Pieces on the shelf by product; None when inventory is away: what else may help is shown all the same."""
    if not product_ids:
        return {}
    body = json.dumps({"product_ids": product_ids}).encode()
    try:
        answer = await call.services.inventory.ask("POST", "/stock/look", body=body)
    except Problem as away:
        if away.code != "not-ready":
            raise
        return None
    if answer.status != 200:
        return None
    return {row["product_id"]: row["available"] for row in json.loads(answer.body)["stock"]}
