"""What may be wrong with what the shop keeps, and with what it does after it has said that it would, in the shop of
`tales`, and which check has to see it."""

from __future__ import annotations

from tests.unit.simulation.given import Scene, yuan
from tests.unit.simulation.spoils import ORDERS, SPOILS, seen_by, some_by_hand
from tests.unit.simulation.tales import BACK, PRICE, TOTAL, UNPAID

__all__ = ["SPOILS"]


# ── money that stays ─────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("nothing-kept")
def paid_too_late_and_kept(scene: Scene) -> None:
    scene.pays("payment", UNPAID, TOTAL)


@seen_by("nothing-kept")
def the_goods_are_back_and_the_money_never_left(scene: Scene) -> None:
    scene.money[:] = [line for line in scene.money if line["out_refund_no"] != f"{BACK}-c1-1"]


@seen_by("nothing-kept")
def refunded_by_hand_and_one_fen_was_kept(scene: Scene) -> None:
    some_by_hand(scene, short=500, by_hand=499)
    scene.money[:] = [line for line in scene.money if line["out_refund_no"] != f"{BACK}-c1-1"]
    scene.pays("refund-accepted", BACK, TOTAL - 500, out_refund_no=f"{BACK}-c1-1")
    scene.pays("refund-accepted", BACK, 499, out_refund_no="2000" + "1" * 24)


@seen_by("fair-shares")
def one_piece_for_half_its_price(scene: Scene) -> None:
    line = {"line_no": 1, "product_id": "tea", "category": "goods", "quantity": 1, "amount_minor": PRICE // 2}
    scene.rewords("cancellation-accepted.v1", BACK, lines=[line], amount=yuan(PRICE // 2))


@seen_by("fair-shares")
def one_piece_for_the_price_of_two(scene: Scene) -> None:
    line = {"line_no": 1, "product_id": "tea", "category": "goods", "quantity": 1, "amount_minor": PRICE * 2}
    scene.rewords("cancellation-accepted.v1", BACK, lines=[line], amount=yuan(PRICE * 2))


def given_back_by_hand_in_two_parts(scene: Scene) -> None:
    """A part of the money of `BACK` went back by hand, the rest with its goods."""
    some_by_hand(scene, short=500, by_hand=500)
    scene.money[:] = [line for line in scene.money if line["out_refund_no"] != f"{BACK}-c1-1"]
    scene.pays("refund-accepted", BACK, TOTAL - 500, out_refund_no=f"{BACK}-c1-1")
    scene.pays("refund-accepted", BACK, 500, out_refund_no="2000" + "1" * 24)


def came_too_late_and_lies_with_a_person(scene: Scene) -> None:
    """Money that came after an order was cancelled unpaid has a case of its own, which is not over."""
    scene.pays("payment", UNPAID, TOTAL)
    body = {"order_id": UNPAID, "case_id": f"{UNPAID}-c2", "customer_id": "c1", "customer_group": "g", "whole": False}
    body |= {"lines": [], "amount": yuan(TOTAL), "by": {"kind": "system", "id": "late-payment", "role": ""}}
    body |= {"reason": {"family": "system", "code": "late-payment", "remark": ""}}
    when = dict.fromkeys(("accepted_at", "occurred_at"), "2026-01-05T09:00:00Z")
    scene.hears((*ORDERS, UNPAID), "late", ("cancellation-accepted.v1", body | when))
