"""How calls are made, whoever takes them: not too many at once, and never waited for without end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from chassis import clock
from chassis.projection import Document
from chassis.relay import Performer
from chassis.store import StoreUnavailable
from contracts.message import CaseId, Intent, OrderId
from contracts.notify import Outcome
from services.notify.clients import Answer, Seen, Wechat
from services.notify.effects import CALLS_AT_ONCE, Senders, performers, senders
from services.notify.model import (
    SUPERSEDES,
    ChannelAnswered,
    LookForSms,
    Overtaken,
    SendSms,
    SendWechat,
    SmsFound,
    SmsTemplate,
)
from services.notify.quota import Fact
from services.notify.subscriptions import Subscriptions
from tests.support.waiting import give_way
from tests.unit.notify.ledger import Shelf, ledger, nobody_is_overtaken, still_wanted
from tests.unit.notify.outside import settings
from tests.unit.notify.story import words


class Crowd:
    """A provider that answers when told; `most` is how many calls it ever had at once."""

    def __init__(self) -> None:
        self.now = self.most = self.calls = 0
        self.full = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def find(self, phone: str, mark: str, since: datetime, until: datetime) -> Seen:
        await self.may_answer.wait()
        return Seen("delivered", f"{phone} {mark}")

    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str], mark: str) -> Answer:
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        if self.now == CALLS_AT_ONCE:
            self.full.set()
        await self.may_answer.wait()
        self.now -= 1
        return Answer("sent")


class Lane:
    """WeChat, as far as a notice sees it: `answers` are given in turn."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.sent: list[Mapping[str, Any]] = []

    async def send(self, message: Mapping[str, Any]) -> Answer:
        self.sent.append(message)
        return self.answers.pop(0)


def performing(opened: Senders, subscriptions: Subscriptions | None = None) -> dict[type[Intent], Performer]:
    return performers(opened, subscriptions or ledger(), nobody_is_overtaken, still_wanted)


def wechat(case: int, outcome: Outcome = "refund-arrived") -> SendWechat:
    return SendWechat.model_validate({**sms(case).model_dump(), "openid": "o-abc", "outcome": outcome})


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
    async with senders(settings("http://nobody.invalid:9", keys, look_seconds=7)) as opened:
        yield opened


async def test_calls_wait_for_their_turn(opened: Senders) -> None:
    crowd = Crowd()
    perform = performing(replace(opened, sms={"sms-tencent": crowd}))[SendSms]
    calls = [asyncio.ensure_future(perform(sms(number), 1)) for number in range(3 * CALLS_AT_ONCE)]
    await crowd.full.wait()
    crowd.may_answer.set()
    reports = await asyncio.gather(*calls)
    assert (crowd.calls, crowd.most) == (3 * CALLS_AT_ONCE, CALLS_AT_ONCE)
    assert {report.result for report in reports if isinstance(report, ChannelAnswered)} == {"sent"}


async def test_an_answer_that_never_comes_is_unknown(opened: Senders) -> None:
    perform = performing(replace(opened, sms={"sms-tencent": Crowd()}, seconds=0.01))[SendSms]
    report = await perform(sms(1), 1)
    assert isinstance(report, ChannelAnswered)
    assert (report.channel, report.result, report.code) == ("sms-tencent", "unknown", "timeout")
    assert report.look_seconds == opened.look_seconds


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────
LOOK = LookForSms(
    notice_id="case-1/refund-arrived",
    order_id=OrderId("order-1"),
    case_id=CaseId("case-1"),
    provider="sms-tencent",
    phone="13800138000",
    call=2,
    look=1,
    since=datetime(2025, 3, 1, tzinfo=UTC),
)


async def test_a_look_asks_for_the_mark_that_the_call_carried(opened: Senders) -> None:
    crowd = Crowd()
    crowd.may_answer.set()
    found = await performing(replace(opened, sms={"sms-tencent": crowd}))[LookForSms](LOOK, 2)
    assert isinstance(found, SmsFound)
    assert (found.found, found.look, found.call, found.look_seconds) == ("delivered", 1, 2, 7)
    assert found.code == "+8613800138000 case-1/refund-arrived/2"


