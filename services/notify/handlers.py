"""Who is told what, and how: one notice per outcome of a case, down the cascade until a channel takes it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from chassis.record import Aggregate
from contracts.message import Message, Woke
from contracts.notify import Channel, CustomerTold, TellCustomer
from services.notify import erasing
from services.notify.limits import is_same_number
from services.notify.model import (
    CALLS_MAX,
    LOOKED_UP,
    LOOKS,
    ONCE_MORE_AFTER,
    POLICY,
    ChannelAnswered,
    LookForSms,
    Notice,
    Overtaken,
    SendSms,
    SendWechat,
    SmsFound,
    SmsReceipt,
    Tried,
    first_channel,
    look_after,
    next_channel,
)
from services.notify.texts import words_for

NOTICES = Aggregate("notices", Notice)

Decision = tuple[Notice | None, Sequence[Message]]


@NOTICES.handles(TellCustomer, key="notice_id")
def tell_customer(notice: Notice | None, asked: TellCustomer, at: datetime) -> Decision:
    """Begin with the first channel the customer can be reached by. Asked again: repeat the answer, if there is one.
    What was dropped as untrue and is asked for again has become true again, and goes on, with what is true now. A
    transfer that can be confirmed until later than the one before is another one, and is told anew."""
    if notice is None:
        return _go_on(_begun(asked, at, first_call=1), at)
    if _is_another_transfer(notice.asked, asked):
        anew = _begun(asked, at, first_call=notice.first_call + CALLS_MAX)
        return _go_on(_changed(anew, tried=notice.tried), at)
    if notice.superseded_at is not None and notice.told_at is None:
        return _next(_changed(notice, asked=asked, words=words_for(asked, at), superseded_at=None), at)
    if not notice.ended:
        # Nothing changes, and it is remembered all the same (a copy is saved): heard once more after the notice was
        # dropped, from a topic that is read again, it would be taken for a wish that has become true again.
        return _changed(notice), ()
    return notice, _answer(notice)


def _begun(asked: TellCustomer, at: datetime, first_call: int) -> Notice:
    return Notice(
        notice_id=asked.notice_id,
        asked=asked,
        words=words_for(asked, at),
        channel=first_channel(asked.to),
        first_call=first_call,
        call=first_call,
    )


def _is_another_transfer(before: TellCustomer, asked: TellCustomer) -> bool:
    if asked.outcome != "refund-to-confirm" or asked.expected_by is None:
        return False
    return before.expected_by is None or asked.expected_by > before.expected_by


# ── what came of a call ──────────────────────────────────────────────────────────────────────────────────────────────
@NOTICES.handles(ChannelAnswered)
def channel_answered(notice: Notice | None, answer: ChannelAnswered, at: datetime) -> Decision:
    """Told, the next channel, the same once more, or a look at what became of it. An answer to another call than the
    one under way changes nothing: what it says was already counted as unknown."""
    if notice is None or notice.told_at is not None or notice.wake_at is not None or notice.look:
        return notice, ()
    if (answer.channel, answer.call) != (notice.channel, notice.call):
        return notice, ()
    notice = _with(notice, Tried(channel=answer.channel, result=answer.result, code=answer.code, at=at))
    step = POLICY[answer.result]
    if step == "told":
        return _told(notice, at)
    if notice.ended:
        return notice, ()
    if step == "once more, then next channel" and notice.call < notice.first_call + CALLS_MAX - 1:
        return _changed(notice, wake_at=at + ONCE_MORE_AFTER), ()
    if step == "look, then next channel" and notice.channel in LOOKED_UP:
        return _changed(notice, look=1, wake_at=at + look_after(1, answer.look_seconds)), ()
    return _next(notice, at)


@NOTICES.wakes
def go_on_after_waiting(notice: Notice | None, _: Woke, at: datetime) -> Decision:
    """Look what became of the call; or call the same channel again, because the call before never left."""
    if notice is None or notice.wake_at is None or notice.ended:
        return notice, ()
    awake = _changed(notice, wake_at=None)
    if notice.look:
        return awake, (_look(awake),)
    return _go_on(_changed(awake, call=notice.call + 1), at)


@NOTICES.handles(SmsFound)
def sms_found(notice: Notice | None, seen: SmsFound, at: datetime) -> Decision:
    """Told if the provider has taken the message; the next channel if it could not deliver it or still does not know
    it after the last look."""
    if notice is None or notice.ended or notice.wake_at is not None:
        return notice, ()
    if (seen.provider, seen.call, seen.look) != (notice.channel, notice.call, notice.look):
        return notice, ()
    notice = _with(notice, Tried(channel=seen.provider, what="look", result=seen.found, code=seen.code, at=at))
    if seen.found in ("delivered", "accepted"):
        return _told(notice, at)
    if seen.found == "failed" or notice.look == len(LOOKS):
        return _next(notice, at)
    look = notice.look + 1
    return _changed(notice, look=look, wake_at=at + look_after(look, seen.look_seconds)), ()


def concerns(receipt: SmsReceipt, notice: Notice) -> bool:
    """Whether a receipt is about the call that this notice made last, and names its phone."""
    if notice.superseded_at is not None or (receipt.provider, receipt.call) != (notice.channel, notice.call):
        return False
    return is_same_number(receipt.phone, notice.asked.to.phone)


@NOTICES.handles(SmsReceipt)
def sms_reported(notice: Notice | None, receipt: SmsReceipt, at: datetime) -> Decision:
    """A receipt that comes while the fate of its call is unknown decides it. One that says "not delivered" after the
    customer was told leaves the notice to the inbox, where it lies anyway; it starts no other call, because by then the
    next outcome may be on its way and the two would cross."""
    if notice is None or not concerns(receipt, notice):
        return notice, ()
    result: Literal["delivered", "failed"] = "delivered" if receipt.delivered else "failed"
    known = _with(notice, Tried(channel=receipt.provider, what="receipt", result=result, code=receipt.code, at=at))
    if notice.told_at is None and notice.look:
        known = _changed(known, wake_at=None)
        return _told(known, at) if receipt.delivered else _next(known, at)
    if notice.told_at is None or receipt.delivered or next_channel(notice.channel, notice.asked.to) != "inbox":
        return notice, ()
    return _changed(known, channel="inbox"), ()


@NOTICES.handles(Overtaken)
def overtaken(notice: Notice | None, _: Overtaken, at: datetime) -> Decision:
    """What is still waiting to be told is dropped, because it is untrue by now."""
    if notice is None or notice.ended:
        return notice, ()
    return _changed(notice, superseded_at=at, wake_at=None), ()


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def _next(notice: Notice, at: datetime) -> Decision:
    following: Channel = next_channel(notice.channel, notice.asked.to)
    return _go_on(_changed(notice, channel=following, call=notice.first_call, look=0), at)


def _go_on(notice: Notice, at: datetime) -> Decision:
    """Call the channel the notice stands at; the inbox needs no call."""
    if notice.channel == "inbox":
        return _told(notice, at)
    called = _changed(notice, called_at=at)
    if called.channel == "wechat":
        return called, (_wechat(called),)
    return called, (_sms(called),)


def _told(notice: Notice, at: datetime) -> Decision:
    told = _changed(notice, told_at=at)
    return told, _answer(told)


def _with(notice: Notice, tried: Tried) -> Notice:
    return _changed(notice, tried=(*notice.tried, tried))


def _changed(notice: Notice, **changes: Any) -> Notice:
    return notice.model_copy(update=changes)


# ── what is said ─────────────────────────────────────────────────────────────────────────────────────────────────────
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


def _sms(notice: Notice) -> SendSms:
    return SendSms(
        notice_id=notice.notice_id,
        order_id=notice.asked.order_id,
        case_id=notice.asked.case_id,
        outcome=notice.asked.outcome,
        provider=_provider(notice),
        phone=notice.asked.to.phone,
        language=notice.asked.to.language,
        words=notice.words,
        call=notice.call,
    )


def _look(notice: Notice) -> LookForSms:
    return LookForSms(
        notice_id=notice.notice_id,
        order_id=notice.asked.order_id,
        case_id=notice.asked.case_id,
        provider=_provider(notice),
        phone=notice.asked.to.phone,
        call=notice.call,
        look=notice.look,
        since=notice.called_at or notice.words.time,
    )


def _provider(notice: Notice) -> Literal["sms-tencent", "sms-alibaba"]:
    if notice.channel not in ("sms-tencent", "sms-alibaba"):
        raise ValueError(f"{notice.channel} sends no short messages")
    return notice.channel


NOTICES.handles(erasing.ForgetCustomer)(erasing.forget)
erasing.keep_erased(NOTICES)
