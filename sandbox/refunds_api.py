"""The HTTP side of refunds, a merchant's own and those of its sub-merchants."""

import sqlite3
from contextlib import AbstractContextManager

from fastapi import Request

from sandbox.calls import Answer, Intent
from sandbox.errors import WechatPayError
from sandbox.faults import Fault
from sandbox.merchants import merchant_of
from sandbox.parties import party_of
from sandbox.partners_api import check_sub_mchid
from sandbox.wechatpay_models import Refund, read_body
from sandbox.world import World


def refund(world: World, request: Request, raw: bytes) -> Intent:
    """POST /v3/refund/domestic/refunds → the refund; a service provider names its ``sub_mchid``."""
    mchid = merchant_of(request).mchid
    with world.limits.errors(mchid):
        order = read_body(Refund, raw)
    trade = _trade(world, mchid, order)

    def act(fault: Fault | None) -> Answer:
        check_party(world, mchid, None if trade is None else trade["out_trade_no"], order.sub_mchid)
        return 200, world.refunds.ask(order, fault, mchid=mchid)

    def seeded() -> Fault | None:
        # A number that was accepted can neither be refused any more nor be posted for the first time.
        if world.refunds.row(order.out_refund_no, mchid) is not None:
            return None
        return world.faults.draw_for_refund(order.out_refund_no, mchid)

    def refused(fault: Fault) -> None:
        # 202, 429 and 5xx say nothing about the outcome; the other codes say that the refund was refused.
        if 400 <= fault.http < 500 and fault.http != 429:
            world.refunds.note_refusal(order, fault.code, mchid=mchid)
        if fault.refund_status == "CLOSED":
            world.refunds.leave_closed(order, mchid=mchid)

    async def hurry() -> None:
        known = world.refunds.row(order.out_refund_no, mchid)
        if known is not None and known["status"] == "PROCESSING":
            world.refunds.end(order.out_refund_no, known["final_status"], mchid)
            numbers = {"out_refund_no": order.out_refund_no, "out_trade_no": known["out_trade_no"]}
            await world.courier.hurry("refund-callback", mchid, numbers)

    def within() -> AbstractContextManager[None]:
        paid_at = None if trade is None else trade["success_at"]
        age = 0.0 if paid_at is None else world.clock.now() - paid_at
        return world.limits.refund(mchid, None if trade is None else trade["openid"], age)

    return Intent("refund", _numbers(order), act, seeded, refused, hurry, within)


def _numbers(order: Refund) -> dict[str, str]:
    numbers = {"out_refund_no": order.out_refund_no, "out_trade_no": order.out_trade_no or ""}
    more = {"transaction_id": order.transaction_id, "sub_mchid": order.sub_mchid}
    return numbers | {name: value for name, value in more.items() if value is not None}


def _trade(world: World, mchid: str, order: Refund) -> sqlite3.Row | None:
    if order.transaction_id is not None:
        return world.trades.row_of_transaction(order.transaction_id, mchid)
    return world.trades.row(order.out_trade_no or "", mchid)


def check_party(world: World, mchid: str, out_trade_no: str | None, sub_mchid: str | None) -> None:
    """A payment's refunds must name its sub-merchant, if it has one: 403 NO_AUTH, 404 RESOURCE_NOT_EXISTS."""
    if sub_mchid is not None:
        check_sub_mchid(world, sub_mchid)
    party = None if out_trade_no is None else party_of(world.store, mchid, out_trade_no)
    if sub_mchid != (None if party is None else party.sub_mchid):
        raise WechatPayError(404, "RESOURCE_NOT_EXISTS", "订单或退款单不存在")


def refund_query(world: World, request: Request, raw: bytes) -> Intent:
    """GET /v3/refund/domestic/refunds/{out_refund_no}, for a sub-merchant with ``?sub_mchid=`` → the refund."""
    mchid = merchant_of(request).mchid
    out_refund_no: str = request.path_params["out_refund_no"]
    sub_mchid = request.query_params.get("sub_mchid")

    def act(fault: Fault | None) -> Answer:
        shown = world.refunds.query(out_refund_no, mchid=mchid)
        check_party(world, mchid, shown["out_trade_no"], sub_mchid)
        return 200, shown

    return Intent("refund-query", {"out_refund_no": out_refund_no}, act)
