"""A customer rates a cancellation that has ended: once, in the words of the questionnaire, and only an own one."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.record import Heard, Refusal, hear
from contracts.message import CaseId
from contracts.order import Actor, Reason
from contracts.rating import CancellationNotRated, CancellationRated, RateCancellation
from services.order.handlers import ORDERS
from services.order.questionnaire import QUESTIONNAIRES, questionnaire_view
from tests.unit.order.told import (
    CASE,
    CUSTOMER,
    ID,
    STAFF,
    Told,
    accepted,
    cancel,
    held,
    kept,
    paid_order,
    refused,
    released,
    settled,
    told,
)

OWN_WORDS = Reason(family="customer", code="changed-mind", remark="打 13800001111 找我")


def rating(**changes: Any) -> RateCancellation:
    given = {
        "order_id": ID,
        "case_id": CASE,
        "questionnaire": 1,
        "stars": 4,
        "answers": {"again": "yes"},
        "remark": "客服很好,电话 13800001111",
        "by": CUSTOMER,
    }
    return RateCancellation.model_validate({**given, **changes})


def ended() -> Told:
    """An order whose cancellation went through."""
    order = paid_order().hears(
        cancel(reason=OWN_WORDS), held(), accepted(), released(), told("refund-on-its-way"), settled()
    )
    return order.hears(told("refund-arrived"))


def refusal(order: Told, asked: RateCancellation) -> CancellationNotRated:
    """Why it is not noted; nothing may have changed."""
    with pytest.raises(Refusal) as raised:
        hear(ORDERS, order.record, Heard(asked, "again", order.now))
    assert isinstance(raised.value.event, CancellationNotRated)
    return raised.value.event


def test_a_rating_is_noted_and_told_without_the_customers_words() -> None:
    order = ended()
    heard = order.decide(Heard(rating(), "rate", order.now))
    assert order.last == ["cancellation-rated"]
    (said,) = heard.says
    event = CancellationRated.model_validate_json(said.body)
    assert (event.stars, event.answers, event.outcome) == (4, {"again": "yes"}, "completed")
    assert (event.reason.code, event.reason.remark) == ("changed-mind", "")
    assert "13800001111" not in said.body
    case = order.order.case(CASE)
    assert case is not None
    assert case.rating is not None
    assert case.rating.remark == "客服很好,电话 13800001111"
    assert order.order.timeline[-1].what == "cancellation-rated"


def test_the_same_again_says_the_same_and_another_one_is_refused() -> None:
    order = ended().hears(rating())
    before = order.record
    again = order.decide(Heard(rating(), "much later", order.now))
    assert not again.stored
    assert order.last == ["cancellation-rated"]
    others: list[dict[str, Any]] = [{"stars": 1}, {"remark": ""}, {"answers": {}}]
    for other in others:
        assert refusal(order, rating(**other)).reason == "already-rated"
    assert order.record is before


def test_a_case_that_is_still_open_waits_for_its_rating() -> None:
    order = paid_order().hears(cancel())
    assert refusal(order, rating()).reason == "case-open"


def test_a_cancellation_that_was_undone_can_be_rated_too() -> None:
    order = paid_order().hears(cancel(), held(), refused(), kept(), told("refund-failed"))
    order.hears(rating(stars=1))
    case = order.order.case(CASE)
    assert case is not None
    assert case.rating is not None
    assert (case.rating.stars, case.rating.outcome) == (1, "undone")


@pytest.mark.parametrize(
    ("changes", "reason", "detail"),
    [
        ({"by": Actor(kind="customer", id="c2")}, "unknown-order", ""),
        ({"by": STAFF}, "unknown-order", ""),
        ({"case_id": CaseId("o1-c2")}, "unknown-case", ""),
        ({"questionnaire": 99}, "unknown-questionnaire", "99"),
        ({"answers": {"again": "perhaps"}}, "unknown-answer", "again: perhaps"),
        ({"answers": {"weather": "yes"}}, "unknown-answer", "weather: yes"),
    ],
)
def test_what_is_refused(changes: dict[str, Any], reason: str, detail: str) -> None:
    found = refusal(ended(), rating(**changes))
    assert (found.reason, found.detail) == (reason, detail)


def test_no_order_no_rating() -> None:
    assert refusal(Told(), rating()).reason == "unknown-order"


def test_every_version_of_the_questionnaire_can_be_answered_in_full() -> None:
    assert [known.version for known in QUESTIONNAIRES] == list(range(1, len(QUESTIONNAIRES) + 1))
    for known in QUESTIONNAIRES:
        answers = {question.word: question.choices[-1].word for question in known.questions}
        assert known.unknown(answers) == ""
        assert rating(questionnaire=known.version, answers=answers).answers == answers
    assert questionnaire_view()["version"] == QUESTIONNAIRES[-1].version
