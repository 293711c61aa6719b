"""An order that nobody pays ends by itself, and one that was paid in time does not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chassis.record import Heard, Refusal
from contracts.notify import TellCustomer
from contracts.order import Actor
from services.order.expiring import WORDS
from services.order.model import NOBODY_PAID, Order
from services.order.story import customers_order, shown_to_all
from services.order.unpaid import ASK_AFTER, SOON
from services.order.views import order_view
from tests.unit.order.roads import found
from tests.unit.order.told import (
    CLOSE_REFUSED,
    CLOSED,
    CUSTOMER,
    OPENED,
    RESERVED,
    STAFF,
    START,
    Told,
    accepted,
    cancel,
    paid,
    place,
    released,
    settled,
    told,
)

MINUTES = 30
LIMIT = timedelta(minutes=MINUTES)


def placed(minutes: int = MINUTES, language: str = "zh") -> Told:
    """An order whose payment is open, with so many minutes to pay it."""
    ready = place().model_copy(update={"unpaid_minutes": minutes})
    contact = ready.asked.contact.model_copy(update={"language": language})
    asked = ready.asked.model_copy(update={"contact": contact})
    return Told().hears(ready.model_copy(update={"asked": asked}), RESERVED, OPENED)


def expired(order: Told) -> Told:
    """Every timer of the order until its time to pay is over."""
    while not order.order.cases and order.now < START + 2 * LIMIT:
        assert order.record.wake_at is not None
        order.after(max(order.record.wake_at - order.now, timedelta(0)))
    return order


def test_an_unpaid_order_ends_when_its_time_is_over_and_gives_its_goods_back() -> None:
    order = expired(placed())
    assert order.last[:2] == ["cancellation-accepted", "close-payment"]
    case = order.order.cases[0]
    assert case.accepted_at == START + LIMIT
    assert (case.road, case.by, case.whole) == ("unpaid", NOBODY_PAID, True)
    assert order.order.timeline[-1].what == "time-to-pay-over"
    order.hears(CLOSED)
    assert "release-stock" in order.last
    assert "tell-customer" in order.last
    order.hears(released(), told("order-cancelled"))
    assert order.order.state == "cancelled"
    assert order.order.cases[0].status == "completed"


def test_it_ends_not_a_second_early() -> None:
    order = placed()
    while order.record.wake_at is not None and order.record.wake_at < START + LIMIT:
        order.after(order.record.wake_at - order.now)
    assert order.order.cases == ()
    assert order.record.wake_at == START + LIMIT


def test_an_order_whose_stock_nobody_has_set_aside_yet_ends_too() -> None:
    order = expired(Told().hears(place().model_copy(update={"unpaid_minutes": MINUTES})))
    assert "close-payment" in order.last
    assert order.hears(CLOSED, released()).order.placing is None


def test_a_paid_order_does_not_end() -> None:
    order = placed().hears(paid())
    assert order.record.wake_at is None
    assert order.order.expires_at is None


@pytest.mark.parametrize("by", [CUSTOMER, STAFF])
def test_a_wish_does_not_meet_the_case_that_nobody_asked_for_which_ends_without_a_word(by: Actor) -> None:
    order = expired(placed())
    with pytest.raises(Refusal) as refusal:
        order.hears(cancel(by=by))
    assert getattr(refusal.value.event, "reason", "") == "cancellation-open"
    order.hears(paid(), CLOSE_REFUSED)
    assert order.order.state == "paid"
    assert order.hears(cancel(by=by)).last[0] == "cancellation-accepted", "it was paid, and is wished again"


def test_an_order_that_is_being_cancelled_is_not_cancelled_once_more() -> None:
    order = placed().hears(cancel(), CLOSED, released(), told("order-cancelled"))
    assert order.order.expires_at is None
    assert len(order.order.cases) == 1


@pytest.mark.parametrize("heard_before", [True, False])
def test_who_paid_in_time_keeps_the_order(heard_before: bool) -> None:
    """The word of the payment was on its way, or lost with the broker, when the time was over."""
    order = expired(placed())
    order.hears(*([paid()] if heard_before else []), CLOSE_REFUSED)
    assert order.last == ["cancellation-undone"], "nothing moves, nobody is called, the customer is not told"
    assert order.order.tasks == ()
    if not heard_before:
        assert order.order.state == "pending-payment"
        assert "open-payment" in order.after(SOON).last, "the word of its payment is asked for"
        order.hears(paid())
    assert order.order.state == "paid"
    assert order.order.expires_at is None
    assert order.order.paid is not None
    assert "refund-payment" not in order.said


def test_a_payment_that_comes_when_it_is_over_goes_back() -> None:
    order = expired(placed()).hears(CLOSED, released(), told("order-cancelled"), paid())
    assert "refund-payment" in order.last
    assert order.order.state == "cancelled"


def test_an_order_whose_refund_by_hand_was_heard_of_before_its_payment_stays() -> None:
    """The refund shows that there was a payment. While its case is open nothing else begins; afterwards the provider
    says so when it is asked to close it."""
    order = placed().hears(found(500))
    assert order.order.open_case is not None
    assert order.order.state == "pending-payment"
    assert order.order.expires_at is None
    order.hears(accepted(amount=500), told("refund-on-its-way"), settled(amount=500), told("refund-arrived"))
    assert order.order.expires_at == START + LIMIT
    order.now = START + LIMIT
    order.after(timedelta(0))
    assert order.order.cases[-1].by == NOBODY_PAID
    refusal = CLOSE_REFUSED.model_copy(update={"case_id": order.order.cases[-1].case_id})
    assert order.hears(refusal, paid()).order.state == "paid"
    assert order.order.cases[-1].status == "undone"


def test_without_a_limit_it_waits_for_ever() -> None:
    order = placed(minutes=0)
    for wait in ASK_AFTER:
        order.after(wait)
    assert order.record.wake_at is None
    assert order.order.pay_until is None


def test_an_order_of_before_there_was_a_limit_waits_for_ever() -> None:
    old = placed().order.model_dump(exclude={"pay_until"})
    assert Order.model_validate(old).expires_at is None


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_customer_reads_why(language: str) -> None:
    order = expired(placed(language=language))
    decided = order.decide(Heard(CLOSED, "closed", order.now))
    notice = next(TellCustomer.model_validate_json(one.body) for one in decided.says if "tell-customer" in one.wire)
    assert notice.outcome == "order-cancelled"
    assert notice.reason == (WORDS.zh if language == "zh" else WORDS.en)
    assert notice.solution == (WORDS.solution_zh if language == "zh" else WORDS.solution_en)
    assert notice.to.phone == "", "no short message is paid for it"


def test_how_long_there_is_to_pay_is_shown_while_it_matters() -> None:
    order = placed()
    assert customers_order(order.order)["pay_until"] == START + LIMIT
    assert order_view(order.order)["pay_until"] == START + LIMIT
    assert shown_to_all(order.hears(paid()).order)["pay_until"] is None
