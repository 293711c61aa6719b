"""How calls are made, whoever takes them: not too many at once, and never waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from contracts.message import CaseId, OrderId
from services.notify.clients import Answer
from services.notify.effects import CALLS_AT_ONCE, Senders, performers, senders
from services.notify.model import ChannelAnswered, SendSms, SmsTemplate
from tests.unit.notify.outside import settings
from tests.unit.notify.story import words


class Crowd:
    """A provider that answers when told; `most` is how many calls it ever had at once."""

    def __init__(self) -> None:
        self.now = self.most = self.calls = 0
        self.full = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str]) -> Answer:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == CALLS_AT_ONCE:
            self.full.set()
        await self.may_answer.wait()
        self.now -= 1
        return Answer("sent")


def sms(number: int) -> SendSms:
    return SendSms(
        notice_id=f"case-{number}/refund-arrived",
        order_id=OrderId("order-1"),
        case_id=CaseId(f"case-{number}"),
        outcome="refund-arrived",
        provider="sms-tencent",
        phone="13800138000",
        language="zh",
        words=words(),
        call=1,
    )


@pytest.fixture
async def opened(keys: Path) -> AsyncIterator[Senders]:
    async with senders(settings("http://nobody.invalid:9", keys)) as opened:
        yield opened


async def test_calls_wait_for_their_turn(opened: Senders) -> None:
    crowd = Crowd()
    perform = performers(replace(opened, sms={"sms-tencent": crowd}))[SendSms]
    calls = [asyncio.ensure_future(perform(sms(number), 1)) for number in range(3 * CALLS_AT_ONCE)]
    await crowd.full.wait()
    crowd.may_answer.set()
    reports = await asyncio.gather(*calls)
    assert (crowd.calls, crowd.most) == (3 * CALLS_AT_ONCE, CALLS_AT_ONCE)
    assert {report.result for report in reports if isinstance(report, ChannelAnswered)} == {"sent"}


async def test_an_answer_that_never_comes_is_unknown(opened: Senders) -> None:
    perform = performers(replace(opened, sms={"sms-tencent": Crowd()}, seconds=0.01))[SendSms]
    report = await perform(sms(1), 1)
    assert isinstance(report, ChannelAnswered)
    assert (report.channel, report.result, report.code) == ("sms-tencent", "unknown", "timeout")
