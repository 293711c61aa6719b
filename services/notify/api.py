"""HTTP in: notices for the gateway to show, what customers accept, and what providers push. Only the gateway reaches
this. Personal data leaves masked."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.engine import Engine
from chassis.record import Heard
from contracts.message import message_id
from services.notify.handlers import NOTICES, concerns
from services.notify.model import SmsReceipt
from services.notify.pushes import BadPush, facts_of, receipts_of, signed
from services.notify.quota import Fact, What
from services.notify.subscriptions import Subscriptions
from services.notify.views import Notices

Text = Annotated[str, Field(min_length=1, max_length=128)]

Answer = Annotated[str, Field(pattern=r"^(accept(With[A-Za-z]{1,20})?|reject|ban|filter)$")]

log = structlog.get_logger()


class Accepts(BaseModel):
    """What a customer answered to one `wx.requestSubscribeMessage`, by template id. The same `request_id` is the same
    answer again. `filter`: WeChat did not ask, because another template has the same title. `acceptWithAudio`,
    `acceptWithAlert`, `acceptWithForcePush`: accepted, and to be told more loudly
    (developers.weixin.qq.com/community/develop/doc/0000a250fb89585ddc81a9c3560800)."""

    model_config = ConfigDict(extra="forbid")
    openid: Text
    request_id: Text
    answers: dict[Text, Answer] = Field(min_length=1, max_length=20)


def router(engine: Engine, notices: Notices, subscriptions: Subscriptions, push_token: str) -> APIRouter:
    """`GET /notices?order_id=`, `GET /notices/summary`, `GET /inbox/{customer_id}`; `GET` and `POST /subscriptions`;
    `GET` and `POST /callbacks/events`, `POST /callbacks/sms-receipts`."""
    routes = APIRouter(tags=["notices"])
    _add_readings(routes, notices)
    _add_subscriptions(routes, engine, subscriptions)
    _add_pushes(routes, engine, subscriptions, push_token)
    return routes


def _add_readings(routes: APIRouter, notices: Notices) -> None:
    @routes.get("/notices")
    async def of_order(order_id: Annotated[str, Query(min_length=1, max_length=64)]) -> dict[str, Any]:
        return {"notices": await notices.of_order(order_id)}

    @routes.get("/notices/summary")
    async def summary() -> dict[str, Any]:
        return await notices.summary()

    @routes.get("/inbox/{customer_id}")
    async def inbox(customer_id: str) -> dict[str, Any]:
        return {"notices": await notices.inbox(customer_id)}


def _add_subscriptions(routes: APIRouter, engine: Engine, subscriptions: Subscriptions) -> None:
    @routes.post("/subscriptions")
    async def accepted(asked: Accepts) -> dict[str, int]:
        at = engine.clock()
        facts = [
            Fact(
                id=f"page/{asked.openid}/{asked.request_id}/{template_id}",
                openid=asked.openid,
                template_id=template_id,
                what=_what(answer),
                source="page",
                at=at,
            )
            for template_id, answer in asked.answers.items()
            if answer != "filter"
        ]
        await subscriptions.note(facts)
        return {"noted": len(facts)}

    @routes.get("/subscriptions")
    async def quotas(openid: Annotated[str, Query(min_length=1, max_length=128)]) -> dict[str, Any]:
        known = await subscriptions.quotas(openid)
        return {
            "templates": [
                {"template_id": id, **one.model_dump(include={"left", "closed_by", "closed_at"})}
                for id, one in known.items()
            ]
        }


def _what(answer: str) -> What:
    return "accept" if answer.startswith("accept") else "ban" if answer == "ban" else "reject"


def _add_pushes(routes: APIRouter, engine: Engine, subscriptions: Subscriptions, push_token: str) -> None:
    """Without a `push_token` nobody can sign, so every push of WeChat is refused."""

    @routes.get("/callbacks/events")
    async def is_it_us(request: Request) -> Response:
        """WeChat asks once, when the address is entered on its platform."""
        if not push_token or not signed(push_token, request.query_params):
            return _refused("a push that WeChat has not signed", 401)
        return PlainTextResponse(request.query_params.get("echostr", ""))

    @routes.post("/callbacks/events")
    async def wechat_pushes(request: Request) -> Response:
        if not push_token or not signed(push_token, request.query_params):
            return _refused("a push that WeChat has not signed", 401)
        try:
            await subscriptions.note(facts_of(await request.body()))
        except BadPush as problem:
            return _refused(f"a push that cannot be read: {problem}", 400)
        return PlainTextResponse("success")

    @routes.post("/callbacks/sms-receipts")
    async def alibaba_reports(request: Request) -> Response:
        """Nobody signs these. They can only say whether a message of ours arrived, and must name its phone."""
        try:
            receipts, unreadable = receipts_of(await request.body())
        except BadPush as problem:
            return _refused(f"receipts that cannot be read: {problem}", 400)
        if unreadable:
            log.warning("receipts that cannot be read were left out", unreadable=unreadable)
        # Nobody signs receipts: a thousand about nothing, or about one notice, must not cost a thousand readings or
        # decisions. Where a server that was replaced hides a notice, its call is looked up all the same.
        ids = list(dict.fromkeys(receipt.notice_id for receipt in receipts))
        known = dict(zip(ids, await asyncio.gather(*(engine.read(NOTICES, id) for id in ids)), strict=True))
        causes: dict[str, SmsReceipt] = {}
        for receipt in receipts:
            record = known[receipt.notice_id]
            if record is not None and record.state is not None and concerns(receipt, record.state):
                cause = f"{receipt.notice_id}/{receipt.call}/{receipt.provider}/{receipt.delivered}"
                causes.setdefault(cause, receipt)
        for cause, receipt in causes.items():
            heard = Heard(receipt, message_id("receipt", cause), engine.clock(), answers_travel=False)
            await engine.hear(heard)
        return JSONResponse({"code": 0, "msg": "OK"})


def _refused(why: str, http: int) -> Response:
    log.warning("a push was refused", problem=why)
    return PlainTextResponse("fail", http)
