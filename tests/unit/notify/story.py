"""Given, when, then for one notice: a real record, heard message by message; nothing else is needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.journal import Said
from chassis.record import Heard, Record, hear
from contracts.message import CaseId, CustomerId, Message, OrderId, Woke
from contracts.notify import Addressee, CustomerTold, TellCustomer
from services.notify.handlers import NOTICES
from services.notify.model import (
    ChannelAnswered,
    Found,
    LookForSms,
    Notice,
    Result,
    SendSms,
    SendWechat,
    SmsFound,
    SmsReceipt,
    Words,
)

NOW = datetime(2025, 3, 1, 4, 5, tzinfo=UTC)
SENT: dict[str, type[Message]] = {kind.wire: kind for kind in (SendWechat, SendSms, LookForSms, CustomerTold)}


def addressee(**changes: Any) -> Addressee:
    known: dict[str, Any] = {"customer_id": CustomerId("c-1"), "openid": "o-abc", "phone": "13800138000", "name": "王"}
    return Addressee(**{**known, **changes})


def tell(**changes: Any) -> TellCustomer:
    known: dict[str, Any] = {
        "order_id": OrderId("order-1"),
        "case_id": CaseId("case-1"),
        "outcome": "refund-on-its-way",
        "to": addressee(),
        "amount_minor": 12_30,
        "reason": "不想要了",
        "route": "招商银行信用卡0403",
        "expected_by": NOW + timedelta(days=3),
    }
    return TellCustomer(**{**known, **changes})


def words(**changes: Any) -> Words:
    known: dict[str, Any] = {
        "title": "退款处理中",
        "text": "…",
        "order": "order-1",
        "amount": "¥12.30",
        "reason": "不想要了",
        "note": "几分钟内退回微信零钱",
        "time": NOW,
    }
    return Words(**{**known, **changes})


class Story:
    """One notice. `said` is what the last message led to."""

    def __init__(self, outcome: str = "refund-on-its-way") -> None:
        self.record: Record[Notice] = Record(f"case-1/{outcome}")
        self.said: list[Message] = []
        self._raw: tuple[Said, ...] = ()
        self._count = 0
        self.at = NOW

    @property
    def notice(self) -> Notice:
        assert self.record.state is not None
        return self.record.state

    def hears(self, message: Message, *, id: str = "", settles: str | None = None) -> Story:
        self._count += 1
        decided = hear(NOTICES, self.record, Heard(message, id or f"heard-{self._count}", self.at, settles=settles))
        self.record = decided.record
        self._raw = decided.says
        self.said = [SENT[said.wire].model_validate_json(said.body) for said in decided.says]
        return self

    def answer(self, result: Result, code: str = "") -> Story:
        """The call under way comes back."""
        (intent,) = self._raw
        return self.hears(self.report(result, code), settles=intent.id)

    def report(self, result: Result, code: str = "", **changes: Any) -> ChannelAnswered:
        """What the call under way would report."""
        (sent,) = self.said
        assert isinstance(sent, SendWechat | SendSms)
        channel = "wechat" if isinstance(sent, SendWechat) else sent.provider
        known = {"notice_id": sent.notice_id, "channel": channel, "call": sent.call, "result": result, "code": code}
        return ChannelAnswered.model_validate({**known, **changes})

    def sees(self, found: Found, code: str = "") -> Story:
        """The look under way comes back."""
        (intent,) = self._raw
        return self.hears(self.sight(found, code), settles=intent.id)

    def sight(self, found: Found, code: str = "") -> SmsFound:
        """What the look under way would report."""
        (look,) = self.said
        assert isinstance(look, LookForSms)
        known = {"notice_id": look.notice_id, "provider": look.provider, "call": look.call, "look": look.look}
        return SmsFound.model_validate({**known, "found": found, "code": code})

    def receives(self, delivered: bool, **changes: Any) -> Story:
        """The provider reports about the last short message."""
        known = {
            "notice_id": self.record.id,
            "provider": self.notice.channel,
            "phone": "13800138000",
            "call": self.notice.call,
            "delivered": delivered,
            "code": "" if delivered else "UNDELIV",
        }
        return self.hears(SmsReceipt.model_validate({**known, **changes}))

    def rings(self) -> Story:
        """The stored timer rings when it should."""
        assert self.record.wake_at is not None
        self.at = self.record.wake_at
        return self.hears(Woke(record_id=self.record.id, due=self.record.wake_at))

    def channels(self) -> list[str]:
        """Where the last message led: intents and answers, by channel."""
        return [
            one.channel if isinstance(one, CustomerTold) else one.provider if isinstance(one, SendSms) else "wechat"
            for one in self.said
            if isinstance(one, CustomerTold | SendSms | SendWechat)
        ]

    def told(self) -> CustomerTold:
        (one,) = self.said
        assert isinstance(one, CustomerTold)
        return one
