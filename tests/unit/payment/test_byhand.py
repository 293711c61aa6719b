"""What people did or decided: a refund made on the merchant platform, a decision about a stuck one."""

from __future__ import annotations

import pytest

from contracts.deleting import EraseContact
from contracts.payment import (
    AdoptRefund,
    RefundAccepted,
    RefundFound,
    RefundNotResumed,
    RefundRefused,
    RefundSettled,
    ResumeRefund,
)
from services.payment.differences import is_at_provider
from services.payment.outside import CallAttention, QueryRefund, SendRefund
from services.payment.saying import TELL_AGAIN
from tests.unit.payment.given import (
    CASE,
    ORDER,
    OTHER_CASE,
    Story,
    accepted,
    asked_to_refund,
    expect,
    fen,
    kinds,
    number,
    opened,
    paid,
    refund_payment,
    rejected,
    shown,
    unanswered,
    watch_refund,
)


def resume(how: str, attempt: int = 1, proof: str = "") -> ResumeRefund:
    return ResumeRefund.model_validate(
        {"order_id": ORDER, "case_id": CASE, "attempt": attempt, "how": how, "proof": proof, "by": "s1"}
    )


def test_a_refusal_says_which_decision_it_had_followed() -> None:
    story = refused()
    first, *_ = [one for one in story.said if isinstance(one, RefundRefused)]
    story.hear(resume("send-again", 3))
    (again,) = [one for one in story.hear(rejected("NO_AUTH")) if isinstance(one, RefundRefused)]
    assert (first.attempt, again.attempt) == (0, 3)


def refused() -> Story:
    story = asked_to_refund()
    story.hear(rejected("NO_AUTH"))
    return story


def abnormal() -> Story:
    story = accepted()
    story.hear(shown("ABNORMAL"))
    return story


# ── made by hand on the merchant platform ────────────────────────────────────────────────────────────────────────────
def test_a_refund_made_by_hand_is_looked_for_then_counted_and_told_once() -> None:
    story = paid()
    assert expect(story.hear(shown("SUCCESS", by="callback", case="BYHAND")), QueryRefund).number == "BYHAND-1"
    told = expect(story.hear(shown("SUCCESS", case="BYHAND")), RefundFound)
    assert (told.refund_number, told.amount) == ("BYHAND-1", fen(4_000))
    assert story.hear(shown("SUCCESS", case="BYHAND")) == []
    assert story.payment.promised_minor == 4_000


def test_what_was_paid_back_by_hand_cannot_be_paid_back_again() -> None:
    story = paid()
    story.hear(shown("SUCCESS", amount=8_000, case="BYHAND"))
    assert expect(story.hear(refund_payment(4_000)), RefundRefused).reason == "more-than-was-paid"


def test_a_found_refund_becomes_a_cases_own_and_arrives_like_any_other() -> None:
    story = paid()
    story.hear(shown("PROCESSING", case="BYHAND"))
    adopt = AdoptRefund(order_id=ORDER, case_id=OTHER_CASE, refund_number=number(1, "BYHAND"))
    told = expect(story.hear(adopt), RefundAccepted)
    assert (told.case_id, told.refund_number) == (OTHER_CASE, "BYHAND-1")
    assert expect(story.hear(adopt), RefundAccepted) == told
    story.hear(watch_refund(OTHER_CASE))
    expect(story.wake(), QueryRefund)
    assert expect(story.hear(shown("SUCCESS", case="BYHAND")), RefundSettled).case_id == OTHER_CASE


@pytest.mark.parametrize("erased", [False, True])
def test_of_a_refund_that_an_erased_order_makes_no_case_of_a_person_hears_once(erased: bool) -> None:
    story = paid()
    if erased:
        story.hear(EraseContact(order_id=ORDER, erasure="first"))
    said = story.hear(shown("SUCCESS", case="BYHAND"))
    for _ in TELL_AGAIN:
        said += story.wake()
    called = [one.what for one in said if isinstance(one, CallAttention)]
    assert called == (["refund-of-erased-order"] if erased else [])


def test_a_found_refund_that_lies_in_between_is_told_as_such_once() -> None:
    story = paid()
    story.hear(shown("ABNORMAL", case="BYHAND"))
    adopt = AdoptRefund(order_id=ORDER, case_id=OTHER_CASE, refund_number=number(1, "BYHAND"))
    assert kinds(story.hear(adopt)) == ["RefundAccepted", "RefundAttempted"]
    assert kinds(story.hear(adopt)) == ["RefundAccepted"]


