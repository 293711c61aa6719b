"""What may be wrong at the door of the shop of `tales`: rights, the trail, sessions, codes, and what customers take or
say; and which check has to see it."""

from __future__ import annotations

import json

from tests.simulation.evidence import Asked
from tests.unit.simulation.given import AT, REASON, WHEN, Scene
from tests.unit.simulation.spoils import seen_by
from tests.unit.simulation.spoils_kept import SPOILS
from tests.unit.simulation.tales import BACK, GONE, KEPT, TOTAL, rates

__all__ = ["SPOILS", "cancels_for_quality", "gets_a_code"]

SUPERVISOR = {"kind": "staff", "id": "s-supervisor", "role": "supervisor"}


# ── rights ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("with-the-right")
def the_warehouse_cancels(scene: Scene) -> None:
    scene.tries("s-warehouse", "POST", f"/admin/v1/orders/{KEPT}/cancellation", 202)


@seen_by("with-the-right")
def a_route_that_nobody_has_a_right_to(scene: Scene) -> None:
    scene.tries("s-administrator", "POST", "/admin/v1/everything", 200)


@seen_by("with-the-right")
def a_role_that_nobody_has(scene: Scene) -> None:
    scene.tries("s-director", "GET", "/admin/v1/orders", 200)


@seen_by("with-the-right")
def a_customer_at_the_staffs_door(scene: Scene) -> None:
    scene.tries("c1", "GET", "/admin/v1/orders", 200)


@seen_by("with-the-right")
def staff_at_the_customers_door(scene: Scene) -> None:
    scene.tries("s-supervisor", "GET", "/mp/v1/orders", 200)


@seen_by("with-the-right")
def a_look_at_another_customers_order(scene: Scene) -> None:
    scene.tries("c2", "GET", f"/mp/v1/orders/{BACK}", 200)


@seen_by("with-the-right")
def cancelled_by_another_customer(scene: Scene) -> None:
    scene.rewords("cancellation-accepted.v1", BACK, by={"kind": "customer", "id": "c2", "role": ""})


@seen_by("with-the-right")
def cancelled_by_the_warehouse(scene: Scene) -> None:
    scene.rewords("cancellation-accepted.v1", BACK, by={"kind": "staff", "id": "s-warehouse", "role": "warehouse"})


@seen_by("with-the-right", "with-a-code")
def erased_by_a_supervisor(scene: Scene) -> None:
    body = {"order_id": BACK, "erased_at": WHEN, "export_id": "e", "by": SUPERVISOR}
    scene.sends("order.events", "order-erased.v1", "erased", BACK, json.dumps(body), source="order")


# ── the trail ────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("in-the-trail")
def shipped_and_not_written_down(scene: Scene) -> None:
    scene.documents["gateway"]["audit"].popitem()


@seen_by("in-the-trail")
def a_whole_order_taken_along_and_not_written_down(scene: Scene) -> None:
    scene.tries("s-administrator", "GET", f"/admin/v1/orders/{GONE}/export", 200)


@seen_by("in-the-trail")
def written_down_twice(scene: Scene) -> None:
    one = scene.attempts[1]
    scene.notes(one.who, one.method, one.path, one.status, one.id)


@seen_by("in-the-trail")
def written_down_and_never_asked(scene: Scene) -> None:
    scene.notes("s-finance", "POST", f"/admin/v1/orders/{GONE}/ship", 200, "nobody.1")


@seen_by("in-the-trail")
def signed_in_more_often_than_asked(scene: Scene) -> None:
    scene.notes("s-warehouse", "POST", "/admin/v1/session", 200, "")


@seen_by("in-the-trail")
def written_down_as_somebody_elses(scene: Scene) -> None:
    scene.documents["gateway"]["audit"]["entry-1"]["staff"] = "s-finance"


@seen_by("in-the-trail")
def written_down_as_something_else(scene: Scene) -> None:
    scene.documents["gateway"]["audit"]["entry-1"]["path"] = f"/admin/v1/orders/{GONE}/deliver"


@seen_by("in-the-trail")
def granted_and_written_down_as_refused(scene: Scene) -> None:
    scene.documents["gateway"]["audit"]["entry-1"]["status"] = 403


@seen_by("no-secret-kept")
def a_password_in_the_trail(scene: Scene) -> None:
    scene.documents["gateway"]["audit"]["entry-0"]["body"] = '{"password": "quite-secret"}'


# ── sessions and codes ───────────────────────────────────────────────────────────────────────────────────────────────
def _refreshes(scene: Scene, token: str, status: int) -> None:
    scene.asked.append(Asked(AT, "c1", "refresh", "", {"refresh_token": token}, status, {}))


@seen_by("sessions-end")
def a_refresh_token_that_works_twice(scene: Scene) -> None:
    _refreshes(scene, "family.1.mark", 200)


@seen_by("sessions-end")
def a_session_that_goes_on_after_a_replay(scene: Scene) -> None:
    _refreshes(scene, "family.1.mark", 401)
    _refreshes(scene, "family.2.mark", 200)


