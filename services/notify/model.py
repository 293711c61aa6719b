"""One notice: what is told, to whom, and how far down the channels it has come. No I/O, no clock."""

from __future__ import annotations

from datetime import timedelta, timezone
from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.message import CaseId, Intent, OrderId, Report
from contracts.notify import Addressee, Channel, Outcome, TellCustomer

Result = Literal["sent", "refused", "busy", "unknown", "unreached"]
"""What came of one call. sent: the provider has taken it. refused: it never will, nothing was sent. busy: it takes
nothing now (a limit), nothing was sent. unknown: nobody knows whether it was sent (time-out, error, crash). unreached:
the call never left, so nothing was sent."""

Step = Literal["told", "next channel", "once more, then next channel"]

POLICY: dict[Result, Step] = {
    "sent": "told",
    "refused": "next channel",
    "busy": "next channel",
    # Neither WeChat nor the SMS providers know a message by an id of ours, so the same call again could tell twice
    # on one channel and use up the customer's one-time subscription. Another channel may repeat the same words; it
    # can never tell something else.
    "unknown": "next channel",
    "unreached": "once more, then next channel",
}

CHINA = timezone(timedelta(hours=8))
"""The time zone customers read times in; it has no summer time."""

CASCADE: tuple[Channel, ...] = ("wechat", "sms-tencent", "sms-alibaba", "inbox")
CALLS_MAX = 2
"""Calls on one channel: the first, and one more when the first never left."""

ONCE_MORE_AFTER = timedelta(seconds=30)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Words(_Part):
    """What a customer reads, before it is fitted into a provider's fields."""

    title: str
    text: str
    order: str
    amount: str
    reason: str
    note: str
    time: AwareDatetime
    """When this became true, for fields that show a time."""


class SendWechat(Intent):
    """Send a subscribe message."""

    wire: ClassVar[str] = "send-wechat"
    key: ClassVar[str] = "notice_id"
    notice_id: str
    order_id: OrderId
    case_id: CaseId
    outcome: Outcome
    openid: str
    language: Literal["zh", "en"]
    words: Words
    call: int


class SendSms(Intent):
    """Send a short message through one provider."""

    wire: ClassVar[str] = "send-sms"
    key: ClassVar[str] = "notice_id"
    notice_id: str
    order_id: OrderId
    case_id: CaseId
    outcome: Outcome
    provider: Literal["sms-tencent", "sms-alibaba"]
    phone: str
    language: Literal["zh", "en"]
    words: Words
    call: int


class ChannelAnswered(Report):
    """What came of one call on one channel. `code` is the provider's own word; empty when it took the message."""

    wire: ClassVar[str] = "channel-answered"
    key: ClassVar[str] = "notice_id"
    notice_id: str
    channel: Channel
    call: int
    result: Result
    code: str = ""


class Tried(_Part):
    """One call and what came of it, for whoever asks why a customer was told on this channel."""

    channel: Channel
    result: Result
    code: str
    at: AwareDatetime


class Notice(BaseModel):
    """One outcome of one case told to one customer. `channel` is where it stands, `call` the call under way there;
    with `told_at` it has left."""

    model_config = ConfigDict(frozen=True)

    notice_id: str
    asked: TellCustomer
    words: Words
    channel: Channel
    call: int = 1
    tried: tuple[Tried, ...] = ()
    told_at: AwareDatetime | None = None
    wake_at: AwareDatetime | None = None


class WechatTemplate(_Part):
    """A subscribe template of the account. `fields`: field name (`thing3`) → label."""

    template_id: str
    fields: dict[str, str]


class SmsTemplate(_Part):
    """One approved text, as both providers know it; `params` in the order Tencent takes them."""

    tencent_template_id: str
    alibaba_template_code: str
    params: tuple[str, ...]


class SmsAccount(_Part):
    """What both SMS providers share."""

    sign_name: str
    tencent_sdk_app_id: str
    templates: dict[str, SmsTemplate]


def reachable(channel: Channel, to: Addressee) -> bool:
    """Whether the customer gave what this channel needs."""
    if channel == "wechat":
        return bool(to.openid)
    return channel == "inbox" or bool(to.phone)


def first_channel(to: Addressee) -> Channel:
    """Where telling begins."""
    return next(channel for channel in CASCADE if reachable(channel, to))


def next_channel(after: Channel, to: Addressee) -> Channel:
    """Where telling goes on. The inbox has none after it."""
    later = CASCADE[CASCADE.index(after) + 1 :]
    return next(channel for channel in later if reachable(channel, to))
