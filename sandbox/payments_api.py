"""The HTTP side of payments a merchant orders for itself."""

from urllib.parse import parse_qs

from fastapi import Request

from sandbox.calls import Answer, Intent
from sandbox.errors import WechatPayError
from sandbox.faults import Fault
from sandbox.merchants import merchant_of
from sandbox.parties import party_of
from sandbox.wechatpay_models import Close, Prepay, read_body
from sandbox.world import World


def prepay(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/pay/transactions/jsapi → ``{"prepay_id"}``."""
    order = read_body(Prepay, raw)
    check_mchid(world, request, order.mchid)
    numbers = {"out_trade_no": order.out_trade_no, "openid": order.payer.openid}
    return Intent("prepay", numbers, lambda fault: (200, {"prepay_id": world.trades.prepay(order)}))


def pay_query(world: World, request: Request, raw: bytes) -> Intent:
    """GET /v3/pay/transactions/out-trade-no/{out_trade_no} and /id/{transaction_id}, both with ``?mchid=``."""
    numbers: dict[str, str] = dict(request.path_params)
    mchid = query_value(request, "mchid")
    check_mchid(world, request, mchid)

    def act(fault: Fault | None) -> Answer:
        answer = world.trades.query(numbers.get("out_trade_no"), numbers.get("transaction_id"), mchid)
        check_own(world, mchid, answer["out_trade_no"])
        return 200, answer

    return Intent("pay-query", numbers, act)


def close(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close → 204."""
    order = read_body(Close, raw)
    check_mchid(world, request, order.mchid)
    out_trade_no: str = request.path_params["out_trade_no"]

    def act(fault: Fault | None) -> Answer:
        check_own(world, order.mchid, out_trade_no)
        world.trades.close(out_trade_no, order.mchid)
        return 204, None

    return Intent("close", {"out_trade_no": out_trade_no}, act)


def query_value(request: Request, name: str) -> str:
    """A value of the query string; 400 PARAM_ERROR where it is missing."""
    query: bytes = request.scope["query_string"]
    value = parse_qs(query.decode("latin-1")).get(name, [""])[0]
    if not value:
        raise WechatPayError(400, "PARAM_ERROR", f"参数错误: {name}必填")
    return value


def check_mchid(world: World, request: Request, mchid: str) -> None:
    """The merchant number in a request must be the one that signed it: 400 MCH_NOT_EXISTS, 403 NO_AUTH."""
    if mchid not in world.keys.merchants:
        raise WechatPayError(400, "MCH_NOT_EXISTS", "商户号不存在")
    if mchid != merchant_of(request).mchid:
        raise WechatPayError(403, "NO_AUTH", "请求中的商户号与签名的商户号不一致")


def check_own(world: World, mchid: str, out_trade_no: str) -> None:
    """A payment ordered for a sub-merchant is unknown where a merchant asks for its own: 404 ORDER_NOT_EXIST."""
    if party_of(world.store, mchid, out_trade_no) is not None:
        raise WechatPayError(404, "ORDER_NOT_EXIST", "订单不存在")
