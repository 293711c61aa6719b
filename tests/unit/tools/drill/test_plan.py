"""The same seed is the same drill, and a drill holds everything it is meant to prove."""

from __future__ import annotations

from itertools import islice
from typing import get_args

from sandbox.fault_mix import Road
from services.order.otherroads import transfer_when
from services.payment.roads import PAYOUT_FEN
from tools.drill.plan import PRODUCTS, TROUBLED_SHARE, VICTIMS, blows, shares, visit, weather

COUNT = 400


def test_the_same_seed_is_the_same_drill() -> None:
    def all_of(seed: int) -> list[object]:
        return [
            [visit(seed, number, COUNT) for number in range(COUNT)],
            list(islice(blows(seed, 5.0), 100)),
            list(islice(weather(seed), 20)),
            [shares(seed).of(f"case-{number}-1") for number in range(COUNT)],
        ]

    assert all_of(7) == all_of(7)
    assert not any(mine == other for mine, other in zip(all_of(7), all_of(8), strict=True))


def test_orders_are_of_every_kind() -> None:
    visits = [visit(7, number, COUNT) for number in range(COUNT)]
    assert {one.family for one in visits} == {"customer", "merchant", "system"}
    assert {(one.family == "customer") == (not one.by_staff) for one in visits} == {True}
    assert {len(one.lines) for one in visits} == {1, 2, 3}
    assert {bool(one.cancelled) for one in visits} == {True, False}
    assert {one.looks for one in visits} == {1, 2}
    assert {line.product_id for one in visits for line in one.lines} == {product.product_id for product in PRODUCTS}
    assert 100 < len({one.customer_id for one in visits}) < COUNT, "some customers come again"
    roads = {
        (bool(transfer_when(one.family, "paid", "paid", one.amount_minor)), one.amount_minor in PAYOUT_FEN)  # type: ignore[arg-type]
        for one in visits
    }
    assert {(True, True), (False, True), (False, False)} <= roads, "transfers, undone cases, too much for a transfer"


def test_no_order_gives_back_more_than_it_holds() -> None:
    for one in (visit(7, number, COUNT) for number in range(COUNT)):
        held = {line.line_no: line.quantity for line in one.lines}
        assert all(1 <= quantity <= held[line_no] for line_no, quantity in one.cancelled)
        assert len({line_no for line_no, _ in one.cancelled}) == len(one.cancelled)
        total = sum(line.quantity * line.unit_price_minor for line in one.lines)
        assert 0 < one.amount_minor <= total
        assert one.cancelled or one.amount_minor == total


def test_three_refunds_in_ten_meet_trouble_of_every_kind() -> None:
    found = [shares(7).of(f"o{number}-c1-1") for number in range(20_000)]
    assert {road for road in found if road} == set(get_args(Road))
    share = sum(road is not None for road in found) / len(found)
    assert 0.3 < share < TROUBLED_SHARE + 0.05


def test_kills_come_as_often_as_asked_and_hit_everybody() -> None:
    some = list(islice(blows(7, 5.0), 400))
    assert {blow.service for blow in some} == set(VICTIMS)
    assert 4.5 < sum(blow.after for blow in some) / len(some) < 5.5
    assert list(blows(7, 0)) == []


def test_even_a_short_drill_sees_the_money_run_short() -> None:
    first, *later = islice(weather(7), 20)
    assert first.fair + first.short < 12
    assert all(spell.fair > spell.short > 0 for spell in later)
