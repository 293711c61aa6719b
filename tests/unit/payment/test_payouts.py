"""The other road: a merchant transfer in place of a refund that is refused for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contracts.message import Money
from contracts.payment import (
    RefundAccepted,
    RefundAttempted,
    RefundNotResumed,
    RefundPayment,
    RefundRefused,
    RefundRerouted,
    RefundSettled,
)
from services.payment.model import payout_number
from services.payment.outside import (
    BalanceIsBack,
    CallAttention,
    CancelTransfer,
    PrepayAnswered,
    QueryTransfer,
    SendRefund,
    SendTransfer,
    StartPrepay,
    TransferRejected,
    TransferShown,
    TransferUnanswered,
)
from services.payment.payouts import TRIES_BEFORE_NEVER_MADE
from services.payment.roads import PAYOUT_ROADS, ROADS, Row
from services.payment.shown import ProviderTransfer
from tests.unit.payment.given import (
    CASE,
    NOON,
    ORDER,
    OTHER_CASE,
    PAID_FEN,
    Story,
    expect,
    fen,
    kinds,
    notified,
    number,
    open_payment,
    paid,
    prepaid,
    refund_payment,
    rejected,
    shown,
    trade,
    watch_refund,
)
from tests.unit.payment.test_byhand import resume

OPENID = "openid-of-somebody"


def transfer_shown(state: str, *, n: int = 1, by: str = "answer", **more: Any) -> TransferShown:
    document = {
        "out_bill_no": payout_number(CASE, n),
        "transfer_bill_no": "133000071100",
        "state": state,
        "transfer_amount": 4_000,
        "openid": OPENID,
        "create_time": NOON,
        "package_info": "ticket",
        **more,
    }
    transfer = ProviderTransfer.model_validate(document)
    return TransferShown.model_validate(
        {"order_id": ORDER, "number": payout_number(CASE, n), "transfer": transfer, "by": by}
    )


def transfer_rejected(code: str, n: int = 1) -> TransferRejected:
    return TransferRejected(order_id=ORDER, number=payout_number(CASE, n), code=code)


def wish(amount: int = 4_000, *when: str) -> RefundPayment:
    return RefundPayment.model_validate(
        {
            "order_id": ORDER,
            "case_id": CASE,
            "amount": fen(amount),
            "reason": "商品缺货",
            "transfer_when": when or ("account-abnormal", "too-old"),
        }
    )


def rerouted() -> Story:
    story = paid()
    story.hear(wish())
    story.hear(rejected("USER_ACCOUNT_ABNORMAL"))
    return story


def waiting() -> Story:
    """The customer has been asked to confirm."""
    story = rerouted()
    story.hear(transfer_shown("WAIT_USER_CONFIRM", package_info="ticket"))
    return story


# ── begin ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_refusal_that_was_reckoned_with_goes_by_transfer() -> None:
    story = paid()
    story.hear(wish())
    says = story.hear(rejected("USER_ACCOUNT_ABNORMAL"))
    assert kinds(says) == ["RefundRerouted", "SendTransfer"]
    told, send = says
    assert isinstance(told, RefundRerouted)
    assert isinstance(send, SendTransfer)
    assert (told.reason, told.refund_number, told.transfer_number) == ("account-abnormal", number(1), send.number)
    assert (send.openid, send.amount, send.resend) == (OPENID, fen(4_000), False)


@pytest.mark.parametrize(("payer", "goes"), [(None, True), (PAID_FEN, True), (PAID_FEN - 1, False)])
def test_what_a_coupon_has_paid_is_never_paid_out_in_cash(payer: int | None, goes: bool) -> None:
    story = prepaid()
    story.hear(notified(amount={"total": PAID_FEN, "currency": "CNY", "payer_total": payer}))
    story.hear(wish())
    assert ("SendTransfer" in kinds(story.hear(rejected("USER_ACCOUNT_ABNORMAL")))) is goes


def test_the_number_of_a_transfer_fits_the_provider() -> None:
    made = payout_number(CASE, 1)
    assert len(made) <= 32
    assert made.isascii()
    assert made.isalnum()
    assert made != payout_number(CASE, 2)


@pytest.mark.parametrize(
    "row", [row for row in ROADS if row.road != "refused"], ids=lambda row: f"{row.http}-{row.word}"
)
def test_nothing_but_a_refusal_for_good_begins_a_transfer(row: Row) -> None:
    story = paid()
    story.hear(wish())
    says = story.hear(shown(row.word) if row.http == "200" else rejected(row.word))
    assert "SendTransfer" not in kinds(says)


@pytest.mark.parametrize("amount", [9, 200_000])
def test_an_amount_the_provider_does_not_transfer_is_refused(amount: int) -> None:
    story = paid_much()
    story.hear(wish(amount))
    expect(story.hear(rejected("USER_ACCOUNT_ABNORMAL")), RefundRefused)


def paid_much() -> Story:
    story = Story()
    story.hear(open_payment(amount=fen(900_000)))
    story.hear(StartPrepay(order_id=ORDER))
    story.hear(PrepayAnswered(order_id=ORDER, prepay_id="wx-1"))
    story.hear(notified(total=900_000))
    return story


def test_what_was_never_paid_is_never_transferred() -> None:
    story = prepaid()
    told = expect(story.hear(wish(4_000, "not-paid", "more-than-was-paid")), RefundRefused)
    assert told.reason == "not-paid"


def test_more_than_was_paid_is_never_transferred() -> None:
    story = paid()
    story.hear(wish(PAID_FEN + 1, "not-paid", "more-than-was-paid"))
    assert kinds(story.said)[-1] == "RefundRefused"
    expect(story.hear(resume("transfer")), RefundNotResumed)
    expect(story.hear(resume("send-again", attempt=2)), RefundNotResumed)


def test_money_that_went_another_way_meanwhile_is_not_transferred() -> None:
    story = paid()
    story.hear(wish(6_000, "too-old"))
    story.hear(rejected("NO_AUTH"))
    story.hear(refund_payment(6_000, OTHER_CASE))
    expect(story.hear(resume("transfer")), RefundNotResumed)


def test_what_was_settled_outside_is_not_transferred_too() -> None:
    story = paid()
    story.hear(wish(4_000, "too-old"))
    story.hear(rejected("NO_AUTH"))
    story.hear(resume("settled-outside", proof="slip"))
    expect(story.hear(resume("transfer", attempt=2)), RefundNotResumed)


def test_only_what_the_provider_refused_is_transferred() -> None:
    story = paid()
    story.hear(refund_payment(6_000, OTHER_CASE))
    story.hear(wish(6_000))
    story.hear(rejected("NO_AUTH").model_copy(update={"number": number(1, OTHER_CASE)}))
    assert story.refund.refused_because == "more-than-was-paid"
    expect(story.hear(resume("transfer")), RefundNotResumed)


def test_only_yuan_are_transferred() -> None:
    dollars = Money(amount_minor=4_000, currency="USD")
    story = Story()
    story.hear(open_payment(amount=dollars))
    story.hear(StartPrepay(order_id=ORDER))
    story.hear(notified(total=4_000).model_copy(update={"trade": trade(amount={"total": 4_000, "currency": "USD"})}))
    story.hear(wish().model_copy(update={"amount": dollars}))
    expect(story.hear(rejected("USER_ACCOUNT_ABNORMAL")), RefundRefused)


def test_a_transfer_shown_without_its_time_must_be_confirmed_within_a_day_of_now() -> None:
    story = rerouted()
    told = expect(story.hear(transfer_shown("WAIT_USER_CONFIRM", create_time=None)), RefundAccepted)
    assert told.confirm_by == story.now + timedelta(hours=24)


def test_somebody_without_an_openid_gets_no_transfer() -> None:
    story = paid()
    assert story.state is not None
    story.state = story.state.model_copy(update={"openid": None})
    story.hear(wish())
    expect(story.hear(rejected("USER_ACCOUNT_ABNORMAL")), RefundRefused)


def test_a_refusal_that_was_not_reckoned_with_is_a_refusal() -> None:
    story = paid()
    story.hear(wish(4_000, "too-old"))
    expect(story.hear(rejected("USER_ACCOUNT_ABNORMAL")), RefundRefused)


def test_a_payment_older_than_a_year_goes_by_transfer_at_once() -> None:
    story = paid()
    says = story.hear(wish(), after=timedelta(days=366))
    assert kinds(says) == ["RefundRerouted", "SendTransfer"]


# ── the customer confirms ────────────────────────────────────────────────────────────────────────────────────────────
def test_once_taken_it_is_accepted_until_when_it_must_be_confirmed() -> None:
    story = rerouted()
    told = expect(story.hear(transfer_shown("WAIT_USER_CONFIRM", package_info="ticket")), RefundAccepted)
    assert told.confirm_by == NOON + timedelta(hours=24)
    assert told.refund_number == payout_number(CASE, 1)
    assert story.refund.payout is not None
    assert story.refund.payout.package_info == "ticket"
    expect(story.wake(), QueryTransfer)


@pytest.mark.parametrize("row", [row for row in PAYOUT_ROADS if row.road == "accepted"], ids=lambda row: row.word)
def test_every_state_in_between_is_asked_on(row: Row) -> None:
    story = rerouted()
    expect(story.hear(transfer_shown(row.word)), RefundAccepted)
    story.wake()
    assert story.hear(transfer_shown(row.word)) == []
    expect(story.wake(), QueryTransfer)


def test_confirmed_and_paid_is_settled() -> None:
    story = waiting()
    story.hear(watch_refund())
    told = expect(story.hear(transfer_shown("SUCCESS", by="callback")), RefundSettled)
    assert (told.amount, told.refund_number) == (fen(4_000), payout_number(CASE, 1))
    assert story.payment.wake_at is None
    assert story.hear(transfer_shown("SUCCESS")) == []


def test_not_confirmed_in_time_is_asked_about_then_made_anew_under_the_next_number() -> None:
    story = waiting()
    expect(story.hear(transfer_shown("FAIL", by="callback", fail_reason="OVERDUE_CLOSE")), QueryTransfer)
    says = story.hear(transfer_shown("FAIL", fail_reason="OVERDUE_CLOSE"))
    assert kinds(says) == ["RefundAttempted", "SendTransfer"]
    assert says[0].provider_code == "OVERDUE_CLOSE"  # type: ignore[attr-defined]
    assert says[1].number == payout_number(CASE, 2)  # type: ignore[attr-defined]
    told = expect(story.hear(transfer_shown("WAIT_USER_CONFIRM", n=2)), RefundAccepted)
    assert told.refund_number == payout_number(CASE, 2)


def test_what_went_back_by_hand_meanwhile_is_not_transferred_anew() -> None:
    story = waiting()
    story.hear(shown("SUCCESS", case="BYHAND"))
    story.hear(shown("SUCCESS", case="ANOTHER"))
    assert story.payment.promised_minor == 12_000, "with the transfer that waits"
    says = story.hear(transfer_shown("FAIL", fail_reason="OVERDUE_CLOSE"))
    assert kinds(says) == ["RefundRefused", "CallAttention"]
    assert says[0].reason == "more-than-was-paid"  # type: ignore[attr-defined]
    assert story.payment.promised_minor == 8_000
    expect(story.hear(resume("transfer")), RefundNotResumed)


# ── the money has gone back by hand meanwhile ────────────────────────────────────────────────────────────────────────
def unowed(story: Story) -> list[str]:
    """Two refunds made by hand are found: with ours, more than was paid."""
    story.hear(shown("SUCCESS", case="BYHAND"))
    return kinds(story.hear(shown("SUCCESS", case="ANOTHER")))


def test_a_transfer_that_waits_is_taken_back_at_once() -> None:
    story = waiting()
    assert kinds(story.hear(shown("SUCCESS", case="BYHAND"))) == ["RefundFound"], "both are still owed"
    assert kinds(story.hear(shown("SUCCESS", case="ANOTHER"))) == ["RefundFound", "CancelTransfer"]
    assert story.hear(transfer_shown("CANCELING")) == []
    expect(story.wake(), CancelTransfer)
    says = story.hear(transfer_shown("CANCELLED", fail_reason="MCH_CANCEL"))
    assert kinds(says) == ["RefundRefused", "CallAttention"]
    assert says[0].reason == "more-than-was-paid"  # type: ignore[attr-defined]
    assert story.payment.promised_minor == 8_000
    assert story.refund.wake_at is None


def test_it_is_taken_back_until_the_provider_says_how_it_ended() -> None:
    story = waiting()
    for _ in range(20):
        story.wake()
        story.hear(transfer_shown("WAIT_USER_CONFIRM", package_info=""))
    unowed(story)
    lost = TransferUnanswered(order_id=ORDER, number=payout_number(CASE, 1), code="TIMEOUT")
    assert story.hear(lost) == []
    asked = story.now
    expect(story.wake(), CancelTransfer)
    assert story.now - asked == timedelta(minutes=1), "not after the hours that a question may wait"
    says = story.hear(transfer_shown("CANCELLED", fail_reason="MCH_CANCEL"))
    assert kinds(says) == ["RefundRefused", "CallAttention"]


def test_one_that_the_provider_no_longer_knows_is_asked_about_again() -> None:
    story = waiting()
    unowed(story)
    assert story.hear(transfer_rejected("NOT_FOUND")) == []
    expect(story.wake(), CancelTransfer)


def test_confirmed_before_it_could_be_taken_back_is_told_loudly() -> None:
    story = waiting()
    unowed(story)
    told = expect(story.hear(transfer_shown("SUCCESS")), CallAttention)
    assert told.what == "transfer-paid-unowed"
    assert story.refund.status == "settled"
    assert story.payment.promised_minor == 12_000, "the books say what happened"


def test_one_that_becomes_owed_again_waits_on() -> None:
    story = waiting()
    story.hear(shown("PROCESSING", case="BYHAND"))
    story.hear(shown("PROCESSING", case="ANOTHER"))
    story.hear(transfer_shown("WAIT_USER_CONFIRM"))
    story.hear(shown("CLOSED", case="ANOTHER"))
    assert "QueryTransfer" in kinds(story.wake())
    assert story.refund.status == "paying-out"


def test_one_about_which_nothing_is_known_yet_is_neither_offered_nor_sent_again() -> None:
    story = rerouted()
    assert unowed(story) == ["RefundFound"], "its call is under way"
    assert story.hear(transfer_shown("WAIT_USER_CONFIRM")) == [], "nobody is told to confirm it"
    expect(story.wake(), CancelTransfer)
    says = story.hear(transfer_shown("CANCELLED", fail_reason="MCH_CANCEL"))
    assert kinds(says) == ["RefundRefused"], "it was never promised"


def test_one_that_was_never_made_is_given_up_when_it_was_looked_for_often_enough() -> None:
    story = rerouted()
    story.hear(TransferUnanswered(order_id=ORDER, number=payout_number(CASE, 1), code="TIMEOUT"))
    unowed(story)
    looks = 0
    while story.refund.status == "paying-out":
        expect(story.wake(), CancelTransfer)
        story.hear(transfer_rejected("NOT_FOUND"))
        looks += 1
    assert looks == TRIES_BEFORE_NEVER_MADE
    assert story.refund.refused_because == "more-than-was-paid"
    told = expect(story.hear(transfer_shown("SUCCESS", by="callback")), CallAttention)
    assert told.what == "refused-refund-moved"


def test_one_that_waits_for_the_balance_is_given_up_at_once() -> None:
    story = rerouted()
    story.hear(transfer_rejected("NOT_ENOUGH"))
    unowed(story)
    expect(story.wake(), CancelTransfer)
    assert expect(story.hear(transfer_rejected("NOT_FOUND")), RefundRefused).reason == "more-than-was-paid"


def test_a_dead_transfers_news_move_nothing() -> None:
    story = waiting()
    story.hear(transfer_shown("FAIL"))
    before = story.state
    assert story.hear(transfer_shown("FAIL")) == []
    assert story.state is before


def test_after_three_failed_transfers_a_person_decides() -> None:
    story = waiting()
    for n in (1, 2):
        story.hear(transfer_shown("CANCELLED", n=n))
        story.hear(transfer_shown("WAIT_USER_CONFIRM", n=n + 1))
    says = story.hear(transfer_shown("FAIL", n=3, fail_reason="OVERDUE_CLOSE"))
    assert kinds(says) == ["RefundRefused", "CallAttention"]
    assert says[0].provider_code == "TRANSFER_OVERDUE_CLOSE"  # type: ignore[attr-defined]
    assert story.payment.wake_at is None
    assert story.payment.promised_minor == 0


# ── refused, unknown, parked, strange ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("row", [row for row in PAYOUT_ROADS if row.road == "refused"], ids=lambda row: row.word)
def test_every_refusal_of_a_transfer_is_a_refusal_of_the_refund(row: Row) -> None:
    story = rerouted()
    told = expect(story.hear(transfer_rejected(row.word)), RefundRefused)
    assert told.provider_code == f"TRANSFER_{row.word}"
    assert told.reason == "account-abnormal", "what shut the first road"
    assert story.payment.wake_at is None


def test_an_unknown_transfer_is_looked_for_and_sent_again_under_the_same_number() -> None:
    story = rerouted()
    lost = TransferUnanswered(order_id=ORDER, number=payout_number(CASE, 1), code="TIMEOUT")
    assert expect(story.hear(lost), RefundAttempted).outcome == "unknown"
    again = expect(story.wake(), SendTransfer)
    assert (again.number, again.resend) == (payout_number(CASE, 1), True)


def test_an_unanswered_question_about_a_waiting_transfer_is_asked_again() -> None:
    story = waiting()
    story.wake()
    lost = TransferUnanswered(order_id=ORDER, number=payout_number(CASE, 1), code="TIMEOUT")
    assert story.hear(lost) == []
    expect(story.wake(), QueryTransfer)


def test_a_transfer_without_its_ticket_is_asked_for_again_until_it_is_there() -> None:
    story = rerouted()
    story.hear(transfer_shown("WAIT_USER_CONFIRM", package_info=""))
    again = expect(story.wake(), SendTransfer)
    assert (again.number, again.resend) == (payout_number(CASE, 1), True)
    assert story.hear(transfer_shown("WAIT_USER_CONFIRM")) == []
    assert story.refund.live_payout is not None
    assert story.refund.live_payout.package_info == "ticket"
    expect(story.wake(), QueryTransfer)
    story.hear(transfer_shown("WAIT_USER_CONFIRM", package_info=""))
    assert story.refund.live_payout.package_info == "ticket", "questions do not show it"


def test_a_transfer_that_stopped_at_a_strange_answer_goes_on_when_somebody_looks_again() -> None:
    story = waiting()
    story.hear(watch_refund())
    story.hear(transfer_shown("SUCCESS", transfer_amount=4_001))
    assert kinds(story.hear(resume("look-again"))) == ["RefundResumed", "QueryTransfer"]
    expect(story.hear(transfer_shown("SUCCESS")), RefundSettled)


def test_a_transfer_waits_for_the_balance_as_a_refund_does() -> None:
    story = rerouted()
    assert expect(story.hear(transfer_rejected("NOT_ENOUGH")), RefundAttempted).outcome == "parked"
    assert expect(story.hear(BalanceIsBack(order_id=ORDER)), SendTransfer).number == payout_number(CASE, 1)


@pytest.mark.parametrize("more", [{"transfer_amount": 4_001}, {"openid": "somebody-else"}])
def test_a_transfer_of_another_amount_or_to_somebody_else_stops_for_a_person(more: dict[str, Any]) -> None:
    story = waiting()
    worry = expect(story.hear(transfer_shown("SUCCESS", by="callback", **more)), CallAttention)
    assert worry.what == "strange-transfer"
    assert "somebody-else" not in worry.detail  # it goes into the log, where nobody's openid stands
    assert story.refund.status == "paying-out"
    assert kinds(story.hear(transfer_shown("SUCCESS", **more))) == ["RefundAttempted", "CallAttention"]
    assert story.refund.status == "mismatch"
    assert story.payment.wake_at is None


def test_what_stopped_for_a_person_does_not_move_by_itself() -> None:
    story = waiting()
    story.hear(transfer_shown("SUCCESS", transfer_amount=4_001))
    before = story.state
    assert story.hear(transfer_rejected("NOT_FOUND")) == []
    assert story.hear(transfer_shown("SUCCESS")) == []
    assert story.state is before


def test_the_waits_of_an_unknown_transfer_grow_and_the_tenth_try_worries_somebody() -> None:
    story = rerouted()
    lost = TransferUnanswered(order_id=ORDER, number=payout_number(CASE, 1), code="TIMEOUT")
    waits, worries = [], []
    for position in range(1, 12):
        worries += [position] if "CallAttention" in kinds(story.hear(lost)) else []
        assert story.wait is not None
        waits.append(story.wait.total_seconds())
        story.wake()
    assert waits[:4] == [2, 4, 8, 16]
    assert worries == [10]


def test_a_transfer_that_stays_parked_is_told_to_a_person_at_the_tenth_try() -> None:
    """Its merchant's account, which calls for money for refunds, knows nothing of it."""
    story = rerouted()
    worries = []
    for position in range(1, 13):
        says = story.hear(transfer_rejected("NOT_ENOUGH"))
        worries += [(position, one.what) for one in says if isinstance(one, CallAttention)]
        story.wake()
    assert worries == [(10, "transfer-stays-parked")]


