"""Asking an SMS provider what became of a message: the providers' own SDKs over real HTTP, against their lists."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response

from services.notify.alibaba import PAGE
from services.notify.clients import Seen
from services.notify.effects import Senders, senders
from services.notify.model import SmsTemplate
from tests.unit.notify.outside import Server, settings
from tests.unit.notify.story import NOW

MARK = "case-1/refund-arrived/1"
PHONE = "+8613800138000"
TEMPLATE = SmsTemplate(tencent_template_id="1", alibaba_template_code="SMS_1", params=("order",))


@dataclass
class Lists:
    """Both providers: what they list, and what they were asked. `broken`: the status of every answer."""

    tencent: list[dict[str, Any]] = field(default_factory=list)
    alibaba: dict[tuple[str, int], list[dict[str, Any]]] = field(default_factory=dict)
    broken: int = 0
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        if "x-tc-action" in request.headers:
            action, body = request.headers["x-tc-action"], await request.json()
        else:
            action, body = request.headers["x-acs-action"], dict(request.query_params)
        self.asked.append((action, body))
        if self.broken:
            return JSONResponse({"Code": "InternalError", "Message": "…"}, self.broken)
        return JSONResponse(self._found(action, body))

    def _found(self, action: str, body: dict[str, Any]) -> dict[str, Any]:
        if action == "PullSmsSendStatusByPhoneNumber":
            return {"Response": {"PullSmsSendStatusSet": self.tencent, "RequestId": "r"}}
        if action == "QuerySendDetails":
            rows = self.alibaba.get((body["SendDate"], int(body["CurrentPage"])), [])
            return {"Code": "OK", "TotalCount": "1", "SmsSendDetailDTOs": {"SmsSendDetailDTO": rows}}
        sent = {"SerialNo": "1", "PhoneNumber": PHONE, "Fee": 1, "Code": "Ok", "Message": "", "SessionContext": ""}
        return {"Code": "OK", "BizId": "b", "Response": {"SendStatusSet": [sent], "RequestId": "r"}}


@asynccontextmanager
async def serving(lists: Lists) -> AsyncIterator[str]:
    app = FastAPI()
    app.add_route("/", lists.answer, methods=["GET", "POST"])
    server = Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    await server.up.wait()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await running


@pytest.fixture
def lists() -> Lists:
    return Lists()


@pytest.fixture
async def opened(lists: Lists, keys: Path) -> AsyncIterator[Senders]:
    async with serving(lists) as url, senders(settings(url, keys)) as opened:
        yield opened


async def find(opened: Senders, provider: str, until: datetime = NOW) -> Seen:
    return await opened.sms[provider].find(PHONE, MARK, NOW, until)


# ── Tencent Cloud ────────────────────────────────────────────────────────────────────────────────────────────────────
def reported(mark: str, word: str) -> dict[str, Any]:
    return {
        "UserReceiveTime": 1,
        "CountryCode": "86",
        "SubscriberNumber": "13800138000",
        "PhoneNumber": PHONE,
        "SerialNo": "s",
        "ReportStatus": word,
        "Description": "DELIVRD" if word == "SUCCESS" else "UNDELIV",
        "SessionContext": mark,
    }


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        ([reported(MARK, "SUCCESS")], Seen("delivered", "DELIVRD")),
        ([reported("case-1/refund-arrived/2", "SUCCESS"), reported(MARK, "FAIL")], Seen("failed", "UNDELIV")),
        ([reported(MARK, "")], Seen("accepted", "UNDELIV")),
        ([reported("case-2/refund-arrived/1", "SUCCESS"), reported("", "SUCCESS")], Seen("absent")),
        ([], Seen("absent")),
    ],
)
async def test_tencents_list(opened: Senders, lists: Lists, rows: list[dict[str, Any]], seen: Seen) -> None:
    lists.tencent = rows
    assert await find(opened, "sms-tencent", NOW + timedelta(minutes=5)) == seen
    ((action, asked),) = lists.asked
    assert (action, asked["PhoneNumber"], asked["Offset"]) == ("PullSmsSendStatusByPhoneNumber", PHONE, 0)
    assert asked["BeginTime"] <= NOW.timestamp() < (NOW + timedelta(minutes=5)).timestamp() <= asked["EndTime"]
    assert asked["SmsSdkAppId"] == opened.sms_account.tencent_sdk_app_id


# ── Alibaba Cloud ────────────────────────────────────────────────────────────────────────────────────────────────────
def detail(mark: str, word: int) -> dict[str, Any]:
    code = {2: "MOBILE_NOT_ON_SERVICE", 3: "DELIVERED"}.get(word, "")
    return {"PhoneNum": "13800138000", "SendStatus": word, "ErrCode": code, "OutId": mark, "TemplateCode": "SMS_1"}


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        ([detail("other", 2), detail(MARK, 3)], Seen("delivered", "DELIVERED")),
        ([detail(MARK, 2)], Seen("failed", "MOBILE_NOT_ON_SERVICE")),
        ([detail(MARK, 1)], Seen("accepted")),
        ([detail("other", 3)], Seen("absent")),
        ([], Seen("absent")),
    ],
)
async def test_alibabas_list(opened: Senders, lists: Lists, rows: list[dict[str, Any]], seen: Seen) -> None:
    lists.alibaba["20250301", 1] = rows
    assert await find(opened, "sms-alibaba") == seen
    assert [(asked["PhoneNumber"], asked["SendDate"]) for _, asked in lists.asked] == [("13800138000", "20250301")]


async def test_alibabas_list_has_pages_and_days(opened: Senders, lists: Lists) -> None:
    lists.alibaba["20250301", 1] = [detail("other", 3)] * PAGE
    lists.alibaba["20250301", 2] = [detail(MARK, 3)]
    after_midnight = datetime.fromisoformat("2025-03-01T16:01:00Z")
    assert await find(opened, "sms-alibaba", after_midnight) == Seen("delivered", "DELIVERED")
    asked = [(asked["SendDate"], asked["CurrentPage"]) for _, asked in lists.asked]
    assert asked == [("20250302", "1"), ("20250301", "1"), ("20250301", "2")]


# ── both ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("provider", ["sms-tencent", "sms-alibaba"])
async def test_a_list_that_cannot_be_read_is_no_proof_of_absence(
    opened: Senders, lists: Lists, provider: str, status: int
) -> None:
    lists.broken = status
    assert (await find(opened, provider)).found == "no-answer"


@pytest.mark.parametrize("provider", ["sms-tencent", "sms-alibaba"])
async def test_a_message_carries_its_mark(opened: Senders, lists: Lists, provider: str) -> None:
    await opened.sms[provider].send(PHONE, TEMPLATE, {"order": "order-1"}, MARK)
    ((action, asked),) = lists.asked
    assert (action, asked.get("SessionContext", asked.get("OutId"))) == ("SendSms", MARK)
