"""Where WeChat Pay reports to. Nothing is judged here: bytes and signature headers go to the payment service as they
came, its answer goes back as it came."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from chassis.problem import Problem
from services.gateway.api import Behind, GuardedRoute, passed_on, read
from services.gateway.clients import Services

BODY_MAX = 64 * 1024
SECONDS = 4.0
"""WeChat Pay wants an answer within five seconds."""

router = APIRouter(prefix="/callbacks/wechat", route_class=GuardedRoute, tags=["provider"])


@router.post("/pay")
async def payment_reported(services: Behind, request: Request) -> Response:
    """A payment was made."""
    return await _report(services, request, "pay")


@router.post("/refund")
async def refund_reported(services: Behind, request: Request) -> Response:
    """A refund has come to its end."""
    return await _report(services, request, "refund")


async def _report(services: Services, request: Request, what: Literal["pay", "refund"]) -> Response:
    body = await read(request, BODY_MAX)
    headers = [
        (name, value)
        for name, value in request.headers.raw
        if name.lower().startswith(b"wechatpay-") or name.lower() == b"content-type"
    ]
    try:
        answer = await services.payment.ask_plainly(
            "POST", f"/callbacks/{what}", body=body, headers=headers, seconds=SECONDS
        )
    except Problem:
        # The provider reads only its own form of an error, and repeats after any status that is not 200 or 204.
        return JSONResponse({"code": "FAIL", "message": "暂时无法处理,请稍后重试"}, 503)
    return passed_on(answer)
