"""The HTTP side of the mini-program server API. Refusals are HTTP 200 with ``errcode``, as there."""

import re
import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from sandbox.access_tokens import TOO_MANY_A_MINUTE, QuotaReachedError
from sandbox.calls import Answer, Intent, json_response, perform
from sandbox.errors import InjectedError
from sandbox.faults import Fault
from sandbox.subscribe import Message, openid_of
from sandbox.world import World

OPENID = re.compile(r"o[A-Za-z0-9_-]{3,63}")
LOGIN_CODE = re.compile(r"([A-Za-z0-9_.-]{1,64})(:[A-Za-z0-9_-]{1,64})?")
BUSY = -1
Body = TypeVar("Body", bound=BaseModel)


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


def accepted(**more: Any) -> dict[str, Any]:
    """Success in the form of this API."""
    return {"errcode": 0, "errmsg": "ok", **more}


async def answer(world: World, intent: Intent, request: Request) -> Response:
    """Carry a call out and write what comes of it, also of a fault, as this API does."""
    try:
        http, value = await perform(world.faults, intent, request)
    except InjectedError as fault:
        # A rule may name an errcode, which comes with HTTP 200 as all of them do; any other word is a broken server.
        code = _errcode(fault.code)
        http, value = 200 if code is not None else fault.http, refusal(BUSY if code is None else code, "system error")
    return json_response(http, value)


def _errcode(code: str) -> int | None:
    try:
        return int(code)
    except ValueError:
        return None


async def answer_with_token(
    world: World, request: Request, model: type[Body], make: Callable[[World, Body], Intent]
) -> Response:
    """Answer a call that carries an access token and a JSON body: ``make(world, body)`` says what it does.

    Turned away before: 41001, 40001, 42001 for the token, 47001 for a body that is not the documented one.
    """
    refused = world.tokens.refusal(request.query_params.get("access_token", ""))
    if refused is not None:
        return json_response(200, refusal(*refused))
    try:
        body = model.model_validate_json(await request.body())
    except ValidationError as problem:
        place = ".".join(str(part) for part in problem.errors()[0]["loc"])
        return json_response(200, refusal(47001, f"data format error: {place}"))
    return await answer(world, make(world, body), request)


def miniprogram_router(world: World) -> APIRouter:
    """``/sns`` and ``/cgi-bin``."""
    router = APIRouter()

    @router.get("/sns/jscode2session")
    async def jscode2session(
        request: Request, appid: str = "", secret: str = "", js_code: str = "", grant_type: str = ""
    ) -> Response:
        refused = account_refusal(world, appid, secret, grant_type, "authorization_code")
        return json_response(200, refused) if refused else await answer(world, login_intent(world, js_code), request)

    @router.post("/cgi-bin/stable_token")
    async def stable_token(request: Request) -> Response:
        try:
            body = TokenBody.model_validate_json(await request.body())
        except ValidationError:
            return json_response(200, refusal(47001, "data format error"))
        refused = account_refusal(world, body.appid, body.secret, body.grant_type, "client_credential")
        return json_response(200, refused) if refused else await answer(world, token_intent(world, body), request)

    @router.post("/cgi-bin/message/subscribe/send")
    async def subscribe_send(request: Request) -> Response:
        return await answer_with_token(world, request, MessageBody, send_intent)

    return router


def account_refusal(world: World, appid: str, secret: str, grant_type: str, wanted: str) -> dict[str, Any] | None:
    """Why this caller gets neither a session nor a token, or None."""
    if grant_type != wanted:
        return refusal(40002, "invalid grant_type")
    if appid != world.keys.appid:
        return refusal(40013, "invalid appid")
    if secret != world.keys.appsecret:
        return refusal(40125, "invalid appsecret")
    return None


def login_intent(world: World, js_code: str) -> Intent:
    """Exchange a login code: ``{"openid", "session_key"}``.

    There is no phone to make a code here, so a code is the customer id, or the customer id, a colon and anything; it
    works once (developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session). The errcodes -1
    (busy) and 40226 (high-risk user) come by fault rules for the call ``login``.
    """
    code = LOGIN_CODE.fullmatch(js_code)
    openid = openid_of(code[1]) if code else ""

    def act(fault: Fault | None) -> Answer:
        if not openid:
            return 200, refusal(40029, "invalid code")
        if not world.tokens.may_log_in(openid):
            return 200, refusal(*TOO_MANY_A_MINUTE)
        if not world.tokens.use_code(js_code):
            return 200, refusal(40163, "code been used")
        return 200, {"openid": openid, "session_key": secrets.token_urlsafe(18)}

    return Intent("login", {"openid": openid}, act)


def token_intent(world: World, body: TokenBody) -> Intent:
    """Give out a stable token."""

    def act(fault: Fault | None) -> Answer:
        try:
            return 200, world.tokens.stable(body.force_refresh)
        except QuotaReachedError as reached:
            return 200, refusal(reached.errcode, reached.errmsg)

    return Intent("access-token", {}, act)


def send_intent(world: World, body: MessageBody) -> Intent:
    """Send a subscribe message."""

    def act(fault: Fault | None) -> Answer:
        if not OPENID.fullmatch(body.touser):
            return 200, refusal(40003, "invalid openid")
        values = {name: field.value for name, field in body.data.items()}
        message = Message(
            openid=body.touser,
            template_id=body.template_id,
            values=values,
            page=body.page,
            state=body.miniprogram_state,
            language=body.lang,
        )
        errcode, errmsg = world.subscriptions.send(message)
        world.courier.kick()
        return 200, accepted() if errcode == 0 else refusal(errcode, errmsg)

    return Intent("subscribe", {"openid": body.touser, "template_id": body.template_id}, act)
