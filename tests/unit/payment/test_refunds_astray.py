"""Refunds the provider has taken and that go astray: money in between, closed numbers, numbers that are not ours."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.payment import RefundAccepted, RefundAttempted, RefundRefused, RefundSettled, ResumeRefund
from services.payment.outside import CallAttention, QueryRefund, RefundShown, SendRefund
from tests.unit.payment.given import (
    CASE,
    NOON,
    ORDER,
    OTHER_CASE,
    PAID_FEN,
    Story,
    accepted,
    asked_to_refund,
    expect,
    kinds,
    number,
    refund_payment,
    rejected,
    shown,
    unanswered,
    watch_refund,
)


# ── in between, closed ───────────────────────────────────────────────────────────────────────────────────────────────
def test_abnormal_is_told_once_asked_on_and_never_sent_again() -> None:
    story = accepted()
    story.hear(watch_refund())
    assert expect(story.hear(shown("ABNORMAL", by="callback")), RefundAttempted).outcome == "abnormal"
    for _ in range(3):
        expect(story.wake(), QueryRefund)
        assert story.hear(shown("ABNORMAL")) == []
    story.wake()
    expect(story.hear(shown("SUCCESS")), RefundSettled)


def test_of_an_abnormal_refund_it_is_said_again_after_days_that_a_card_is_needed_not_that_it_takes_long() -> None:
    story = accepted()
    story.hear(watch_refund())
    story.hear(shown("ABNORMAL"))
    said: list[Any] = []
    while story.now - NOON < timedelta(days=6):
        story.wake()
        said += story.hear(shown("ABNORMAL"))
    assert kinds(said) == ["RefundAttempted", "CallAttention"] * 3, "after one day, three and five"
    assert {one.outcome for one in said if isinstance(one, RefundAttempted)} == {"abnormal"}


def test_who_has_an_abnormal_refund_looked_for_hears_that_it_still_is() -> None:
    story = accepted()
    story.hear(watch_refund())
    story.hear(shown("ABNORMAL"))
    wish = ResumeRefund(order_id=ORDER, case_id=CASE, attempt=1, how="look-again", by="s1")
    assert kinds(story.hear(wish)) == ["RefundResumed", "QueryRefund"]
    assert expect(story.hear(shown("ABNORMAL")), RefundAttempted).outcome == "abnormal"
    story.wake()
    assert story.hear(shown("ABNORMAL")) == [], "once"


def test_an_old_processing_after_abnormal_does_not_hide_that_a_card_is_needed() -> None:
    story = accepted()
    story.hear(shown("ABNORMAL", by="callback"))
    assert story.hear(shown("PROCESSING")) == []
    assert story.refund.status == "abnormal"


def test_whoever_watches_a_refund_that_was_refused_after_all_hears_that() -> None:
    story = accepted()
    story.hear(shown("CLOSED"))
    story.hear(rejected("USER_ACCOUNT_ABNORMAL", n=2))
    assert expect(story.hear(watch_refund()), RefundRefused).provider_code == "USER_ACCOUNT_ABNORMAL"
    assert expect(story.hear(watch_refund()), RefundRefused).refund_number == number(2)


def test_the_next_number_keeps_its_distance_from_the_one_before() -> None:
    story = accepted()
    wish = story.hear(shown("CLOSED"), after=timedelta(seconds=5))[-1]
    assert isinstance(wish, SendRefund)
    assert wish.previous_at == NOON


def test_a_late_abnormal_after_success_changes_nothing() -> None:
    story = accepted()
    story.hear(shown("SUCCESS"))
    before = story.state
    assert story.hear(shown("ABNORMAL", by="callback")) == []
    assert story.state is before


def to_the_merchant(by: str = "answer") -> RefundShown:
    """The money of the abnormal refund, sent to the merchant's own bank on the merchant platform."""
    return shown("SUCCESS", by=by, user_received_account="商户结算银行账户")


def abnormal() -> Story:
    story = accepted()
    story.hear(watch_refund())
    story.hear(shown("ABNORMAL"))
    return story


def test_money_that_went_to_the_merchants_bank_has_not_arrived() -> None:
    story = abnormal()
    assert kinds(story.hear(to_the_merchant(by="callback"))) == ["QueryRefund"]
    said = story.hear(to_the_merchant())
    assert kinds(said) == ["RefundRefused", "CallAttention"]
    assert expect(said[:1], RefundRefused).provider_code == "RETURNED_TO_MERCHANT"
    assert (story.refund.status, story.refund.settled_at, story.refund.wake_at) == ("refused", None, None)
    assert story.hear(to_the_merchant()) == []


