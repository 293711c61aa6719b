"""What may be wrong with an exchange of goods, and which check has to see it. Two of three teas of an order are
exchanged for green ones here."""

from __future__ import annotations

from typing import Any

from contracts.message import message_id
from tests.simulation.evidence import Asked
from tests.unit.simulation.given import AT, BY, WHEN, Scene, ended
from tests.unit.simulation.spoils import ORDERS, RESERVATIONS, seen_by
from tests.unit.simulation.tales import PRICE, is_paid

SWAPPED = "shop-swapped"
X1 = f"{SWAPPED}-x1"
GONE_PIECES = 2
MOVED = GONE_PIECES * PRICE
OLD = {"line_no": 1, "product_id": "tea", "quantity": GONE_PIECES}
NEW = {"line_no": 2, "product_id": "green", "quantity": GONE_PIECES}
NEW_LINE = {**NEW, "name": "green", "category": "goods", "unit_price_minor": PRICE, "paid_minor": MOVED}


def with_an_exchange(scene: Scene) -> Scene:
    """One more order, of which some pieces were exchanged."""
    receipt = {"product_id": "green", "receipt_id": "r-green", "quantity": 100}
    scene.does(("inventory", "receipts", "r-green"), "green stock", "take-in", ("stock-received.v1", receipt))
    scene.state("inventory", "receipts", "r-green").update(status="received", **receipt)
    scene.takes("receipt-green", "receive", "r-green", 1, product_id="green", available=100, received=100)
    is_paid(scene, SWAPPED)
    scene.asked.append(Asked(AT, "c1", "exchange", SWAPPED, {}, 202, {}))
    order, reservation = (*ORDERS, SWAPPED), (*RESERVATIONS, SWAPPED)
    about = {"order_id": SWAPPED, "case_id": X1}
    old = {**OLD, "category": "goods", "amount_minor": MOVED}
    begun = {**about, "old": old, "new": NEW_LINE, "by": BY, "begun_at": WHEN}
    scene.hears(order, "exchange", ("exchange-begun.v1", begun), ("swap-stock.v1", {**about, "old": OLD, "new": NEW}))
    swapped = scene.does(reservation, message_id("exchange", 1), "move-stock", ("stock-swapped.v1", about))
    scene.takes("swap", f"swap:{X1}", SWAPPED, 2, product_id="green", available=-GONE_PIECES, reserved=GONE_PIECES)
    done: dict[str, Any] = {**about, "customer_id": "c1", "customer_group": "g", "old": old, "new": NEW_LINE}
    done |= {"exchanged_at": WHEN, "occurred_at": WHEN}
    saved = {"order_id": SWAPPED, "number": 1, "kind": "exchange", "taken_at": WHEN, "occurred_at": WHEN}
    says = (("goods-exchanged.v1", done), ("alternative-taken.v1", saved))
    scene.hears(order, swapped, *says, ("release-stock.v1", {**about, "lines": [OLD]}))
    back = {**about, "lines": [OLD], "exchanged": True}
    released = scene.does(reservation, message_id(swapped, 2), "move-stock", ("stock-released.v1", back))
    scene.takes("back", f"release:{X1}", SWAPPED, 1, available=GONE_PIECES, reserved=-GONE_PIECES)
    scene.hears(order, released)
    known = scene.state(*order)
    first = {**known["lines"][0], "exchanged": GONE_PIECES, "moved_minor": MOVED}
    known["lines"] = [first, {**NEW_LINE, "cancelled": 0, "exchanged": 0, "moved_minor": 0}]
    known["exchanges"] = [{"exchange_id": X1, "status": "done", "run": ended("release the old goods")}]
    scene.state(*reservation)["cases"] = {X1: {"status": "released"}}
    scene.figures()
    return scene


def _ledger(scene: Scene) -> dict[str, Any]:
    lines: dict[str, Any] = with_an_exchange(scene).documents["inventory"]["ledger"]
    return lines


@seen_by("exchanged-pieces", "stock-movements")
def taken_without_the_old_ones(scene: Scene) -> None:
    with_an_exchange(scene).takes("more", f"swap:{X1}", SWAPPED, 2, product_id="green", available=-1, reserved=1)


@seen_by("exchanged-pieces", "stock-of-orders")
def the_old_ones_went_back_for_nothing(scene: Scene) -> None:
    del _ledger(scene)["swap"]


@seen_by("exchanged-pieces")
def a_piece_of_the_new_goods_is_lost(scene: Scene) -> None:
    _ledger(scene)["swap"]["available"] -= 1


@seen_by("exchanged-pieces")
def another_product_than_was_wished(scene: Scene) -> None:
    _ledger(scene)["swap"]["product_id"] = "tea"


@seen_by("exchanged-pieces")
def refused_and_taken_all_the_same(scene: Scene) -> None:
    body = {"order_id": SWAPPED, "case_id": X1, "reason": "out-of-stock"}
    with_an_exchange(scene).hears((*RESERVATIONS, SWAPPED), "no", ("stock-not-swapped.v1", body))


@seen_by("exchanged-pieces")
def worth_less_than_what_went(scene: Scene) -> None:
    with_an_exchange(scene).rewords("exchange-begun.v1", SWAPPED, new={**NEW_LINE, "paid_minor": MOVED - 1})


@seen_by("exchanges-ended", "stock-of-orders")
def the_old_ones_never_went_back(scene: Scene) -> None:
    del _ledger(scene)["back"]


@seen_by("exchanges-ended")
def the_line_was_never_swapped(scene: Scene) -> None:
    known = with_an_exchange(scene).state(*ORDERS, SWAPPED)
    known["lines"] = [{**known["lines"][0], "exchanged": 0, "moved_minor": 0}]


@seen_by("exchanges-ended")
def a_fen_was_lost_on_the_way(scene: Scene) -> None:
    with_an_exchange(scene).state(*ORDERS, SWAPPED)["lines"][0]["moved_minor"] += 1


@seen_by("exchanges-ended")
def begun_and_never_ended(scene: Scene) -> None:
    with_an_exchange(scene)
    again = f"{SWAPPED}-x2"
    body = {"order_id": SWAPPED, "case_id": again, "old": {**OLD, "quantity": 1, "amount_minor": PRICE}, "by": BY}
    body |= {"new": {**NEW_LINE, "line_no": 3, "quantity": 1, "paid_minor": PRICE}, "begun_at": WHEN}
    scene.hears((*ORDERS, SWAPPED), "again", ("exchange-begun.v1", body))


@seen_by("legal-lives")
def shipped_while_being_exchanged(scene: Scene) -> None:
    begun_and_never_ended(scene)
    body = {"order_id": SWAPPED, "carrier": "SF", "tracking_number": "1", "shipped_at": WHEN}
    scene.hears((*ORDERS, SWAPPED), "ship it", ("order-shipped.v1", body))


@seen_by("everything-ended", "somebody-goes-on")
def an_exchange_nobody_asks_for(scene: Scene) -> None:
    run = ended("release the old goods", status="running")
    with_an_exchange(scene).state(*ORDERS, SWAPPED)["exchanges"][0].update(status="open", run=run)


@seen_by("saved-once")
def an_exchange_does_not_count(scene: Scene) -> None:
    old = {**OLD, "category": "goods", "amount_minor": MOVED}
    done = {"order_id": SWAPPED, "case_id": f"{SWAPPED}-x2", "customer_id": "c1", "old": old, "new": NEW_LINE}
    done |= {"exchanged_at": WHEN, "occurred_at": WHEN}
    with_an_exchange(scene).hears((*ORDERS, SWAPPED), "another", ("goods-exchanged.v1", done))
