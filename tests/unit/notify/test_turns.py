"""Many notices at once: what waits for its turn is told once, and not after what came later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from chassis import timers
from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.record import Heard
from chassis.relay import OF_ONE_KIND_MAX
from contracts.message import CaseId
from contracts.notify import TellCustomer
from services.notify.clients import Answer, Seen, Wechat
from services.notify.effects import CALLS_AT_ONCE, Senders, overtaking, performers, senders, wanting
from services.notify.erasing import ForgetCustomer
from services.notify.handlers import NOTICES
from services.notify.model import ONCE_MORE_AFTER
from tests.support.waiting import give_way, until
from tests.unit.notify.ledger import ledger
from tests.unit.notify.outside import settings
from tests.unit.notify.story import NOW, addressee, tell


@dataclass
class Providers:
    """WeChat and Tencent: who was told what, in order. `slow`: holds back WeChat's answers, `sms_slow` Tencent's."""

    told: list[tuple[str, str]] = field(default_factory=list)
    wechat_answer: Answer = field(default_factory=lambda: Answer("sent"))
    slow: asyncio.Event = field(default_factory=asyncio.Event)
    sms_slow: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.slow.set()
        self.sms_slow.set()

    async def send(self, *given: Any) -> Answer:
        if len(given) == 1:  # a subscribe message
            (message,) = given
            await self.slow.wait()
            if self.wechat_answer.result == "sent":
                self.told.append(("wechat", message["touser"]))
            return self.wechat_answer
        *_, mark = given
        await self.sms_slow.wait()
        self.told.append(("sms", mark))
        return Answer("sent")

    async def find(self, phone: str, mark: str, since: datetime, until: datetime) -> Seen:
        return Seen("absent")


class Clock:
    at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
async def opened(keys: Path) -> AsyncIterator[Senders]:
    async with senders(settings("http://nobody.invalid:9", keys)) as opened:
        yield opened


def process(store: MemoryStore, opened: Senders, outside: Providers, clock: Clock) -> Engine:
    engine = Engine("notify", {NOTICES: store}, MemoryBroker(), clock)
    lanes = replace(opened, wechat=cast(Wechat, outside), sms={"sms-tencent": outside, "sms-alibaba": outside})
    for intent, performer in performers(lanes, ledger(), overtaking(engine), wanting(engine)).items():
        engine.perform(intent, performer)
    return engine


def wish(number: int, **more: Any) -> Heard:
    to = addressee(openid=f"o-{number}")
    asked: TellCustomer = tell(case_id=CaseId(f"case-{number}"), to=to, **more)
    return Heard(asked, f"{asked.notice_id}/asked", NOW)


async def test_what_waits_for_its_turn_is_not_told_by_another_process_too(opened: Senders) -> None:
    store, outside, clock = MemoryStore(NOTICES), Providers(), Clock()
    first, second = (process(store, opened, outside, clock) for _ in range(2))
    outside.slow.clear()
    crowd = 3 * CALLS_AT_ONCE
    await asyncio.gather(*(first.hear(wish(number)) for number in range(crowd)))
    for _ in range(3):  # each call takes nine seconds, and the sweeps of both processes run every second
        for _ in range(9):
            await give_way()
            clock.at += timedelta(seconds=1)
            for engine in (first, second):
                await engine.relay.renew(engine.stores)
                await engine.relay.sweep(engine.stores)
            await second.relay.drain(1)
        outside.slow.set()
        outside.slow.clear()
    for engine in (first, second):
        await engine.relay.drain(5)
    assert outside.told == [("wechat", f"o-{number}") for number in range(crowd)]


async def test_what_a_later_outcome_made_untrue_while_it_waited_for_its_turn_is_not_told(opened: Senders) -> None:
    store, outside, clock = MemoryStore(NOTICES), Providers(), Clock()
    engine = process(store, opened, outside, clock)
    outside.sms_slow.clear()
    outside.wechat_answer = Answer("refused", "43101")
    await asyncio.gather(*(engine.hear(wish(number)) for number in range(1, CALLS_AT_ONCE + 1)))
    await give_way()
    await engine.hear(wish(0, outcome="refund-delayed"))  # WeChat refuses, Tencent is busy: it waits
    await give_way()
    outside.wechat_answer = Answer("sent")  # the customer has accepted messages meanwhile
    await engine.hear(wish(0, outcome="refund-arrived"))
    await until(lambda: ("wechat", "o-0") in outside.told)
    outside.sms_slow.set()
    await engine.relay.drain(5)
    later = outside.told[outside.told.index(("wechat", "o-0")) + 1 :]
    assert ("sms", "case-0/refund-delayed/1") not in later, "the customer reads: still on its way, after: it arrived"


class Refusing(Providers):
    """Tencent with a crowd that hangs, and a notice `case-0`, which it refuses as soon as `refuses` is set."""

    refuses: asyncio.Event

    def __post_init__(self) -> None:
        super().__post_init__()
        self.refuses = asyncio.Event()

    async def send(self, *given: Any) -> Answer:
        if len(given) > 1 and str(given[-1]).startswith("case-0/"):
            await self.refuses.wait()
            return Answer("refused", "FailedOperation.PhoneNumberInBlacklist")
        return await super().send(*given)


async def behind_a_crowd(opened: Senders, outside: Refusing) -> tuple[Engine, Providers]:
    """Alibaba, free, and a notice that it is to send: the call waits behind a crowd at Tencent, for a place of its
    kind."""
    alibaba = Providers()
    lanes = replace(opened, wechat=cast(Wechat, outside), sms={"sms-tencent": outside, "sms-alibaba": alibaba})
    engine = Engine("notify", {NOTICES: MemoryStore(NOTICES)}, MemoryBroker(), Clock())
    for intent, performer in performers(lanes, ledger(), overtaking(engine), wanting(engine)).items():
        engine.perform(intent, performer)
    outside.sms_slow.clear()
    outside.wechat_answer = Answer("refused", "43101")
    await engine.hear(wish(0, outcome="refund-delayed"))
    await asyncio.gather(*(engine.hear(wish(number)) for number in range(1, OF_ONE_KIND_MAX + CALLS_AT_ONCE)))
    for _ in range(5):
        await give_way()
    outside.refuses.set()
    await give_way()
    delayed = await engine.read(NOTICES, "case-0/refund-delayed")
    assert delayed is not None
    assert delayed.state is not None
    assert (delayed.state.channel, alibaba.told) == ("sms-alibaba", [])
    return engine, alibaba


async def test_what_was_made_untrue_while_it_waited_for_a_place_of_its_kind_is_not_told(opened: Senders) -> None:
    outside = Refusing()
    engine, alibaba = await behind_a_crowd(opened, outside)
    outside.wechat_answer = Answer("sent")
    await engine.hear(wish(0, outcome="refund-arrived"))
    await until(lambda: ("wechat", "o-0") in outside.told)
    outside.sms_slow.set()
    await engine.relay.drain(5)
    assert alibaba.told == []


async def test_what_was_erased_while_it_waited_for_a_place_of_its_kind_is_not_told(opened: Senders) -> None:
    outside = Refusing()
    engine, alibaba = await behind_a_crowd(opened, outside)
    await engine.hear(Heard(ForgetCustomer(notice_id="case-0/refund-delayed"), "forget", NOW, passing=True))
    outside.sms_slow.set()
    await engine.relay.drain(5)
    assert alibaba.told == []


@pytest.mark.parametrize("later", ["refund-on-its-way", "refund-to-confirm"])
async def test_who_has_read_what_comes_of_it_does_not_read_then_that_a_cancellation_begins(
    opened: Senders, later: str
) -> None:
    store, outside, clock = MemoryStore(NOTICES), Providers(), Clock()
    engine = process(store, opened, outside, clock)
    outside.wechat_answer = Answer("unreached", "ConnectError")
    await engine.hear(wish(0, outcome="cancellation-begun"))
    await engine.relay.drain(5)
    outside.wechat_answer = Answer("sent")
    await engine.hear(wish(0, outcome=later))
    await engine.relay.drain(5)
    clock.at += ONCE_MORE_AFTER
    await timers.ring(engine)
    await engine.relay.drain(5)
    assert outside.told == [("wechat", "o-0")]
    begun = await engine.read(NOTICES, "case-0/cancellation-begun")
    assert begun is not None
    assert begun.state is not None
    assert begun.state.superseded_at == NOW