def test_money_that_went_to_the_merchants_bank_is_paid_outside_or_as_a_transfer_once_a_person_says_so() -> None:
    outside = abnormal()
    outside.hear(to_the_merchant())
    wish = ResumeRefund(order_id=ORDER, case_id=CASE, attempt=1, how="settled-outside", proof="cash", by="s")
    assert kinds(outside.hear(wish)) == ["RefundResumed", "RefundAccepted", "RefundSettled"]
    transfer = abnormal()
    transfer.hear(to_the_merchant())
    assert kinds(transfer.hear(wish.model_copy(update={"how": "transfer", "proof": ""})))[-1] == "SendTransfer"
    for story in (outside, transfer):
        assert story.hear(to_the_merchant()) == [], "the customer is not paid twice: nobody is called"
    again = abnormal()
    again.hear(to_the_merchant())
    again.hear(wish.model_copy(update={"how": "send-again", "proof": ""}))
    assert expect(again.hear(to_the_merchant())[:1], RefundRefused).attempt == 1


def test_abnormal_on_the_first_answer_is_accepted_first() -> None:
    assert kinds(asked_to_refund().hear(shown("ABNORMAL"))) == ["RefundAccepted", "RefundAttempted"]


def test_closed_by_callback_is_only_a_hint_the_answer_to_a_question_makes_the_next_number() -> None:
    story = accepted()
    assert expect(story.hear(shown("CLOSED", by="callback")), QueryRefund).number == number(1)
    assert story.refund.number == number(1)
    says = story.hear(shown("CLOSED"))
    assert kinds(says) == ["RefundAttempted", "SendRefund"]
    told, wish = says
    assert isinstance(told, RefundAttempted)
    assert (told.refund_number, told.outcome) == (number(1), "closed")
    assert isinstance(wish, SendRefund)
    assert (wish.number, wish.n, wish.resend) == (number(2), 2, False)


def test_the_new_number_is_accepted_and_told_with_its_number() -> None:
    story = accepted()
    story.hear(watch_refund())
    story.hear(shown("CLOSED"))
    assert story.hear(refund_payment()) == []
    assert expect(story.hear(shown(n=2)), RefundAccepted).refund_number == number(2)
    assert expect(story.hear(shown("SUCCESS", n=2)), RefundSettled).refund_number == number(2)


def test_what_comes_late_about_the_closed_number_makes_no_third_one() -> None:
    story = accepted()
    story.hear(shown("CLOSED"))
    before = story.state
    for late in (shown("CLOSED"), shown("CLOSED", by="callback"), unanswered(n=1), rejected("USER_ACCOUNT_ABNORMAL")):
        assert story.hear(late) == []
        assert story.state is before


def test_a_closed_number_that_moves_again_is_shown_to_a_person() -> None:
    story = accepted()
    story.hear(shown("CLOSED"))
    assert expect(story.hear(shown("SUCCESS", by="callback")), CallAttention).what == "closed-refund-moved"


def test_numbers_that_keep_closing_are_sent_later_and_later() -> None:
    story = accepted()
    story.hear(shown("CLOSED"))
    says = story.hear(shown("CLOSED", n=2))
    assert kinds(says) == ["RefundAttempted", "CallAttention"]
    assert story.wait == timedelta(seconds=30)
    wish = expect(story.wake(), SendRefund)
    assert (wish.number, wish.resend) == (number(3), False)


def test_a_second_number_that_is_refused_after_the_first_was_accepted_is_told_and_shown_to_a_person() -> None:
    story = accepted()
    story.hear(shown("CLOSED"))
    assert kinds(story.hear(rejected("USER_ACCOUNT_ABNORMAL", n=2))) == ["RefundRefused", "CallAttention"]


def test_a_closed_refund_counts_once_towards_what_was_paid() -> None:
    story = accepted()
    story.hear(shown("CLOSED"))
    expect(story.hear(refund_payment(PAID_FEN - 4_000, OTHER_CASE)), SendRefund)


# ── not ours ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "strange", [{"amount": 4_001}, {"n": 7, "asked": number(1)}, {"out_trade_no": "ORDER0000000000000009"}]
)
def test_an_answer_with_other_numbers_stops_everything_and_calls_a_person(strange: dict[str, Any]) -> None:
    story = asked_to_refund()
    says = story.hear(shown("PROCESSING", **strange))
    assert kinds(says) == ["RefundAttempted", "CallAttention"]
    assert story.refund.status == "mismatch"
    assert story.payment.wake_at is None
    assert story.hear(refund_payment()) == []


def test_a_callback_with_another_amount_changes_nothing_and_calls_a_person() -> None:
    story = accepted()
    before = story.state
    assert expect(story.hear(shown("SUCCESS", by="callback", amount=1)), CallAttention).what == "strange-refund"
    assert story.state is before


def test_a_question_answered_with_another_amount_is_asked_again() -> None:
    story = accepted()
    story.wake()
    assert expect(story.hear(shown("SUCCESS", amount=1)), CallAttention).what == "strange-refund"
    expect(story.wake(), QueryRefund)


# ── several ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_two_refunds_have_one_timer_and_both_are_served() -> None:
    story = asked_to_refund()
    story.hear(refund_payment(1_000, OTHER_CASE))
    story.hear(unanswered())
    story.hear(shown(amount=1_000, case=OTHER_CASE))
    assert story.wait == timedelta(seconds=2)
    assert expect(story.wake(), SendRefund).case_id == CASE
    assert expect(story.wake(), QueryRefund).case_id == OTHER_CASE
    assert story.payment.wake_at is None
