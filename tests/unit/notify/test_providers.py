"""Our senders against the stand-in, over real HTTP, with the providers' own SDKs."""

from __future__ import annotations

import shutil
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest

from chassis import clock
from contracts.message import CaseId, OrderId
from contracts.notify import Outcome
from services.notify.clients import Answer
from services.notify.effects import STAND_INS, Senders, performers, senders
from services.notify.model import ChannelAnswered, LookForSms, SendSms, SendWechat, SmsFound
from services.notify.texts import words_for
from tests.unit.notify.ledger import ledger, nobody_is_overtaken, still_wanted
from tests.unit.notify.outside import Outside, settings
from tests.unit.notify.story import NOW, tell

SMS = ("sms-tencent", "sms-alibaba")
OPENID = "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"


def wechat(outcome: Outcome = "refund-on-its-way", openid: str = OPENID) -> SendWechat:
    return SendWechat(
        notice_id=f"case-1/{outcome}",
        order_id=OrderId("order-1"),
        case_id=CaseId("case-1"),
        outcome=outcome,
        openid=openid,
        language="zh",
        words=words_for(tell(outcome=outcome), NOW),
        call=1,
    )


def sms(provider: str, outcome: Outcome = "refund-on-its-way", phone: str = "13800138000") -> SendSms:
    return SendSms.model_validate({**wechat(outcome).model_dump(), "provider": provider, "phone": phone})


async def perform(opened: Senders, intent: SendWechat | SendSms, attempt: int = 1) -> Answer:
    report = await performers(opened, ledger(), nobody_is_overtaken, still_wanted)[type(intent)](intent, attempt)
    assert isinstance(report, ChannelAnswered)
    assert (report.notice_id, report.call) == (intent.notice_id, intent.call)
    return Answer(report.result, report.code)


@pytest.fixture
async def opened(outside: Outside) -> AsyncIterator[Senders]:
    async with senders(settings(outside.url, outside.keys)) as opened:
        yield opened


@pytest.mark.parametrize("outcome", ["order-cancelled", "refund-on-its-way", "refund-arrived", "refund-failed"])
async def test_wechat_takes_every_outcome(outside: Outside, opened: Senders, outcome: Outcome) -> None:
    assert await perform(opened, wechat(outcome)) == Answer("sent")
    (line,) = await outside.delivered()
    assert (line["channel"], line["template_name"]) == ("wechat", outcome)


async def test_the_mini_program_of_a_sub_merchant_sends_and_not_its_service_providers(
    outside: Outside, tmp_path: Path
) -> None:
    shutil.copytree(outside.keys, tmp_path, dirs_exist_ok=True)
    (tmp_path / "appid.txt").rename(tmp_path / "sub-appid.txt")
    (tmp_path / "appid.txt").write_text("wx-provider")
    async with senders(settings(outside.url, tmp_path)) as opened:
        assert await perform(opened, wechat()) == Answer("sent")


@pytest.mark.parametrize("provider", SMS)
@pytest.mark.parametrize("outcome", ["order-cancelled", "refund-on-its-way", "refund-arrived", "refund-failed"])
async def test_sms_takes_every_outcome(outside: Outside, opened: Senders, provider: str, outcome: Outcome) -> None:
    assert await perform(opened, sms(provider, outcome)) == Answer("sent")
    (line,) = await outside.delivered()
    assert (line["channel"], line["template_name"]) == (provider, outcome)
    assert line["values"]["order"] == "order-1"


@pytest.mark.parametrize("provider", SMS)
async def test_a_number_abroad_is_written_as_the_provider_wants_it(
    outside: Outside, opened: Senders, provider: str
) -> None:
    abroad = sms(provider, phone="+85291234567")
    assert await perform(opened, abroad) == Answer("sent")
    (line,) = await outside.delivered()
    assert line["to"] == "+85291234567"
    look = LookForSms.model_validate({**abroad.model_dump(), "look": 1, "since": clock.now() - timedelta(seconds=10)})
    report = await performers(opened, ledger(), nobody_is_overtaken, still_wanted)[LookForSms](look, 1)
    assert isinstance(report, SmsFound)
    assert report.found == "delivered"


async def test_outcomes_without_a_template_of_their_own(opened: Senders) -> None:
    for outcome in get_args(Outcome):
        answer = await perform(opened, wechat(outcome, OPENID + outcome[:3]))
        has_one = outcome in opened.wechat_templates or outcome in STAND_INS
        assert answer == (Answer("sent") if has_one else Answer("refused", "no-template"))


