"""The HTTP side of service-provider mode: a merchant orders payments for its sub-merchants.

Rules: pay.weixin.qq.com/doc/v3/partner/4012523593, pay.weixin.qq.com/doc/v3/partner/4012709253.
"""

import json
from typing import Any, Self

from fastapi import Request
from pydantic import ConfigDict, Field, model_validator

from sandbox.calls import Answer, Intent
from sandbox.errors import WechatPayError
from sandbox.faults import Fault
from sandbox.parties import Party, keep_party, party_of
from sandbox.payments_api import check_mchid, query_value
from sandbox.wechatpay_models import Body, Prepay, read_body
from sandbox.world import World


class PartnerPayer(Body):
    """Who pays, as the provider's app or the sub-merchant's app knows the customer."""

    sp_openid: str | None = Field(default=None, min_length=1, max_length=128)
    sub_openid: str | None = Field(default=None, min_length=1, max_length=128)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.sp_openid is None) == (self.sub_openid is None):
            raise ValueError("sp_openid or sub_openid is required, and not both")
        return self


class PartnerHead(Body):
    """What names the parties in POST /v3/pay/partner/transactions/jsapi; the rest is as for a merchant of its own."""

    model_config = ConfigDict(extra="ignore")
    sp_appid: str = Field(min_length=1, max_length=32)
    sp_mchid: str = Field(min_length=1, max_length=32)
    sub_appid: str | None = Field(default=None, min_length=1, max_length=32)
    sub_mchid: str = Field(min_length=1, max_length=32)
    payer: PartnerPayer

    @model_validator(mode="after")
    def _known_app(self) -> Self:
        if self.payer.sub_openid is not None and self.sub_appid is None:
            raise ValueError("sub_openid belongs to sub_appid, which is missing")
        return self


class PartnerClose(Body):
    """POST /v3/pay/partner/transactions/out-trade-no/{out_trade_no}/close."""

    sp_mchid: str
    sub_mchid: str


def read_order(raw: bytes) -> tuple[PartnerHead, Prepay]:
    """The parties, and the order as the provider would place it for itself; 400 PARAM_ERROR."""
    head = read_body(PartnerHead, raw)
    given: dict[str, Any] = json.loads(raw)
    for name in ("appid", "mchid"):
        if name in given:
            raise WechatPayError(400, "PARAM_ERROR", f"请求中含有未在API文档中定义的参数: /{name}")
    rest = {name: value for name, value in given.items() if name not in PartnerHead.model_fields}
    openid = head.payer.sp_openid or head.payer.sub_openid
    own = {**rest, "appid": head.sp_appid, "mchid": head.sp_mchid, "payer": {"openid": openid}}
    return head, read_body(Prepay, json.dumps(own).encode())


def check_sub_mchid(world: World, sub_mchid: str) -> None:
    """403 NO_AUTH for a sub-merchant that is not listed in sub-mchids.txt."""
    if sub_mchid not in world.keys.sub_mchids:
        raise WechatPayError(403, "NO_AUTH", "特约商户未授权服务商, 或特约商户号不存在")


def partner_prepay(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/pay/partner/transactions/jsapi → ``{"prepay_id"}``."""
    head, order = read_order(raw)
    check_mchid(world, request, head.sp_mchid)
    check_sub_mchid(world, head.sub_mchid)
    party = Party(head.sub_mchid, head.sub_appid, "sp_openid" if head.payer.sp_openid is not None else "sub_openid")

    def act(fault: Fault | None) -> Answer:
        number = (head.sp_mchid, order.out_trade_no)
        known = party_of(world.store, *number)
        if world.trades.row(order.out_trade_no, head.sp_mchid) is not None and known != party:
            raise WechatPayError(400, "INVALID_REQUEST", "请求重入时, 参数与首次请求时不一致")
        with world.store.transaction():
            prepay_id = world.trades.prepay(order)
            keep_party(world.store, *number, party)
        return 200, {"prepay_id": prepay_id}

    numbers = {"out_trade_no": order.out_trade_no, "openid": order.payer.openid, "sub_mchid": head.sub_mchid}
    return Intent("prepay", numbers, act)


def partner_query(world: World, request: Request, raw: bytes) -> Intent:
    """GET …/out-trade-no/{out_trade_no} and …/id/{transaction_id}, both with ``?sp_mchid=&sub_mchid=``."""
    numbers: dict[str, str] = dict(request.path_params)
    sp_mchid, sub_mchid = query_value(request, "sp_mchid"), query_value(request, "sub_mchid")
    check_mchid(world, request, sp_mchid)
    check_sub_mchid(world, sub_mchid)

    def act(fault: Fault | None) -> Answer:
        answer = world.trades.query(numbers.get("out_trade_no"), numbers.get("transaction_id"), sp_mchid)
        return 200, must_be_for(world, sp_mchid, sub_mchid, answer["out_trade_no"]).shown(answer)

    return Intent("pay-query", {**numbers, "sub_mchid": sub_mchid}, act)


def partner_close(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/pay/partner/transactions/out-trade-no/{out_trade_no}/close → 204."""
    order = read_body(PartnerClose, raw)
    check_mchid(world, request, order.sp_mchid)
    check_sub_mchid(world, order.sub_mchid)
    out_trade_no: str = request.path_params["out_trade_no"]

    def act(fault: Fault | None) -> Answer:
        must_be_for(world, order.sp_mchid, order.sub_mchid, out_trade_no)
        world.trades.close(out_trade_no, order.sp_mchid)
        return 204, None

    return Intent("close", {"out_trade_no": out_trade_no, "sub_mchid": order.sub_mchid}, act)


def must_be_for(world: World, sp_mchid: str, sub_mchid: str, out_trade_no: str) -> Party:
    """The party of a payment; 404 ORDER_NOT_EXIST unless it was ordered for this sub-merchant."""
    party = party_of(world.store, sp_mchid, out_trade_no)
    if party is None or party.sub_mchid != sub_mchid:
        raise WechatPayError(404, "ORDER_NOT_EXIST", "订单不存在")
    return party
