"""The HTTP side of the mini-program server API. Refusals are HTTP 200 with ``errcode``, as there."""

import re
import secrets
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.calls import Answer, Intent, json_response, perform
from sandbox.errors import InjectedError
from sandbox.faults import Fault
from sandbox.subscribe import Message, openid_of
from sandbox.world import World

OPENID = re.compile(r"o[A-Za-z0-9_-]{3,63}")
LOGIN_CODE = re.compile(r"([A-Za-z0-9_.-]{1,64})(:[A-Za-z0-9_-]{1,64})?")


class TokenBody(BaseModel):
    """POST /cgi-bin/stable_token."""

    model_config = ConfigDict(extra="forbid")
    grant_type: str
    appid: str
    secret: str
    force_refresh: bool = False


class FieldValue(BaseModel):
    """One field of a message."""

    model_config = ConfigDict(extra="forbid")
    value: str


class MessageBody(BaseModel):
    """POST /cgi-bin/message/subscribe/send."""

    model_config = ConfigDict(extra="forbid")
    touser: str
    template_id: str
    page: str | None = None
    data: dict[str, FieldValue]
    miniprogram_state: str | None = None
    lang: str | None = None


def refusal(code: int, message: str) -> dict[str, Any]:
    """An error in the form of this API, with a request id behind the message."""
    return {"errcode": code, "errmsg": f"{message} rid: {secrets.token_hex(8)}"}


def miniprogram_router(world: World) -> APIRouter:
    """``/sns`` and ``/cgi-bin``."""
    router = APIRouter()

    @router.get("/sns/jscode2session")
    async def jscode2session(appid: str = "", secret: str = "", js_code: str = "", grant_type: str = "") -> Response:
        return json_response(200, login(world, appid, secret, js_code, grant_type))

    @router.post("/cgi-bin/stable_token")
    async def stable_token(request: Request) -> Response:
        return json_response(200, token(world, await request.body()))

    @router.post("/cgi-bin/message/subscribe/send")
    async def subscribe_send(request: Request) -> Response:
        raw = await request.body()
        if not world.subscriptions.token_works(request.query_params.get("access_token", "")):
            return json_response(200, refusal(40001, "invalid credential, access_token is invalid or not latest"))
        try:
            body = MessageBody.model_validate_json(raw)
        except ValidationError as problem:
            place = ".".join(str(part) for part in problem.errors()[0]["loc"])
            return json_response(200, refusal(47001, f"data format error: {place}"))
        try:
            http, value = await perform(world.faults, send_intent(world, body), request)
        except InjectedError as fault:
            http, value = fault.http, refusal(_errcode(fault.code), "system error")
        return json_response(http, value)

    return router


def _errcode(code: str) -> int:
    """Fault rules may name a number; -1 is this API's word for a busy system."""
    try:
        return int(code)
    except ValueError:
        return -1


def login(world: World, appid: str, secret: str, js_code: str, grant_type: str) -> dict[str, Any]:
    """Exchange a login code: ``{"openid", "session_key"}``.

    There is no phone to make a code here, so a code is the customer id, or the customer id, a colon and anything; it
    works once (developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session).
    """
    if appid != world.keys.appid:
        return refusal(40013, "invalid appid")
    if secret != world.keys.appsecret:
        return refusal(40125, "invalid appsecret")
    if grant_type != "authorization_code":
        return refusal(40002, "invalid grant_type")
    code = LOGIN_CODE.fullmatch(js_code)
    if code is None:
        return refusal(40029, "invalid code")
    if not world.subscriptions.use_code(js_code):
        return refusal(40163, "code been used")
    return {"openid": openid_of(code[1]), "session_key": secrets.token_urlsafe(18)}


def token(world: World, raw: bytes) -> dict[str, Any]:
    """Give out a stable token."""
    try:
        body = TokenBody.model_validate_json(raw)
    except ValidationError:
        return refusal(47001, "data format error")
    if body.grant_type != "client_credential":
        return refusal(40002, "invalid grant_type")
    if body.appid != world.keys.appid:
        return refusal(40013, "invalid appid")
    if body.secret != world.keys.appsecret:
        return refusal(40125, "invalid appsecret")
    return world.subscriptions.token(body.force_refresh)


def send_intent(world: World, body: MessageBody) -> Intent:
    """Send a subscribe message."""

    def act(fault: Fault | None) -> Answer:
        if not OPENID.fullmatch(body.touser):
            return 200, refusal(40003, "invalid openid")
        values = {name: field.value for name, field in body.data.items()}
        errcode, errmsg = world.subscriptions.send(Message(body.touser, body.template_id, values))
        return 200, {"errcode": 0, "errmsg": "ok"} if errcode == 0 else refusal(errcode, errmsg)

    return Intent("subscribe", {"openid": body.touser, "template_id": body.template_id}, act)
