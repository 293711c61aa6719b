"""The HTTP side of WeChat Pay API v3: signature in, fault or call, signature out."""

import dataclasses
import secrets
from collections.abc import Callable

from fastapi import APIRouter, Request, Response

from sandbox.calls import Answer, Intent, carry_out, draw, json_bytes
from sandbox.errors import InjectedError, WechatPayError
from sandbox.faults import Fault
from sandbox.merchants import merchant_of, remember_merchant
from sandbox.partners_api import partner_close, partner_prepay, partner_query
from sandbox.payments_api import close, pay_query, prepay
from sandbox.refunds_api import refund, refund_query
from sandbox.signing import SignedRequest, check_request, nonce_of, signed_headers
from sandbox.world import World

Reader = Callable[[World, Request, bytes], Intent]


def wechatpay_router(world: World) -> APIRouter:
    """The routes under ``/v3`` for payments, refunds and certificates."""
    router = APIRouter()
    partner = "/v3/pay/partner/transactions"
    trades = "/v3/pay/transactions"
    refunds = "/v3/refund/domestic/refunds"

    def route(method: str, path: str, reader: Reader) -> None:
        async def endpoint(request: Request) -> Response:
            return await answer(world, request, reader)

        router.add_api_route(path, endpoint, methods=[method], name=reader.__name__)

    route("POST", f"{trades}/jsapi", prepay)
    route("GET", f"{trades}/out-trade-no/{{out_trade_no}}", pay_query)
    route("GET", f"{trades}/id/{{transaction_id}}", pay_query)
    route("POST", f"{trades}/out-trade-no/{{out_trade_no}}/close", close)
    route("POST", f"{partner}/jsapi", partner_prepay)
    route("GET", f"{partner}/out-trade-no/{{out_trade_no}}", partner_query)
    route("GET", f"{partner}/id/{{transaction_id}}", partner_query)
    route("POST", f"{partner}/out-trade-no/{{out_trade_no}}/close", partner_close)
    route("POST", refunds, refund)
    route("GET", f"{refunds}/{{out_refund_no}}", refund_query)
    route("GET", "/v3/certificates", certificates)
    return router


async def answer(world: World, request: Request, reader: Reader) -> Response:
    """Check the signature, carry the call out, and sign whatever is answered, errors and empty bodies too."""
    raw = await request.body()
    fault: Fault | None = None
    intent: Intent | None = None
    http: int
    try:
        merchant = check_request(world.keys.merchants, signed_request(request, raw), world.clock.wall())
        remember_merchant(request, merchant)
        if asked := request.headers.get("wechatpay-serial"):
            world.keys.platform.named(asked)
        intent = reader(world, request, raw)
        intent = dataclasses.replace(intent, numbers={**intent.numbers, "mchid": merchant.mchid})
        fault = draw(world.faults, intent)
        http, value = await carry_out(intent, fault, request)
    except WechatPayError as refusal:
        http, value = refusal.http, refusal.body()
    except InjectedError as injected:
        http, value = injected.http, {"code": injected.code, "message": "系统异常, 请用相同参数重新调用"}
    finally:
        # The answer is on its way before the courier gets its turn.
        world.courier.kick()
    return signed_response(world, request, http, spoiled(json_bytes(value), fault), kind_of(world, intent, fault))


def spoiled(body: bytes, fault: Fault | None) -> bytes:
    """The body, or under a fault ``garbled`` what a broken proxy leaves of it."""
    return body[: len(body) // 2] + b"<html>" if fault is not None and fault.kind == "garbled" else body


def kind_of(world: World, intent: Intent | None, fault: Fault | None) -> str:
    """How an answer is signed: ``unsigned``, ``signtest`` or ``genuine``; calls nobody understood are no probes."""
    if fault is not None and fault.kind in ("unsigned", "signtest"):
        return fault.kind
    if intent is None:
        return "genuine"
    subject = f"{intent.call}/{sorted(intent.numbers.items())}"
    return "signtest" if world.signing.probes_next(subject) else "genuine"


def signed_response(world: World, request: Request, http: int, body: bytes, kind: str) -> Response:
    """The answer on the wire, signed with the key that the request or the key mode asks for."""
    headers = {"Request-ID": secrets.token_hex(16)}
    if body:
        headers["Content-Type"] = "application/json; charset=utf-8"
    if kind != "unsigned":
        nonce = nonce_of(request.headers.get("authorization", ""))
        key = world.signing.key_for(nonce, request.headers.get("wechatpay-serial", ""))
        headers |= signed_headers(key, body, world.clock.wall(), probe=kind == "signtest")
    return Response(body, http, headers)


def signed_request(request: Request, raw: bytes) -> SignedRequest:
    """What the signature must cover, taken from the request as it was sent, not as it was decoded."""
    path = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope["query_string"]
    target = path.partition(b"?")[0] + (b"?" + query if query else b"")
    return SignedRequest(
        method=request.method,
        target=target.decode("latin-1"),
        body=raw,
        authorization=request.headers.get("authorization", ""),
    )


def certificates(world: World, request: Request, raw: bytes) -> Intent:
    """GET /v3/certificates → the platform certificates; accounts of public-key mode have none (500 SYSTEM_ERROR)."""

    def act(fault: Fault | None) -> Answer:
        if not world.signing.lists_certificates:
            raise WechatPayError(500, "SYSTEM_ERROR", "系统繁忙, 请稍后重试")
        return 200, world.keys.platform.listed(merchant_of(request).apiv3_key)

    return Intent("certificates", {}, act)
