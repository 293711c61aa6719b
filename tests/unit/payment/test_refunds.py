"""A refund goes out once, whatever is lost, late, doubled or unknown on its way."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.message import CaseId, Message
from contracts.payment import RefundAccepted, RefundAttempted, RefundDelayed, RefundRefused, RefundSettled
from services.payment.outside import BalanceIsBack, CallAttention, QueryRefund, RefundHeld, SendRefund
from services.payment.roads import POLL_MINUTES, ROADS, UNKNOWN_WORRIES_AT, Row
from tests.unit.payment.given import (
    NOON,
    ORDER,
    OTHER_CASE,
    PAID_FEN,
    Story,
    accepted,
    asked_to_refund,
    expect,
    fen,
    kinds,
    notified,
    number,
    open_payment,
    opened,
    paid,
    refund_payment,
    rejected,
    shown,
    unanswered,
    watch_refund,
)


# ── ask ──────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_wish_and_its_number_are_stored_before_the_first_call() -> None:
    story = paid()
    wish = expect(story.hear(refund_payment()), SendRefund)
    assert (wish.number, wish.n, wish.amount, wish.total) == (number(1), 1, fen(4_000), fen(PAID_FEN))
    assert wish.resend is False
    assert story.refund.number == number(1)


def test_asking_twice_while_nobody_knows_says_nothing_and_sends_nothing() -> None:
    story = asked_to_refund()
    before = story.state
    assert story.hear(refund_payment()) == []
    assert story.state is before


def test_asking_twice_after_acceptance_repeats_the_answer_word_for_word() -> None:
    story = asked_to_refund()
    first = expect(story.hear(shown()), RefundAccepted)
    assert expect(story.hear(refund_payment(), after=timedelta(hours=1)), RefundAccepted) == first


def test_asking_twice_after_a_refusal_repeats_the_refusal() -> None:
    story = asked_to_refund()
    first = expect(story.hear(rejected("USER_ACCOUNT_ABNORMAL")), RefundRefused)
    assert expect(story.hear(refund_payment()), RefundRefused) == first


@pytest.mark.parametrize("make", [Story, opened])
def test_what_was_not_paid_is_not_refunded_and_not_later_either(make: type[Story]) -> None:
    story = make()
    assert expect(story.hear(refund_payment()), RefundRefused).reason == "not-paid"
    story.hear(open_payment())
    story.hear(notified())
    assert story.payment.status == "paid"
    again = expect(story.hear(refund_payment()), RefundRefused)
    assert (again.reason, again.provider_code) == ("not-paid", "")


def test_two_refunds_that_are_more_than_was_paid() -> None:
    story = paid()
    story.hear(refund_payment(6_000))
    refused = expect(story.hear(refund_payment(4_001, OTHER_CASE)), RefundRefused)
    assert refused.reason == "more-than-was-paid"


def test_two_refunds_that_are_exactly_what_was_paid() -> None:
    story = paid()
    story.hear(refund_payment(6_000))
    expect(story.hear(refund_payment(4_000, OTHER_CASE)), SendRefund)


def test_a_refused_refund_leaves_its_amount_to_others() -> None:
    story = paid()
    story.hear(refund_payment(6_000))
    story.hear(rejected("USER_ACCOUNT_ABNORMAL"))
    expect(story.hear(refund_payment(PAID_FEN, OTHER_CASE)), SendRefund)


def test_a_reason_is_cut_to_eighty_bytes_between_characters() -> None:
    story = paid()
    wish = expect(story.hear(refund_payment(reason="缺" * 40)), SendRefund)
    assert wish.reason == "缺" * 26


@pytest.mark.parametrize("case_id", ["with space", "x" * 63, "案件"])
def test_a_case_id_the_provider_would_not_take_is_a_defect(case_id: str) -> None:
    with pytest.raises(ValueError, match="cannot be part of a refund's number"):
        paid().hear(refund_payment(case=CaseId(case_id)))


# ── accepted ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_accepted_says_where_the_money_goes() -> None:
    story = asked_to_refund()
    told = expect(story.hear(shown()), RefundAccepted)
    assert (told.refund_number, told.amount, told.route) == (number(1), fen(4_000), "支付用户零钱")
    assert told.accepted_at == story.now


def test_success_at_once_is_accepted_first_and_settled_when_somebody_watches() -> None:
    story = asked_to_refund()
    expect(story.hear(shown("SUCCESS", payer_refund=3_500)), RefundAccepted)
    settled = expect(story.hear(watch_refund()), RefundSettled)
    assert settled.amount == fen(3_500)
    assert settled.settled_at.isoformat() == "2026-11-01T12:30:00+00:00"
    assert story.payment.wake_at is None


def test_watched_first_and_success_at_once_says_both_in_order() -> None:
    story = asked_to_refund()
    assert story.hear(watch_refund()) == []
    assert kinds(story.hear(shown("SUCCESS"))) == ["RefundAccepted", "RefundSettled"]


def test_the_answer_to_sending_after_the_callback_says_nothing_more() -> None:
    story = asked_to_refund()
    expect(story.hear(shown("SUCCESS", by="callback")), RefundAccepted)
    before = story.state
    for late in (shown("PROCESSING"), unanswered(), rejected("SYSTEM_ERROR"), rejected("USER_ACCOUNT_ABNORMAL")):
        assert story.hear(late) == []
        assert story.state is before


def test_watching_twice_changes_nothing() -> None:
    story = accepted()
    story.hear(watch_refund())
    before = story.state
    assert story.hear(watch_refund()) == []
    assert story.state == before


def test_watching_a_settled_refund_is_answered_each_time() -> None:
    story = accepted()
    story.hear(shown("SUCCESS", by="callback"))
    first = expect(story.hear(watch_refund()), RefundSettled)
    before = story.state
    assert expect(story.hear(watch_refund()), RefundSettled) == first
    assert story.state is before, "what is stored is counted, and it arrived once"


def test_watching_what_nobody_refunds_is_not_answered() -> None:
    story = paid()
    assert story.hear(watch_refund()) == []
    assert Story().hear(watch_refund()) == []


def test_two_callbacks_settle_once() -> None:
    story = accepted()
    story.hear(watch_refund())
    expect(story.hear(shown("SUCCESS", by="callback")), RefundSettled)
    assert story.hear(shown("SUCCESS", by="callback")) == []


def test_a_lost_callback_is_made_up_for_by_asking_and_asking_gets_rarer() -> None:
    story = accepted()
    story.hear(watch_refund())
    waits = []
    for _ in range(len(POLL_MINUTES) + 2):
        assert story.wait is not None
        waits.append(story.wait // timedelta(minutes=1))
        assert expect(story.wake(), QueryRefund).number == number(1)
        assert story.hear(shown("PROCESSING")) == []
    assert waits == [*POLL_MINUTES, POLL_MINUTES[-1], POLL_MINUTES[-1]]
    story.wake()
    expect(story.hear(shown("SUCCESS")), RefundSettled)
    assert story.payment.wake_at is None


def test_a_question_about_an_accepted_refund_without_an_answer_is_asked_again_and_is_no_attempt() -> None:
    story = accepted()
    story.wake()
    assert story.hear(unanswered()) == []
    assert story.refund.status == "accepted"
    expect(story.wake(), QueryRefund)


# ── unknown ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_unknown_is_no_failure_and_the_same_number_is_looked_up_and_sent_again() -> None:
    story = asked_to_refund()
    told = expect(story.hear(unanswered()), RefundAttempted)
    assert (told.outcome, told.provider_code, told.attempt) == ("unknown", "TIMEOUT", 1)
    assert told.next_try_at == story.now + timedelta(seconds=2)
    wish = expect(story.wake(), SendRefund)
    assert (wish.number, wish.resend) == (number(1), True)


def test_unknown_then_found_by_looking_is_accepted() -> None:
    story = asked_to_refund()
    story.hear(unanswered())
    story.wake()
    assert expect(story.hear(shown("PROCESSING")), RefundAccepted).refund_number == number(1)


def test_unknown_waits_longer_each_time_never_gives_up_and_calls_a_person_once() -> None:
    story = asked_to_refund()
    waits = []
    for _ in range(UNKNOWN_WORRIES_AT + 5):
        story.hear(unanswered("SYSTEM_ERROR"))
        assert story.wait is not None
        waits.append(story.wait.total_seconds())
        wish = expect(story.wake(), SendRefund)
        assert wish.number == number(1)
    assert waits[:9] == [2, 4, 8, 16, 32, 64, 128, 256, 300]
    assert set(waits[9:]) == {300}
    assert [one.what for one in story.said if isinstance(one, CallAttention)] == ["refund-stays-unknown"]


@pytest.mark.parametrize("code", ["SIGN_ERROR", "SYSTEM_ERROR", "BIZERR_NEED_RETRY", "A_WORD_NOBODY_KNOWS", "HTTP_502"])
def test_a_code_that_decides_nothing_is_unknown_even_when_nothing_was_found(code: str) -> None:
    story = asked_to_refund()
    told = expect(story.hear(rejected(code)), RefundAttempted)
    assert (told.outcome, told.provider_code) == ("unknown", code)
    assert expect(story.wake(), SendRefund).number == number(1)


def test_too_many_requests_wait_longer_before_the_first_retry() -> None:
    story = asked_to_refund()
    assert expect(story.hear(unanswered("FREQUENCY_LIMITED")), RefundAttempted).outcome == "unknown"
    assert story.wait == timedelta(seconds=15)


def test_short_balance_parks_and_goes_on_by_itself_with_the_same_number() -> None:
    story = asked_to_refund()
    assert expect(story.hear(rejected("NOT_ENOUGH")), RefundAttempted).outcome == "parked"
    assert story.refund.status == "parked"
    waits = []
    for _ in range(7):
        assert story.wait is not None
        waits.append(story.wait.total_seconds())
        assert expect(story.wake(), SendRefund).number == number(1)
        assert kinds(story.hear(rejected("NOT_ENOUGH"))) == ["RefundAttempted"]
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    story.wake()
    expect(story.hear(shown("PROCESSING")), RefundAccepted)


# ── refused ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("row", [row for row in ROADS if row.road == "refused"], ids=lambda row: row.word)
def test_every_refusal_of_the_table_is_final_and_says_the_providers_word(row: Row) -> None:
    story = asked_to_refund()
    told = expect(story.hear(rejected(row.word)), RefundRefused)
    assert (told.reason, told.provider_code) == (row.refused_because, row.word)
    assert story.payment.wake_at is None


def test_a_payment_that_is_not_found_is_asked_for_again_ten_times_before_that_is_believed() -> None:
    story = asked_to_refund()
    for _ in range(10):
        said = story.hear(rejected("RESOURCE_NOT_EXISTS"))
        assert expect(said[:1], RefundAttempted).outcome == "unknown"
        assert expect(story.wake(), SendRefund).number == number(1)
    told = expect(story.hear(rejected("RESOURCE_NOT_EXISTS")), RefundRefused)
    assert (told.reason, told.provider_code) == ("refused-by-provider", "RESOURCE_NOT_EXISTS")
    assert story.now - NOON < timedelta(minutes=20)


def test_a_payment_that_is_not_found_once_after_an_outage_is_not_believed() -> None:
    story = asked_to_refund()
    for _ in range(12):
        story.hear(unanswered("TIMEOUT"))
        story.wake()
    for _ in range(10):
        assert expect(story.hear(rejected("RESOURCE_NOT_EXISTS"))[:1], RefundAttempted).outcome == "unknown"
        story.wake()
    expect(story.hear(rejected("RESOURCE_NOT_EXISTS")), RefundRefused)


def test_a_broken_rule_a_year_after_the_payment_is_called_too_old() -> None:
    story = paid()
    story.hear(refund_payment(), after=timedelta(days=364, hours=23))
    assert expect(story.hear(rejected("INVALID_REQUEST"), after=timedelta(hours=2)), RefundRefused).reason == "too-old"


def test_a_payment_older_than_a_year_is_not_even_asked_for() -> None:
    story = paid()
    told = expect(story.hear(refund_payment(), after=timedelta(days=366)), RefundRefused)
    assert told.reason == "too-old"


def test_the_fifty_first_refund_of_an_order_is_not_asked_for() -> None:
    story = paid()
    for position in range(50):
        expect(story.hear(refund_payment(10, CaseId(f"CASE-{position}"))), SendRefund)
    told = expect(story.hear(refund_payment(10, CaseId("CASE-50"))), RefundRefused)
    assert (told.reason, told.provider_code) == ("refused-by-provider", "TOO_MANY_REFUNDS")


# ── kept back before calling ─────────────────────────────────────────────────────────────────────────────────────────
def held_back(code: str, until: timedelta) -> RefundHeld:
    return RefundHeld.model_validate({"order_id": ORDER, "number": number(), "code": code, "until": NOON + until})


def test_a_second_refund_of_an_order_says_when_the_first_was_sent() -> None:
    story = asked_to_refund()
    wish = expect(story.hear(refund_payment(1_000, OTHER_CASE), after=timedelta(seconds=5)), SendRefund)
    assert wish.previous_at == NOON


def test_a_call_that_was_not_made_leaves_nothing_unknown() -> None:
    story = asked_to_refund()
    assert story.hear(held_back("ORDER_SPACING", timedelta(seconds=61))) == []
    assert story.refund.status == "intended"
    assert story.wait == timedelta(seconds=61)
    assert not expect(story.wake(), SendRefund).resend, "nothing was sent, so there is nothing to look for"
    wish = expect(story.hear(refund_payment(1_000, OTHER_CASE)), SendRefund)
    assert wish.previous_at == NOON + timedelta(seconds=61)


def test_while_the_merchant_is_short_a_refund_is_parked_and_says_so_once() -> None:
    story = asked_to_refund()
    told = expect(story.hear(held_back("BALANCE_SHORT", timedelta(seconds=30))), RefundAttempted)
    assert (told.outcome, told.provider_code) == ("parked", "NOT_ENOUGH")
    expect(story.wake(), SendRefund)
    assert story.hear(held_back("BALANCE_SHORT", timedelta(seconds=60))) == []
    assert story.refund.status == "parked"


def test_when_the_balance_is_back_what_was_parked_goes_on_at_once() -> None:
    story = asked_to_refund()
    story.hear(held_back("BALANCE_SHORT", timedelta(minutes=10)))
    assert expect(story.hear(BalanceIsBack(order_id=ORDER)), SendRefund).number == number(1)
    assert story.hear(BalanceIsBack(order_id=ORDER)) == [], "a call is under way"
    story.hear(shown("PROCESSING"))
    assert story.hear(BalanceIsBack(order_id=ORDER)) == []


# ── slow ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_refund_under_way_for_days_worries_somebody_at_one_three_and_five() -> None:
    story = accepted()
    said: list[str] = []
    days: list[int] = []
    while story.now < NOON + timedelta(days=6):
        story.wake()
        for one in story.hear(shown("PROCESSING")):
            said.append(type(one).__name__)
            days += [one.days] if isinstance(one, RefundDelayed) else []
    assert days == [1, 3, 5]
    assert said == ["RefundDelayed", "CallAttention"] * 3


@pytest.mark.parametrize("answer", [unanswered("NO_AUTH"), unanswered("RESOURCE_NOT_EXISTS"), rejected("SYSTEM_ERROR")])
def test_an_accepted_refund_of_which_nothing_more_is_heard_worries_somebody_once(answer: Message) -> None:
    story = accepted()
    for _ in range(UNKNOWN_WORRIES_AT - 1):
        story.wake()
        assert story.hear(answer) == []
    story.wake()
    story.hear(shown("PROCESSING"))  # one answer, and it counts anew
    said: list[Message] = []
    while story.now < NOON + timedelta(days=6):
        story.wake()
        said += story.hear(answer)
    assert expect(said, CallAttention).what == "refund-stays-unknown"
    assert story.refund.status == "accepted"


def test_what_the_customer_gets_is_said_at_acceptance_and_at_arrival() -> None:
    story = asked_to_refund()
    told = expect(story.hear(shown("PROCESSING", payer_refund=3_500)), RefundAccepted)
    assert (told.amount, told.payer_refund) == (fen(4_000), fen(3_500))
    story.hear(watch_refund())
    assert expect(story.hear(shown("SUCCESS", payer_refund=3_500)), RefundSettled).amount == fen(3_500)


def test_a_refused_refund_that_moves_all_the_same_is_told_and_shown_to_a_person() -> None:
    story = asked_to_refund()
    story.hear(rejected("USER_ACCOUNT_ABNORMAL"))
    says = story.hear(shown("SUCCESS", by="callback"))
    assert kinds(says) == ["CallAttention", "RefundAccepted"]
    assert story.refund.status == "settled"
