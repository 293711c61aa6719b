"""What happened in the shop of `given`: four orders and how they ended."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from contracts.message import message_id
from tests.simulation.evidence import Asked
from tests.unit.simulation.given import (
    AT,
    BY,
    CUSTOMER,
    LATER,
    NAME,
    OPENID,
    PHONE,
    REASON,
    WHEN,
    Body,
    Scene,
    ended,
    yuan,
)

PIECES, PRICE = 3, 300
TOTAL = PIECES * PRICE
WANTED = {"product_id": "tea", "quantity": PIECES, "unit_price_minor": PRICE}
STOCK = [{"line_no": 1, "product_id": "tea", "quantity": PIECES}]
GIVEN = [{"line_no": 1, "product_id": "tea", "category": "goods", "quantity": PIECES, "amount_minor": TOTAL}]
SIGNED_IN = {"access_token": "an-access-token", "refresh_token": "desk.1.mark"}
BACK, KEPT, GONE, UNPAID = "shop-back", "shop-kept", "shop-gone", "shop-unpaid"


def shop() -> Scene:
    """A day that went well: an order was cancelled, one could not be, one was shipped, one cancelled unpaid."""
    scene = Scene()
    receipt = {"product_id": "tea", "receipt_id": "r-tea", "quantity": 100}
    scene.does(("inventory", "receipts", "r-tea"), "stock", "take-in", ("stock-received.v1", receipt))
    scene.state("inventory", "receipts", "r-tea").update(status="received", **receipt)
    scene.takes("receipt", "receive", "r-tea", 1, available=100, received=100)
    for order_id in (BACK, KEPT, GONE):
        is_paid(scene, order_id)
    is_cancelled(scene, BACK)
    is_undone(scene, KEPT)
    is_shipped(scene, GONE)
    is_cancelled_unpaid(scene, UNPAID)
    came_to_the_door(scene)
    scene.figures()
    return scene


# ── the door ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def came_to_the_door(scene: Scene) -> None:
    """The warehouse signed in and shipped; a customer came back, had a look, rated a cancellation and had another order
    sent later."""
    scene.asked.append(Asked(AT, "s-warehouse", "sign-in", "", {"password": "quite-secret"}, 200, SIGNED_IN))
    scene.tries("s-warehouse", "POST", "/admin/v1/session", 200, entry="")
    scene.tries("s-warehouse", "POST", f"/admin/v1/orders/{GONE}/ship", 200)
    scene.asked.append(Asked(AT, "c1", "refresh", "", {"refresh_token": "family.1.mark"}, 200, {}))
    scene.tries("c1", "GET", f"/mp/v1/orders/{BACK}", 200)
    scene.asked.append(Asked(AT, "c1", "watch", BACK, {}, 200, {"ids": [1, 2]}))
    rates(scene, 5)
    taken = {"order_id": GONE, "number": 1, "kind": "later-delivery", "taken_at": WHEN, "occurred_at": WHEN}
    scene.hears(("order", "orders", GONE), f"postpone {GONE}", ("alternative-taken.v1", taken))
    scene.asked.append(Asked(AT, "c1", "postpone", GONE, {}, 200, {}))


def rates(scene: Scene, stars: int) -> None:
    """The customer rates how the cancellation went."""
    given = {"questionnaire": 1, "stars": stars, "answers": {}}
    about = {"order_id": BACK, "case_id": f"{BACK}-c1", "reason": REASON, "outcome": "completed"}
    body = {**given, **about, "rated_at": WHEN, "occurred_at": WHEN}
    scene.hears(("order", "orders", BACK), f"rate {stars}", ("cancellation-rated.v1", body))
    scene.asked.append(Asked(AT, "c1", "rate", BACK, given, 200, {}))


# ── an order ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def is_placed(scene: Scene, order_id: str) -> None:
    """Placed and set aside; it can be paid now."""
    order, about = ("order", "orders", order_id), {"order_id": order_id}
    line = {"line_no": 1, "product_id": "tea", "name": "tea", "category": "goods", "quantity": PIECES}
    line |= {"unit_price_minor": PRICE, "paid_minor": TOTAL}
    placed = {**about, "customer_id": "c1", "customer_group": "g", "lines": [line], "total": yuan(TOTAL)}
    placed |= {"placed_at": WHEN, "occurred_at": WHEN}
    heard = f"place {order_id}"
    scene.hears(order, heard, ("order-placed.v1", placed), ("reserve-stock.v1", {**about, "lines": STOCK}))
    reservation = ("inventory", "reservations", order_id)
    reserved = scene.does(reservation, message_id(heard, 1), "move-stock", ("stock-reserved.v1", about))
    scene.takes(f"{order_id}-reserve", "reserve", order_id, 1, available=-PIECES, reserved=PIECES)
    wish = {**about, "customer_id": "c1", "openid": OPENID, "amount": yuan(TOTAL), "description": "tea"}
    opening = scene.hears(order, reserved, ("open-payment.v1", wish))
    scene.hears(order, scene.hears(("payment", "payments", order_id), opening, ("payment-opened.v1", about)))
    contact = {"name": NAME, "phone": PHONE, "openid": OPENID}
    known = {
        "state": "pending-payment",
        "total_minor": TOTAL,
        "paid": None,
        "lines": [{**line, "cancelled": 0}],
        "cases": [],
    }
    known |= {
        "tasks": [],
        "timeline": [],
        "placing": ended("open the payment"),
        "dispatching": None,
        "contact": contact,
    }
    scene.state("order", "orders", order_id).update(known)
    scene.state("payment", "payments", order_id).update(
        receipt=None, refunds=[], closing=None, shipping={"status": "none"}
    )
    scene.state("inventory", "reservations", order_id).update(status="reserved", cases={})
    asked = {"contact": {"name": NAME, "phone": PHONE}, "lines": [WANTED]}
    scene.asked.append(Asked(AT, "c1", "place", "", asked, 201, {"order_id": order_id}))


def is_paid(scene: Scene, order_id: str) -> None:
    """Placed, set aside and paid."""
    is_placed(scene, order_id)
    about = {"order_id": order_id, "amount": yuan(TOTAL), "paid_at": WHEN}
    received = {**about, "transaction_id": f"wx-{order_id}"}
    heard = scene.hears(("payment", "payments", order_id), f"callback {order_id}", ("payment-received.v1", received))
    scene.hears(("order", "orders", order_id), heard, ("order-paid.v1", about))
    scene.pays("payment", order_id, TOTAL)
    scene.state("order", "orders", order_id).update(state="paid", paid=yuan(TOTAL))
    scene.state("payment", "payments", order_id).update(receipt={"amount": yuan(TOTAL)}, status="paid")


def asks(scene: Scene, order_id: str, wish: str, body: Body) -> str:
    """The customer cancels everything; the order makes its first wish. The wish's id."""
    case_id = f"{order_id}-c1"
    about = {"order_id": order_id, "case_id": case_id, "customer_id": "c1", "customer_group": "g", "whole": True}
    about |= {
        "lines": GIVEN,
        "amount": yuan(TOTAL),
        "reason": REASON,
        "by": BY,
        "accepted_at": WHEN,
        "occurred_at": WHEN,
    }
    heard = f"cancel {order_id}"
    scene.hears(("order", "orders", order_id), heard, ("cancellation-accepted.v1", about), (wish, body))
    scene.asked.append(Asked(AT, "c1", "cancel", order_id, {}, 202, {"case_id": case_id}))
    return message_id(heard, 1)


