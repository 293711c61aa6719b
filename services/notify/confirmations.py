"""Confirmation codes for the staff: one short message, at once or not at all. No record is made of it, nothing is
logged of it, and it is never repeated: whoever gets none asks for another code."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from chassis.problem import Problem
from services.notify.clients import Answer
from services.notify.effects import Senders
from services.notify.limits import e164

TEMPLATE = "verification-code"
"""In `sms-templates.json`, with the parameters `code` and `minutes`."""
MARK = "confirmation"
"""Carries no id of a notice, so a provider's receipt for it is nobody's."""

_WAITS: Mapping[str, int] = {
    "LimitExceeded.PhoneNumberThirtySecondLimit": 60,
    "LimitExceeded.PhoneNumberOneHourLimit": 3_600,
    "LimitExceeded.PhoneNumberDailyLimit": 3_600,
    "isv.BUSINESS_LIMIT_CONTROL": 3_600,
}
"""How a provider says that one number has had as many as it sends, and for how many seconds at least asking again is
useless. Alibaba Cloud has one word for its minute (1), hour (5) and day (10); the gateway leaves more than a minute
between two (help.aliyun.com/document_detail/2881383.html)."""


class CodeToSend(BaseModel):
    """A code on its way. Never shown in an error."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)
    phone: Annotated[str, Field(pattern=r"^\+?[0-9]{5,17}$", repr=False)]
    code: Annotated[str, Field(pattern=r"^[0-9]{6}$", repr=False)]
    minutes: Annotated[int, Field(ge=1, le=60)]


def confirmations(senders: Senders) -> APIRouter:
    """`POST /confirmations`: 202 when a provider has taken it, 429 when the number has had too many and none went."""
    routes = APIRouter(tags=["confirmations"])

    @routes.post("/confirmations", status_code=202)
    async def send(wanted: CodeToSend) -> JSONResponse:
        waits, perhaps_sent = [], False
        for provider in senders.sms:
            answer = await _sent(senders, provider, wanted)
            if answer.result == "sent":
                return JSONResponse({"provider": provider}, 202)
            if answer.code in _WAITS:
                waits.append(_WAITS[answer.code])
            perhaps_sent = perhaps_sent or answer.result == "unknown"
        if waits and not perhaps_sent:  # who hears this throws the code away, and one that was sent has to count
            raise Problem(
                429,
                "sms-too-often",
                "该手机号已达到短信服务商的发送频率上限,请稍后再试。",
                "This number has had as many short messages as providers send it for now. Wait before the next one.",
                retry_after=min(waits),
            )
        raise Problem(
            503,
            "sms-not-sent",
            "没有短信服务商确认收到这条短信。",
            "No provider has said that it took the short message.",
        )

    return routes


async def _sent(senders: Senders, provider: str, wanted: CodeToSend) -> Answer:
    """A provider whose answer is unknown counts as one that has not sent: the same code twice does no harm."""
    template = senders.sms_account.templates.get(TEMPLATE)
    if template is None:
        return Answer("refused", "no-template")
    values = {"code": wanted.code, "minutes": str(wanted.minutes)}
    try:
        async with asyncio.timeout(senders.seconds / 2):
            return await senders.sms[provider].send(e164(wanted.phone), template, values, MARK)
    except TimeoutError:
        return Answer("unknown", "timeout")
