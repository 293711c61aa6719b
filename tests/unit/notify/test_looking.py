"""When nobody knows whether a short message was sent, its provider is asked before another channel tells."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.notify.model import (
    LOOK_SECONDS,
    ONCE_MORE_AFTER,
    Found,
    LookForSms,
    Result,
    SendSms,
    SmsReceipt,
    look_after,
    mark_of,
    marked,
)
from tests.unit.notify.story import NOW, Story, addressee, tell


def unknown_sms(outcome: str = "refund-on-its-way") -> Story:
    """WeChat refused, Tencent's answer did not come."""
    story = Story(outcome).hears(tell(outcome=outcome)).answer("refused", "43101")
    assert story.channels() == ["sms-tencent"]
    return story.answer("unknown", "ReadTimeout")


def to_alibaba() -> Story:
    return Story().hears(tell()).answer("refused").answer("refused")


def test_no_other_channel_tells_before_the_provider_was_asked() -> None:
    story = unknown_sms()
    assert story.said == []
    assert story.record.wake_at == NOW + look_after(1, LOOK_SECONDS)
    (look,) = story.rings().said
    assert isinstance(look, LookForSms)
    assert (look.provider, look.phone, look.call, look.look, look.since) == (
        "sms-tencent",
        "13800138000",
        1,
        1,
        NOW,
    )


@pytest.mark.parametrize("found", ["delivered", "accepted"])
def test_found_is_told(found: Found) -> None:
    story = unknown_sms().rings().sees(found, "DELIVRD")
    assert story.told().channel == "sms-tencent"
    assert [(tried.what, tried.result) for tried in story.notice.tried[-2:]] == [("call", "unknown"), ("look", found)]
    assert story.record.wake_at is None


def test_found_failed_goes_on_at_once() -> None:
    (sent,) = unknown_sms().rings().sees("failed", "UNDELIV").said
    assert isinstance(sent, SendSms)
    assert (sent.provider, sent.call) == ("sms-alibaba", 1)


@pytest.mark.parametrize("found", ["absent", "no-answer"])
def test_the_next_channel_tells_when_nothing_was_found_three_times(found: Found) -> None:
    story = unknown_sms()
    waits = []
    for look in (1, 2, 3):
        assert story.record.wake_at is not None
        waits.append(story.record.wake_at - story.at)
        assert story.rings().sight(found).look == look
        story.sees(found)
    assert waits == [timedelta(seconds=60), timedelta(minutes=5), timedelta(minutes=5)]
    assert story.channels() == ["sms-alibaba"]
    assert story.answer("sent").told().channel == "sms-alibaba"


def test_the_settings_say_how_long_the_waits_are() -> None:
    story = Story().hears(tell()).answer("refused")
    story.hears(story.report("unknown", look_seconds=2))
    assert story.record.wake_at == NOW + timedelta(seconds=2)
    story.rings()
    story.hears(story.sight("absent").model_copy(update={"look_seconds": 2}))
    assert story.record.wake_at == NOW + timedelta(seconds=12)


def test_the_next_provider_is_asked_too() -> None:
    story = unknown_sms().rings().sees("failed").answer("unknown", "crashed")
    (look,) = story.rings().said
    assert isinstance(look, LookForSms)
    assert (look.provider, look.look, look.since) == ("sms-alibaba", 1, NOW + look_after(1, LOOK_SECONDS))
    assert story.sees("delivered").told().channel == "sms-alibaba"


def test_a_second_call_is_looked_for_by_its_own_number() -> None:
    story = Story().hears(tell()).answer("refused").answer("unreached")
    assert story.record.wake_at == NOW + ONCE_MORE_AFTER
    story.rings().answer("unknown").rings()
    assert story.sight("absent").call == 2


def test_wechat_cannot_be_asked() -> None:
    assert Story().hears(tell()).answer("unknown", "ReadTimeout").channels() == ["sms-tencent"]


@pytest.mark.parametrize("result", ["refused", "busy"])
def test_a_known_failure_needs_no_look(result: Result) -> None:
    assert Story().hears(tell()).answer("refused").answer(result).channels() == ["sms-alibaba"]


def test_a_sight_of_another_look_changes_nothing() -> None:
    story = unknown_sms().rings()
    late = story.sight("delivered")
    story.sees("absent")
    waiting = story.notice
    assert story.hears(late).said == []
    assert story.notice is waiting
    story.rings()
    assert story.hears(late).said == []
    assert story.notice.told_at is None


def test_a_late_answer_to_the_call_changes_nothing_while_it_is_looked_for() -> None:
    story = Story().hears(tell()).answer("refused")
    late = story.report("sent")
    story.answer("unknown").rings()
    looking = story.notice
    assert story.hears(late).said == []
    assert story.notice is looking


# ── receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_receipt_answers_before_the_look() -> None:
    story = to_alibaba().answer("unknown")
    assert story.receives(True).told().channel == "sms-alibaba"
    assert story.record.wake_at is None
    story = to_alibaba().answer("unknown")
    assert story.receives(False).told().channel == "inbox"


def test_a_receipt_of_a_number_abroad_has_no_sign_before_it() -> None:
    abroad = tell(to=addressee(phone="+85291234567"))
    story = Story().hears(abroad).answer("refused").answer("refused").answer("unknown")
    assert story.receives(True, phone="85291234567").told().channel == "sms-alibaba"


def test_not_delivered_after_all_leaves_the_notice_to_the_inbox() -> None:
    story = to_alibaba().answer("sent")
    told_at = story.notice.told_at
    assert story.receives(False).said == [], "no call, no second answer"
    assert (story.notice.channel, story.notice.told_at) == ("inbox", told_at)
    tried = story.notice.tried[-1]
    assert (tried.what, tried.channel, tried.result, tried.code) == ("receipt", "sms-alibaba", "failed", "UNDELIV")
    once = story.notice
    assert story.receives(False, provider="sms-alibaba").notice is once, "receipts come more than once"


def test_a_late_failure_never_starts_a_call() -> None:
    story = Story().hears(tell()).answer("refused").answer("sent")
    before = story.notice
    assert story.receives(False).said == []
    assert story.notice is before, "Alibaba would be next, and may cross the next outcome"


@pytest.mark.parametrize("changes", [{"phone": "13900139000"}, {"call": 2}, {"provider": "sms-tencent"}])
def test_a_receipt_about_something_else_changes_nothing(changes: dict[str, object]) -> None:
    story = to_alibaba().answer("sent")
    before = story.notice
    assert story.receives(False, **changes).notice is before


def test_a_receipt_for_nobody_stores_nothing() -> None:
    receipt = SmsReceipt(notice_id="x", provider="sms-alibaba", phone="1", call=1, delivered=False)
    assert Story().hears(receipt).record.version == 0
    assert Story().hears(receipt).record.state is None


def test_a_mark_names_its_notice_and_its_call() -> None:
    assert marked(mark_of("case-1/refund-arrived", 2)) == ("case-1/refund-arrived", 2)
    assert [marked(other) for other in ("", "x", "/1", "case-1/x", "case-1/²")] == [None] * 5


def test_without_wechat_the_look_comes_the_same_way() -> None:
    story = Story().hears(tell(to=addressee(openid=""))).answer("unknown")
    assert story.rings().sees("delivered").told().channel == "sms-tencent"
