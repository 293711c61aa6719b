"""The HTTP side of WeChat Pay API v3: signature in, fault or call, signature out."""

import secrets
from collections.abc import Callable
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response

from sandbox.calls import Answer, Intent, json_bytes, perform
from sandbox.errors import InjectedError, WechatPayError
from sandbox.faults import Fault
from sandbox.signing import SignedRequest, check_request, signed_headers
from sandbox.wechatpay_models import Close, Prepay, Refund, read_body
from sandbox.world import World

Reader = Callable[[World, Request, bytes], Intent]


def wechatpay_router(world: World) -> APIRouter:
    """The routes under ``/v3``."""
    router = APIRouter()
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
    route("POST", refunds, refund)
    route("GET", f"{refunds}/{{out_refund_no}}", refund_query)
    return router


async def answer(world: World, request: Request, reader: Reader) -> Response:
    """Check the signature, carry the call out, and sign whatever is answered, errors and empty bodies too."""
    raw = await request.body()
    http: int
    try:
        check_request(world.keys, signed_request(request, raw), world.clock.wall())
        http, value = await perform(world.faults, reader(world, request, raw), request)
    except WechatPayError as refusal:
        http, value = refusal.http, refusal.body()
    except InjectedError as fault:
        http, value = fault.http, {"code": fault.code, "message": "系统异常, 请用相同参数重新调用"}
    finally:
        # The answer is on its way before the courier gets its turn.
        world.courier.kick()
    body = json_bytes(value)
    headers = signed_headers(world.keys, body, world.clock.wall())
    headers["Request-ID"] = secrets.token_hex(16)
    if body:
        headers["Content-Type"] = "application/json; charset=utf-8"
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


def prepay(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/pay/transactions/jsapi → ``{"prepay_id"}``."""
    order = read_body(Prepay, raw)
    numbers = {"out_trade_no": order.out_trade_no, "openid": order.payer.openid}
    return Intent("prepay", numbers, lambda fault: (200, {"prepay_id": world.trades.prepay(order)}))


def pay_query(world: World, request: Request, raw: bytes) -> Intent:
    """GET /v3/pay/transactions/out-trade-no/{out_trade_no} and /id/{transaction_id}, both with ``?mchid=``."""
    numbers: dict[str, str] = dict(request.path_params)
    mchid = parse_qs(request.scope["query_string"].decode("latin-1")).get("mchid", [""])[0]
    if not mchid:
        raise WechatPayError(400, "PARAM_ERROR", "参数错误: mchid必填")

    def act(fault: Fault | None) -> Answer:
        return 200, world.trades.query(numbers.get("out_trade_no"), numbers.get("transaction_id"), mchid)

    return Intent("pay-query", numbers, act)


def close(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close → 204."""
    order = read_body(Close, raw)
    out_trade_no: str = request.path_params["out_trade_no"]

    def act(fault: Fault | None) -> Answer:
        world.trades.close(out_trade_no, order.mchid)
        return 204, None

    return Intent("close", {"out_trade_no": out_trade_no}, act)


def refund(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/refund/domestic/refunds → the refund."""
    order = read_body(Refund, raw)
    numbers = {"out_refund_no": order.out_refund_no, "out_trade_no": order.out_trade_no or ""}
    if order.transaction_id is not None:
        numbers["transaction_id"] = order.transaction_id

    def act(fault: Fault | None) -> Answer:
        final_status = (fault.refund_status if fault is not None else None) or "SUCCESS"
        return 200, world.refunds.ask(order, final_status)

    def seeded() -> Fault | None:
        # A number that was accepted can neither be refused any more nor be posted for the first time.
        if world.refunds.row(order.out_refund_no) is not None:
            return None
        return world.faults.draw_for_refund(order.out_refund_no)

    def refused(http: int, code: str) -> None:
        # 429 and 5xx say nothing about the outcome; the other codes say that the refund was refused.
        if http < 500 and http != 429:
            world.refunds.note_refusal(order, code)

    return Intent("refund", numbers, act, seeded, refused)


def refund_query(world: World, request: Request, raw: bytes) -> Intent:
    """GET /v3/refund/domestic/refunds/{out_refund_no} → the refund."""
    out_refund_no: str = request.path_params["out_refund_no"]
    return Intent(
        "refund-query", {"out_refund_no": out_refund_no}, lambda fault: (200, world.refunds.query(out_refund_no))
    )
