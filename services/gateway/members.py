"""The accounts of the staff, kept by administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from chassis.problem import Problem
from services.gateway import model
from services.gateway.api import Call, Calling, GuardedRoute, Listing
from services.gateway.bodies import Empty, JsonBody
from services.gateway.roles import ADMINISTRATORS, Role
from services.gateway.staff import PHONE_PATTERN, STAFF_ID_PATTERN, Member, Person

router = APIRouter(prefix="/admin/v1/staff", route_class=GuardedRoute, tags=["staff"])

StaffId = Annotated[str, Path(pattern=STAFF_ID_PATTERN, description="the name somebody signs in with")]


class MemberPut(BaseModel):
    """A member of staff. `phone` gets the confirmation codes. `disabled`: signed out at once, and signs in no more."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    name: model.Text64
    role: Role
    phone: str = Field(pattern=PHONE_PATTERN)
    disabled: StrictBool = False


@router.get("")
async def list_members(call: Calling, page: Listing) -> Response:
    """Accounts: `{"staff", "next"}`."""
    found = await call.identity.staff.page(page.after or "", page.limit)
    shown = [call.identity.staff.shown(member) for member in found]
    return JSONResponse({"staff": shown, "next": found[-1].staff_id if len(found) == page.limit else None})


@router.get("/{staff_id}")
async def show_member(call: Calling, staff_id: StaffId) -> Response:
    """One account. Problem: unknown-staff (404)."""
    return JSONResponse(call.identity.staff.shown(await _member(call, staff_id)))


@router.put("/{staff_id}")
async def put_member(
    call: Calling, staff_id: StaffId, wanted: Annotated[MemberPut, Depends(JsonBody(MemberPut))]
) -> Response:
    """Make or change an account. A new one (201) is answered with `{"password", "otpauth"}`, shown this once; an
    account that is shut or gets another role is signed out everywhere. Problems: not-yourself,
    changed-meanwhile (409)."""
    staff, person = call.identity.staff, Person(wanted.name, wanted.role, wanted.phone, wanted.disabled)
    member = await staff.find(staff_id)
    if member is None:
        made = await staff.add(staff_id, person)
        if made is None:
            raise _changed()
        return JSONResponse({"staff_id": staff_id, **made.document()}, 201)
    if staff_id == call.caller.sub and (wanted.disabled or wanted.role != member.role):
        # So there is always an administrator left; see also `answers_for_it`, for those who do it to each other.
        raise Problem(
            409,
            "not-yourself",
            "不能停用自己的账号或更改自己的角色,请由另一位管理员操作。",
            "Nobody shuts the own account or changes the own role. Ask another administrator.",
        )
    is_out = wanted.disabled or wanted.role != member.role
    if is_out:  # before as well as after: a repeat of a change that was cut between finds the role changed already
        await call.identity.sessions.end_all("staff", staff_id)
    takes_away = is_out and member.role in ADMINISTRATORS and not member.disabled
    # Who is in without an account, by a token of the stand-in, cannot be taken away by anybody.
    if takes_away and call.caller.session and not await staff.answers_for_it(call.caller.sub):
        raise _changed()
    if not await staff.change(member, person):
        raise _changed()
    if is_out:
        await call.identity.sessions.end_all("staff", staff_id)
    found = await _member(call, staff_id)
    return JSONResponse(staff.shown(found))


@router.post("/{staff_id}/secrets")
async def renew_secrets(call: Calling, staff_id: StaffId, _: Empty) -> Response:
    """Another password and second factor for somebody who lost them: `{"password", "otpauth"}`, shown this once. The
    account is signed out everywhere. Problems: unknown-staff (404), changed-meanwhile (409)."""
    made = await call.identity.staff.renew(await _member(call, staff_id))
    if made is None:
        raise _changed()
    await call.identity.sessions.end_all("staff", staff_id)
    return JSONResponse({"staff_id": staff_id, **made.document()})


async def _member(call: Call, staff_id: str) -> Member:
    member = await call.identity.staff.find(staff_id)
    if member is None:
        raise Problem(404, "unknown-staff", "没有这个员工账号。", "There is no such account.")
    return member


def _changed() -> Problem:
    return Problem(
        409,
        "changed-meanwhile",
        "账号刚被其他人修改,请查看后重试。",
        "Somebody else has just changed this account. Look at it and try again.",
    )
