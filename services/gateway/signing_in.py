"""Signing in, staying signed in, signing out: staff with password and second factor, customers with WeChat's code."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.problem import Problem
from chassis.store import StoreUnavailable
from services.gateway import model
from services.gateway.api import Calling, GuardedRoute, address_of, door
from services.gateway.bodies import Empty, JsonBody
from services.gateway.identity import Identity
from services.gateway.passwords import PASSWORD_MAX, factor_step
from services.gateway.sessions import REFRESH_MAX, Opened, ended
from services.gateway.staff import STAFF_ID_PATTERN, Member
from services.gateway.tokens import Kind, Unauthorized
from services.gateway.trail import Deed
from services.gateway.wechat import login_not_available

router = APIRouter(route_class=GuardedRoute, tags=["session"])

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
ROUTE = "/admin/v1/session"


class StaffSignIn(BaseModel):
    """Who signs in: the account's name, its password, and the six digits the authenticator application shows now."""

    model_config = _STRICT
    staff_id: str = Field(pattern=STAFF_ID_PATTERN)
    password: str = Field(min_length=1, max_length=PASSWORD_MAX)
    code: str = Field(pattern=r"^[0-9]{6}$")


class CustomerSignIn(BaseModel):
    """The code that `wx.login` gave, good once and for five minutes."""

    model_config = _STRICT
    code: str = Field(pattern=r"^[\x21-\x7e]{1,128}$")


class Refresh(BaseModel):
    """The refresh token of the answer before. It works once; a second use ends the session."""

    model_config = _STRICT
    refresh_token: str = Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=REFRESH_MAX)


Signing = Annotated[StaffSignIn, Depends(JsonBody(StaffSignIn))]
Login = Annotated[CustomerSignIn, Depends(JsonBody(CustomerSignIn))]
Refreshing = Annotated[Refresh, Depends(JsonBody(Refresh))]


@router.post("/admin/v1/session")
async def sign_in(request: Request, wanted: Signing) -> Response:
    """Sign in as staff: `{"access_token", "expires_in" (s), "refresh_token", "staff_id", "role"}`. Problems:
    sign-in-refused (401), sign-in-locked (429), sign-in-not-available, sign-in-busy (503)."""
    here, address = door(request).identity, address_of(request)
    member = await here.staff.find(wanted.staff_id)
    known = here.staff.is_known(member, address)
    async with here.lockout.counted(wanted.staff_id, address, known=known):
        good = await fits(here, member, wanted.password, wanted.code)
    deed = _deed(wanted.staff_id, member, address)
    if member is None or not good:
        await here.trail.intend(deed, 401, "sign-in-refused")
        raise _refused()
    entry = await here.trail.intend(deed)
    opened = await here.sessions.open("staff", member.staff_id, {"role": member.role})
    now = await here.staff.find(member.staff_id)
    if now is None or now.version != member.version:  # changed or shut while we looked: who did that ended all sessions
        await here.sessions.end(opened.session)
        await here.trail.done(entry, 401, "sign-in-refused")
        raise _refused()
    await here.lockout.forgive(wanted.staff_id, address, known=known)
    await here.staff.note_desk(member, address)
    await here.trail.done(entry, 200)
    return _answer(opened, staff_id=member.staff_id, role=member.role)


@router.post("/admin/v1/session/refresh")
async def refresh(request: Request, wanted: Refreshing) -> Response:
    """The next tokens of a member of staff. Problem: session-ended (401)."""
    return await _refreshed(door(request).identity, "staff", wanted)


@router.delete("/admin/v1/session", status_code=204)
async def sign_out(call: Calling, _: Empty) -> Response:
    """Sign out: this session's tokens count no more."""
    return await _ended(call.identity, call.caller.session)


@router.post("/mp/v1/session")
async def sign_in_as_customer(request: Request, wanted: Login) -> Response:
    """Sign in as a customer: `{"access_token", "expires_in" (s), "refresh_token", "customer_id"}`. Problems:
    login-code-invalid (401), customer-blocked (403), login-not-available (503)."""
    here = door(request).identity
    openid = await here.wechat.openid(wanted.code)
    customer_id = model.customer_id(here.wechat.appid, openid)
    try:
        opened = await here.sessions.open("customer", customer_id, {"openid": openid})
    except StoreUnavailable:
        raise login_not_available() from None  # the code is used up: the same request again would be refused
    return _answer(opened, customer_id=customer_id)


@router.post("/mp/v1/session/refresh")
async def refresh_as_customer(request: Request, wanted: Refreshing) -> Response:
    """The next tokens of a customer. Problem: session-ended (401)."""
    return await _refreshed(door(request).identity, "customer", wanted)


@router.delete("/mp/v1/session", status_code=204)
async def sign_out_as_customer(call: Calling, _: Empty) -> Response:
    """Sign out: the refresh token counts no more, the access token until it runs out."""
    return await _ended(call.identity, call.caller.session)


async def fits(here: Identity, member: Member | None, password: str, code: str) -> bool:
    """Whether password and second factor are right, and the account is open. The factor's step is used up only then.
    Takes as long where there is no account."""
    right = await here.passwords.is_right(None if member is None else member.password, password)
    if member is None:
        return False
    step = factor_step(here.staff.factor_of(member), code, here.clock())
    return right and step is not None and not member.disabled and await here.staff.use_step(member, step)


async def _refreshed(here: Identity, kind: Kind, wanted: Refresh) -> Response:
    opened = await here.sessions.refresh(kind, wanted.refresh_token)
    if kind == "staff":
        member = await here.staff.find(opened.subject)
        # Its session was ended with the change, unless something broke between the two.
        if member is None or member.disabled or member.role != opened.claims["role"]:
            await here.sessions.end(opened.session)
            raise ended()
    return _answer(opened)


async def _ended(here: Identity, session: str) -> Response:
    if not session:
        raise Problem(
            409,
            "no-session",
            "这个令牌不是在这里登录得到的,无法退出登录。",
            "This token was not made by signing in here: there is no session to end.",
        )
    await here.sessions.end(session)
    return Response(status_code=204)


def _answer(opened: Opened, **who: str) -> Response:
    return JSONResponse({**opened.document(), **who})


def _refused() -> Unauthorized:
    """The same whatever was wrong."""
    return Unauthorized(
        "sign-in-refused",
        "账号、密码或动态验证码不正确,或账号已停用。",
        "The name, the password or the second factor is wrong, or the account is shut.",
    )


def _deed(staff_id: str, member: Member | None, address: str) -> Deed:
    role = member.role if member is not None else ""
    return Deed(staff_id, role, "POST", ROUTE, ROUTE, "", (), address, "")
