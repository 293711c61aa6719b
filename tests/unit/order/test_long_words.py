"""A remark of every length that the door takes: its customer is told, and the case comes to its end."""

from __future__ import annotations

import pytest

from contracts.notify import WORDS_MAX, TellCustomer
from contracts.order import Contact, Reason
from services.order.reason import BUILT_IN
from tests.unit.order.told import (
    CLOSED,
    CUSTOMER,
    OPENED,
    RESERVED,
    STAFF,
    Told,
    accepted,
    cancel,
    held,
    paid,
    place,
    released,
    settled,
    told,
)

REMARK = "很" * 200
REASONS = [(entry.family, entry.code) for entry in BUILT_IN.reasons]


def notices(order: Told) -> list[TellCustomer]:
    says = [said for entry in order.record.journal for said in entry.said if said.wire.startswith("tell-customer")]
    return [TellCustomer.model_validate_json(said.body) for said in says]


def opened(language: str) -> Told:
    """An order to be paid, of somebody who reads this language."""
    wish = place()
    contact = Contact.model_validate({**wish.asked.contact.model_dump(), "language": language})
    asked = wish.asked.model_copy(update={"contact": contact})
    return Told().hears(wish.model_copy(update={"asked": asked}), RESERVED, OPENED)


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("family", "code"), REASONS)
def test_money_goes_back_and_its_customer_is_told(family: str, code: str, language: str) -> None:
    reason = Reason.model_validate({"family": family, "code": code, "remark": REMARK})
    order = opened(language).hears(paid(), cancel(reason=reason, by=STAFF), held(), accepted(), released())
    order.hears(told("refund-on-its-way"), settled(), told("refund-arrived"))
    assert order.order.cases[0].status == "completed"
    assert {"refund-on-its-way", "refund-arrived"} <= {one.outcome for one in notices(order)}
    for one in notices(order):
        assert len(one.reason) == WORDS_MAX
        assert "很" in one.reason


def test_an_unpaid_order_ends() -> None:
    reason = Reason(family="customer", code="other", remark=REMARK)
    order = opened("zh").hears(cancel(reason=reason), CLOSED, released(), told("order-cancelled"))
    assert order.order.state == "cancelled"


def test_what_is_shown_of_the_case_is_the_whole_remark() -> None:
    reason = Reason(family="customer", code="other", remark=REMARK)
    order = opened("zh").hears(paid(), cancel(reason=reason, by=CUSTOMER))
    assert order.order.cases[0].reason.remark == REMARK
