"""The customers' door: what may help more than cancelling, and taking it in one call."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, RootModel

from chassis.problem import Problem
from contracts.alternative import PostponeDelivery
from contracts.exchange import ExchangeGoods
from contracts.message import Command, Quantity
from contracts.message import OrderId as Order
from services.gateway import model
from services.gateway.api import Call, Calling, GuardedRoute, OrderId, passed_on, told
from services.gateway.bodies import JsonBody
from services.gateway.owned import own_order

router = APIRouter(prefix="/mp/v1", route_class=GuardedRoute, tags=["customer"])

SHOWN_MAX = 20
LOOKED_AT_MAX = 500


class LaterDelivery(BaseModel):
    """The parcel does not leave before `day` (in China)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kind: Literal["later-delivery"]
    day: date = Field(description="YYYY-MM-DD")


class ExchangeWanted(BaseModel):
    """`quantity` pieces of line `line_no` for as many of another variant at the same price."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    kind: Literal["exchange"]
    line_no: int = Field(ge=1, le=1_000_000)
    quantity: Quantity
    product_id: str = Field(pattern=model.NAME_PATTERN)


class AlternativeWanted(RootModel[Annotated[LaterDelivery | ExchangeWanted, Field(discriminator="kind")]]):
    """What to do in place of cancelling."""


@router.get("/orders/{order_id}/alternatives")
async def show_alternatives(call: Calling, order_id: OrderId) -> Response:
    """What may help more than cancelling: `{"order_id", "later_delivery", "exchange", "similar", "stock_known"}`.
    `later_delivery` says whether it can be had, why not, and from which to which day. `exchange` likewise, with
    `variants`: by line, what its pieces can be exchanged for at the same price; `at_most` so many of them are on the
    shelf now. `similar`: goods of the same category, at most a fifth dearer or cheaper, with enough pieces on the
    shelf. Both are empty when nobody knows the stock now. Problem: unknown-order (404)."""
    order = await own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    answer = await call.services.order.ask("GET", f"/orders/{order_id}/alternatives")
    if answer.status != 200:
        return passed_on(answer)
    found: dict[str, Any] = json.loads(answer.body)
    similar = found.pop("similar", [])[:LOOKED_AT_MAX]
    exchange: dict[str, Any] = {"variants": [], **found.get("exchange", {})}
    variants = exchange["variants"][: LOOKED_AT_MAX - len(similar)]
    stock = await _stock(call, sorted({row["product_id"] for row in (*similar, *variants)}))
    there = [row for row in similar if stock and stock.get(row["product_id"], 0) >= row["quantity"]]
    counted = [{**row, "at_most": min(row["quantity"], (stock or {}).get(row["product_id"], 0))} for row in variants]
    shown = {"exchange": {**exchange, "variants": [row for row in counted if row["at_most"] > 0]}}
    return JSONResponse({**found, **shown, "similar": there[:SHOWN_MAX], "stock_known": stock is not None})


@router.post("/orders/{order_id}/alternatives")
async def take_alternative(
    call: Calling, order_id: OrderId, wanted: Annotated[AlternativeWanted, Depends(JsonBody(AlternativeWanted))]
) -> Response:
    """Keep one of my orders under other terms: the order as it is then. An exchange (202) is under way then, and ends
    within seconds as its entry in `exchanges` tells: done, or refused with the order as before. The same
    Idempotency-Key with the same body changes nothing more. Problems: unknown-order (404), not-paid-yet,
    too-late-to-change, already-cancelled, cancellation-open, exchange-open, with-a-person, too-many-alternatives,
    idempotency-key-reused (409), day-out-of-reach, unknown-line, not-so-many-left, not-a-variant, not-at-this-price
    (422)."""
    order = await own_order(call, order_id)
    if order.status != 200:
        return passed_on(order)
    path, command = _command(call, Order(order_id), wanted.root)
    return passed_on(await call.services.order.ask("POST", path, body=told(command)))


def _command(call: Call, order_id: Order, wanted: LaterDelivery | ExchangeWanted) -> tuple[str, Command]:
    """Where the order service hears this wish, and as what."""
    caller = call.caller
    request_id = model.request_id(caller.kind, caller.sub, order_id, call.key)
    about = {"order_id": order_id, "request_id": request_id, "fingerprint": model.fingerprint(wanted)}
    asked = {**about, **wanted.model_dump(exclude={"kind"}), "by": call.actor}
    if isinstance(wanted, ExchangeWanted):
        return f"/orders/{order_id}/exchange", ExchangeGoods.model_validate(asked)
    return f"/orders/{order_id}/postponement", PostponeDelivery.model_validate(asked)


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