def case(order_id: str, status: str, step: str) -> Body:
    """A case as the order knows it."""
    return {"case_id": f"{order_id}-c1", "status": status, "amount": yuan(TOTAL), "run": ended(step)}


def tells(scene: Scene, order_id: str, heard: str, outcome: str) -> str:
    """The order lets the customer know; the id of the answer."""
    about = {"order_id": order_id, "case_id": f"{order_id}-c1", "outcome": outcome}
    wish = {**about, "to": CUSTOMER, "amount_minor": TOTAL}
    wished = scene.hears(("order", "orders", order_id), heard, ("tell-customer.v2", wish))
    notice = ("notify", "notices", f"{order_id}-c1/{outcome}")
    told = {**about, "channel": "wechat", "told_at": WHEN}
    answer = scene.does(notice, wished, "send-wechat", ("customer-told.v2", told))
    tried = [{"channel": "wechat", "what": "call", "result": "sent", "code": "", "at": AT}]
    known = {"asked": about, "channel": "wechat", "first_call": 1, "tried": tried, "told_at": AT, "superseded_at": None}
    scene.state(*notice).update(known)
    scene.carries(order_id, outcome)
    return answer


def ends(scene: Scene, order_id: str, heard: str, how: str, **more: Any) -> None:
    """The order closes its case."""
    about = {
        "order_id": order_id,
        "case_id": f"{order_id}-c1",
        "customer_id": "c1",
        "occurred_at": WHEN,
        f"{how}_at": WHEN,
    }
    scene.hears(("order", "orders", order_id), heard, (f"cancellation-{how}.v1", {**about, **more}))


