"""Who is told what, and how: one notice per outcome of a case, down the cascade until a channel takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from chassis.record import Aggregate
from contracts.message import Message, Woke
from contracts.notify import CustomerTold, TellCustomer
from services.notify.model import (
    CALLS_MAX,
    ONCE_MORE_AFTER,
    POLICY,
    ChannelAnswered,
    Notice,
    SendSms,
    SendWechat,
    Tried,
    first_channel,
    next_channel,
)
from services.notify.texts import words_for

NOTICES = Aggregate("notices", Notice)

Decision = tuple[Notice | None, Sequence[Message]]


@NOTICES.handles(TellCustomer, key="notice_id")
def tell_customer(notice: Notice | None, asked: TellCustomer, at: datetime) -> Decision:
    """Begin with the first channel the customer can be reached by. Asked again: repeat the answer, if there is one."""
    if notice is not None:
        return notice, _answer(notice)
    new = Notice(
        notice_id=asked.notice_id,
        asked=asked,
        words=words_for(asked, at),
        channel=first_channel(asked.to),
    )
    return _go_on(new, at)


@NOTICES.handles(ChannelAnswered)
def channel_answered(notice: Notice | None, answer: ChannelAnswered, at: datetime) -> Decision:
    """Told, the next channel, or the same once more. An answer to another call than the one under way changes
    nothing: what it says was already counted as unknown."""
    if notice is None or notice.told_at is not None or notice.wake_at is not None:
        return notice, ()
    if (answer.channel, answer.call) != (notice.channel, notice.call):
        return notice, ()
    tried = Tried(channel=answer.channel, result=answer.result, code=answer.code, at=at)
    notice = notice.model_copy(update={"tried": (*notice.tried, tried)})
    step = POLICY[answer.result]
    if step == "told":
        return _told(notice, at)
    if step == "once more, then next channel" and notice.call < CALLS_MAX:
        return notice.model_copy(update={"wake_at": at + ONCE_MORE_AFTER}), ()
    following = next_channel(notice.channel, notice.asked.to)
    return _go_on(notice.model_copy(update={"channel": following, "call": 1}), at)


@NOTICES.wakes
def call_once_more(notice: Notice | None, _: Woke, at: datetime) -> Decision:
    """The same channel again, because the call before never left."""
    if notice is None or notice.wake_at is None or notice.told_at is not None:
        return notice, ()
    return _go_on(notice.model_copy(update={"wake_at": None, "call": notice.call + 1}), at)


def _go_on(notice: Notice, at: datetime) -> Decision:
    """Call the channel the notice stands at; the inbox needs no call."""
    if notice.channel == "inbox":
        return _told(notice, at)
    if notice.channel == "wechat":
        return notice, (_wechat(notice),)
    return notice, (_sms(notice, notice.channel),)


def _told(notice: Notice, at: datetime) -> Decision:
    told = notice.model_copy(update={"told_at": at})
    return told, _answer(told)


def _answer(notice: Notice) -> Sequence[CustomerTold]:
    if notice.told_at is None:
        return ()
    return (
        CustomerTold(
            order_id=notice.asked.order_id,
            case_id=notice.asked.case_id,
            outcome=notice.asked.outcome,
            channel=notice.channel,
            told_at=notice.told_at,
        ),
    )


def _wechat(notice: Notice) -> SendWechat:
    return SendWechat(
        notice_id=notice.notice_id,
        order_id=notice.asked.order_id,
        case_id=notice.asked.case_id,
        outcome=notice.asked.outcome,
        openid=notice.asked.to.openid,
        language=notice.asked.to.language,
        words=notice.words,
        call=notice.call,
    )


def _sms(notice: Notice, provider: Literal["sms-tencent", "sms-alibaba"]) -> SendSms:
    return SendSms(
        notice_id=notice.notice_id,
        order_id=notice.asked.order_id,
        case_id=notice.asked.case_id,
        outcome=notice.asked.outcome,
        provider=provider,
        phone=notice.asked.to.phone,
        language=notice.asked.to.language,
        words=notice.words,
        call=notice.call,
    )
