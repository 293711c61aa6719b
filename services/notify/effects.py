"""Sends what notices want sent, one call per intent, and reports what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar

import httpx
import structlog

from chassis import clock
from chassis.engine import Engine
from chassis.miniprogram import MiniProgram, appid_file
from chassis.record import Heard
from chassis.relay import Performer
from chassis.settings import read_key
from chassis.store import StoreUnavailable
from contracts.message import Intent, message_id
from contracts.notify import Channel, Outcome
from services.notify.alibaba import AlibabaSms
from services.notify.clients import Answer, Seen, Wechat
from services.notify.erasing import CustomersForgotten, ForgetCustomer, ForgetCustomers
from services.notify.handlers import NOTICES
from services.notify.keyfolder import sms_account, wechat_templates
from services.notify.limits import e164, sms_values, subscribe_data
from services.notify.model import (
    SUPERSEDES,
    ChannelAnswered,
    LookForSms,
    Overtaken,
    SendSms,
    SendWechat,
    SmsAccount,
    SmsFound,
    SmsTemplate,
    WechatTemplate,
    mark_of,
)
from services.notify.quota import Fact, What
from services.notify.settings import NotifySettings
from services.notify.subscriptions import Deletable, Subscriptions
from services.notify.subscriptions import forget as forget_facts
from services.notify.tencent import TencentSms
from services.notify.views import Notices

T = TypeVar("T")
Send = Callable[[], Awaitable[Answer]]
Overtake = Callable[[Overtaken], Awaitable[object]]
"""Lets the notice concerned hear it. Raises StoreUnavailable."""
Wanted = Callable[[SendWechat | SendSms, Channel], Awaitable[bool]]
"""Whether its notice still waits for this call. Raises StoreUnavailable."""

STAND_INS: Mapping[Outcome, Outcome] = {
    "late-payment-refunded": "refund-on-its-way",
    "refund-to-confirm": "refund-on-its-way",
    "refund-delayed": "refund-on-its-way",
}
"""Whose template an outcome may use when the account has none of its own: the same title must be true for both."""

CALLS_AT_ONCE = 16
"""Calls under way at one provider. More would only make each slower, and a call that is too slow is one whose outcome
nobody knows, so the customer might be told on two channels."""

CRASHED = Answer("unknown", "crashed")
NOT_WANTED = Answer("refused", "not-wanted")
NO_TEMPLATE = Answer("refused", "no-template")
NO_QUOTA = Answer("refused", "no-quota")
STORE_AWAY = Answer("unreached", "store-away")
LOST_QUOTA = "43101"

log = structlog.get_logger()


class SmsSender(Protocol):
    """One SMS provider. `find`: what became of the message with `mark`, sent between two times (UTC)."""

    async def send(self, phone: str, template: SmsTemplate, values: Mapping[str, str], mark: str) -> Answer: ...

    async def find(self, phone: str, mark: str, since: datetime, until: datetime) -> Seen: ...


class WechatSender(Protocol):
    """WeChat's subscribe messages. `message`: the body of one."""

    async def send(self, message: Mapping[str, Any]) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Senders:
    """Everyone who can carry a notice. `seconds`: the longest that one intent may take, over all its calls.
    `look_seconds`: the unit of the waits before looks."""

    wechat: WechatSender
    wechat_templates: Mapping[str, WechatTemplate]
    sms: Mapping[str, SmsSender]
    sms_account: SmsAccount
    page: str
    state: str
    seconds: float
    look_seconds: float


@asynccontextmanager
async def senders(settings: NotifySettings) -> AsyncIterator[Senders]:
    """Open everything the settings name, with key files that were looked at before (`keyfolder.expect_keys`)."""
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
            wechat=Wechat(MiniProgram(http, read_key(keys, appid_file(keys)), read_key(keys, "appsecret.txt"), url)),
            wechat_templates=wechat_templates(keys),
            sms={"sms-tencent": tencent, "sms-alibaba": alibaba},
            sms_account=account,
            page=settings.mini_program_page,
            state=settings.mini_program_state,
            seconds=seconds * 2,
            look_seconds=settings.look_seconds,
        )