def test_a_refund_of_our_own_cannot_be_adopted() -> None:
    story = accepted()
    assert story.hear(AdoptRefund(order_id=ORDER, case_id=OTHER_CASE, refund_number=number(1))) == []
    assert story.payment.refund_of(OTHER_CASE) is None


def test_a_closed_refund_made_by_hand_is_none_and_gets_no_next_number() -> None:
    assert paid().hear(shown("CLOSED", case="BYHAND")) == []
    story = paid()
    story.hear(shown("PROCESSING", case="BYHAND"))
    says = story.hear(shown("CLOSED", case="BYHAND"))
    assert not any(isinstance(one, SendRefund) for one in says)
    assert story.payment.promised_minor == 0


def test_a_refund_of_another_payment_or_of_one_never_paid_is_not_taken_in() -> None:
    story = paid()
    assert story.hear(shown("SUCCESS", case="BYHAND", out_trade_no="SOMEBODY-ELSES")) == []
    assert story.payment.refunds == ()
    assert opened().hear(shown("SUCCESS", case="BYHAND")) == []


# ── a person decides ─────────────────────────────────────────────────────────────────────────────────────────────────
def test_sent_again_under_the_same_number_after_a_look() -> None:
    story = refused()
    says = story.hear(resume("send-again"))
    assert kinds(says) == ["RefundResumed", "SendRefund"]
    assert (says[1].number, says[1].resend) == (number(1), True)  # type: ignore[attr-defined]
    expect(story.hear(shown("PROCESSING")), RefundAccepted)


def test_the_same_decision_twice_is_one() -> None:
    story = refused()
    story.hear(resume("send-again"))
    assert kinds(story.hear(resume("send-again"))) == ["RefundResumed"]


def test_by_transfer() -> None:
    story = refused()
    assert kinds(story.hear(resume("transfer"))) == ["RefundResumed", "RefundRerouted", "SendTransfer"]


def test_settled_outside_is_settled_with_its_proof() -> None:
    story = refused()
    says = story.hear(resume("settled-outside", proof="bank slip 4711"))
    assert kinds(says) == ["RefundResumed", "RefundAccepted", "RefundSettled"]
    assert (story.refund.status, story.refund.proof) == ("settled", "bank slip 4711")
    loud = story.hear(shown("SUCCESS", by="callback"))
    assert kinds(loud) == ["CallAttention"], "paid twice: a person must hear of it"


def test_that_it_was_settled_outside_is_known_when_its_proof_is_erased() -> None:
    story = refused()
    story.hear(resume("settled-outside", proof="paid to Li Wei in cash"))
    before = story.state
    expect(story.hear(watch_refund()), RefundSettled)
    assert story.state is before, "its arrival was said when it was settled"
    story.hear(EraseContact(order_id=ORDER, erasure="first"))
    assert story.refund.proof == ""
    assert not is_at_provider(story.refund), "the bills of its day have no line of it"
    assert kinds(story.hear(shown("SUCCESS", by="callback"))) == ["CallAttention"]


def test_looking_again_asks_where_it_is_whatever_its_state() -> None:
    story = accepted()
    assert kinds(story.hear(resume("look-again"))) == ["RefundResumed", "QueryRefund"]
    payout = refused()
    payout.hear(resume("transfer"))
    assert kinds(payout.hear(resume("look-again", 2))) == ["RefundResumed", "QueryTransfer"]


def test_a_refused_refund_that_is_looked_for_is_called_refused_again_only_when_somebody_has_looked() -> None:
    story = refused()
    assert kinds(story.hear(resume("look-again"))) == ["RefundResumed", "QueryRefund"]
    assert story.hear(watch_refund()) == []
    assert expect(story.hear(unanswered("RESOURCE_NOT_EXISTS")), RefundRefused).attempt == 1
    expect(story.hear(watch_refund()), RefundRefused)


def test_a_refused_refund_that_is_found_by_looking_for_it_is_watched_until_it_arrives() -> None:
    story = refused()
    story.hear(resume("look-again"))
    story.hear(watch_refund())
    assert kinds(story.hear(shown("PROCESSING"))) == ["CallAttention", "RefundAccepted"]
    expect(story.hear(shown("SUCCESS")), RefundSettled)


@pytest.mark.parametrize("how", ["send-again", "transfer", "settled-outside"])
def test_while_a_transfer_lives_nothing_else_is_done(how: str) -> None:
    story = refused()
    story.hear(resume("transfer"))
    expect(story.hear(resume(how, 2, proof="slip")), RefundNotResumed)