async def test_wechat_refuses(opened: Senders) -> None:
    assert await perform(opened, wechat()) == Answer("sent")
    assert await perform(opened, wechat()) == Answer("refused", "43101"), "one subscription is one message"
    assert await perform(opened, wechat(openid="x")) == Answer("refused", "40003")


@pytest.mark.parametrize(
    ("provider", "code"),
    [("sms-tencent", "FailedOperation.PhoneNumberInBlacklist"), ("sms-alibaba", "isv.BLACK_KEY_CONTROL_LIMIT")],
)
async def test_sms_refuses_a_number(outside: Outside, opened: Senders, provider: str, code: str) -> None:
    await outside.blacklists("13800138000")
    assert await perform(opened, sms(provider)) == Answer("refused", code)


@pytest.mark.parametrize(
    ("provider", "code"),
    [("sms-tencent", "InvalidParameterValue.IncorrectPhoneNumber"), ("sms-alibaba", "isv.MOBILE_NUMBER_ILLEGAL")],
)
async def test_sms_refuses_what_is_no_number(opened: Senders, provider: str, code: str) -> None:
    assert await perform(opened, sms(provider, phone="12")) == Answer("refused", code)


@pytest.mark.parametrize(
    ("provider", "code"),
    [("sms-tencent", "LimitExceeded.PhoneNumberDailyLimit"), ("sms-alibaba", "isv.BUSINESS_LIMIT_CONTROL")],
)
async def test_sms_limits(outside: Outside, opened: Senders, provider: str, code: str) -> None:
    await outside.breaks(provider, "error-before", code=code)
    assert await perform(opened, sms(provider)) == Answer("busy", code)


@pytest.mark.parametrize("fault", ["error-after", "drop-after", "drop-before"])
@pytest.mark.parametrize("channel", ["subscribe", *SMS])
async def test_an_outcome_nobody_knows(outside: Outside, opened: Senders, channel: str, fault: str) -> None:
    await outside.breaks(channel, fault)
    answer = await perform(opened, wechat() if channel == "subscribe" else sms(channel))
    assert answer.result == "unknown", answer
    assert len(await outside.delivered()) == (0 if fault.endswith("before") else 1), "sent at most once"


@pytest.mark.parametrize("channel", ["wechat", *SMS])
async def test_after_a_crash_nothing_is_sent_again(outside: Outside, opened: Senders, channel: str) -> None:
    intent = wechat() if channel == "wechat" else sms(channel)
    assert await perform(opened, intent, attempt=2) == Answer("unknown", "crashed")
    assert await outside.delivered() == []


@pytest.mark.parametrize("channel", ["wechat", *SMS])
async def test_a_provider_that_cannot_be_reached(outside: Outside, channel: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with senders(settings(nobody, outside.keys)) as opened:
            answer = await perform(opened, wechat() if channel == "wechat" else sms(channel))
    assert answer.result == "unreached", answer


@pytest.mark.parametrize("channel", ["wechat", *SMS])
async def test_a_name_that_does_not_resolve(outside: Outside, channel: str) -> None:
    async with senders(settings("http://nobody.invalid:9", outside.keys)) as opened:
        answer = await perform(opened, wechat() if channel == "wechat" else sms(channel))
    assert answer.result == "unreached", answer


@pytest.mark.parametrize("channel", SMS)
async def test_a_provider_that_never_answers(outside: Outside, channel: str) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with senders(settings(url, outside.keys, provider_seconds=0.1)) as opened:
            answer = await perform(opened, sms(channel))
    assert answer.result == "unknown", answer


@pytest.mark.parametrize("provider", SMS)
@pytest.mark.parametrize(
    ("fault", "found"), [("error-after", "delivered"), ("drop-after", "delivered"), ("drop-before", "absent")]
)
async def test_what_became_of_a_message_whose_answer_was_lost(
    outside: Outside, opened: Senders, provider: str, fault: str, found: str
) -> None:
    await outside.breaks(provider, fault)
    assert (await perform(opened, sms(provider))).result == "unknown"
    look = LookForSms.model_validate(
        {**sms(provider).model_dump(), "look": 1, "since": clock.now() - timedelta(seconds=10)}
    )
    report = await performers(opened, ledger(), nobody_is_overtaken, still_wanted)[LookForSms](look, 1)
    assert isinstance(report, SmsFound)
    assert report.found == found, report
    other = await performers(opened, ledger(), nobody_is_overtaken, still_wanted)[LookForSms](
        look.model_copy(update={"call": 2}), 1
    )
    assert isinstance(other, SmsFound)
    assert other.found == "absent", "only the call that was made"