def test_money_on_the_first_road_after_all_is_loud_and_moves_nothing() -> None:
    story = waiting()
    before = story.state
    assert expect(story.hear(shown("PROCESSING", by="callback")), CallAttention).what == "refused-refund-moved"
    assert story.state is before
    assert expect(story.hear(shown("SUCCESS")), CallAttention).what == "refused-refund-moved"


def test_how_it_was_paid_outside_is_not_put_into_the_log() -> None:
    story = rerouted()
    story.hear(transfer_rejected("NO_AUTH"))
    story.hear(resume("settled-outside", proof="工商银行 6222020000000000403 张三"))
    worry = expect(story.hear(shown("PROCESSING")), CallAttention)
    assert worry.what == "refused-refund-moved"
    assert "6222" not in worry.detail


def test_the_wish_heard_again_is_told_the_transfer() -> None:
    story = rerouted()
    assert story.hear(wish()) == [], "not known yet"
    story.hear(transfer_shown("WAIT_USER_CONFIRM"))
    assert expect(story.hear(wish()), RefundAccepted).refund_number == payout_number(CASE, 1)
    assert not any(isinstance(one, SendRefund) for one in story.hear(wish()))


@pytest.mark.parametrize("how", ["settled-outside", "send-again"])
def test_a_transfer_that_counted_as_never_made_is_loud_when_it_is_paid(how: str) -> None:
    story = rerouted()
    story.hear(transfer_rejected("NO_AUTH"))
    story.hear(resume(how, proof="cash"))
    if how == "send-again":
        story.hear(shown("SUCCESS"))
    assert story.refund.status == "settled"
    told = expect(story.hear(transfer_shown("SUCCESS", by="callback")), CallAttention)
    assert told.what == "refused-refund-moved"


def test_a_transfer_that_was_refused_goes_again_under_its_number() -> None:
    story = rerouted()
    story.hear(transfer_rejected("NO_AUTH"))
    (sent,) = [one for one in story.hear(resume("transfer")) if isinstance(one, SendTransfer)]
    assert sent.number == payout_number(CASE, 1)


@pytest.mark.parametrize("more", [{"transfer_amount": 4_001}, {"openid": "somebody-else"}])
def test_a_strange_answer_about_a_transfer_does_not_take_back_that_it_is_settled(more: dict[str, Any]) -> None:
    story = waiting()
    expect(story.wake(), QueryTransfer)
    story.hear(transfer_shown("SUCCESS", by="callback"))
    assert story.refund.status == "settled"
    assert expect(story.hear(transfer_shown("WAIT_USER_CONFIRM", **more)), CallAttention).what == "strange-transfer"
    assert story.refund.status == "settled"
