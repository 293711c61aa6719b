"""Receipts count once; a product changes its revision only when it changes."""

from __future__ import annotations

import pytest

from chassis.record import Heard, Record, hear
from contracts.inventory import ListProduct, ProductListed, ReceiveStock, StockReceived
from contracts.message import ProductId
from services.inventory.model import MoveStock, TakeIn, TakenIn, movements, receipt_movement
from services.inventory.receiving import RECEIPTS, list_product, receive, taken_in
from tests.unit.inventory.story import BEGIN, ORDER, lines

TEA = ProductId("tea")


def test_a_receipt_counts_once() -> None:
    asked = ReceiveStock(receipt_id="r", product_id=TEA, quantity=7)
    receipt, says = receive(None, asked, BEGIN)
    assert says == [TakeIn(receipt_id="r", product_id=TEA, quantity=7)]
    again, says = receive(receipt, asked, BEGIN)
    assert again is receipt
    assert says == []
    received, says = taken_in(receipt, TakenIn(receipt_id="r"), BEGIN)
    assert says == [StockReceived(receipt_id="r", product_id=TEA, quantity=7)]
    more = asked.model_copy(update={"quantity": 9})
    again, says = receive(received, more, BEGIN)
    assert again is received
    assert says == [StockReceived(receipt_id="r", product_id=TEA, quantity=7)]


def test_a_receipt_that_names_no_product_is_not_taken() -> None:
    """It counted, for a product that nobody can order."""
    asked = ReceiveStock(receipt_id="r", product_id=ProductId(""), quantity=7)
    with pytest.raises(ValueError, match="receipt r names no product"):
        hear(RECEIPTS, Record("r"), Heard(asked, "heard", BEGIN))


def test_listing_the_same_again_changes_nothing() -> None:
    asked = ListProduct(product_id=TEA, name="茶", category="goods", offers_minor=(100, 90), currency="CNY")
    listed, says = list_product(None, asked, BEGIN)
    assert says == [ProductListed(revision=1, **asked.model_dump())]
    again, repeated = list_product(listed, asked, BEGIN)
    assert again is listed
    assert repeated == says
    cheaper = asked.model_copy(update={"offers_minor": (80,)})
    changed, says = list_product(listed, cheaper, BEGIN)
    assert says == [ProductListed(revision=2, **cheaper.model_dump())]
    _, says = list_product(changed, asked, BEGIN)
    assert says == [ProductListed(revision=3, **asked.model_dump())]


def test_movement_ids_are_the_same_for_the_same_and_different_for_anything_else() -> None:
    wish = MoveStock(order_id=ORDER, why="reserve", lines=lines((1, "tea", 1), (2, "tea", 1)))
    release = wish.model_copy(update={"why": "release", "case_id": "a"})
    other = wish.model_copy(update={"why": "release", "case_id": "b"})
    receipt = TakeIn(receipt_id=ORDER, product_id=TEA, quantity=1)
    found = [*movements(wish), *movements(release), *movements(other), receipt_movement(receipt)]
    assert len({movement.id for movement in found}) == len(found)
    assert movements(wish) == movements(MoveStock.model_validate_json(wish.model_dump_json()))


def test_no_movement_makes_or_loses_pieces() -> None:
    wish = MoveStock(order_id=ORDER, why="reserve", lines=lines((1, "tea", 3)))
    for why in ("reserve", "short", "release", "dispatch"):
        (movement,) = movements(wish.model_copy(update={"why": why}))
        assert movement.amounts.available + movement.amounts.reserved + movement.amounts.sold == 0
        assert movement.firm == (why != "reserve")