# ── its ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def holds(scene: Scene, order_id: str) -> tuple[str, Body]:
    """The case holds its stock; the id of the wish to refund that follows, and whose it is."""
    of_case = {"order_id": order_id, "case_id": f"{order_id}-c1"}
    holding = asks(scene, order_id, "hold-stock.v1", {**of_case, "lines": STOCK})
    held = scene.hears(("inventory", "reservations", order_id), holding, ("stock-held.v1", of_case))
    wish = {**of_case, "amount": yuan(TOTAL), "reason": "r"}
    return scene.hears(("order", "orders", order_id), held, ("refund-payment.v1", wish)), of_case


def is_cancelled(scene: Scene, order_id: str) -> None:
    """The money goes back, the stock goes back, the customer hears of both."""
    wish, of_case = holds(scene, order_id)
    order, payment = ("order", "orders", order_id), ("payment", "payments", order_id)
    number = f"{order_id}-c1-1"
    about = {**of_case, "refund_number": number, "amount": yuan(TOTAL)}
    accepted = {**about, "route": "支付用户零钱", "accepted_at": WHEN}
    heard = scene.does(payment, wish, "send-refund", ("refund-accepted.v1", accepted))
    scene.pays("refund-accepted", order_id, TOTAL, out_refund_no=number)
    releasing = scene.hears(order, heard, ("release-stock.v1", {**of_case, "lines": STOCK}))
    is_released(scene, order_id, releasing)
    heard = message_id(message_id(message_id(releasing, 0), "report"), 0)
    watching = scene.hears(order, tells(scene, order_id, heard, "refund-on-its-way"), ("watch-refund.v1", of_case))
    scene.hears(payment, watching)
    scene.pays("refund-success", order_id, TOTAL, out_refund_no=number)
    heard = scene.hears(payment, f"poll {order_id}", ("refund-settled.v1", {**about, "settled_at": WHEN}), passing=True)
    heard = tells(scene, order_id, heard, "refund-arrived")
    more = {"whole": True, "lines": GIVEN, "refunded": yuan(TOTAL), "reason": REASON, "customer_group": "g"}
    ends(scene, order_id, heard, "completed", **more)
    gone = scene.state("order", "orders", order_id)
    gone.update(state="cancelled", cases=[case(order_id, "completed", "tell the customer it arrived")])
    gone["lines"][0]["cancelled"] = PIECES
    scene.state("payment", "payments", order_id)["refunds"].append(refund(order_id, "settled"))


def is_released(scene: Scene, order_id: str, wish: str) -> None:
    """Inventory puts a case's pieces back on the shelf."""
    body = {"order_id": order_id, "case_id": f"{order_id}-c1", "lines": STOCK}
    scene.does(("inventory", "reservations", order_id), wish, "move-stock", ("stock-released.v1", body))
    scene.takes(f"{order_id}-release", f"release:{order_id}-c1", order_id, 1, available=PIECES, reserved=-PIECES)
    scene.state("inventory", "reservations", order_id)["cases"] = {f"{order_id}-c1": {"status": "released"}}


def refund(order_id: str, status: str, wake_at: datetime | None = None) -> Body:
    """A refund as the payment knows it."""
    number: Body = {"case_id": f"{order_id}-c1", "number": f"{order_id}-c1-1", "closed_numbers": [], "payout": None}
    return {**number, "status": status, "amount": yuan(TOTAL), "wake_at": wake_at}