@seen_by("sessions-end")
def a_session_that_goes_on_after_signing_out(scene: Scene) -> None:
    scene.asked.append(Asked(AT, "c1", "sign-out", "", {"session": "family"}, 204, {}))
    _refreshes(scene, "family.2.mark", 200)


@seen_by("sessions-end")
def staff_act_without_a_session(scene: Scene) -> None:
    _refreshes(scene, "desk.1.mark", 200)
    _refreshes(scene, "desk.1.mark", 401)
    scene.tries("s-warehouse", "POST", f"/admin/v1/orders/{GONE}/deliver", 200, session="desk")


def cancels_for_quality(scene: Scene, order_id: str = BACK) -> None:
    """A supervisor cancels an order for its quality, which needs a code where it is paid."""
    reason = {**REASON, "family": "merchant", "code": "quality"}
    scene.rewords("cancellation-accepted.v1", order_id, by=SUPERVISOR, reason=reason)


def gets_a_code(scene: Scene, code: str = "123456", amount_minor: int = TOTAL, to: str = "+8613900000001") -> None:
    """A code comes to the supervisor's phone, who gives 123456 with the wish."""
    about = {"template": "t", "template_name": "verification-code", "message_id": "m", "time": WHEN}
    values = {"code": code, "minutes": "5"}
    scene.messages.append({"id": 99, "channel": "sms-tencent", "to": to, "values": values, **about})
    body = {"action": "cancel-order", "order_id": BACK, "amount_minor": amount_minor}
    scene.asked.append(Asked(AT, "s-supervisor", "code", BACK, body, 202, {"sent_to": "139****0001"}))
    scene.asked.append(Asked(AT, "s-supervisor", "cancel", BACK, {"code": "123456"}, 202, {}))


@seen_by("with-a-code")
def cancelled_without_a_code(scene: Scene) -> None:
    cancels_for_quality(scene)


@seen_by("with-a-code")
def cancelled_with_a_code_for_another_amount(scene: Scene) -> None:
    cancels_for_quality(scene)
    gets_a_code(scene, amount_minor=TOTAL - 1)


@seen_by("with-a-code")
def cancelled_with_another_code(scene: Scene) -> None:
    cancels_for_quality(scene)
    gets_a_code(scene, code="654321")


# ── what customers take and say ──────────────────────────────────────────────────────────────────────────────────────
@seen_by("rated-when-over")
def rated_before_it_was_over(scene: Scene) -> None:
    scene.rewords("cancellation-rated.v1", BACK, outcome="undone")


@seen_by("rated-when-over")
def rated_twice(scene: Scene) -> None:
    rates(scene, 1)


@seen_by("rated-when-over")
def a_rating_that_is_not_noted(scene: Scene) -> None:
    scene.rewords("cancellation-rated.v1", BACK, stars=4)


@seen_by("saved-once")
def saved_twice_by_one_wish(scene: Scene) -> None:
    taken = {"order_id": GONE, "number": 2, "kind": "later-delivery", "taken_at": WHEN, "occurred_at": WHEN}
    scene.hears(("order", "orders", GONE), "again", ("alternative-taken.v1", taken))


@seen_by("saved-once")
def an_alternative_that_was_promised(scene: Scene) -> None:
    scene.asked.append(Asked(AT, "c1", "postpone", KEPT, {}, 200, {}))


@seen_by("saved-once")
def numbered_from_two(scene: Scene) -> None:
    scene.rewords("alternative-taken.v1", GONE, number=2)


@seen_by("seen-as-it-was")
def watched_backwards(scene: Scene) -> None:
    scene.asked.append(Asked(AT, "c1", "watch", BACK, {}, 200, {"ids": [2, 1]}))


@seen_by("seen-as-it-was")
def watched_what_never_was(scene: Scene) -> None:
    scene.asked.append(Asked(AT, "c1", "watch", BACK, {}, 200, {"ids": [99]}))


@seen_by("facts")
def a_rating_that_is_not_counted(scene: Scene) -> None:
    scene.documents["analytics"]["facts_ratings"].clear()


@seen_by("facts")
def a_saved_order_that_is_counted_twice(scene: Scene) -> None:
    saved = scene.documents["analytics"]["facts_saved_orders"]
    saved[f"{GONE}/2"] = {**saved[f"{GONE}/1"], "_id": f"{GONE}/2"}


@seen_by("many-as-told")
def said_to_be_dealt_with(scene: Scene) -> None:
    task = {"task_id": f"{BACK}-c1-t1", "choice": "send-again", "outcome": "done"}
    scene.asked.append(Asked(AT, "s-finance", "resolve-many", "", {}, 200, {"tasks": [task]}))


@seen_by("many-as-told")
def only_looked_at(scene: Scene) -> None:
    task = {"task_id": f"{BACK}-c1-t1", "choice": "send-again", "outcome": "would-be-done"}
    scene.asked.append(Asked(AT, "s-finance", "resolve-many", "", {}, 200, {"tasks": [task]}))
