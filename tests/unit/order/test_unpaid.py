"""An order that does not know of a payment asks, now and then, until it knows or nobody can pay any more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from chassis.record import Refusal
from contracts.order import OrderNotMoved
from services.order.unpaid import ASK_AFTER, SOON
from tests.unit.order.told import (
    CLOSE_REFUSED,
    CLOSED,
    OPENED,
    RESERVED,
    SHIP,
    Told,
    cancel,
    held,
    kept,
    paid,
    place,
    refused,
    released,
    told,
)


def test_an_unpaid_order_asks_again_and_again_and_at_last_no_more() -> None:
    order = Told().hears(place(), RESERVED, OPENED)
    for wait in ASK_AFTER:
        order.after(wait)
        assert order.last == ["open-payment"]
        assert order.hears(OPENED).last == [], "it was opened long ago"
    assert order.order.wake_at is None
    assert order.order.state == "pending-payment"


def test_a_paid_order_asks_nothing() -> None:
    order = Told().hears(place(), RESERVED, OPENED, paid())
    assert order.order.wake_at is None


def test_a_payment_that_was_heard_of_before_it_was_opened_is_not_asked_for() -> None:
    order = Told().hears(place(), RESERVED, paid(), OPENED)
    assert order.order.wake_at is None


def test_a_cancelled_order_asks_too_and_a_payment_that_comes_to_light_goes_back() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"))
    order.after(ASK_AFTER[0])
    assert order.last == ["open-payment"]
    assert order.hears(paid()).last[-1] == "refund-payment"


def test_a_timer_of_something_else_asks_nothing_early() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel())
    order.after(timedelta(seconds=25))
    assert order.last == ["close-payment"], "only the case asked again"


def test_an_order_that_never_heard_its_payment_open_learns_of_it_when_it_cannot_be_closed() -> None:
    order = Told().hears(place(), RESERVED, cancel(), CLOSE_REFUSED, held())
    order.after(SOON)
    assert "open-payment" in order.last
    assert order.hears(paid()).last == ["order-paid"]
    assert order.order.paid is not None


def test_an_order_that_stands_again_is_shipped_once_its_payment_is_confirmed() -> None:
    """Its cancellation found it paid and was refused: what was received is still to be heard."""
    order = Told().hears(place(), RESERVED, cancel(), CLOSE_REFUSED, held(), refused(), kept(), told("refund-failed"))
    assert order.order.state == "paid"
    with pytest.raises(Refusal) as raised:
        order.hears(SHIP)
    assert isinstance(raised.value.event, OrderNotMoved)
    assert raised.value.event.because == "payment-not-confirmed"
    assert "open-payment" in order.after(SOON).last
    assert order.hears(paid(), SHIP).order.state == "shipped"