def is_undone(scene: Scene, order_id: str) -> None:
    """The provider refuses for good: the stock stays with the order, the customer hears why."""
    wish, of_case = holds(scene, order_id)
    order, payment = ("order", "orders", order_id), ("payment", "payments", order_id)
    number = f"{order_id}-c1-1"
    body = {**of_case, "refund_number": number, "reason": "account-abnormal", "provider_code": "USER_ACCOUNT_ABNORMAL"}
    heard = scene.does(payment, wish, "send-refund", ("refund-refused.v1", body))
    scene.pays("refund-refused", order_id, TOTAL, out_refund_no=number, code="USER_ACCOUNT_ABNORMAL")
    keeping = scene.hears(order, heard, ("keep-stock.v1", of_case))
    kept = scene.hears(("inventory", "reservations", order_id), keeping, ("stock-kept.v1", of_case))
    heard = tells(scene, order_id, kept, "refund-failed")
    ends(scene, order_id, heard, "undone", because="account-abnormal")
    calls_a_person(scene, order_id)
    scene.state("order", "orders", order_id).update(cases=[case(order_id, "undone", "tell the customer why not")])
    scene.state("payment", "payments", order_id)["refunds"].append(refund(order_id, "refused"))
    scene.state("inventory", "reservations", order_id)["cases"] = {f"{order_id}-c1": {"status": "kept"}}


def calls_a_person(scene: Scene, order_id: str) -> None:
    """Somebody is asked to look at its case."""
    task = {"task_id": f"{order_id}-c1-t1", "case_id": f"{order_id}-c1", "kind": "refund-refused"}
    body = {**task, "order_id": order_id, "what": "the refund was refused", "raised_at": WHEN}
    scene.hears(("order", "orders", order_id), f"ask a person about {order_id}", ("staff-task-raised.v2", body))
    known: Body = {**task, "done_at": None, "done_by": "", "facts": {}}
    scene.state("order", "orders", order_id)["tasks"].append(known)


def is_shipped(scene: Scene, order_id: str) -> None:
    """The parcel leaves."""
    about = {"order_id": order_id}
    shipped = {**about, "carrier": "SF", "tracking_number": "1", "shipped_at": WHEN}
    heard = f"ship {order_id}"
    order = ("order", "orders", order_id)
    scene.hears(order, heard, ("order-shipped.v1", shipped), ("dispatch-stock.v1", about))
    wish = message_id(heard, 1)
    gone = scene.does(("inventory", "reservations", order_id), wish, "move-stock", ("stock-dispatched.v1", about))
    scene.takes(f"{order_id}-dispatch", "dispatch", order_id, 1, reserved=-PIECES, sold=PIECES)
    scene.hears(order, gone)
    scene.state("order", "orders", order_id).update(state="shipped", dispatching=ended("take the stock off the books"))
    scene.state("inventory", "reservations", order_id)["status"] = "dispatched"
    scene.asked.append(Asked(LATER, "s-warehouse", "ship", order_id, {}, 200, {}))
    scene.shipping[order_id] = [{"tracking_no": "1"}]


def is_cancelled_unpaid(scene: Scene, order_id: str) -> None:
    """Nobody pays: the payment is closed, the stock goes back."""
    is_placed(scene, order_id)
    of_case = {"order_id": order_id, "case_id": f"{order_id}-c1"}
    wish = asks(scene, order_id, "close-payment.v1", of_case)
    closed = scene.hears(("payment", "payments", order_id), wish, ("payment-closed.v1", of_case))
    order = ("order", "orders", order_id)
    releasing = scene.hears(order, closed, ("release-stock.v1", {**of_case, "lines": STOCK}))
    is_released(scene, order_id, releasing)
    heard = tells(scene, order_id, message_id(message_id(message_id(releasing, 0), "report"), 0), "order-cancelled")
    more = {"whole": True, "lines": GIVEN, "refunded": yuan(0), "reason": REASON, "customer_group": "g"}
    ends(scene, order_id, heard, "completed", **more)
    gone = scene.state("order", "orders", order_id)
    gone.update(state="cancelled", cases=[case(order_id, "completed", "tell the customer")])
    gone["lines"][0]["cancelled"] = PIECES
