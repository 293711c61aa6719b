"""Sends what notices want sent, one call per intent, and reports what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import httpx
from pydantic import TypeAdapter

from chassis.relay import Performer
from chassis.settings import read_key
from contracts.message import Intent
from contracts.notify import Channel, Outcome
from services.notify.clients import AlibabaSms, Answer, TencentSms, Wechat
from services.notify.limits import e164, sms_values, subscribe_data
from services.notify.model import ChannelAnswered, SendSms, SendWechat, SmsAccount, SmsTemplate, WechatTemplate
from services.notify.settings import NotifySettings

T = TypeVar("T")

STAND_INS: Mapping[Outcome, Outcome] = {"late-payment-refunded": "refund-on-its-way"}
"""Whose template an outcome may use when the account has none of its own: the same title must be true for both."""

CALLS_AT_ONCE = 16
"""Calls under way at one provider. More would only make each slower, and a call that is too slow is one whose outcome
nobody knows, so the customer might be told on two channels."""

CRASHED = Answer("unknown", "crashed")
NO_TEMPLATE = Answer("refused", "no-template")


def wechat_templates(keys: Path) -> dict[str, WechatTemplate]:
    """`templates.json` of the keys folder, by outcome."""
    return TypeAdapter(dict[str, WechatTemplate]).validate_json(read_key(keys, "templates.json"))


def sms_account(keys: Path) -> SmsAccount:
    """`sms-templates.json` of the keys folder."""
    return SmsAccount.model_validate_json(read_key(keys, "sms-templates.json"))


class SmsSender(Protocol):
    """One SMS provider."""

    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str]) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Senders:
    """Everyone who can carry a notice. `seconds`: the longest that one intent may take, over all its calls."""

    wechat: Wechat
    wechat_templates: Mapping[str, WechatTemplate]
    sms: Mapping[str, SmsSender]
    sms_account: SmsAccount
    page: str
    state: str
    seconds: float


@asynccontextmanager
async def senders(settings: NotifySettings) -> AsyncIterator[Senders]:
    """Open everything the settings name. Leaves the process with exit code 2 when a key file is missing."""
    keys, url, seconds = settings.keys, settings.provider_url, settings.provider_seconds
    account = sms_account(keys)
    limits = httpx.Limits(max_connections=128, max_keepalive_connections=32)
    async with httpx.AsyncClient(timeout=seconds, limits=limits) as http:
        tencent = TencentSms(
            read_key(keys, "sms-tencent-id.txt"),
            read_key(keys, "sms-tencent-key.txt"),
            account,
            http,
            url=url,
            region=settings.tencent_region,
        )
        alibaba = AlibabaSms(
            read_key(keys, "sms-alibaba-id.txt"),
            read_key(keys, "sms-alibaba-key.txt"),
            account,
            url=url,
            seconds=seconds,
        )
        yield Senders(
            wechat=Wechat(http, read_key(keys, "appid.txt"), read_key(keys, "appsecret.txt"), url),
            wechat_templates=wechat_templates(keys),
            sms={"sms-tencent": tencent, "sms-alibaba": alibaba},
            sms_account=account,
            page=settings.mini_program_page,
            state=settings.mini_program_state,
            seconds=seconds * 2,
        )


def performers(senders: Senders) -> dict[type[Intent], Performer]:
    """Who performs which intent. After a crash (`attempt` above 1) nothing is sent: nobody knows whether it was."""
    slots = {name: asyncio.Semaphore(CALLS_AT_ONCE) for name in ("wechat", *senders.sms)}

    async def within(channel: Channel, attempt: int, send: Callable[[], Awaitable[Answer]]) -> Answer:
        """Waiting for a turn is not counted as part of the call."""
        if attempt > 1:
            return CRASHED
        async with slots[channel]:
            try:
                async with asyncio.timeout(senders.seconds):
                    return await send()
            except TimeoutError:
                return Answer("unknown", "timeout")

    async def send_wechat(intent: SendWechat, attempt: int) -> ChannelAnswered:
        answer = await within("wechat", attempt, lambda: _by_wechat(senders, intent))
        return _report(intent, "wechat", answer)

    async def send_sms(intent: SendSms, attempt: int) -> ChannelAnswered:
        answer = await within(intent.provider, attempt, lambda: _by_sms(senders, intent))
        return _report(intent, intent.provider, answer)

    return {SendWechat: send_wechat, SendSms: send_sms}


def _report(intent: SendWechat | SendSms, channel: Channel, answer: Answer) -> ChannelAnswered:
    return ChannelAnswered(
        notice_id=intent.notice_id, channel=channel, call=intent.call, result=answer.result, code=answer.code
    )


async def _by_wechat(senders: Senders, intent: SendWechat) -> Answer:
    template = _template(senders.wechat_templates, intent.outcome)
    if template is None:
        return NO_TEMPLATE
    message: dict[str, Any] = {
        "touser": intent.openid,
        "template_id": template.template_id,
        "data": {name: {"value": value} for name, value in subscribe_data(template.fields, intent.words).items()},
        "miniprogram_state": senders.state,
        "lang": "zh_CN" if intent.language == "zh" else "en_US",
    }
    if senders.page:
        message["page"] = f"{senders.page}?order_id={intent.order_id}"
    return await senders.wechat.send(message)


async def _by_sms(senders: Senders, intent: SendSms) -> Answer:
    template = _template(senders.sms_account.templates, intent.outcome)
    if template is None:
        return NO_TEMPLATE
    sender = senders.sms[intent.provider]
    return await sender.send(e164(intent.phone), template, sms_values(template.params, intent.words))


def _template(templates: Mapping[str, T], outcome: Outcome) -> T | None:
    own = templates.get(outcome)
    if own is not None or outcome not in STAND_INS:
        return own
    return templates.get(STAND_INS[outcome])
