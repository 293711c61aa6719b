"""A customer keeps an order under other terms: later. It moves no money, and the parcel stays until then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from chassis.record import Heard, Refusal, hear
from contracts.alternative import AlternativeNotTaken, AlternativeTaken, PostponeDelivery
from contracts.message import ProductId
from contracts.order import Actor, CancellationCompleted, OrderNotMoved
from services.order.handlers import ORDERS
from services.order.instead import TAKEN_MAX, band, days_to_choose, similar
from services.order.offer import Product
from tests.unit.order.told import (
    CUSTOMER,
    ID,
    OPENED,
    RESERVED,
    SHIP,
    START,
    Told,
    accepted,
    cancel,
    held,
    paid_order,
    place,
    released,
    settled,
    told,
)

DAY = date(2026, 1, 20)
BEGINS = datetime(2026, 1, 19, 16, 0, tzinfo=UTC)
"""Of that day in China."""


def later(**changes: Any) -> PostponeDelivery:
    given = {"order_id": ID, "request_id": "a1", "fingerprint": "f", "day": DAY, "by": CUSTOMER}
    return PostponeDelivery.model_validate({**given, **changes})


def refusal(order: Told, asked: PostponeDelivery) -> AlternativeNotTaken:
    with pytest.raises(Refusal) as raised:
        hear(ORDERS, order.record, Heard(asked, "later", order.now))
    assert isinstance(raised.value.event, AlternativeNotTaken)
    return raised.value.event


def test_the_parcel_stays_until_the_day_begins_in_china() -> None:
    order = paid_order().hears(later())
    assert order.last == ["alternative-taken"]
    assert (order.order.state, order.order.deliver_after) == ("paid", BEGINS)
    order.now = BEGINS - timedelta(milliseconds=1)
    with pytest.raises(Refusal) as raised:
        order.hears(SHIP)
    event = raised.value.event
    assert isinstance(event, OrderNotMoved)
    assert (event.reason, event.because, event.not_before) == ("wrong-state", "deliver-later", BEGINS)
    order.now = BEGINS
    assert order.hears(SHIP).order.state == "shipped"


def test_the_warehouse_may_send_it_all_the_same_when_it_says_so() -> None:
    order = paid_order().hears(later(), SHIP.model_copy(update={"early": True}))
    assert order.order.state == "shipped"


def test_what_is_told() -> None:
    order = paid_order()
    (said,) = order.decide(Heard(later(), "a", order.now)).says
    event = AlternativeTaken.model_validate_json(said.body)
    assert (event.kind, event.number, event.deliver_after, event.customer_group) == ("later-delivery", 1, BEGINS, "g")
    assert order.order.timeline[-1].what == "alternative-taken"


def test_a_repeat_changes_nothing_and_another_wish_needs_another_key() -> None:
    order = paid_order().hears(later())
    again = order.decide(Heard(later(), "long afterwards", order.now))
    assert not again.stored
    assert order.last == ["alternative-taken"]
    assert refusal(order, later(fingerprint="g", day=date(2026, 1, 21))).reason == "idempotency-key-reused"
    order.hears(later(request_id="a2", fingerprint="g", day=date(2026, 1, 10)))
    assert order.order.deliver_after == datetime(2026, 1, 9, 16, 0, tzinfo=UTC)
    assert len(order.order.alternatives) == 2


def test_an_old_repeat_after_shipping_is_still_answered() -> None:
    order = paid_order().hears(later(), SHIP.model_copy(update={"early": True}), later())
    assert order.last == ["alternative-taken"]


@pytest.mark.parametrize(
    ("day", "taken"),
    [
        (date(2026, 1, 5), False),
        (date(2026, 1, 6), True),
        (date(2026, 3, 6), True),
        (date(2026, 3, 7), False),
        (date(1, 1, 1), False),
        (date(9999, 12, 31), False),
    ],
)
def test_days_from_tomorrow_to_sixty_days_on(day: date, taken: bool) -> None:
    order = paid_order()
    if taken:
        assert order.hears(later(day=day)).last == ["alternative-taken"]
    else:
        refused = refusal(order, later(day=day))
        assert (refused.reason, refused.earliest, refused.latest) == (
            "day-out-of-reach",
            date(2026, 1, 6),
            date(2026, 3, 6),
        )


def test_tomorrow_is_chinas() -> None:
    assert days_to_choose(datetime(2026, 1, 5, 15, 59, tzinfo=UTC))[0] == date(2026, 1, 6)
    assert days_to_choose(datetime(2026, 1, 5, 16, 0, tzinfo=UTC))[0] == date(2026, 1, 7)


def test_while_a_cancellation_is_open_nothing_else_can_be_had() -> None:
    assert refusal(paid_order().hears(cancel()), later()).reason == "cancellation-open"


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        (Told(), "unknown-order"),
        (Told().hears(place(), RESERVED, OPENED), "not-paid-yet"),
        (paid_order().hears(SHIP), "too-late-to-change"),
    ],
    ids=["none", "unpaid", "shipped"],
)
def test_what_cannot_be_kept(order: Told, reason: str) -> None:
    assert refusal(order, later()).reason == reason


def test_somebody_elses_order_is_unknown() -> None:
    assert refusal(paid_order(), later(by=Actor(kind="customer", id="c2"))).reason == "unknown-order"


def test_an_order_is_not_changed_for_ever() -> None:
    order = paid_order()
    for number in range(TAKEN_MAX):
        order.hears(later(request_id=f"a{number}"))
    assert refusal(order, later(request_id="one more")).reason == "too-many-alternatives"


def test_an_order_that_was_kept_and_then_cancelled_says_so() -> None:
    order = paid_order().hears(later(), later(request_id="a2"), cancel(), held(), accepted(), released())
    order.hears(told("refund-on-its-way"), settled())
    (said,) = order.decide(Heard(told("refund-arrived"), "last", order.now)).says
    assert CancellationCompleted.model_validate_json(said.body).after_alternatives == 2


def test_an_order_of_which_something_is_left_is_still_kept() -> None:
    order = paid_order().hears(later(), cancel((1, 1)), held(), accepted(amount=300), released())
    order.hears(told("refund-on-its-way"), settled(amount=300))
    (said,) = order.decide(Heard(told("refund-arrived"), "last", order.now)).says
    assert CancellationCompleted.model_validate_json(said.body).after_alternatives == 0


def good(name: str, *offers: int) -> Product:
    return Product(product_id=ProductId(name), name=name, category="goods", offers_minor=offers, currency="CNY")


def test_similar_goods_are_a_fifth_dearer_or_cheaper_nearest_first() -> None:
    line = paid_order().order.lines[0]
    goods = [good("b", 360), good("a", 240), good("far", 239, 361), good("same", 900, 300), good("tea", 300)]
    rows = similar(line, [*goods, good("near", 200, 310)])
    assert [(row["product_id"], row["unit_price_minor"]) for row in rows] == [
        ("same", 300),
        ("near", 310),
        ("a", 240),
        ("b", 360),
    ]
    assert {(row["line_no"], row["quantity"]) for row in rows} == {(1, 3)}


@pytest.mark.parametrize(("price", "low", "high"), [(300, 240, 360), (1, 1, 1), (0, 0, 0), (99, 80, 118), (4, 4, 4)])
def test_the_band_is_exact(price: int, low: int, high: int) -> None:
    assert band(price) == (low, high)


def test_start_is_the_fifth_in_china() -> None:
    assert days_to_choose(START)[0] == date(2026, 1, 6)
