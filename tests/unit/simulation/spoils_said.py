"""What may be wrong with notices, messages and records in the shop of `tales`, and which check has to see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from contracts.message import message_id
from tests.simulation.evidence import Asked
from tests.unit.simulation.given import AT, LATER, NAME, OPENID, PHONE, WHEN, Body, Scene, ended
from tests.unit.simulation.spoils import ORDERS, PAYMENTS, RESERVATIONS, SPOILS, seen_by
from tests.unit.simulation.tales import BACK, GONE, KEPT, TOTAL, UNPAID

__all__ = ["SPOILS"]


def was_accepted_and_waits(scene: Scene) -> Body:
    """The refund was accepted, that is the last that was told of it, and now it waits for money."""
    scene.forgets((*PAYMENTS, BACK), f"poll {BACK}")
    refund: Body = scene.state(*PAYMENTS, BACK)["refunds"][0]
    refund["status"] = "parked"
    return refund


# ── notices ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("told-once")
def told_twice_by_one_channel(scene: Scene) -> None:
    scene.carries(BACK, "refund-arrived")


@seen_by("told-once")
def told_by_two_channels_though_the_first_was_sure(scene: Scene) -> None:
    scene.carries(BACK, "refund-arrived", "sms-tencent")


@seen_by("told-once")
def two_calls_that_were_sure(scene: Scene) -> None:
    tried = scene.state("notify", "notices", f"{BACK}-c1/refund-arrived")["tried"]
    tried.append({**tried[0], "channel": "sms-tencent"})


@seen_by("told-the-truth")
def told_what_nobody_asked_for(scene: Scene) -> None:
    scene.carries(GONE, "refund-failed")


@seen_by("told-the-truth")
def told_that_nothing_was_paid(scene: Scene) -> None:
    scene.rewords("customer-told.v2", KEPT, outcome="order-cancelled")


@seen_by("told-the-truth")
def said_to_have_left_by_a_channel(scene: Scene) -> None:
    scene.messages.clear()


@seen_by("one-end")
def told_two_ends(scene: Scene) -> None:
    body = {"order_id": KEPT, "case_id": f"{KEPT}-c1", "outcome": "refund-arrived", "channel": "inbox", "told_at": WHEN}
    scene.hears(("notify", "notices", f"{KEPT}-c1/refund-failed"), "again", ("customer-told.v2", body))


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@seen_by("everything-sent")
def a_message_that_never_left(scene: Scene) -> None:
    scene.loses("order-shipped.v1", GONE)


@seen_by("nothing-left-over")
def a_message_still_to_be_said(scene: Scene) -> None:
    scene.loses("order-shipped.v1", GONE, unsaid=True)


@seen_by("nothing-left-over")
def calls_that_never_end(scene: Scene) -> None:
    scene.sizes["payment/0 performing"] = 1


@seen_by("nothing-invented")
def a_message_of_nobody(scene: Scene) -> None:
    scene.sends("payment.events", "payment-opened.v1", "x", GONE, f'{{"order_id": "{GONE}"}}', source="payment")


@seen_by("nothing-invented")
def a_wish_that_no_record_remembers(scene: Scene) -> None:
    text = f'{{"order_id": "{GONE}"}}'
    id = message_id("cause", 0)
    scene.sends("inventory.commands", "dispatch-stock.v1", id, GONE, text, cause="cause", source="order")


@seen_by("nothing-invented")
def other_words_than_were_said(scene: Scene) -> None:
    events = scene.topics["payment.events"]
    events[0] = replace(events[0], body=events[-1].body)


@seen_by("in-order")
def the_end_before_the_beginning(scene: Scene) -> None:
    events = scene.topics["order.events"]
    first, last = (next(_with(scene, wire, BACK)) for wire in ("order-placed.v1", "cancellation-completed.v1"))
    events[first], events[last] = replace(events[last], offset=first), replace(events[first], offset=last)


def _with(scene: Scene, wire: str, key: str) -> Iterator[int]:
    for place, one in enumerate(scene.topics["order.events"]):
        if dict(one.headers)["ce_type"] == wire.encode() and one.key == key.encode():
            yield place


@seen_by("nothing-passed-over")
def a_wish_that_was_skipped(scene: Scene) -> None:
    id = scene.id_of("dispatch-stock.v1", GONE)
    done = message_id(message_id(id, 0), "report")
    scene.forgets((*RESERVATIONS, GONE), id, done)
    scene.loses("stock-dispatched.v1", GONE)


@seen_by("nothing-passed-over")
def an_answer_that_was_skipped(scene: Scene) -> None:
    scene.forgets((*ORDERS, GONE), scene.id_of("stock-dispatched.v1", GONE))
    run = ended("take the stock off the books", status="running", wake_at=LATER)
    scene.state(*ORDERS, GONE)["dispatching"] = run


@seen_by("foreign-buried")
def bytes_that_nobody_can_read_and_nobody_buried(scene: Scene) -> None:
    scene.sends("order.commands", "", "", "x", "not JSON")


def _buried(scene: Scene, error: str, text: str | None = None) -> None:
    there = scene.topics["payment.commands"]
    headers = dict(there[0].headers)
    more = {"dead_topic": "payment.commands", "dead_partition": "0", "dead_offset": "0", "dead_service": "payment"}
    wire, id = headers["ce_type"].decode(), headers["ce_id"].decode()
    body = there[0].body.decode() if text is None else text
    key = there[0].key.decode()
    scene.sends("payment.commands.dead", wire, id, key, body, dead_error=error, dead_reason=f"{PHONE} is no", **more)


@seen_by("buried-rightly", "nothing-personal")
def our_own_wish_was_buried(scene: Scene) -> None:
    _buried(scene, "KeyError")


@seen_by("buried-rightly")
def a_letter_that_is_not_what_was_sent(scene: Scene) -> None:
    _buried(scene, "TooLarge", "{}")


@seen_by("repeats-change-nothing")
def heard_twice(scene: Scene) -> None:
    scene.hears((*ORDERS, GONE), f"ship {GONE}")


@seen_by("repeats-change-nothing")
def a_repeated_answer_changed_something(scene: Scene) -> None:
    body = {"order_id": KEPT, "case_id": f"{KEPT}-c1"}
    text = str(body).replace("'", '"')
    scene.sends("inventory.events", "stock-held.v1", message_id("again", 0), KEPT, text, source="inventory")
    scene.hears((*ORDERS, KEPT), message_id("again", 0))


# ── figures, privacy, bounds, knowledge ──────────────────────────────────────────────────────────────────────────────
@seen_by("facts")
def an_event_that_was_not_counted(scene: Scene) -> None:
    del scene.documents["analytics"]["facts_cases"][f"{KEPT}-c1"]["undone"]


@seen_by("facts")
def counted_twice(scene: Scene) -> None:
    scene.documents["analytics"]["facts_refunds"]["again"] = {"_id": "again", "amount_minor": TOTAL}


@seen_by("facts")
def counted_wrongly(scene: Scene) -> None:
    scene.documents["analytics"]["facts_refunds"][f"{BACK}-c1-1"]["amount_minor"] = TOTAL - 1


@seen_by("facts")
def counted_without_its_amount(scene: Scene) -> None:
    del scene.documents["analytics"]["facts_refunds"][f"{BACK}-c1-1"]["amount_minor"]


@seen_by("facts")
def an_order_that_is_none(scene: Scene) -> None:
    scene.documents["analytics"]["facts_order_lines"][f"{BACK}/1"]["first_of"]["month"] = 0


@seen_by("facts")
def counted_for_another_group(scene: Scene) -> None:
    scene.documents["analytics"]["facts_cases"][f"{BACK}-c1"]["completed"]["group"] = "another"


@seen_by("facts")
def counted_for_other_goods(scene: Scene) -> None:
    scene.documents["analytics"]["facts_cases"][f"{BACK}-c1"]["completed"]["lines"][0]["product"] = "cup"


@seen_by("facts")
def money_of_another_month(scene: Scene) -> None:
    scene.documents["analytics"]["facts_refunds"][f"{BACK}-c1-1"]["month"] = "2025-12"


@seen_by("products")
def an_old_revision_is_shown(scene: Scene) -> None:
    body = {"product_id": "tea", "name": "tea", "category": "goods", "offers_minor": [300], "revision": 2}
    scene.hears(("inventory", "products", "tea"), "list", ("product-listed.v1", body))
    scene.documents["order"]["products"]["tea"] = {"_id": "tea", "revision": 1}


@seen_by("nothing-personal")
def a_name_in_the_logs(scene: Scene) -> None:
    scene.logs.append(f"could not tell {NAME}")


@seen_by("nothing-personal")
def an_openid_in_an_event(scene: Scene) -> None:
    scene.rewords("order-placed.v1", UNPAID, contact={"openid": OPENID})


@seen_by("nothing-personal")
def a_phone_under_another_name_in_an_event(scene: Scene) -> None:
    scene.rewords("order-shipped.v1", GONE, tracking_number=PHONE)


def _erased(scene: Scene, order_id: str) -> None:
    scene.state(*ORDERS, order_id)["erased"] = {"at": AT}


@seen_by("hidden-as-wished")
def hidden_in_words_only(scene: Scene) -> None:
    scene.asked.append(Asked(AT, "c1", "hide", GONE, {}, 200, {}))


@seen_by("hidden-as-wished")
def hidden_unasked(scene: Scene) -> None:
    scene.state(*ORDERS, BACK)["hidden_at"] = AT


@seen_by("erased-forgotten")
def erased_and_still_known(scene: Scene) -> None:
    _erased(scene, BACK)


@seen_by("erased-not-needed")
def erased_while_its_case_is_open(scene: Scene) -> None:
    _erased(scene, BACK)
    scene.state(*ORDERS, BACK)["cases"][0]["status"] = "open"


@seen_by("erased-not-needed")
def erased_while_its_refund_is_under_way(scene: Scene) -> None:
    _erased(scene, BACK)
    scene.state("payment", "payments", BACK)["refunds"][0]["status"] = "accepted"


@seen_by("bounded")
def a_memory_that_grows(scene: Scene) -> None:
    scene.sizes["order/0 said"] = 10_000


@seen_by("bounded")
def a_journal_that_grows(scene: Scene) -> None:
    for number in range(70):
        scene.hears((*PAYMENTS, BACK), f"poll {number}", passing=True)


@seen_by("told-is-known")
def paid_and_never_told(scene: Scene) -> None:
    scene.state(*ORDERS, GONE)["paid"] = None


@seen_by("told-is-known")
def a_refund_that_is_known_to_have_failed(scene: Scene) -> None:
    scene.state(*PAYMENTS, BACK)["refunds"][0]["status"] = "refused"


@seen_by("told-is-known")
def an_accepted_refund_that_waits_under_its_number(scene: Scene) -> None:
    was_accepted_and_waits(scene)


@seen_by("told-is-known")
def a_notice_told_in_silence(scene: Scene) -> None:
    scene.record("notify", "notices", f"{BACK}-c1/refund-arrived")["journal"].pop()


@seen_by("told-is-known")
def a_case_released_in_silence(scene: Scene) -> None:
    scene.state(*RESERVATIONS, KEPT)["cases"][f"{KEPT}-c1"]["status"] = "held"
