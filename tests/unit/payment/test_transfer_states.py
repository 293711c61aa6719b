"""A merchant transfer in all its states at the provider, told by answers and callbacks in any order, twice and late."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contracts.payment import RefundAccepted, RefundAttempted, RefundDelayed, RefundSettled
from services.payment.model import payout_number
from services.payment.outside import CallAttention, CancelTransfer, QueryTransfer, SendTransfer, TransferUnanswered
from services.payment.roads import PAYOUT_ROADS, Row
from tests.unit.payment.given import CASE, ORDER, expect, kinds, watch_refund
from tests.unit.payment.test_payouts import rerouted, transfer_rejected, transfer_shown, unowed, waiting, wish

TAKEN = [row for row in PAYOUT_ROADS if row.road == "taken"]


def unanswered(code: str, n: int = 1) -> TransferUnanswered:
    return TransferUnanswered(order_id=ORDER, number=payout_number(CASE, n), code=code)


# ── taken, and not yet offered ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("row", TAKEN, ids=lambda row: row.word)
def test_what_is_only_taken_is_promised_to_nobody_and_asked_for_again_under_its_number(row: Row) -> None:
    story = rerouted()
    told = expect(story.hear(transfer_shown(row.word, package_info="")), RefundAttempted)
    assert (told.outcome, told.provider_code) == ("unknown", row.word)
    assert story.hear(wish()) == [], "not known yet"
    again = expect(story.wake(), SendTransfer)
    assert (again.number, again.resend) == (payout_number(CASE, 1), True)
    assert kinds(story.hear(transfer_shown("WAIT_USER_CONFIRM"))) == ["RefundAccepted"]
    expect(story.wake(), QueryTransfer)


def test_one_that_stays_taken_is_told_to_a_person() -> None:
    story = rerouted()
    worries = []
    for position in range(1, 13):
        says = story.hear(transfer_shown("PROCESSING", package_info=""))
        worries += [position] if "CallAttention" in kinds(says) else []
        expect(story.wake(), SendTransfer)
    assert worries == [10]


@pytest.mark.parametrize("code", ["NOT_FOUND", "INVALID_REQUEST", "NO_AUTH", "NOT_ENOUGH"])
def test_one_that_was_taken_never_counts_as_not_there(code: str) -> None:
    story = rerouted()
    story.hear(transfer_shown("ACCEPTED", package_info=""))
    expect(story.wake(), SendTransfer)
    assert kinds(story.hear(transfer_rejected(code))) == ["RefundAttempted"]
    assert expect(story.wake(), SendTransfer).number == payout_number(CASE, 1)
    story.hear(unanswered("TIMEOUT"))
    story.wake()
    story.hear(transfer_rejected(code))
    assert kinds(story.hear(transfer_shown("WAIT_USER_CONFIRM"))) == ["RefundAccepted"]


def test_taken_seen_again_after_it_was_offered_is_history() -> None:
    story = waiting()
    assert story.hear(transfer_shown("ACCEPTED", package_info="")) == []
    assert story.refund.live_payout is not None
    assert (story.refund.live_payout.status, story.refund.live_payout.package_info) == ("waiting", "ticket")


def test_taken_and_failed_is_made_anew_without_a_word_to_the_customer() -> None:
    story = rerouted()
    story.hear(transfer_shown("PROCESSING", package_info=""))
    story.hear(transfer_shown("FAIL", by="callback", fail_reason="PAYER_ACCOUNT_ABNORMAL"))
    assert kinds(story.hear(transfer_shown("FAIL", fail_reason="PAYER_ACCOUNT_ABNORMAL"))) == [
        "RefundAttempted",
        "SendTransfer",
    ]
    assert not any(isinstance(one, RefundAccepted) for one in story.said)


# ── confirmed ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_confirmed_on_its_way_and_there_in_any_order_is_settled_once() -> None:
    story = waiting()
    story.hear(watch_refund())
    assert story.hear(transfer_shown("TRANSFERING", package_info="")) == []
    assert story.hear(unanswered("NOT_FOUND")) == []
    assert kinds(story.hear(transfer_shown("SUCCESS", by="callback"))) == ["RefundSettled"]
    for late in ("WAIT_USER_CONFIRM", "TRANSFERING", "SUCCESS"):
        assert story.hear(transfer_shown(late)) == []
    assert len([one for one in story.said if isinstance(one, RefundSettled)]) == 1


def test_a_callback_before_any_answer_settles_it_and_asks_nothing_of_the_customer() -> None:
    story = rerouted()
    story.hear(watch_refund())
    says = story.hear(transfer_shown("SUCCESS", by="callback"))
    assert kinds(says) == ["RefundAccepted", "RefundSettled"]
    assert expect(says[:1], RefundAccepted).confirm_by is None
    assert story.hear(transfer_shown("WAIT_USER_CONFIRM")) == [], "the answer to its making, late"


def test_confirmed_and_failed_after_all_goes_under_the_next_number() -> None:
    story = waiting()
    story.hear(transfer_shown("TRANSFERING", package_info=""))
    expect(story.hear(transfer_shown("FAIL", by="callback", fail_reason="REAL_NAME_CHECK_FAIL")), QueryTransfer)
    assert story.hear(transfer_shown("TRANSFERING", package_info="")) == [], "a query that lags behind"
    expect(story.wake(), QueryTransfer)
    says = story.hear(transfer_shown("FAIL", fail_reason="REAL_NAME_CHECK_FAIL"))
    assert kinds(says) == ["RefundAttempted", "SendTransfer"]
    assert story.hear(transfer_shown("FAIL", fail_reason="REAL_NAME_CHECK_FAIL")) == []


@pytest.mark.parametrize("state", ["TRANSFERING", "CANCELING", "WAIT_USER_CONFIRM", "NOT_FOUND"])
def test_one_that_does_not_come_to_its_end_is_told_after_three_days_and_after_five(state: str) -> None:
    story = waiting()
    told = []
    for _ in range(40):
        story.wake()
        heard = unanswered(state) if state == "NOT_FOUND" else transfer_shown(state, package_info="")
        told += [(one.days, one.refund_number) for one in story.hear(heard) if isinstance(one, RefundDelayed)]
    assert told == [(3, payout_number(CASE, 1)), (5, payout_number(CASE, 1))]


def test_each_new_transfer_has_its_own_days() -> None:
    story = waiting()
    for n in (1, 2):
        story.hear(transfer_shown("FAIL", n=n, fail_reason="OVERDUE_CLOSE"), after=timedelta(hours=30))
        story.hear(transfer_shown("WAIT_USER_CONFIRM", n=n + 1))
    assert story.hear(transfer_shown("WAIT_USER_CONFIRM", n=3), after=timedelta(hours=30)) == []


def test_one_that_was_late_already_does_not_silence_the_next() -> None:
    story = waiting()
    story.hear(transfer_shown("TRANSFERING", package_info=""), after=timedelta(days=6))
    assert story.refund.late_days == 5
    story.hear(transfer_shown("FAIL", fail_reason="REAL_NAME_CHECK_FAIL"))
    story.hear(transfer_shown("WAIT_USER_CONFIRM", n=2))
    late = story.hear(transfer_shown("TRANSFERING", n=2, package_info=""), after=timedelta(days=3))
    assert kinds(late) == ["RefundDelayed", "CallAttention"]


# ── taken back ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_taking_back_may_lose_against_the_customer() -> None:
    story = waiting()
    unowed(story)
    assert story.hear(transfer_shown("CANCELING", package_info="")) == []
    expect(story.wake(), CancelTransfer)
    assert story.hear(transfer_shown("TRANSFERING", package_info="")) == []
    expect(story.wake(), CancelTransfer)
    assert expect(story.hear(transfer_shown("SUCCESS")), CallAttention).what == "transfer-paid-unowed"
    assert story.refund.wake_at is None


def test_one_that_was_shown_while_it_was_owed_no_more_never_counts_as_not_there() -> None:
    story = rerouted()
    unowed(story)
    story.hear(transfer_shown("WAIT_USER_CONFIRM"))
    expect(story.wake(), CancelTransfer)
    assert "RefundRefused" not in kinds(story.hear(transfer_rejected("NOT_FOUND"))), "a query that lags behind"
    assert story.refund.status == "paying-out"
    expect(story.wake(), CancelTransfer)
    assert kinds(story.hear(transfer_shown("CANCELLED", fail_reason="MCH_CANCEL"))) == ["RefundRefused"]