def performers(
    senders: Senders, subscriptions: Subscriptions, overtake: Overtake, wanted: Wanted
) -> dict[type[Intent], Performer]:
    """Who performs which intent. After a crash (`attempt` above 1) nothing is sent: nobody knows whether it was."""
    slots = {name: asyncio.Semaphore(CALLS_AT_ONCE) for name in ("wechat", *senders.sms)}

    async def within(intent: SendWechat | SendSms, channel: Channel, attempt: int, send: Send) -> ChannelAnswered:
        """Waiting for a turn is not part of the call. Whether it is still to be made is asked always: it may have
        waited here, or before that for one of the places that the relay has for calls of its kind."""

        async def call() -> Answer:
            try:
                if not await wanted(intent, channel):
                    return NOT_WANTED
            except StoreUnavailable:
                return STORE_AWAY
            return await _after_overtaking(intent, overtake, send)

        answer = CRASHED
        if attempt == 1:
            async with slots[channel]:
                answer = await _in_time(senders.seconds, call)
        return ChannelAnswered(
            notice_id=intent.notice_id,
            channel=channel,
            call=intent.call,
            result=answer.result,
            code=answer.code,
            look_seconds=senders.look_seconds,
        )

    async def send_wechat(intent: SendWechat, attempt: int) -> ChannelAnswered:
        answered = await within(intent, "wechat", attempt, lambda: _by_wechat(senders, subscriptions, intent))
        # Outside the time that a call has: what WeChat has answered does not become unknown because a ledger is slow.
        await _note(senders, subscriptions, intent, answered)
        return answered

    async def send_sms(intent: SendSms, attempt: int) -> ChannelAnswered:
        return await within(intent, intent.provider, attempt, lambda: _by_sms(senders, intent))

    async def look_for_sms(intent: LookForSms, _: int) -> SmsFound:
        async with slots[intent.provider]:
            seen = await _look(senders, intent)
        return SmsFound(
            notice_id=intent.notice_id,
            provider=intent.provider,
            call=intent.call,
            look=intent.look,
            found=seen.found,
            code=seen.code,
            look_seconds=senders.look_seconds,
        )

    return {SendWechat: send_wechat, SendSms: send_sms, LookForSms: look_for_sms}


def overtaking(engine: Engine) -> Overtake:
    """How a notice hears that it is untrue by now, at once and not by a topic. Most were never asked for, or have
    ended: they are not spoken to."""

    async def overtake(overtaken: Overtaken) -> None:
        # "No such notice" is believed here: a majority has just acknowledged the save that asked for the call, so
        # whoever answers now has what was acknowledged before it (decision 0042).
        record = await engine.read(NOTICES, overtaken.notice_id)
        if record is None or record.state is None or record.state.ended:
            return
        id = message_id(f"{overtaken.notice_id}/{overtaken.by}/{overtaken.call}", "overtaken")
        await engine.hear(Heard(overtaken, id, engine.clock(), answers_travel=False))

    return overtake


def wanting(engine: Engine) -> Wanted:
    """How a call finds out whether it is still to be made: while it waited for its turn a later outcome may have been
    told, its order erased, or another process may have taken it up."""

    async def wanted(intent: SendWechat | SendSms, channel: Channel) -> bool:
        record = await engine.read(NOTICES, intent.notice_id)
        notice = record.state if record is not None else None
        if notice is None:  # a server that was replaced: see `overtaking`
            return True
        return not (notice.ended or notice.look) and (notice.channel, notice.call) == (channel, intent.call)

    return wanted


def forgetting(engine: Engine, notices: Notices, ledger: Deletable) -> Performer:
    """Who lets every notice about an order forget whom it was for, a page at a time."""

    async def forget(intent: ForgetCustomers, _: int) -> CustomersForgotten:
        async for notice_id in notices.ids_of_order(intent.order_id):
            id = message_id(f"{notice_id}/{intent.erasure}/{intent.look}", "forget")
            heard = Heard(ForgetCustomer(notice_id=notice_id), id, engine.clock(), answers_travel=False, passing=True)
            await engine.hear(heard)
        await forget_facts(ledger, intent.order_id)
        return CustomersForgotten(order_id=intent.order_id, erasure=intent.erasure, look=intent.look)

    return forget