async def test_a_look_that_takes_too_long_shows_nothing(opened: Senders) -> None:
    report = await performing(replace(opened, sms={"sms-tencent": Crowd()}, seconds=0.01))[LookForSms](LOOK, 1)
    assert isinstance(report, SmsFound)
    assert (report.found, report.code) == ("no-answer", "timeout")


# ── the quota ledger ─────────────────────────────────────────────────────────────────────────────────────────────────
async def send_all(opened: Senders, subscriptions: Subscriptions, lane: Lane, *cases: int) -> list[Answer]:
    perform = performing(replace(opened, wechat=cast(Wechat, lane)), subscriptions)[SendWechat]
    reports = [await perform(wechat(case), 1) for case in cases]
    return [Answer(report.result, report.code) for report in reports if isinstance(report, ChannelAnswered)]


async def test_a_quota_that_is_known_to_be_empty_costs_no_call(opened: Senders) -> None:
    lane, subscriptions = Lane(Answer("sent"), Answer("refused", "43101")), ledger()
    answers = await send_all(opened, subscriptions, lane, 1, 2, 3)
    assert answers == [Answer("sent"), Answer("refused", "43101"), Answer("refused", "no-quota")]
    assert len(lane.sent) == 2


async def test_a_new_accept_opens_it_again(opened: Senders) -> None:
    lane, subscriptions = Lane(Answer("refused", "43101"), Answer("sent")), ledger()
    await send_all(opened, subscriptions, lane, 1)
    template = str(lane.sent[0]["template_id"])
    accept = Fact(id="tap", openid="o-abc", template_id=template, what="accept", source="page", at=clock.now())
    await subscriptions.note([accept])
    assert await send_all(opened, subscriptions, lane, 2) == [Answer("sent")]


async def test_one_call_is_counted_once_however_often_it_is_noted(opened: Senders) -> None:
    shelf = Shelf()
    lane = Lane(Answer("sent"), Answer("sent"), Answer("unknown", "ReadTimeout"))
    await send_all(opened, Subscriptions(shelf), lane, 1, 1, 2)
    assert list(shelf.documents) == ["send/case-1/refund-arrived/1"], "an unknown outcome is no fact"


async def test_without_the_ledger_wechat_is_asked(opened: Senders) -> None:
    shelf, lane = Shelf(), Lane(Answer("sent"))
    shelf.away = True
    assert await send_all(opened, Subscriptions(shelf), lane, 1) == [Answer("sent")]


async def test_a_ledger_that_is_slow_makes_nothing_unknown(opened: Senders) -> None:
    """The time of the call is over as soon as anybody waits; WeChat has answered by then."""

    class Slow(Shelf):
        async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]:
            await give_way()
            return await super().insert_new(documents)

    shelf = Slow()
    lane = Lane(Answer("sent"))
    quick = replace(opened, wechat=cast(Wechat, lane), seconds=0)
    report = await performing(quick, Subscriptions(shelf))[SendWechat](wechat(1, "refund-delayed"), 1)
    assert isinstance(report, ChannelAnswered)
    assert report.result == "sent"
    assert [one["what"] for one in shelf.documents.values()] == ["sent"]


# ── what a later outcome makes untrue ────────────────────────────────────────────────────────────────────────────────
async def test_what_is_untrue_by_now_is_dropped_before_the_call(opened: Senders) -> None:
    lane, dropped = Lane(Answer("sent")), list[tuple[str, int]]()

    async def overtake(overtaken: Overtaken) -> None:
        dropped.append((overtaken.notice_id, len(lane.sent)))

    await performers(replace(opened, wechat=cast(Wechat, lane)), ledger(), overtake, still_wanted)[SendWechat](
        wechat(1), 1
    )
    assert set(dropped) == {(f"case-1/{earlier}", 0) for earlier in SUPERSEDES["refund-arrived"]}
    assert len(lane.sent) == 1


async def test_nothing_is_sent_before_it_is_dropped(opened: Senders) -> None:
    async def overtake(_: Overtaken) -> None:
        raise StoreUnavailable("away")

    lane = Lane(Answer("sent"))
    report = await performers(replace(opened, wechat=cast(Wechat, lane)), ledger(), overtake, still_wanted)[SendWechat](
        wechat(1), 1
    )
    assert isinstance(report, ChannelAnswered)
    assert (report.result, lane.sent) == ("unreached", [])
