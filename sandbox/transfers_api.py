"""The HTTP side of abnormal refunds and merchant transfers."""

from fastapi import APIRouter, Request, Response

from sandbox.calls import Answer, Intent
from sandbox.errors import WechatPayError
from sandbox.fault_rules import Fault
from sandbox.merchants import merchant_of
from sandbox.refunds_api import check_party
from sandbox.wechatpay import Reader, answer
from sandbox.wechatpay_models import AbnormalRefund, Transfer, read_body
from sandbox.world import World


def transfers_router(world: World) -> APIRouter:
    """``apply-abnormal-refund`` and ``/v3/fund-app/mch-transfer``."""
    router = APIRouter()
    transfers = "/v3/fund-app/mch-transfer/transfer-bills"

    def route(method: str, path: str, reader: Reader) -> None:
        async def endpoint(request: Request) -> Response:
            return await answer(world, request, reader)

        router.add_api_route(path, endpoint, methods=[method], name=reader.__name__)

    route("POST", "/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund", abnormal_refund)
    route("POST", transfers, transfer)
    route("GET", f"{transfers}/out-bill-no/{{out_bill_no}}", transfer_query)
    route("GET", f"{transfers}/transfer-bill-no/{{transfer_bill_no}}", transfer_query)
    route("POST", f"{transfers}/out-bill-no/{{out_bill_no}}/cancel", transfer_cancel)
    return router


def abnormal_refund(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund → the refund."""
    order = read_body(AbnormalRefund, raw)
    refund_id: str = request.path_params["refund_id"]
    mchid, serial = merchant_of(request).mchid, request.headers.get("wechatpay-serial", "")

    def act(fault: Fault | None) -> Answer:
        known = world.refunds.row(order.out_refund_no, mchid)
        check_party(world, mchid, None if known is None else known["out_trade_no"], order.sub_mchid)
        return 200, world.abnormal.apply(refund_id, order, mchid=mchid, serial=serial, fault=fault)

    return Intent("abnormal-refund", {"out_refund_no": order.out_refund_no, "refund_id": refund_id}, act)


def transfer(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/fund-app/mch-transfer/transfer-bills → numbers, state and ``package_info``."""
    order = read_body(Transfer, raw)
    mchid, serial = merchant_of(request).mchid, request.headers.get("wechatpay-serial", "")
    if order.appid != world.keys.merchants[mchid].appid:
        raise WechatPayError(400, "INVALID_REQUEST", "APPID与商户号不匹配")

    def act(fault: Fault | None) -> Answer:
        return 200, world.transfers.ask(order, mchid=mchid, serial=serial, fault=fault)

    numbers = {"out_bill_no": order.out_bill_no, "openid": order.openid}
    return Intent("transfer", numbers, act, within=lambda: world.limits.transfer(mchid))


def transfer_query(world: World, request: Request, raw: bytes) -> Intent:
    """GET …/out-bill-no/{out_bill_no} and …/transfer-bill-no/{transfer_bill_no} → the transfer."""
    numbers: dict[str, str] = dict(request.path_params)
    mchid = merchant_of(request).mchid
    return Intent("transfer-query", numbers, lambda fault: (200, world.transfers.query(numbers, mchid=mchid)))


def transfer_cancel(world: World, request: Request, raw: bytes) -> Intent:
    """POST …/out-bill-no/{out_bill_no}/cancel → numbers and state, CANCELING at first."""
    out_bill_no: str = request.path_params["out_bill_no"]
    mchid = merchant_of(request).mchid
    return Intent(
        "transfer-cancel",
        {"out_bill_no": out_bill_no},
        lambda fault: (200, world.transfers.cancel(out_bill_no, mchid=mchid)),
    )
