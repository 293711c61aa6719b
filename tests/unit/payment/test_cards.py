"""An abnormal refund goes to another bank card, once somebody names one."""

from __future__ import annotations

from typing import Any

import pytest

from contracts.message import CaseId
from contracts.payment import RefundAttempted, RefundSettled
from services.payment.outside import CardGiven, QueryRefund, RescueRefund, RescueRejected
from services.payment.shown import SealedCard
from tests.unit.payment.given import (
    CASE,
    ORDER,
    expect,
    number,
    shown,
    unanswered,
    watch_refund,
)
from tests.unit.payment.test_byhand import abnormal, given

CARD = SealedCard(serial="PUB_KEY_ID_1", bank_type="CMB_DEBIT", bank_account="sealed", real_name="sealed")


def test_another_card_is_named_for_the_same_refund() -> None:
    story = abnormal()
    wish = expect(story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD)), RescueRefund)
    assert (wish.number, wish.refund_id, wish.card) == (number(1), story.refund.refund_id, CARD)
    assert story.hear(shown("PROCESSING")) == []
    assert story.refund.status == "accepted"
    story.hear(watch_refund())
    expect(story.hear(shown("SUCCESS")), RefundSettled)


def test_money_that_arrives_on_another_card_says_on_which() -> None:
    story = abnormal()
    story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD))
    story.hear(shown("PROCESSING"))
    story.hear(watch_refund())
    seen = shown("SUCCESS")
    there = seen.refund.model_copy(update={"user_received_account": "招商银行借记卡0123"})
    assert expect(story.hear(seen.model_copy(update={"refund": there})), RefundSettled).route == "招商银行借记卡0123"


def test_a_card_that_is_refused_is_told_and_another_may_be_named() -> None:
    story = abnormal()
    story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD))
    told = expect(story.hear(RescueRejected(order_id=ORDER, number=number(), code="PARAM_ERROR")), RefundAttempted)
    assert (told.outcome, told.provider_code) == ("abnormal", "PARAM_ERROR")
    expect(story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD)), RescueRefund)


@pytest.mark.parametrize("state", ["intended", "unknown", "accepted", "settled"])
def test_a_card_for_a_refund_that_is_not_abnormal_changes_nothing(state: str) -> None:
    story = given(state)
    before: Any = story.state
    assert story.hear(CardGiven(order_id=ORDER, case_id=CaseId(CASE), card=CARD)) == []
    assert story.state is before


def test_a_card_that_never_reached_the_provider_is_asked_for_again() -> None:
    story = abnormal()
    story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD))
    story.hear(unanswered())
    expect(story.wake(), QueryRefund)
    assert expect(story.hear(shown("ABNORMAL")), RefundAttempted).outcome == "abnormal"
    assert story.hear(shown("ABNORMAL")) == [], "once"


def test_a_question_that_was_on_its_way_when_the_card_was_named_asks_for_no_other_card() -> None:
    story = abnormal()
    expect(story.wake(), QueryRefund)
    story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD))
    assert story.hear(shown("ABNORMAL")) == []
    story.hear(shown("PROCESSING"))
    assert story.refund.status == "accepted"


def test_a_late_word_about_the_card_before_asks_for_no_other_card() -> None:
    story = abnormal()
    story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD))
    story.hear(shown("PROCESSING"))
    expect(story.hear(shown("ABNORMAL", by="callback")), QueryRefund)
    assert story.hear(shown("PROCESSING")) == []
    assert story.refund.status == "accepted"
    assert story.hear(shown("ABNORMAL")) == [], "the answer to a question from before the card was named"
    assert story.refund.status == "accepted"


def test_a_second_card_that_fails_too_is_told_and_a_third_may_be_named() -> None:
    story = abnormal()
    story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD))
    story.hear(shown("PROCESSING"))
    expect(story.hear(shown("ABNORMAL", by="callback")), QueryRefund)
    assert expect(story.hear(shown("ABNORMAL")), RefundAttempted).outcome == "abnormal"
    expect(story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD)), RescueRefund)
    story.hear(shown("PROCESSING"))
    expect(story.wake(), QueryRefund)
    assert expect(story.hear(shown("ABNORMAL")), RefundAttempted).outcome == "abnormal", "by a question alone"


def test_the_next_number_knows_nothing_of_a_card_that_was_named_for_the_one_before() -> None:
    story = abnormal()
    story.hear(CardGiven(order_id=ORDER, case_id=CASE, card=CARD))
    story.hear(shown("PROCESSING"))
    story.wake()
    story.hear(shown("CLOSED"))
    story.hear(shown("PROCESSING", n=2))
    told = expect(story.hear(shown("ABNORMAL", n=2, by="callback")), RefundAttempted)
    assert told.outcome == "abnormal"
