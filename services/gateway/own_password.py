"""A member of staff changes the own password: the old one and the second factor once more, and everybody else who is
signed in to the account is signed out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.problem import Problem
from services.gateway.api import Calling, GuardedRoute
from services.gateway.bodies import JsonBody
from services.gateway.passwords import OWN_PASSWORD_MIN, PASSWORD_MAX
from services.gateway.signing_in import fits

router = APIRouter(prefix="/admin/v1/session", route_class=GuardedRoute, tags=["session"])


class PasswordChange(BaseModel):
    """The password so far, the six digits the authenticator application shows now, and the password from now on."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
    password: str = Field(min_length=1, max_length=PASSWORD_MAX, repr=False)
    code: str = Field(pattern=r"^[0-9]{6}$", repr=False)
    new_password: str = Field(min_length=OWN_PASSWORD_MIN, max_length=PASSWORD_MAX, repr=False)


@router.post("/password")
async def change_password(
    call: Calling, wanted: Annotated[PasswordChange, Depends(JsonBody(PasswordChange))]
) -> Response:
    """Change the own password: `{"staff_id"}`. All other sessions of the account end; this one goes on. Problems:
    password-refused (403), password-too-simple (422), changed-meanwhile (409), sign-in-locked (429),
    sign-in-not-available, sign-in-busy (503)."""
    here, staff_id = call.identity, call.caller.sub
    _expect_another(wanted, staff_id)
    member = await here.staff.find(staff_id)
    known = here.staff.is_known(member, call.address)
    async with here.lockout.counted(staff_id, call.address, known=known):
        good = await fits(here, member, wanted.password, wanted.code)
    if member is None or not good:
        raise Problem(
            403,
            "password-refused",
            "原密码或动态验证码不正确,密码没有更改。",
            "The old password or the second factor is wrong. The password stays as it was.",
        )
    # Before as well as after: a crash between leaves nobody signed in by the old password, and whoever signed in by it
    # in the same moment is out, too.
    await here.sessions.end_others("staff", staff_id, call.caller.session)
    if not await here.staff.set_password(member, wanted.new_password):
        raise Problem(
            409,
            "changed-meanwhile",
            "账号刚被其他人修改,请查看后重试。",
            "Somebody else has just changed this account. Look at it and try again.",
        )
    await here.sessions.end_others("staff", staff_id, call.caller.session)
    await here.lockout.forgive(staff_id, call.address, known=known)
    return JSONResponse({"staff_id": staff_id})


def _expect_another(wanted: PasswordChange, staff_id: str) -> None:
    """Raises a 422 problem for the same password, and for one that holds the name or hardly differs in itself."""
    new = wanted.new_password
    if new == wanted.password or staff_id in new.casefold() or len(set(new)) < 5:
        raise Problem(
            422,
            "password-too-simple",
            "新密码不能与原密码相同,不能包含账号名,且至少包含 5 个不同的字符。",
            "The new password must not be the old one or hold the account's name, and needs at least 5 different "
            "characters.",
        )
