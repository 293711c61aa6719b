"""What the staff confirm with a code: ask for one, and give it with the deed it is for."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.problem import Problem
from chassis.telemetry import masked
from contracts.message import Fen
from services.gateway.api import Call, Calling, GuardedRoute
from services.gateway.bodies import JsonBody
from services.gateway.codes import LASTS_SECONDS, SPACING_SECONDS, Matter, too_often

CANCEL, DELETE, DELETE_MANY = "cancel-order", "delete-order", "delete-orders"
"""What is confirmed with a code: of an order, of an order, of an export."""

router = APIRouter(prefix="/admin/v1/codes", route_class=GuardedRoute, tags=["staff"])


class CodeWanted(BaseModel):
    """What the code is for. `order_id`: the order, or the export, that the action is about; `amount_minor`: what comes
    back, as it was shown (fen)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    action: str = Field(pattern=r"^[a-z][a-z-]{0,31}$")
    order_id: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    amount_minor: Fen


@router.post("", status_code=202)
async def send_code(call: Calling, wanted: Annotated[CodeWanted, Depends(JsonBody(CodeWanted))]) -> Response:
    """Send me six digits for exactly this: `{"sent_to", "expires_at"}`; an earlier code for it counts no more.
    Problems: no-phone (409), codes-too-often (429: none was sent, the earlier one counts on), codes-not-available,
    code-not-sent (503)."""
    phone = await _phone(call)
    matter = Matter(call.caller.sub, wanted.action, wanted.order_id, wanted.amount_minor)
    code, until = await call.identity.codes.make(matter)
    body = {"phone": phone, "code": code, "minutes": LASTS_SECONDS // 60}
    try:
        answer = await call.services.notify.ask("POST", "/confirmations", body=json.dumps(body).encode())
    except Problem:
        # Nobody knows whether it was sent: it may arrive all the same, and who reads it gives it.
        await call.identity.codes.keep(matter, code, until)
        raise
    if answer.status == 429:
        raise too_often(max(SPACING_SECONDS, int(answer.headers.get("retry-after", 0))))
    await call.identity.codes.keep(matter, code, until)
    if answer.status != 202:
        raise Problem(
            503,
            "code-not-sent",
            "短信暂时无法发出,请稍后再获取确认码。",
            "The short message could not be sent. Ask for another code in a minute.",
            retry_after=SPACING_SECONDS,
        )
    return JSONResponse({"sent_to": masked(phone), "expires_at": until.isoformat()}, 202)


async def confirm(call: Call, action: str, subject: str, amount_minor: int, code: str, wish: BaseModel) -> None:
    """The caller gave `code` for exactly this. The same request may give it again, no other: the one with the same
    Idempotency-Key, or where none was sent the one with the same `wish`. Raises problems: code-wrong (403),
    codes-not-available (503); then nothing may be done."""
    # Without the code: what is kept of a use is no mark, and would tell it.
    content = f"{action}/{subject}/{wish.model_dump_json(exclude={'code'})}"
    use = call.given_key or hashlib.sha256(content.encode()).hexdigest()
    await call.identity.codes.take(Matter(call.caller.sub, action, subject, amount_minor), code, use)


async def _phone(call: Call) -> str:
    """Where the caller's codes go: to the account's phone, never to one that the request names."""
    phone = call.caller.phone
    if call.caller.session:
        member = await call.identity.staff.find(call.caller.sub)
        phone = call.identity.staff.phone_of(member) if member is not None else ""
    if not phone:
        raise Problem(
            409,
            "no-phone",
            "你的账号没有登记手机号,无法接收确认码。请联系管理员。",
            "Your account has no phone number for codes. Ask an administrator.",
        )
    return phone
