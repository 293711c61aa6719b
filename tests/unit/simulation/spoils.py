"""What may be wrong with money, stock and lives in the shop of `tales`, and which check has to see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from contracts.message import message_id
from tests.simulation.evidence import Asked
from tests.unit.simulation.given import AT, BY, LATER, REASON, WHEN, Scene, ended, yuan
from tests.unit.simulation.tales import BACK, GONE, KEPT, PIECES, TOTAL, case

ORDERS, PAYMENTS, RESERVATIONS = ("order", "orders"), ("payment", "payments"), ("inventory", "reservations")

Spoil = Callable[[Scene], object]
SPOILS: list[tuple[str, Spoil]] = []
"""Which check has to report it, and what is done to the shop."""


def seen_by(*checks: str) -> Callable[[Spoil], Spoil]:
    """Register what is done to the shop under the checks that have to report it."""

    def register(spoil: Spoil) -> Spoil:
        SPOILS.extend((check, spoil) for check in checks)
        return spoil

    return register


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("within-what-was-paid", "one-refund-at-a-time")
def a_second_refund(scene: Scene) -> None:
    scene.pays("refund-accepted", BACK, TOTAL, out_refund_no=f"{BACK}-c1-2")


@seen_by("within-what-was-paid", "one-refund-at-a-time", "ended-cases-money")
def a_transfer_on_top_of_the_refund(scene: Scene) -> None:
    number = message_id(f"{BACK}-c1", "payout/1").replace("-", "")
    scene.pays("transfer-accepted", BACK, TOTAL, out_bill_no=number)
    scene.money[-1]["out_trade_no"] = None


@seen_by("within-what-was-paid")
def the_ledger_does_not_add_up(scene: Scene) -> None:
    scene.ledger_violations.append({"rule": "money came in that is nowhere", "subject": "all", "found": 5})


@seen_by("ended-cases-money")
def an_undone_case_was_paid_all_the_same(scene: Scene) -> None:
    scene.pays("refund-accepted", KEPT, TOTAL, out_refund_no=f"{KEPT}-c1-1")


@seen_by("ended-cases-money", "money-for-a-reason", "told-the-truth")
def the_money_never_arrived(scene: Scene) -> None:
    scene.money[:] = [line for line in scene.money if line["kind"] != "refund-success"]


@seen_by("ended-cases-money", "money-for-a-reason")
def less_arrived_than_was_said(scene: Scene) -> None:
    for line in scene.money:
        line["amount_minor"] -= line["kind"] == "refund-success"


@seen_by("ended-cases-money")
def completed_without_its_money(scene: Scene) -> None:
    scene.rewords("cancellation-completed.v1", BACK, refunded=yuan(0))


@seen_by("ended-cases-money")
def paid_in_cash_as_well(scene: Scene) -> None:
    of_case = {"order_id": BACK, "case_id": f"{BACK}-c1", "attempt": 1}
    wish = {**of_case, "how": "settled-outside", "proof": "receipt 17", "by": "s1"}
    heard = scene.hears((*ORDERS, BACK), "decided", ("resume-refund.v1", wish))
    scene.hears((*PAYMENTS, BACK), heard, ("refund-resumed.v1", of_case))


@seen_by("ended-cases-money")
def paid_in_cash_and_once_more_by_a_later_case(scene: Scene) -> None:
    paid_in_cash_as_well(scene)
    scene.money[:] = [line for line in scene.money if line["out_refund_no"] != f"{BACK}-c1-1"]
    again = {"order_id": BACK, "case_id": f"{BACK}-c2", "customer_id": "c1", "customer_group": "g", "whole": False}
    again |= {"lines": [], "amount": yuan(TOTAL), "reason": REASON, "by": BY, "accepted_at": WHEN, "occurred_at": WHEN}
    scene.hears((*ORDERS, BACK), "once more", ("cancellation-accepted.v1", again))
    scene.pays("refund-accepted", BACK, TOTAL, out_refund_no=f"{BACK}-c2-1")


@seen_by("one-refund-at-a-time")
def the_next_number_before_the_last_was_closed(scene: Scene) -> None:
    scene.pays("refund-refused", KEPT, TOTAL, out_refund_no=f"{KEPT}-c1-2", code="NO_AUTH")


@seen_by("one-refund-at-a-time")
def a_number_that_was_never_stored(scene: Scene) -> None:
    scene.state(*PAYMENTS, BACK)["refunds"][0]["number"] = f"{BACK}-c1-7"


@seen_by("money-for-a-reason")
def money_without_a_case(scene: Scene) -> None:
    scene.pays("refund-accepted", GONE, TOTAL, out_refund_no=f"{GONE}-c1-1")


@seen_by("money-for-a-reason")
def a_transfer_that_is_nobodys(scene: Scene) -> None:
    scene.pays("transfer-accepted", GONE, TOTAL, out_bill_no="0" * 32)


@seen_by("money-for-a-reason")
def said_to_be_paid_and_was_not(scene: Scene) -> None:
    scene.money[:] = [line for line in scene.money if (line["kind"], line["out_trade_no"]) != ("payment", GONE)]


@seen_by("whole-fen")
def a_fraction_of_a_fen(scene: Scene) -> None:
    scene.money[0]["amount_minor"] = TOTAL + 0.5


@seen_by("whole-fen")
def more_given_back_than_the_line_cost(scene: Scene) -> None:
    line = {"line_no": 1, "product_id": "tea", "category": "goods", "quantity": PIECES, "amount_minor": TOTAL + 1}
    scene.rewords("cancellation-accepted.v1", BACK, lines=[line], amount=yuan(TOTAL + 1))


def some_by_hand(scene: Scene, short: int, by_hand: int) -> None:
    """The case of `BACK` gave back less than its goods cost, and a part of the money went back by hand."""
    line = {"line_no": 1, "product_id": "tea", "category": "goods", "quantity": PIECES, "amount_minor": TOTAL - short}
    scene.rewords("cancellation-accepted.v1", BACK, lines=[line], amount=yuan(TOTAL - short))
    about = {"order_id": BACK, "case_id": f"{BACK}-c2", "customer_id": "c1", "customer_group": "g", "whole": False}
    about |= {"lines": [], "by": BY, "accepted_at": WHEN, "occurred_at": WHEN}
    accepted = {**about, "amount": yuan(by_hand), "reason": {**REASON, "family": "system", "code": "other"}}
    completed = {**accepted, "refunded": yuan(by_hand), "completed_at": WHEN}
    says = ("cancellation-accepted.v1", accepted), ("cancellation-completed.v1", completed)
    scene.hears((*ORDERS, BACK), "by hand", *says)


@seen_by("whole-fen")
def less_given_back_than_the_goods_cost(scene: Scene) -> None:
    some_by_hand(scene, short=500, by_hand=499)


@seen_by("whole-fen")
def late_money_that_had_gone_back(scene: Scene) -> None:
    body = {"order_id": BACK, "case_id": f"{BACK}-c2", "customer_id": "c1", "customer_group": "g", "whole": False}
    body |= {"lines": [], "amount": yuan(TOTAL), "reason": {**REASON, "family": "system", "code": "late-payment"}}
    body |= {"by": {"kind": "system", "id": "late-payment", "role": ""}, "accepted_at": WHEN, "occurred_at": WHEN}
    scene.hears((*ORDERS, BACK), "late", ("cancellation-accepted.v1", body))


# ── stock ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("stock-balances")
def a_piece_is_lost(scene: Scene) -> None:
    scene.documents["inventory"]["balances"]["tea"]["available"] -= 1


@seen_by("stock-balances")
def a_movement_that_no_line_tells(scene: Scene) -> None:
    balance = scene.documents["inventory"]["balances"]["tea"]
    balance["available"] -= 1
    balance["reserved"] += 1


@seen_by("stock-movements")
def given_back_twice(scene: Scene) -> None:
    scene.takes("again", f"release:{BACK}-c1", BACK, 1, available=PIECES, reserved=-PIECES)


@seen_by("stock-movements")
def given_back_and_shipped(scene: Scene) -> None:
    scene.takes("again", "dispatch", BACK, 1, reserved=-PIECES, sold=PIECES)


@seen_by("stock-words")
def said_to_be_back_and_is_not(scene: Scene) -> None:
    del scene.documents["inventory"]["ledger"][f"{BACK}-release"]


@seen_by("stock-words")
def said_to_be_set_aside_and_is_not(scene: Scene) -> None:
    del scene.documents["inventory"]["ledger"][f"{KEPT}-reserve"]


@seen_by("stock-of-orders")
def shipped_and_still_on_the_shelf(scene: Scene) -> None:
    del scene.documents["inventory"]["ledger"][f"{GONE}-dispatch"]


@seen_by("stock-of-orders")
def received_twice(scene: Scene) -> None:
    scene.takes("again", "receive", "r-tea", 2, available=100, received=100)


@seen_by("undone-cases")
def still_held_for_an_undone_case(scene: Scene) -> None:
    scene.state(*RESERVATIONS, KEPT)["cases"][f"{KEPT}-c1"]["status"] = "held"


@seen_by("undone-cases")
def given_away_by_an_undone_case(scene: Scene) -> None:
    scene.takes("away", f"release:{KEPT}-c1", KEPT, 1, available=PIECES, reserved=-PIECES)


@seen_by("undone-cases", "told-is-known")
def an_undone_order_stands_still(scene: Scene) -> None:
    scene.state(*ORDERS, KEPT)["state"] = "cancelling"


# ── lives ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("versions")
def a_save_without_an_entry(scene: Scene) -> None:
    scene.record(*ORDERS, BACK)["version"] += 1


@seen_by("versions")
def unsaid_and_never_decided(scene: Scene) -> None:
    scene.record(*ORDERS, BACK)["unsaid"] = ["nobody"]


@seen_by("legal-lives")
def shipped_after_it_was_cancelled(scene: Scene) -> None:
    body = {"order_id": BACK, "carrier": "SF", "tracking_number": "1", "shipped_at": WHEN}
    scene.hears((*ORDERS, BACK), "ship it", ("order-shipped.v1", body))


@seen_by("legal-lives")
def completed_after_it_was_undone(scene: Scene) -> None:
    body = {"order_id": KEPT, "case_id": f"{KEPT}-c1", "customer_id": "c1", "whole": True, "lines": []}
    body |= {"refunded": yuan(TOTAL), "reason": REASON, "completed_at": WHEN, "occurred_at": WHEN}
    scene.hears((*ORDERS, KEPT), "complete it", ("cancellation-completed.v1", body))


@seen_by("legal-lives")
def closed_after_it_was_paid(scene: Scene) -> None:
    body = {"order_id": BACK, "case_id": f"{BACK}-c1"}
    scene.hears((*PAYMENTS, BACK), "close it", ("payment-closed.v1", body))


@seen_by("somebody-goes-on")
def a_saga_without_a_timer(scene: Scene) -> None:
    scene.state(*ORDERS, GONE)["dispatching"] = ended("take the stock off the books", status="running")


@seen_by("somebody-goes-on")
def a_timer_that_is_not_the_earliest(scene: Scene) -> None:
    scene.state(*ORDERS, GONE)["dispatching"] = ended("take the stock off the books", status="running", wake_at=LATER)
    scene.record(*ORDERS, GONE)["wake_at"] = LATER + timedelta(hours=1)


@seen_by("somebody-goes-on")
def a_refund_nobody_asks_for(scene: Scene) -> None:
    scene.state(*PAYMENTS, BACK)["refunds"][0]["status"] = "accepted"


@seen_by("somebody-goes-on", "everything-ended")
def pieces_on_their_way_for_ever(scene: Scene) -> None:
    scene.state(*RESERVATIONS, BACK)["cases"][f"{BACK}-c1"]["status"] = "releasing"


@seen_by("somebody-goes-on", "everything-ended")
def a_case_that_lies_with_nobody(scene: Scene) -> None:
    scene.state(*ORDERS, KEPT).update(cases=[case(KEPT, "open", "refund the payment")], tasks=[])


@seen_by("everything-ended")
def a_case_asked_for_ever(scene: Scene) -> None:
    run = ended("refund the payment", status="running", wake_at=LATER)
    scene.state(*ORDERS, KEPT)["cases"] = [{**case(KEPT, "open", ""), "run": run}]
    scene.record(*ORDERS, KEPT)["wake_at"] = LATER


@seen_by("payments-known")
def a_payment_that_the_order_never_heard_of(scene: Scene) -> None:
    scene.state(*ORDERS, KEPT)["paid"] = None


@seen_by("payments-known")
def a_payment_that_nobody_knows_of(scene: Scene) -> None:
    scene.state(*PAYMENTS, KEPT)["receipt"] = None


@seen_by("refunds-known")
def a_refund_by_hand_that_the_order_never_heard_of(scene: Scene) -> None:
    (refund,) = scene.state(*PAYMENTS, BACK)["refunds"]
    refund["found"] = True
    for one in scene.state(*ORDERS, BACK)["cases"]:
        one["refund"] = None


@seen_by("everything-ended")
def a_timer_that_never_rang(scene: Scene) -> None:
    scene.record(*PAYMENTS, BACK)["wake_at"] = AT


@seen_by("everything-ended", "everybody-told")
def a_notice_that_never_left(scene: Scene) -> None:
    scene.state("notify", "notices", f"{BACK}-c1/refund-arrived")["told_at"] = None
    told = scene.topics["notify.events"]
    scene.topics["notify.events"] = [one for one in told if b"refund-arrived" not in one.body]
    scene.record("notify", "notices", f"{BACK}-c1/refund-arrived")["journal"].pop()


@seen_by("wishes-kept")
def a_case_that_was_promised(scene: Scene) -> None:
    scene.asked.append(Asked(AT, "c1", "cancel", GONE, {}, 202, {"case_id": f"{GONE}-c1"}))


@seen_by("wishes-kept")
def an_order_that_was_promised(scene: Scene) -> None:
    scene.asked.append(Asked(AT, "c1", "place", "", {}, 201, {"order_id": "nowhere"}))


# ── what people may decide ───────────────────────────────────────────────────────────────────────────────────────────
def _decided(scene: Scene, by: str = "s2", role: str = "supervisor", *, approved: bool = True) -> None:
    scene.rewords("cancellation-accepted.v1", BACK, waits_for="approval")
    who = {"kind": "staff", "id": by, "role": role}
    body = {"order_id": BACK, "case_id": f"{BACK}-c1", "approved": approved, "by": who, "decided_at": WHEN}
    scene.sends("order.events", "cancellation-decided.v1", "decided", BACK, json.dumps(body), source="order")


@seen_by("before-it-begins")
def money_moved_before_anybody_approved(scene: Scene) -> None:
    scene.rewords("cancellation-accepted.v1", BACK, waits_for="approval")


@seen_by("before-it-begins")
def approved_by_somebody_who_may_not(scene: Scene) -> None:
    _decided(scene, role="warehouse")


@seen_by("before-it-begins")
def approved_by_the_one_who_asked(scene: Scene) -> None:
    _decided(scene, by="c1")


@seen_by("before-it-begins")
def money_moved_although_it_was_rejected(scene: Scene) -> None:
    _decided(scene, approved=False)


@seen_by("before-it-begins")
def money_moved_although_it_was_taken_back(scene: Scene) -> None:
    scene.rewords("cancellation-undone.v1", KEPT, because="withdrawn")


@seen_by("before-it-begins")
def customer_service_sent_money_back(scene: Scene) -> None:
    scene.rewords("cancellation-accepted.v1", BACK, by={"kind": "staff", "id": "s3", "role": "customer-service"})


@seen_by("rules-kept")
def it_should_have_waited(scene: Scene) -> None:
    scene.rewords("cancellation-accepted.v1", BACK, reason={"family": "customer", "code": "wrong-item", "remark": ""})


@seen_by("rules-kept")
def it_waited_for_no_reason(scene: Scene) -> None:
    scene.rewords("cancellation-accepted.v1", BACK, waits_for="undo-window")


@seen_by("goods-before-money")
def goods_that_nobody_reported_are_back(scene: Scene) -> None:
    body = {"order_id": BACK, "case_id": f"{BACK}-c1", "lines": []}
    scene.sends("inventory.events", "stock-taken-back.v1", "taken-back", BACK, json.dumps(body), source="inventory")


@seen_by("goods-before-money")
def a_parcel_was_reported_by_who_sees_none(scene: Scene) -> None:
    scene.asked.append(Asked(AT, "s-customer-service", "report", BACK, {}, 200, {}))


@seen_by("goods-before-money")
def money_moved_and_the_parcel_is_still_out(scene: Scene) -> None:
    shipped = {"order_id": BACK, "carrier": "SF", "tracking_number": "SF1", "shipped_at": WHEN}
    scene.hears((*ORDERS, BACK), "shipped-first", ("order-shipped.v1", shipped))
    journal = scene.record(*ORDERS, BACK)["journal"]
    accepted = next(
        place for place, entry in enumerate(journal) if any("accepted" in said["wire"] for said in entry["said"])
    )
    journal.insert(accepted, journal.pop())
