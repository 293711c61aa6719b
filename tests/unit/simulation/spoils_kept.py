"""What may be wrong with what the shop keeps, and with what it does after it has said that it would, in the shop of
`tales`, and which check has to see it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from contracts.message import message_id
from tests.simulation.evidence import Asked
from tests.unit.simulation.given import AT, LATER, WHEN, Body, Scene, yuan
from tests.unit.simulation.spoils import ORDERS, PAYMENTS, RESERVATIONS, seen_by, some_by_hand
from tests.unit.simulation.spoils_told import SPOILS
from tests.unit.simulation.tales import BACK, GONE, KEPT, PIECES, PRICE, TOTAL, UNPAID, WANTED, asks, ends, is_placed

__all__ = ["SPOILS"]

ONE: Body = {"line_no": 1, "damaged": 0}


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


@seen_by("money-for-a-reason")
def a_transfer_to_somebody_else(scene: Scene) -> None:
    number = message_id(f"{KEPT}-c1", "payout/1").replace("-", "")
    scene.pays("transfer-accepted", KEPT, TOTAL, out_bill_no=number, openid="openid-of-another")


@seen_by("money-for-a-reason")
def a_transfer_from_another_shops_account(scene: Scene) -> None:
    number = message_id(f"{KEPT}-c1", "payout/1").replace("-", "")
    scene.pays("transfer-accepted", KEPT, TOTAL, out_bill_no=number, mchid="m2")


@seen_by("fair-shares")
def one_piece_for_half_its_price(scene: Scene) -> None:
    line = {"line_no": 1, "product_id": "tea", "category": "goods", "quantity": 1, "amount_minor": PRICE // 2}
    scene.rewords("cancellation-accepted.v1", BACK, lines=[line], amount=yuan(PRICE // 2))


@seen_by("fair-shares")
def one_piece_for_the_price_of_two(scene: Scene) -> None:
    line = {"line_no": 1, "product_id": "tea", "category": "goods", "quantity": 1, "amount_minor": PRICE * 2}
    scene.rewords("cancellation-accepted.v1", BACK, lines=[line], amount=yuan(PRICE * 2))


# ── what was answered ────────────────────────────────────────────────────────────────────────────────────────────────
def _answered(scene: Scene, who: str, what: str, body: Body, status: int = 200, order_id: str = BACK) -> None:
    scene.asked.append(Asked(AT, who, what, order_id, body, status, {}))


@seen_by("answers-kept")
def said_to_be_taken_back(scene: Scene) -> None:
    _answered(scene, "c1", "withdraw", {})


@seen_by("answers-kept")
def said_to_be_cancelled_by_a_case_that_ended_without_a_word(scene: Scene) -> None:
    scene.rewords("cancellation-undone.v1", KEPT, because="paid")
    scene.asked.append(Asked(AT, "c1", "cancel", KEPT, {}, 202, {"case_id": f"{KEPT}-c1"}))


@seen_by("answers-kept")
def said_to_be_rejected(scene: Scene) -> None:
    _answered(scene, "s-finance", "decide", {"approve": False, "note": "no"})


@seen_by("answers-kept")
def said_to_be_dealt_with(scene: Scene) -> None:
    _answered(scene, "s-finance", "resolve", {"choice": "settled-outside", "note": "receipt 17"}, order_id=KEPT)


@seen_by("answers-kept")
def a_parcel_that_was_reported(scene: Scene) -> None:
    _answered(scene, "s-warehouse", "report", {"found": "delivered"}, order_id=GONE)


@seen_by("answers-kept")
def said_to_be_delivered(scene: Scene) -> None:
    _answered(scene, "s-warehouse", "deliver", {}, order_id=GONE)


def _wanted(scene: Scene, order_id: str, **other: int) -> None:
    """The customer had asked for something else."""
    (place,) = (
        n for n, one in enumerate(scene.asked) if one.answer.get("order_id") == order_id and one.what == "place"
    )
    body = {**scene.asked[place].body, "lines": [{**WANTED, **other}]}
    scene.asked[place] = replace(scene.asked[place], body=body)


@seen_by("as-ordered")
def more_pieces_than_were_ordered(scene: Scene) -> None:
    _wanted(scene, GONE, quantity=PIECES - 1)


@seen_by("as-ordered")
def dearer_than_was_shown(scene: Scene) -> None:
    _wanted(scene, GONE, unit_price_minor=PRICE - 1)


@seen_by("as-ordered")
def dearer_than_its_goods(scene: Scene) -> None:
    scene.rewords("order-placed.v1", GONE, total=yuan(TOTAL + 1))


@seen_by("as-ordered")
def cheaper_than_its_goods_without_a_coupon(scene: Scene) -> None:
    scene.rewords("order-placed.v1", GONE, total=yuan(TOTAL - 1))


@seen_by("as-ordered")
def charged_less_than_it_costs(scene: Scene) -> None:
    (line,) = (one for one in scene.money if (one["kind"], one["out_trade_no"]) == ("payment", GONE))
    line["amount_minor"] -= 1


@seen_by("placed-once")
def placed_twice_with_one_key(scene: Scene) -> None:
    is_placed(scene, "shop-again")
    scene.asked.pop()


@seen_by("sent-when-wanted")
def sent_before_its_customer_wants_it(scene: Scene) -> None:
    body = {"order_id": GONE, "number": 1, "kind": "later-delivery", "deliver_after": "2026-01-09T16:00:00Z"}
    scene.hears((*ORDERS, GONE), "later", ("alternative-taken.v1", {**body, "taken_at": WHEN, "occurred_at": WHEN}))


def came_back(scene: Scene, good: int) -> None:
    """The parcel of `GONE` is in the house again, with so many good pieces."""
    _answered(scene, "s-warehouse", "report", {"found": "returned", "goods": [{**ONE, "good": good}]}, order_id=GONE)
    line = {"line_no": 1, "product_id": "tea", "quantity": 1}
    body = {"order_id": GONE, "case_id": f"{GONE}-c1", "lines": [line]}
    scene.hears((*RESERVATIONS, GONE), "take it back", ("stock-taken-back.v1", body))


@seen_by("as-counted")
def more_on_the_shelf_than_was_found_good(scene: Scene) -> None:
    came_back(scene, good=0)


@seen_by("as-counted")
def less_on_the_shelf_than_was_found_good(scene: Scene) -> None:
    came_back(scene, good=2)


# ── what nobody asks for ─────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("shown-to-a-person")
def undone_and_nobody_looks(scene: Scene) -> None:
    scene.forgets((*ORDERS, KEPT), f"ask a person about {KEPT}")
    scene.loses("staff-task-raised.v2", KEPT)


@seen_by("shown-to-a-person")
def a_person_was_asked_and_sees_nothing(scene: Scene) -> None:
    scene.state(*ORDERS, KEPT)["tasks"].clear()


@seen_by("announced")
def cancelled_by_the_shop_in_silence(scene: Scene) -> None:
    by, reason = {"kind": "staff", "id": "s2", "role": "supervisor"}, {"family": "merchant", "code": "out-of-stock"}
    scene.rewords("cancellation-accepted.v1", BACK, by=by, reason={**reason, "remark": ""})


@seen_by("before-it-begins")
def money_moved_while_it_could_be_taken_back(scene: Scene) -> None:
    reason = {"family": "customer", "code": "found-better", "remark": ""}
    scene.rewords("cancellation-accepted.v1", BACK, reason=reason, waits_for="undo-window")


SUPERVISOR = {"kind": "staff", "id": "s2", "role": "supervisor"}
DELIVERY = {"family": "merchant", "code": "delivery", "remark": ""}


def in_two_parts(scene: Scene, first_minor: int) -> None:
    """A supervisor gives back `first_minor` fen of `BACK`, and then the rest, for its delivery; nobody is asked."""
    line = {"line_no": 1, "product_id": "tea", "category": "goods", "quantity": 1, "amount_minor": first_minor}
    scene.rewords(
        "cancellation-accepted.v1", BACK, by=SUPERVISOR, reason=DELIVERY, lines=[line], amount=yuan(first_minor)
    )
    about = {"order_id": BACK, "case_id": f"{BACK}-c2", "customer_id": "c1", "customer_group": "g", "whole": False}
    about |= {"lines": [{**line, "quantity": PIECES - 1, "amount_minor": TOTAL - PRICE}], "amount": yuan(TOTAL - PRICE)}
    about |= {"by": SUPERVISOR, "reason": DELIVERY, "accepted_at": WHEN, "occurred_at": WHEN}
    scene.rewords("cancellation-completed.v1", BACK, lines=[line], refunded=yuan(first_minor))
    scene.hears((*ORDERS, BACK), "the rest", ("cancellation-accepted.v1", about))
    scene.pays("refund-accepted", BACK, TOTAL - PRICE, out_refund_no=f"{BACK}-c2-1")


@seen_by("before-it-begins")
def over_the_limit_in_two_parts(scene: Scene) -> None:
    in_two_parts(scene, first_minor=500)


# ── what takes long, and what WeChat knows ───────────────────────────────────────────────────────────────────────────
def arrives_late(scene: Scene, days: int) -> None:
    """The refund of `BACK` takes so many days."""
    (line,) = (one for one in scene.money if (one["kind"], one["out_trade_no"]) == ("refund-success", BACK))
    line["time"] = (AT + timedelta(days=days)).isoformat()


@seen_by("waited-too-long")
def on_its_way_for_days_and_nobody_looks(scene: Scene) -> None:
    arrives_late(scene, 4)


@seen_by("waited-too-long")
def never_arrived_and_nobody_looks(scene: Scene) -> None:
    scene.money[:] = [line for line in scene.money if line["kind"] != "refund-success"]


@seen_by("told-to-wechat")
def left_and_wechat_does_not_know(scene: Scene) -> None:
    scene.shipping.clear()


@seen_by("told-to-wechat")
def wechat_knows_another_parcel(scene: Scene) -> None:
    scene.shipping[GONE] = [{"tracking_no": "2"}]


@seen_by("told-to-wechat")
def wechat_was_told_of_a_cancelled_order(scene: Scene) -> None:
    scene.shipping[BACK] = [{"tracking_no": "1"}]


# ── orders that nobody pays ──────────────────────────────────────────────────────────────────────────────────────────
def ends_unpaid(scene: Scene, order_id: str = UNPAID, at: datetime = LATER) -> None:
    """The case of an order that was cancelled unpaid began by itself."""
    reason = {"family": "customer", "code": "other", "word": "not-paid-in-time"}
    scene.rewords("cancellation-accepted.v1", order_id, reason=reason, accepted_at=at.isoformat())


@seen_by("ends-unpaid")
def nobody_pays_and_it_waits(scene: Scene) -> None:
    is_placed(scene, "shop-waits")


@seen_by("ends-unpaid")
def ended_while_there_was_time(scene: Scene) -> None:
    ends_unpaid(scene, at=AT + timedelta(minutes=59))


@seen_by("ends-unpaid")
def ended_by_itself_where_orders_wait_for_ever(scene: Scene) -> None:
    ends_unpaid(scene)
    scene.unpaid_minutes = 0


@seen_by("ends-unpaid")
def was_paid_in_time_and_cancelled(scene: Scene) -> None:
    ends_unpaid(scene)
    scene.pays("payment", UNPAID, TOTAL)
    scene.pays("refund-accepted", UNPAID, TOTAL, out_refund_no=f"{UNPAID}-c1-1")


@seen_by("ends-unpaid")
def said_to_be_paid_and_nobody_did(scene: Scene) -> None:
    is_placed(scene, "shop-waits")
    wish = asks(scene, "shop-waits", "close-payment.v1", {"order_id": "shop-waits", "case_id": "shop-waits-c1"})
    ends_unpaid(scene, "shop-waits")
    ends(scene, "shop-waits", wish, "undone", because="paid")


def takes_days_and_a_person_looks(scene: Scene) -> None:
    """A person was called because it does not arrive."""
    arrives_late(scene, 4)
    task = {"task_id": f"{BACK}-c1-t1", "case_id": f"{BACK}-c1", "kind": "refund-stuck", "order_id": BACK}
    body = {**task, "what": "the refund takes long", "raised_at": WHEN}
    scene.hears((*ORDERS, BACK), "it takes long", ("staff-task-raised.v2", body))


def takes_three_days(scene: Scene) -> None:
    """Nobody has to look yet."""
    arrives_late(scene, 3)


def went_to_another_shop(scene: Scene) -> None:
    """Whose own mini-program has the record."""
    scene.shipping.clear()
    scene.state(*PAYMENTS, GONE)["shop"] = "branch"


# ── all is well ──────────────────────────────────────────────────────────────────────────────────────────────────────
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
