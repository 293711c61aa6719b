"""What the shop or the system cancels is told before anything moves."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.record import Heard
from contracts.decision import DecideCancellation
from contracts.notify import TellCustomer
from contracts.order import Actor, Reason, Reference
from services.order.announcing import announce
from services.order.policies import Policy, Rule
from tests.unit.order.told import CASE, CUSTOMER, ID, SHIP, STAFF, START, Told, accepted, cancel, held, paid_order

OUT = Reason(family="merchant", code="out-of-stock")
FAULT = Reason(family="system", code="fault", remark="发错价格")
ROBOT = Actor(kind="system", id="watch")
APPROVAL = Policy(
    version=1,
    rules=(
        Rule(name="two", way="approve", states=("paid",), approve_by=("supervisor",)),
        Rule(name="rest", way="allow"),
    ),
)


def begun(order: Told) -> TellCustomer:
    (said,) = announce(order.order, order.order.cases[0], START)
    assert isinstance(said, TellCustomer)
    return said


@pytest.mark.parametrize(("by", "reason"), [(STAFF, OUT), (ROBOT, FAULT)])
def test_the_customer_hears_before_anything_moves(by: Actor, reason: Reason) -> None:
    order = paid_order().hears(cancel(by=by, reason=reason))
    assert order.last == ["cancellation-accepted", "tell-customer", "hold-stock"]
    said = begun(order)
    assert (said.outcome, said.amount_minor) == ("cancellation-begun", 1900)
    assert said.solution.startswith("非常抱歉")
    assert said.expected_by is not None
    assert said.to.phone == "", "never by short message: the refund's own notices follow"
    assert said.to.openid


def test_of_some_of_the_goods_it_is_said_that_it_is_some_of_them() -> None:
    part, rest = ((1, 1),), ()
    for lines, is_part in ((part, True), (rest, False)):
        order = paid_order().hears(cancel(*lines, by=STAFF, reason=OUT), held())
        says = order.decide(Heard(accepted(), "accepted", order.now)).says
        on_its_way = TellCustomer.model_validate_json(says[-1].body)
        assert (begun(order).part, on_its_way.part) == (is_part, is_part)


@pytest.mark.parametrize(
    "wish",
    [
        {"by": CUSTOMER},
        {"by": CUSTOMER, "reason": OUT},
        {"by": STAFF},
        {"by": STAFF, "reason": OUT, "reference": Reference(number="X-1", occurred_at=START)},
    ],
    ids=["a customer's", "a customer's about the shop", "for a customer", "has happened elsewhere"],
)
def test_nobody_is_told_what_they_asked_for_or_what_is_over(wish: dict[str, Any]) -> None:
    assert paid_order().hears(cancel(**wish)).last == ["cancellation-accepted", "hold-stock"]


def test_what_waits_is_told_when_it_begins() -> None:
    order = paid_order().hears(cancel(by=Actor(kind="staff", id="s2"), reason=OUT, policy=APPROVAL))
    assert order.last == ["cancellation-accepted"]
    yes = DecideCancellation(order_id=ID, case_id=CASE, approve=True, by=STAFF)
    assert order.hears(yes).last == ["cancellation-decided", "tell-customer", "hold-stock"]


def test_of_a_parcel_it_says_that_the_goods_come_first() -> None:
    order = paid_order().hears(SHIP, cancel(by=STAFF, reason=OUT))
    assert order.last == ["cancellation-accepted", "staff-task-raised", "tell-customer"]
    said = begun(order)
    assert (said.amount_minor, said.expected_by) == (0, None)


def test_nobody_waits_for_it() -> None:
    order = paid_order().hears(cancel(by=STAFF, reason=OUT), held())
    assert order.last == ["refund-payment"]
