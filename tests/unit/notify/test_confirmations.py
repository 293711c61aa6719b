"""Codes for the staff, by the providers' own clients."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from chassis import problem
from services.notify.confirmations import confirmations
from services.notify.effects import senders
from tests.unit.notify.outside import Outside, settings

CODE: dict[str, Any] = {"phone": "13800138000", "code": "012345", "minutes": 5}


async def post(outside: Outside, body: dict[str, Any]) -> httpx.Response:
    app = FastAPI()
    problem.install(app)
    async with senders(settings(outside.url, outside.keys)) as opened:
        app.include_router(confirmations(opened))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notify") as http:
            return await http.post("/confirmations", json=body)


async def test_a_code_arrives_once_and_is_logged_nowhere(outside: Outside) -> None:
    with capture_logs() as logs:
        answer = await post(outside, CODE)
    assert (answer.status_code, answer.json()) == (202, {"provider": "sms-tencent"})
    (message,) = await outside.delivered()
    assert "012345" in str(message)
    assert not logs
    assert "012345" not in answer.text


async def test_the_second_provider_sends_what_the_first_does_not(outside: Outside) -> None:
    await outside.breaks("sms-tencent", "error-before", code="LimitExceeded.PhoneNumberDailyLimit")
    assert (await post(outside, CODE)).json() == {"provider": "sms-alibaba"}
    assert len(await outside.delivered()) == 1


async def test_what_no_provider_takes_is_a_problem_without_the_code(outside: Outside) -> None:
    await outside.breaks("sms-tencent", "error-before", code="LimitExceeded.AppDailyLimit")
    await outside.breaks("sms-alibaba", "error-before", code="isv.AMOUNT_NOT_ENOUGH")
    answer = await post(outside, CODE)
    assert (answer.status_code, answer.json()["code"]) == (503, "sms-not-sent")
    assert "012345" not in answer.text


@pytest.mark.parametrize(
    ("tencent", "alibaba", "wait"),
    [
        ("LimitExceeded.PhoneNumberOneHourLimit", "isv.BUSINESS_LIMIT_CONTROL", 3_600),
        ("LimitExceeded.PhoneNumberThirtySecondLimit", "isv.BUSINESS_LIMIT_CONTROL", 60),
        ("LimitExceeded.PhoneNumberDailyLimit", "isv.AMOUNT_NOT_ENOUGH", 3_600),
        ("FailedOperation.TemplateIncorrectOrUnapproved", "isv.BUSINESS_LIMIT_CONTROL", 3_600),
    ],
)
async def test_a_number_that_has_had_its_codes_is_told_to_wait(
    outside: Outside, tencent: str, alibaba: str, wait: int
) -> None:
    await outside.breaks("sms-tencent", "error-before", code=tencent)
    await outside.breaks("sms-alibaba", "error-before", code=alibaba)
    answer = await post(outside, CODE)
    assert (answer.status_code, answer.json()["code"]) == (429, "sms-too-often")
    assert answer.headers["Retry-After"] == str(wait)
    assert not await outside.delivered()


@pytest.mark.parametrize(
    ("limit", "lost"),
    [
        (("sms-tencent", "LimitExceeded.PhoneNumberOneHourLimit"), "sms-alibaba"),
        (("sms-alibaba", "isv.BUSINESS_LIMIT_CONTROL"), "sms-tencent"),
    ],
)
async def test_who_perhaps_gets_the_code_is_not_told_that_none_was_sent(
    outside: Outside, limit: tuple[str, str], lost: str
) -> None:
    await outside.breaks(limit[0], "error-before", code=limit[1])
    await outside.breaks(lost, "drop-after")
    answer = await post(outside, CODE)
    assert len(await outside.delivered()) == 1
    assert (answer.status_code, answer.json()["code"]) == (503, "sms-not-sent")


@pytest.mark.parametrize(
    "change", [{"phone": {"$gt": ""}}, {"code": "12345"}, {"code": 12345}, {"minutes": 0}, {"more": 1}, {"phone": ""}]
)
async def test_what_is_no_code_is_not_sent(outside: Outside, change: dict[str, Any]) -> None:
    answer = await post(outside, {**CODE, **change})
    assert answer.status_code == 422
    assert not await outside.delivered()