def test_most_of_the_money_may_be_sent_again_while_it_is_unknown() -> None:
    story = paid()
    story.hear(refund_payment(9_000))
    story.hear(unanswered())
    assert kinds(story.hear(resume("send-again"))) == ["RefundResumed", "SendRefund"]


def test_a_mismatch_may_be_settled_outside_once_somebody_has_looked_again() -> None:
    story = asked_to_refund()
    story.hear(shown("PROCESSING", amount=4_001))
    expect(story.hear(resume("settled-outside", proof="slip")), RefundNotResumed)
    story.hear(resume("look-again", 2))
    story.hear(shown("PROCESSING", amount=4_001))
    assert kinds(story.hear(resume("settled-outside", 3, proof="slip")))[-1] == "RefundSettled"


def test_a_mismatch_is_looked_at_again() -> None:
    story = asked_to_refund()
    story.hear(shown("PROCESSING", amount=4_001))
    assert story.refund.status == "mismatch"
    assert kinds(story.hear(resume("look-again"))) == ["RefundResumed", "SendRefund"]
    expect(story.hear(shown("PROCESSING")), RefundAccepted)


def given(state: str) -> Story:
    if state == "unknown":
        story = asked_to_refund()
        story.hear(unanswered())
        return story
    if state == "parked":
        story = asked_to_refund()
        story.hear(rejected("NOT_ENOUGH"))
        return story
    if state == "settled":
        story = accepted()
        story.hear(shown("SUCCESS"))
        return story
    return {"intended": asked_to_refund, "accepted": accepted, "abnormal": abnormal}[state]()


@pytest.mark.parametrize("how", ["transfer", "settled-outside"])
@pytest.mark.parametrize("state", ["intended", "unknown", "parked", "accepted", "abnormal", "settled"])
def test_whatever_could_pay_twice_is_not_done_and_said(state: str, how: str) -> None:
    story = given(state)
    before = story.state
    told = expect(story.hear(resume(how, proof="slip")), RefundNotResumed)
    assert told.status == story.refund.status
    assert story.state is before


@pytest.mark.parametrize("state", ["intended", "accepted", "abnormal", "settled"])
def test_what_the_provider_has_is_not_sent_again(state: str) -> None:
    expect(given(state).hear(resume("send-again")), RefundNotResumed)


def test_a_decision_about_a_refund_nobody_asked_for_is_not_answered() -> None:
    story = paid()
    assert story.hear(resume("send-again")) == []


def test_a_refund_made_by_hand_is_told_of_again_until_a_case_has_it() -> None:
    """Nobody asks for what answers no command: lost with the broker, the order would give the same goods back again."""
    story = paid()
    first = expect(story.hear(shown("SUCCESS", case="BYHAND")), RefundFound)
    for _ in TELL_AGAIN[:2]:
        assert expect(story.wake(), RefundFound) == first
    story.hear(AdoptRefund(order_id=ORDER, case_id=OTHER_CASE, refund_number=number(1, "BYHAND")))
    assert story.payment.wake_at is None


def test_a_refund_made_by_hand_that_nobody_takes_over_is_told_of_for_days_and_then_no_more() -> None:
    story = paid()
    story.hear(shown("SUCCESS", case="BYHAND"))
    for _ in TELL_AGAIN:
        expect(story.wake(), RefundFound)
    assert story.payment.wake_at is None


def test_a_refund_made_by_hand_that_was_closed_since_is_told_of_no_more() -> None:
    story = paid()
    story.hear(shown("PROCESSING", case="BYHAND"))
    story.hear(shown("CLOSED", case="BYHAND"))
    assert story.wake() == []
    assert story.payment.wake_at is None


def test_an_answer_about_another_number_is_no_refund_made_by_hand() -> None:
    story = paid()
    before = story.state
    told = story.hear(shown("SUCCESS", case="SOMEBODYS", asked="BYHAND-1"))
    assert expect(told, CallAttention).what == "strange-refund"
    assert story.state is before


def test_a_refund_made_by_hand_that_was_closed_since_is_taken_over_by_no_case() -> None:
    story = paid()
    story.hear(shown("PROCESSING", case="BYHAND"))
    story.hear(shown("CLOSED", case="BYHAND"))
    adopt = AdoptRefund(order_id=ORDER, case_id=OTHER_CASE, refund_number=number(1, "BYHAND"))
    assert expect(story.hear(adopt), RefundRefused).case_id == OTHER_CASE
    assert kinds(story.hear(adopt)) == ["RefundRefused"]
