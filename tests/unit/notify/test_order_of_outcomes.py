"""No customer reads an outcome after one that came later."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, get_args

import pytest

from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.record import Heard, Record
from chassis.saga import Saga
from contracts.message import CaseId, Command, Intent, Money, OrderId
from contracts.notify import CustomerTold, Outcome, TellCustomer
from services.notify.effects import overtaking
from services.notify.handlers import NOTICES
from services.notify.model import CALLS_MAX, SUPERSEDES, ChannelAnswered, Overtaken, SendSms, SendWechat
from services.order.cancellation import SAGAS, Cancellation
from tests.unit.notify.story import NOW, Story, addressee, tell

CASE = Cancellation(
    order_id=OrderId("order-1"),
    case_id=CaseId("case-1"),
    shop="",
    due=Money(amount_minor=100),
    whole=True,
    lines=(),
    amount=Money(amount_minor=100),
    to=addressee(),
    refund_reason="",
    reason="",
    refusal="",
    solution="",
    solution_unpaid="",
)


def told(outcome: str, case: str = "case-1") -> CustomerTold:
    return CustomerTold(
        order_id=OrderId("order-1"), case_id=CaseId(case), outcome=outcome, channel="wechat", told_at=NOW
    )


def notices_of(saga: Saga[Cancellation]) -> list[str]:
    lines = [*saga.forward, *saga.backward]
    return [line.name for line in lines if line.command is TellCustomer]


@pytest.mark.parametrize(("road", "line"), [(road, line) for road, saga in SAGAS.items() for line in notices_of(saga)])
def test_a_case_asks_for_its_next_outcome_only_when_the_one_before_was_told(road: str, line: str) -> None:
    saga = SAGAS[road]
    run, (asked,) = saga.start(CASE, NOW, from_step=line)
    assert isinstance(asked, TellCustomer)
    if saga.line(line).kind == "after-undo":
        run = run.model_copy(update={"status": "undoing"})
    others = [outcome for outcome in get_args(Outcome) if outcome != asked.outcome]
    for answer in (*(told(outcome) for outcome in others), told(asked.outcome, "case-2")):
        assert saga.hear(run, answer, CASE, NOW) == (run, [])
    after, next_says = saga.hear(run, told(asked.outcome), CASE, NOW)
    assert after != run
    assert all(
        isinstance(command, Command) and command.is_granted_by(told(asked.outcome)) is False for command in next_says
    )


# ── outcomes nobody waits for ────────────────────────────────────────────────────────────────────────────────────────
def waiting(outcome: Outcome = "refund-delayed") -> Story:
    """WeChat refused, Tencent is being looked up."""
    story = Story(outcome).hears(tell(outcome=outcome)).answer("refused").answer("unknown")
    assert story.record.wake_at is not None
    return story


def overtake(story: Story) -> Story:
    return story.hears(Overtaken(notice_id=story.record.id, by="refund-arrived", call="wechat/1"))


def test_what_waits_is_dropped() -> None:
    story = overtake(waiting())
    assert (story.said, story.record.wake_at) == ([], None)
    assert (story.notice.superseded_at, story.notice.told_at) == (NOW, None)


def test_what_is_asked_for_again_is_true_again() -> None:
    story = overtake(waiting()).hears(tell(outcome="refund-delayed"))
    assert story.channels() == ["sms-alibaba"]
    assert story.notice.superseded_at is None
    assert story.hears(Overtaken(notice_id=story.record.id, by="refund-failed", call="wechat/1")).notice.superseded_at
    assert story.hears(tell(outcome="refund-delayed")).told().channel == "inbox"


def test_what_is_true_again_is_told_as_it_is_now() -> None:
    story = overtake(waiting()).hears(
        tell(outcome="refund-delayed", amount_minor=45_60, to=addressee(phone="13900139000"))
    )
    (sent,) = story.said
    assert isinstance(sent, SendSms)
    assert (sent.words.amount, sent.phone) == ("¥45.60", "13900139000")


def test_a_wish_from_before_that_is_heard_once_more_is_not_true_again() -> None:
    again = tell(outcome="refund-delayed")
    story = waiting().hears(again, id="asked-again")
    assert story.said == []
    dropped = overtake(story).notice
    assert story.hears(again, id="asked-again").said == []
    assert story.notice is dropped


def test_a_look_under_way_finds_nobody_waiting() -> None:
    story = waiting().rings()
    late = story.sight("absent")
    overtake(story)
    assert story.hears(late).said == []
    assert story.notice.channel == "sms-tencent"


def test_a_call_under_way_starts_no_other_and_counts_when_it_was_taken() -> None:
    story = Story("refund-delayed").hears(tell(outcome="refund-delayed"))
    refused, taken = story.report("refused"), story.report("sent")
    overtake(story)
    assert story.hears(refused).said == []
    assert story.notice.tried[-1].result == "refused"
    story = Story("refund-delayed").hears(tell(outcome="refund-delayed"))
    assert overtake(story).hears(taken).told().channel == "wechat"


def test_what_was_told_stays_told() -> None:
    story = Story().hears(tell()).answer("sent")
    before = story.notice
    assert overtake(story).notice is before
    assert overtake(Story()).record.state is None


def test_another_transfer_is_told_anew_and_the_same_one_is_not() -> None:
    first = tell(outcome="refund-to-confirm", expected_by=NOW + timedelta(days=1))
    second = tell(outcome="refund-to-confirm", expected_by=NOW + timedelta(days=3))
    story = Story("refund-to-confirm").hears(first).answer("refused").answer("sent")
    repeated = story.hears(first).told()
    (sent,) = story.hears(second).said
    assert isinstance(sent, SendWechat)
    assert (sent.call, sent.words.by) == (1 + CALLS_MAX, second.expected_by), "a call of its own, not the first again"
    story.answer("unreached").rings().answer("unreached")
    assert story.channels() == ["sms-tencent"], "as often as the first time, and no more"
    assert story.answer("sent").told().told_at >= repeated.told_at
    told = story.told()
    assert story.hears(first).said == [told], "an old wish that comes late changes nothing"
    assert len({(tried.channel, tried.at, tried.result) for tried in story.notice.tried}) == len(story.notice.tried)


def test_two_outcomes_never_drop_each_other() -> None:
    for later, many in SUPERSEDES.items():
        assert all(later not in SUPERSEDES.get(earlier, ()) for earlier in many)
    assert "refund-on-its-way" in SUPERSEDES["refund-failed"], "never told after it failed"


def test_what_nobody_waits_for_is_dropped_once_the_end_is_told() -> None:
    """What no line of a saga asks for may still wait for its channel when the case tells its end."""
    confirmed = CASE.model_copy(update={"confirm_by": NOW})
    asked = [
        saga.start(facts, NOW, from_step=line)[1][0]
        for facts in (CASE, confirmed)
        for saga in SAGAS.values()
        for line in notices_of(saga)
    ]
    waited_for = {one.outcome for one in asked if isinstance(one, TellCustomer)}
    alone = set(get_args(Outcome)) - waited_for
    assert alone >= {"refund-delayed", "cancellation-begun"}
    for end in ("refund-arrived", "refund-failed"):
        assert alone <= set(SUPERSEDES[end]), f"SUPERSEDES in services/notify/model.py, {end}"


async def test_the_notice_hears_at_once_that_it_is_untrue() -> None:
    engine = Engine("notify", {NOTICES: MemoryStore(NOTICES)}, MemoryBroker(), lambda: NOW)

    async def unknown(intent: SendSms, _: int) -> ChannelAnswered:
        known = {"notice_id": intent.notice_id, "channel": intent.provider, "call": intent.call}
        return ChannelAnswered.model_validate({**known, "result": "unknown"})

    sms: type[Intent] = SendSms
    engine.perform(sms, unknown)
    asked = tell(outcome="refund-delayed", to=addressee(openid=""))
    await engine.hear(Heard(asked, "command-1", NOW))
    while not engine.relay.idle:
        await engine.relay.drain(5)
    drop = overtaking(engine)
    for name in (asked.notice_id, "case-1/refund-to-confirm"):
        await drop(Overtaken(notice_id=name, by="refund-arrived", call="wechat/1"))
    record = await engine.read(NOTICES, asked.notice_id)
    assert record is not None
    assert record.state is not None
    assert (record.state.superseded_at, record.wake_at) == (NOW, None)
    assert await engine.read(NOTICES, "case-1/refund-to-confirm") is None


async def test_notices_that_were_never_asked_for_or_have_ended_are_not_spoken_to() -> None:
    class Asked(MemoryStore):
        """Remembers what it was asked, and whether with certainty, which costs a write."""

        asked: ClassVar[list[bool]] = []

        async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
            self.asked.append(certain)
            return await super().load(ids, certain=certain)

    store = Asked(NOTICES)
    engine = Engine("notify", {NOTICES: store}, MemoryBroker(), lambda: NOW)
    ended = tell(outcome="refund-delayed", to=addressee(openid="", phone=""))
    await engine.hear(Heard(ended, "command-1", NOW))
    before = dict(store.documents)
    store.asked.clear()
    drop = overtaking(engine)
    for name in (ended.notice_id, "case-1/refund-to-confirm"):
        await drop(Overtaken(notice_id=name, by="refund-arrived", call="wechat/1"))
    assert store.documents == before
    assert store.asked == [False, False], "one look for each, and no word to either"
