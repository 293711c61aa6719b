"""The exact split of money, proven by properties."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from contracts.message import ProductId
from contracts.order import CancelledLine, WantedLine
from services.order.model import Line
from services.order.offer import Coupon, PriceRules, Product
from services.order.pricing import NotPriced, allocate, price

WEIGHTS = st.lists(st.integers(0, 10**7), min_size=1, max_size=50)


@given(st.integers(0, 10**9), WEIGHTS)
def test_parts_add_up_to_the_whole(total: int, weights: list[int]) -> None:
    assert sum(allocate(total, weights)) == total


@given(WEIGHTS, st.data())
def test_no_part_exceeds_its_weight(weights: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, sum(weights)))
    if sum(weights):
        assert all(0 <= part <= weight for part, weight in zip(allocate(total, weights), weights, strict=True))


@given(WEIGHTS, st.data())
def test_each_part_is_within_one_of_its_fair_share(weights: list[int], data: st.DataObject) -> None:
    total = data.draw(st.integers(0, 10**8))
    whole = sum(weights)
    if whole:
        for part, weight in zip(allocate(total, weights), weights, strict=True):
            assert abs(part * whole - total * weight) < whole


PRODUCT = Product(product_id=ProductId("p"), name="p", category="goods", offers_minor=(0, 1, 7, 999), currency="CNY")
RULES = st.builds(
    PriceRules,
    freight_minor=st.integers(0, 5000),
    freight_free_from_minor=st.none() | st.integers(0, 5000),
    discount_percent=st.integers(0, 100),
    discount_from_minor=st.integers(0, 5000),
)
WANTED = st.lists(
    st.builds(
        WantedLine,
        product_id=st.just("p"),
        quantity=st.integers(1, 50),
        unit_price_minor=st.sampled_from([0, 1, 7, 999]),
    ),
    min_size=1,
    max_size=12,
)
COUPON = st.none() | st.builds(Coupon, code=st.just("c"), amount_minor=st.integers(1, 5000))


def priced(wanted: list[WantedLine], rules: PriceRules, coupon: Coupon | None) -> list[Line]:
    """The lines; none when there is nothing to pay, which the table below looks at."""
    try:
        return price(wanted, "CNY", {"p": PRODUCT}, coupon, rules)
    except NotPriced:
        assume(False)
        raise


@given(WANTED, RULES, COUPON)
def test_lines_add_up_to_what_is_paid(wanted: list[WantedLine], rules: PriceRules, coupon: Coupon | None) -> None:
    lines = priced(wanted, rules, coupon)
    for line in lines:
        goods = line.quantity * line.unit_price_minor
        assert line.paid_minor == goods - line.discount_minor - line.coupon_minor + line.freight_minor
        assert line.paid_minor >= 0


@given(WANTED, RULES, COUPON, st.data())
def test_cancelling_piece_by_piece_gives_back_exactly_what_was_paid(
    wanted: list[WantedLine], rules: PriceRules, coupon: Coupon | None, data: st.DataObject
) -> None:
    lines = priced(wanted, rules, coupon)
    given_back = 0
    for start in lines:
        line = start
        while line.left:
            pieces = data.draw(st.integers(1, line.left))
            share = line.share(pieces)
            assert share >= 0
            given_back += share
            line = line.give_back(
                CancelledLine(line_no=line.line_no, product_id=line.product_id, quantity=pieces, amount_minor=share)
            )
        assert line.refunded_minor == line.paid_minor
    assert given_back == sum(line.paid_minor for line in lines)


@pytest.mark.parametrize(
    ("wanted", "currency", "coupon", "reason"),
    [
        (WantedLine(product_id=ProductId("x"), quantity=1, unit_price_minor=1), "CNY", None, "unknown-product"),
        (WantedLine(product_id=ProductId("p"), quantity=1, unit_price_minor=2), "CNY", None, "price-changed"),
        (WantedLine(product_id=ProductId("p"), quantity=1, unit_price_minor=1), "USD", None, "wrong-currency"),
        (WantedLine(product_id=ProductId("p"), quantity=1, unit_price_minor=0), "CNY", None, "nothing-to-pay"),
        (
            WantedLine(product_id=ProductId("p"), quantity=1, unit_price_minor=7),
            "CNY",
            Coupon(code="c", amount_minor=1, minimum_minor=8),
            "coupon-below-minimum",
        ),
    ],
)
def test_what_cannot_be_priced_says_why(wanted: WantedLine, currency: str, coupon: Coupon | None, reason: str) -> None:
    with pytest.raises(NotPriced) as caught:
        price([wanted], currency, {"p": PRODUCT}, coupon, PriceRules())
    assert caught.value.reason == reason
