"""Where WeChat Pay, the mini-program's message push and Alibaba Cloud SMS report to. Nothing is judged here: bytes and
signatures go to the payment or the notify service as they came, its answer goes back as it came. What comes too often
is counted by address and answered as when that service is away, so that it comes again."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from chassis.problem import Problem
from services.gateway.api import Behind, GuardedRoute, address_of, door, passed_on
from services.gateway.bodies import read
from services.gateway.clients import Services
from services.gateway.limits import PROVIDER, network_of

BODY_MAX = 64 * 1024
RECEIPTS_BODY_MAX = 512 * 1024
"""Bytes. The notify service takes 1,000 receipts at once (`services/notify/pushes.py`), each of some 280. A batch that
is refused comes three times more, and is lost then."""
SECONDS = 4.0
"""WeChat and WeChat Pay want an answer within five seconds."""

SIGNED = ("signature", "timestamp", "nonce", "echostr")
"""What WeChat's message push puts into the query."""

Family = Literal["pay", "refund", "transfer"]
Shop = Annotated[str, Path(pattern=r"^[0-9a-z-]{1,32}$")]

router = APIRouter(prefix="/callbacks", route_class=GuardedRoute, tags=["provider"])


@router.post("/wechat/pay")
async def payment_reported(services: Behind, request: Request) -> Response:
    """A payment was made."""
    return await _report(services, request, "pay")


@router.post("/wechat/refund")
async def refund_reported(services: Behind, request: Request) -> Response:
    """A refund has come to its end."""
    return await _report(services, request, "refund")


@router.post("/wechat/transfer")
async def transfer_reported(services: Behind, request: Request) -> Response:
    """A transfer to a customer has come to its end."""
    return await _report(services, request, "transfer")


@router.post("/wechat/{family}/{shop}")
async def shop_reported_to(services: Behind, request: Request, family: Family, shop: Shop) -> Response:
    """The same three for a shop with a merchant account of its own."""
    return await _report(services, request, f"{family}/{shop}")


@router.get("/wechat/events")
async def is_it_us(services: Behind, request: Request) -> Response:
    """WeChat asks whether this address is ours."""
    return await _push(services, request, "GET", "/callbacks/events")


@router.post("/wechat/events")
async def event_pushed(services: Behind, request: Request) -> Response:
    """Something happened in the mini-program, for example a customer accepted messages."""
    return await _push(services, request, "POST", "/callbacks/events")


@router.post("/sms/receipts")
async def sms_reported(services: Behind, request: Request) -> Response:
    """Alibaba Cloud says whether short messages arrived."""
    return await _push(services, request, "POST", "/callbacks/sms-receipts", RECEIPTS_BODY_MAX)


async def _push(
    services: Services, request: Request, method: Literal["GET", "POST"], path: str, limit: int = BODY_MAX
) -> Response:
    body = await read(request, limit) if method == "POST" else None
    query = {name: request.query_params.get(name) for name in SIGNED}
    try:
        await _count(request)
        return passed_on(await services.notify.ask_plainly(method, path, query=query, body=body, seconds=SECONDS))
    except Problem:
        return PlainTextResponse("fail", 503)  # the provider repeats after any status that is not 200


async def _report(services: Services, request: Request, what: str) -> Response:
    if request.url.query:
        # WeChat Pay takes no address with a query string, so none of its callbacks has one.
        return JSONResponse({"code": "FAIL", "message": "回调地址不能带参数"}, 400)
    body = await read(request, BODY_MAX)
    headers = [
        (name, value)
        for name, value in request.headers.raw
        if name.lower().startswith(b"wechatpay-") or name.lower() == b"content-type"
    ]
    try:
        await _count(request)
        answer = await services.payment.ask_plainly(
            "POST", f"/callbacks/{what}", body=body, headers=headers, seconds=SECONDS
        )
    except Problem:
        # The provider reads only its own form of an error, and repeats after any status that is not 200 or 204.
        return JSONResponse({"code": "FAIL", "message": "暂时无法处理,请稍后重试"}, 503)
    return passed_on(answer)


async def _count(request: Request) -> None:
    """Raises TooMany, a problem."""
    await door(request).limits.spend(PROVIDER, network_of(address_of(request)))
