"""What may be wrong after a backup was put back, in the shop of `tales`; and which check has to see it."""

from __future__ import annotations

from services.payment.restored import NAME
from tests.simulation.evidence import Asked
from tests.unit.simulation.given import AT, Scene, yuan
from tests.unit.simulation.spoils import seen_by
from tests.unit.simulation.spoils_books import was_compared
from tests.unit.simulation.tales import BACK, GONE, PIECES, PRICE, TOTAL


def was_restored(scene: Scene) -> None:
    """The order was placed and cancelled, once again after the restore, and the bills were compared."""
    placed = {"lines": [{"product_id": "tea", "quantity": PIECES, "unit_price_minor": PRICE}]}
    wish = {"lines": [{"line_no": 1, "quantity": PIECES}]}
    scene.asked.append(Asked(AT, "c1", "place", "", placed, 201, {"order_id": BACK}))
    scene.asked += [Asked(AT, "c1", "wish", BACK, wish, 202, {})] * 2
    scene.documents["payment"][NAME][NAME] = {"_id": NAME, "over": True}
    case = scene.state("order", "orders", BACK)["cases"][0]
    case["refund"] = {"number": f"{BACK}-c1-1", "amount": yuan(TOTAL)}


@seen_by("nothing-twice")
def paid_under_another_number(scene: Scene) -> None:
    was_restored(scene)
    scene.pays("refund-accepted", BACK, TOTAL, out_refund_no=f"{BACK}-c2-1")


@seen_by("nothing-twice")
def paid_and_never_wished(scene: Scene) -> None:
    was_restored(scene)
    scene.asked = [asked for asked in scene.asked if asked.what != "wish"]


@seen_by("known-again")
def a_refund_that_nobody_knows_of(scene: Scene) -> None:
    was_restored(scene)
    scene.state("payment", "payments", BACK)["refunds"] = []


@seen_by("known-again")
def a_refund_that_the_order_does_not_know(scene: Scene) -> None:
    was_restored(scene)
    scene.state("order", "orders", BACK)["cases"] = []


@seen_by("payments-known-again")
def a_payment_that_its_order_has_forgotten(scene: Scene) -> None:
    was_restored(scene)
    scene.state("order", "orders", BACK)["paid"] = None


@seen_by("payments-known-again")
def a_payment_of_a_lost_order_that_no_bill_has_shown(scene: Scene) -> None:
    was_restored(scene)
    del scene.documents["order"]["orders"][GONE]


def a_payment_of_a_lost_order_that_is_listed(scene: Scene) -> None:
    """The bills have shown it: an open difference, which a person sees."""
    a_payment_of_a_lost_order_that_no_bill_has_shown(scene)
    was_compared(scene)["differences"][0] |= {"order_id": GONE, "kind": "order-unknown", "state": "open"}


@seen_by("truly-completed")
def completed_under_a_number_that_is_not_there(scene: Scene) -> None:
    was_restored(scene)
    scene.money = [line for line in scene.money if line["kind"] != "refund-accepted"]


@seen_by("books-compared")
def a_day_that_was_not_compared(scene: Scene) -> None:
    was_restored(scene)
    scene.documents["payment"][NAME][NAME]["over"] = False
