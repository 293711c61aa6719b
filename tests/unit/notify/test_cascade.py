"""Who is told through which channel: the whole cascade, without anything real."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.message import Woke
from contracts.notify import CustomerTold
from services.notify.model import CALLS_MAX, ONCE_MORE_AFTER, POLICY, Found, LookForSms, Result, SendSms, SendWechat
from tests.unit.notify.story import NOW, Story, addressee, tell

RESULTS: list[Result] = list(POLICY)
FOUND: list[Found] = list(get_args(Found))


def test_the_first_channel_is_wechat() -> None:
    story = Story().hears(tell())
    (sent,) = story.said
    assert isinstance(sent, SendWechat)
    assert (sent.openid, sent.call, sent.words.amount) == ("o-abc", 1, "¥12.30")


def test_told_by_wechat() -> None:
    told = Story().hears(tell()).answer("sent").told()
    assert (told.channel, told.told_at, told.outcome) == ("wechat", NOW, "refund-on-its-way")


@pytest.mark.parametrize("result", ["refused", "busy", "unknown"])
def test_what_wechat_does_not_take_goes_to_the_next_channel_at_once(result: Result) -> None:
    story = Story().hears(tell()).answer(result, "43101")
    (sent,) = story.said
    assert isinstance(sent, SendSms)
    assert (sent.provider, sent.phone, sent.call) == ("sms-tencent", "13800138000", 1)
    assert (story.notice.tried[0].result, story.notice.tried[0].code) == (result, "43101")


def test_down_to_the_inbox() -> None:
    story = Story().hears(tell())
    seen: list[str] = []
    results: list[Result] = ["unknown", "busy", "refused"]
    for result in results:
        story.answer(result)
        seen += story.channels()
    assert seen == ["sms-tencent", "sms-alibaba", "inbox"]
    assert story.told().channel == "inbox"
    assert [tried.channel for tried in story.notice.tried] == ["wechat", "sms-tencent", "sms-alibaba"]


def test_a_call_that_never_left_is_made_once_more_after_a_while() -> None:
    story = Story().hears(tell()).answer("unreached", "ConnectError")
    assert story.said == []
    assert story.record.wake_at == NOW + ONCE_MORE_AFTER
    (sent,) = story.rings().said
    assert isinstance(sent, SendWechat)
    assert sent.call == CALLS_MAX
    assert story.record.wake_at is None
    assert story.answer("unreached", "ConnectError").channels() == ["sms-tencent"]


def test_told_at_the_second_call() -> None:
    story = Story().hears(tell()).answer("unreached").rings().answer("sent")
    assert story.told().channel == "wechat"


@pytest.mark.parametrize(
    ("changes", "channels"),
    [
        ({"openid": ""}, ["sms-tencent"]),
        ({"openid": "", "phone": ""}, ["inbox"]),
    ],
)
def test_channels_the_customer_cannot_be_reached_by_are_skipped(changes: dict[str, str], channels: list[str]) -> None:
    assert Story().hears(tell(to=addressee(**changes))).channels() == channels


def test_without_a_phone_wechat_is_followed_by_the_inbox() -> None:
    assert Story().hears(tell(to=addressee(phone=""))).answer("refused").told().channel == "inbox"


def test_asked_again_while_under_way_changes_nothing() -> None:
    story = Story().hears(tell())
    before = story.notice
    assert story.hears(tell()).said == []
    assert story.notice == before


def test_asked_again_when_told_repeats_the_answer_word_for_word() -> None:
    story = Story().hears(tell()).answer("sent")
    first = story.told()
    story.at = NOW + ONCE_MORE_AFTER
    assert story.hears(tell(reason="else")).said == [first]


def test_an_outcome_of_another_call_changes_nothing() -> None:
    story = Story().hears(tell())
    late = story.report("sent")
    story.answer("unknown", "crashed")
    assert story.hears(late).said == []
    assert story.notice.channel == "sms-tencent"
    assert story.notice.told_at is None


def test_a_late_outcome_after_being_told_changes_nothing() -> None:
    story = Story().hears(tell())
    late = story.report("refused")
    story.answer("sent")
    assert story.hears(late).said == []
    assert story.notice.tried[-1].result == "sent"


def test_an_outcome_heard_while_waiting_to_call_again_changes_nothing() -> None:
    story = Story().hears(tell())
    again = story.report("unreached")
    story.answer("unreached")
    waiting = story.notice
    assert story.hears(again).said == []
    assert story.notice is waiting


def test_a_timer_that_rings_twice_or_for_nothing_is_harmless() -> None:
    story = Story().hears(tell()).answer("unreached")
    due = story.record.wake_at
    assert due is not None
    story.rings()
    assert story.hears(Woke(record_id=story.record.id, due=due), id="again").said == []
    assert Story().hears(Woke(record_id="nobody", due=due)).said == []


def test_two_outcomes_of_one_case_are_two_notices() -> None:
    assert tell(outcome="refund-arrived").notice_id != tell().notice_id


@given(st.lists(st.sampled_from(RESULTS), min_size=6, max_size=6), st.lists(st.sampled_from(FOUND), min_size=6))
def test_whatever_the_channels_answer_the_customer_is_told_once(results: list[Result], sights: list[Found]) -> None:
    story = Story().hears(tell())
    steps: list[tuple[str, ...]] = []
    answers, looks = iter(results), iter(sights)
    while not (story.said and isinstance(story.said[0], CustomerTold)):
        (said,) = story.said
        steps.append(
            tuple(str(part) for part in said.model_dump(include={"wire", "provider", "call", "look"}).values())
        )
        if isinstance(said, LookForSms):
            story.sees(next(looks))
        else:
            story.answer(next(answers))
        if not story.said:
            story.rings()
    assert story.told().channel == story.notice.channel
    assert story.notice.told_at is not None
    assert len(steps) == len(set(steps)), "no call and no look is made twice"
    taken = {tried.channel for tried in story.notice.tried if tried.result in ("sent", "delivered", "accepted")}
    assert taken in ({story.notice.channel}, set())
    assert not taken or story.notice.tried[-1].result in ("sent", "delivered", "accepted"), (
        "nobody is called after that"
    )
