"""The HTTP side of bills: a signed answer with a link, then the file itself, which is not signed."""

from collections.abc import Callable
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response

from sandbox.bill_lines import TRADE_COLUMNS
from sandbox.calls import Answer, Intent, json_response
from sandbox.errors import WechatPayError
from sandbox.fault_rules import Fault
from sandbox.merchants import merchant_of
from sandbox.signing import check_request
from sandbox.wechatpay import Reader, answer, signed_request
from sandbox.world import World

ACCOUNTS = ("BASIC", "OPERATION", "FEES")
DOWNLOAD = "/v3/billdownload/file"


def bills_router(world: World) -> APIRouter:
    """``/v3/bill`` and the download."""
    router = APIRouter()

    def route(path: str, reader: Reader) -> None:
        async def endpoint(request: Request) -> Response:
            return await answer(world, request, reader)

        router.add_api_route(path, endpoint, methods=["GET"], name=reader.__name__)

    route("/v3/bill/tradebill", trade_bill)
    route("/v3/bill/fundflowbill", fund_flow_bill)

    @router.get(DOWNLOAD)
    async def download(request: Request) -> Response:
        """The request is signed, the answer is not; the hash proves the file."""
        try:
            signed = signed_request(request, await request.body())
            merchant = check_request(world.keys.merchants, signed, world.clock.wall())
            content, compressed = world.bills.download(merchant.mchid, request.query_params.get("token", ""))
        except WechatPayError as refusal:
            return json_response(refusal.http, refusal.body())
        kind = "application/x-gzip" if compressed else "text/plain; charset=utf-8"
        return Response(content, 200, {"Content-Type": kind})

    return router


def trade_bill(world: World, request: Request, raw: bytes) -> Intent:
    """GET /v3/bill/tradebill?bill_date=&bill_type=&tar_type= → hash and link."""
    choices = {"bill_type": tuple(TRADE_COLUMNS), "sub_mchid": tuple(world.keys.sub_mchids)}
    asked = _asked(request, choices, {"bill_type": "ALL"})
    mchid = merchant_of(request).mchid

    def make() -> str:
        return world.bills.trade_bill(mchid, asked["bill_date"], asked["bill_type"], asked.get("sub_mchid"))

    return _link(world, request, asked, make)


def fund_flow_bill(world: World, request: Request, raw: bytes) -> Intent:
    """GET /v3/bill/fundflowbill?bill_date=&account_type=&tar_type= → hash and link."""
    asked = _asked(request, {"account_type": ACCOUNTS}, {"account_type": "BASIC"})
    mchid = merchant_of(request).mchid

    def make() -> str:
        return world.bills.fund_flow_bill(mchid, asked["bill_date"], asked["account_type"])

    return _link(world, request, asked, make)


def _asked(request: Request, choices: dict[str, tuple[str, ...]], defaults: dict[str, str]) -> dict[str, str]:
    """The query, complete; 400 PARAM_ERROR for an unknown parameter or value, or without a date."""
    given = dict(request.query_params)
    allowed = {**choices, "tar_type": ("GZIP",)}
    for name, value in given.items():
        if name != "bill_date" and value not in allowed.get(name, ()):
            raise WechatPayError(400, "PARAM_ERROR", f"参数错误: {name}={value}")
    if "bill_date" not in given:
        raise WechatPayError(400, "PARAM_ERROR", "参数错误: bill_date必填")
    return {**defaults, **given}


def _link(world: World, request: Request, asked: dict[str, str], make: Callable[[], str]) -> Intent:
    def act(fault: Fault | None) -> Answer:
        world.settle_due()
        made = world.bills.publish(merchant_of(request).mchid, make(), compressed="tar_type" in asked)
        query = urlencode({"token": made["token"]})
        return 200, {
            "hash_type": "SHA1",
            "hash_value": made["hash_value"],
            "download_url": f"{str(request.base_url).rstrip('/')}{DOWNLOAD}?{query}",
        }

    return Intent("bill", {"bill_date": asked["bill_date"]}, act)
