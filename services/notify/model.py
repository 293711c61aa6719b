"""One notice: what is told, to whom, and how far down the channels it has come. No I/O, no clock."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from contracts.message import CaseId, Intent, OrderId, Private, Report
from contracts.notify import Addressee, Channel, Outcome, TellCustomer

Result = Literal["sent", "refused", "busy", "unknown", "unreached"]
"""What came of one call. sent: the provider has taken it. refused: it never will, nothing was sent. busy: it takes
nothing now (a limit), nothing was sent. unknown: nobody knows whether it was sent (time-out, error, crash). unreached:
the call never left, or met another one for the same customer, so nothing was sent."""

Found = Literal["delivered", "accepted", "failed", "absent", "no-answer"]
"""What one look at a provider's list of sent messages shows: with the customer; taken by the provider; taken and not
deliverable; not in the list; the list could not be read."""

Step = Literal["told", "next channel", "once more, then next channel", "look, then next channel"]

POLICY: dict[Result, Step] = {
    "sent": "told",
    "refused": "next channel",
    "busy": "next channel",
    # No provider recognises a message that it already has, so the same call again could tell twice on one channel and
    # use up the customer's one-time subscription. An SMS provider can be asked what it sent (`LOOKED_UP`); WeChat
    # cannot. Another channel may then repeat the same words; it can never tell something else.
    "unknown": "look, then next channel",
    "unreached": "once more, then next channel",
}

CASCADE: tuple[Channel, ...] = ("wechat", "sms-tencent", "sms-alibaba", "inbox")
CALLS_MAX = 2
"""Calls on one channel: the first, and one more when the first never left."""

ONCE_MORE_AFTER = timedelta(seconds=30)

LOOKED_UP: frozenset[Channel] = frozenset({"sms-tencent", "sms-alibaba"})
LOOK_SECONDS = 60.0
LOOKS = (1, 5, 5)
"""How long to wait before each look at what became of a call, in units of `LOOK_SECONDS` or what the settings say: the
providers list a message some time after they took it. After the last look the next channel tells."""

_ON_THE_WAY: tuple[Outcome, ...] = ("refund-on-its-way", "late-payment-refunded", "refund-delayed")

SUPERSEDES: dict[Outcome, tuple[Outcome, ...]] = {
    "order-cancelled": ("cancellation-begun",),
    "refund-on-its-way": ("cancellation-begun",),
    "refund-to-confirm": (*_ON_THE_WAY, "cancellation-begun"),
    "cancellation-refused": ("cancellation-begun",),
    "refund-failed": (*_ON_THE_WAY, "refund-to-confirm", "cancellation-begun"),
    "refund-arrived": (*_ON_THE_WAY, "refund-to-confirm", "refund-failed", "cancellation-begun"),
}
"""What is untrue once a later outcome of the same case is true. Inside one saga outcomes cannot meet: the next is asked
for only after the one before was told. They can when nobody waits for one (`refund-delayed`, `cancellation-begun`) or
when a case goes over to another saga."""


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
    by: AwareDatetime | None = None
    """When the money should be there or has to be confirmed, for fields that show such a time."""
    phrase: str = ""
    """The title in at most five Chinese characters, whatever the language: some fields take nothing else. Empty in what
    was made before there was one."""


class SendWechat(Intent):
    """Send a subscribe message."""

    wire: ClassVar[str] = "send-wechat"
    key: ClassVar[str] = "notice_id"
    notice_id: str
    order_id: OrderId
    case_id: CaseId
    outcome: Outcome
    openid: Private[str]
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
    phone: Private[str]
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
    look_seconds: float = LOOK_SECONDS


class LookForSms(Intent):
    """Ask a provider what became of the call `call` that was made at `since` or later. `look` counts from 1."""

    wire: ClassVar[str] = "look-for-sms"
    key: ClassVar[str] = "notice_id"
    notice_id: str
    order_id: OrderId
    case_id: CaseId
    provider: Literal["sms-tencent", "sms-alibaba"]
    phone: Private[str]
    call: int
    look: int
    since: AwareDatetime


class SmsFound(Report):
    """What one look showed. `code` is the provider's own word for it."""

    wire: ClassVar[str] = "sms-found"
    key: ClassVar[str] = "notice_id"
    notice_id: str
    provider: Literal["sms-tencent", "sms-alibaba"]
    call: int
    look: int
    found: Found
    code: str = ""
    look_seconds: float = LOOK_SECONDS


class SmsReceipt(Report):
    """A provider reports by itself whether the message of `call` reached `phone` (as it writes numbers)."""

    wire: ClassVar[str] = "sms-receipt"
    key: ClassVar[str] = "notice_id"
    notice_id: str
    provider: Literal["sms-tencent", "sms-alibaba"]
    phone: Private[str]
    call: int
    delivered: bool
    code: str = ""


class Overtaken(Report):
    """A later outcome of the same case, `by`, is about to be told by `call`: this one is untrue by now."""

    wire: ClassVar[str] = "overtaken"
    key: ClassVar[str] = "notice_id"
    notice_id: str
    by: Outcome
    call: str


class Tried(_Part):
    """One call, or what was found out about it later, for whoever asks why a customer was told on this channel."""

    channel: Channel
    what: Literal["call", "look", "receipt"] = "call"
    result: Result | Found
    code: str
    at: AwareDatetime


class Notice(BaseModel):
    """One outcome of one case told to one customer. `channel` is where it stands, `call` the call under way there since
    `called_at`, counted on each channel from `first_call`; `look` above 0 says that its outcome is looked for. With
    `told_at` it has left, with `superseded_at` it never will; with `erased_at` it does not know any more whom for."""

    model_config = ConfigDict(frozen=True)

    notice_id: str
    asked: TellCustomer
    words: Words
    channel: Channel
    first_call: int = 1
    call: int = 1
    called_at: AwareDatetime | None = None
    look: int = 0
    tried: tuple[Tried, ...] = ()
    told_at: AwareDatetime | None = None
    superseded_at: AwareDatetime | None = None
    wake_at: AwareDatetime | None = None
    erased_at: AwareDatetime | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to call for."""
        return self.told_at is not None or self.superseded_at is not None


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


def look_after(look: int, seconds: float) -> timedelta:
    """The wait before this look, counted from 1; `seconds` is the unit."""
    return timedelta(seconds=LOOKS[look - 1] * seconds)


def mark_of(notice_id: str, call: int) -> str:
    """What a short message carries, unseen by the customer, so that it can be found again."""
    return f"{notice_id}/{call}"


def marked(mark: str) -> tuple[str, int] | None:
    """The notice id and the call of a mark, or None when it is not one of ours."""
    notice_id, _, call = mark.rpartition("/")
    return (notice_id, int(call)) if notice_id and call.isdecimal() else None


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
