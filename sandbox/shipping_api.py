"""The HTTP side of shipping information, and what tests do about it."""

from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import BaseModel, ConfigDict

from sandbox.calls import Answer, Intent
from sandbox.faults import Call, Fault
from sandbox.miniprogram import accepted, answer_with_token, refusal
from sandbox.shipping import ShippingError
from sandbox.shipping_models import ConfirmReceive, GetOrder, IsTradeManaged, Upload
from sandbox.world import World


class ByHand(BaseModel):
    """A record whose state is set by hand: 1 to ship … 6 waiting for settlement; the first merchant unless named."""

    model_config = ConfigDict(extra="forbid")
    out_trade_no: str
    mchid: str | None = None
    order_state: Literal[1, 2, 3, 4, 5, 6] = 2


class Received(BaseModel):
    """The customer confirms that the goods arrived."""

    model_config = ConfigDict(extra="forbid")
    out_trade_no: str
    mchid: str | None = None


def _intent(call: Call, numbers: dict[str, str | None], act: Callable[[], dict[str, Any]]) -> Intent:
    def answered(fault: Fault | None) -> Answer:
        try:
            return 200, accepted(**act())
        except ShippingError as refused:
            return 200, refusal(refused.errcode, refused.errmsg)

    return Intent(call, {name: value for name, value in numbers.items() if value is not None}, answered)


def upload_intent(world: World, body: Upload) -> Intent:
    """Upload shipping information."""
    key = body.order_key

    def act() -> dict[str, Any]:
        world.shipping.upload(body)
        return {}

    numbers = {"out_trade_no": key.out_trade_no, "transaction_id": key.transaction_id, "openid": body.payer.openid}
    return _intent("shipping", numbers, act)


def _numbers(body: GetOrder) -> dict[str, str | None]:
    return {
        "transaction_id": body.transaction_id,
        "mchid": body.merchant_id,
        "out_trade_no": body.merchant_trade_no,
    }


def query_intent(world: World, body: GetOrder) -> Intent:
    """Show one record."""

    def act() -> dict[str, Any]:
        trade = world.shipping.trade_of(body.transaction_id, body.merchant_id, body.merchant_trade_no)
        return {"order": world.shipping.shown(trade)}

    return _intent("shipping-query", _numbers(body), act)


def remind_intent(world: World, body: ConfirmReceive) -> Intent:
    """Ask the customer to confirm."""

    def act() -> dict[str, Any]:
        world.shipping.remind(world.shipping.trade_of(body.transaction_id, body.merchant_id, body.merchant_trade_no))
        return {}

    return _intent("shipping", _numbers(body), act)


def managed_intent(world: World, body: IsTradeManaged) -> Intent:
    """Whether this account has to upload at all."""

    def act() -> dict[str, Any]:
        if body.appid != world.keys.appid:
            raise ShippingError(40013, "invalid appid")
        return {"is_trade_managed": world.settings.trade_managed}

    return _intent("shipping-query", {}, act)


def shipping_router(world: World) -> APIRouter:
    """``/wxa/sec/order``, ``/_customer/shipping`` and ``/_control/shipping``."""
    router = APIRouter()

    @router.post("/wxa/sec/order/upload_shipping_info")
    async def upload(request: Request) -> Response:
        return await answer_with_token(world, request, Upload, upload_intent)

    @router.post("/wxa/sec/order/get_order")
    async def get_order(request: Request) -> Response:
        return await answer_with_token(world, request, GetOrder, query_intent)

    @router.post("/wxa/sec/order/notify_confirm_receive")
    async def notify_confirm_receive(request: Request) -> Response:
        return await answer_with_token(world, request, ConfirmReceive, remind_intent)

    @router.post("/wxa/sec/order/is_trade_managed")
    async def is_trade_managed(request: Request) -> Response:
        return await answer_with_token(world, request, IsTradeManaged, managed_intent)

    @router.post("/_customer/shipping/confirm")
    async def confirm(body: Received) -> dict[str, Any]:
        return _by_number(world, body, world.shipping.confirm)

    @router.put("/_control/shipping")
    async def by_hand(body: ByHand) -> dict[str, Any]:
        return _by_number(world, body, lambda trade: world.shipping.put(trade, body.order_state))

    return router


def _by_number(world: World, body: ByHand | Received, act: Callable[[Any], None]) -> dict[str, Any]:
    """Do something to one record and show it; 404 and 409 with the errcode the API would give."""
    try:
        trade = world.shipping.trade_of(None, body.mchid or world.keys.mchid, body.out_trade_no)
    except ShippingError as unknown:
        raise HTTPException(404, {"reason": "unknown-order", "errcode": unknown.errcode}) from None
    try:
        act(trade)
    except ShippingError as refused:
        raise HTTPException(409, {"reason": "state", "errcode": refused.errcode}) from None
    return world.shipping.shown(trade)