async def _in_time(seconds: float, send: Send) -> Answer:
    try:
        async with asyncio.timeout(seconds):
            return await send()
    except TimeoutError:
        return Answer("unknown", "timeout")


async def _after_overtaking(intent: SendWechat | SendSms, overtake: Overtake, send: Send) -> Answer:
    """Send, but first drop the notices of the case that this one makes untrue."""
    call = f"{intent.provider if isinstance(intent, SendSms) else 'wechat'}/{intent.call}"
    try:
        await asyncio.gather(
            *(
                overtake(Overtaken(notice_id=f"{intent.case_id}/{earlier}", by=intent.outcome, call=call))
                for earlier in SUPERSEDES.get(intent.outcome, ())
            )
        )
    except StoreUnavailable:
        return STORE_AWAY
    return await send()


async def _by_wechat(senders: Senders, subscriptions: Subscriptions, intent: SendWechat) -> Answer:
    template = _template(senders.wechat_templates, intent.outcome)
    if template is None:
        return NO_TEMPLATE
    if await _known_empty(subscriptions, intent.openid, template.template_id):
        return NO_QUOTA
    return await senders.wechat.send(_message(senders, template, intent))


def _message(senders: Senders, template: WechatTemplate, intent: SendWechat) -> dict[str, Any]:
    message: dict[str, Any] = {
        "touser": intent.openid,
        "template_id": template.template_id,
        "data": {name: {"value": value} for name, value in subscribe_data(template.fields, intent.words).items()},
        "miniprogram_state": senders.state,
        "lang": "zh_CN" if intent.language == "zh" else "en_US",
    }
    if senders.page:
        message["page"] = f"{senders.page}?order_id={intent.order_id}"
    return message


async def _known_empty(subscriptions: Subscriptions, openid: str, template_id: str) -> bool:
    try:
        return await subscriptions.known_empty(openid, template_id, clock.now())
    except StoreUnavailable:
        return False  # the ledger is a hint: without it WeChat is asked


async def _note(senders: Senders, subscriptions: Subscriptions, intent: SendWechat, answered: ChannelAnswered) -> None:
    """Write down what the call says about the customer's subscriptions."""
    what: What | None = "sent" if answered.result == "sent" else "no-quota" if answered.code == LOST_QUOTA else None
    template = _template(senders.wechat_templates, intent.outcome)
    if what is None or template is None:
        return
    id, at = f"send/{intent.notice_id}/{intent.call}", clock.now()
    fact = Fact(id=id, openid=intent.openid, template_id=template.template_id, what=what, source="send", at=at)
    try:
        await subscriptions.note([fact])
    except StoreUnavailable as problem:
        log.warning("the quota ledger missed a call", problem=str(problem)[:300])


async def _look(senders: Senders, intent: LookForSms) -> Seen:
    mark = mark_of(intent.notice_id, intent.call)
    try:
        async with asyncio.timeout(senders.seconds):
            return await senders.sms[intent.provider].find(e164(intent.phone), mark, intent.since, clock.now())
    except TimeoutError:
        return Seen("no-answer", "timeout")


async def _by_sms(senders: Senders, intent: SendSms) -> Answer:
    template = _template(senders.sms_account.templates, intent.outcome)
    if template is None:
        return NO_TEMPLATE
    sender = senders.sms[intent.provider]
    mark = mark_of(intent.notice_id, intent.call)
    return await sender.send(e164(intent.phone), template, sms_values(template.params, intent.words), mark)


def _template(templates: Mapping[str, T], outcome: Outcome) -> T | None:
    own = templates.get(outcome)
    if own is not None or outcome not in STAND_INS:
        return own
    return templates.get(STAND_INS[outcome])
