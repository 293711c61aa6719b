"""Hiding, erasing, restoring: what an order decides, and the table of rules row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from chassis.record import Heard, Refusal
from contracts import inventory, payment
from contracts.deleting import ContactErased, HideOrder, NoticesErased, OrderNotErased
from contracts.message import Message, Woke
from contracts.order import Actor, CompleteOrder, DeliverOrder, Reason
from contracts.payment import RefundDelayed
from services.order.deleting import RULES, Facts, denying, last_moment
from services.order.erasing import EraseOrder, RestoreOrder
from services.order.exporting import digest_of
from services.order.model import Order
from tests.unit.order.told import (
    CASE,
    CLOSED,
    CUSTOMER,
    ID,
    OPENED,
    RESERVED,
    SHIP,
    STAFF,
    Told,
    accepted,
    cancel,
    held,
    paid,
    paid_order,
    place,
    released,
    settled,
    told,
)

PERSONAL = ("张三", "13800001111", "openid-1", '"c1"', "SF1", "my neighbour", "we ring your wife", "支付用户零钱")
DAYS = 1_096
LATER = timedelta(days=DAYS + 1)
DISPATCHED = inventory.StockDispatched(order_id=ID)
RECORDED = payment.ShippingRecorded(order_id=ID, outcome="recorded")
HIDE = HideOrder(order_id=ID, by=CUSTOMER)


def long_ago(order: Told) -> Told:
    """Everything was said, and years have passed."""
    order.record = replace(order.record, unsaid=())
    order.now += LATER
    return order


def cancelled() -> Told:
    """An order that was paid and cancelled, with everything that belongs to it, long ago."""
    why = Reason(family="customer", code="other", remark="my neighbour is 13800002222")
    wish = cancel(reason=why)
    asked = wish.asked.model_copy(update={"solution": "we ring your wife"})
    wish = wish.model_copy(update={"asked": asked})
    order = paid_order().hears(wish, held(), accepted(), released(), told("refund-on-its-way"))
    return long_ago(order.hears(settled(), told("refund-arrived")))


def unpaid() -> Told:
    return Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"))


def completed() -> Told:
    order = paid_order().hears(SHIP, DISPATCHED, RECORDED)
    return long_ago(order.hears(DeliverOrder(order_id=ID, by=STAFF), CompleteOrder(order_id=ID, by=STAFF)))


def facts(order: Told, unsaid: int = 0) -> Facts:
    return Facts(order.order, order.now, timedelta(days=DAYS), unsaid)


def erase(order: Told, **change: object) -> EraseOrder:
    given: dict[str, object] = {
        "order_id": ID,
        "digest": digest_of(order.order),
        "export_id": "e" * 64,
        "confirmed": True,
        "retention_days": DAYS,
        "reason": "kept long enough",
        "by": STAFF,
    }
    return EraseOrder.model_validate(given | change)


def forgotten(order: Told) -> tuple[Message, Message]:
    digest = order.order.erased.digest if order.order.erased else ""
    return ContactErased(order_id=ID, erasure=digest), NoticesErased(order_id=ID, erasure=digest)


def erased() -> Told:
    order = cancelled()
    order.hears(erase(order))
    return order.hears(*forgotten(order))


# ── hiding ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "make",
    [cancelled, lambda: Told().hears(place(), RESERVED, OPENED, cancel(), CLOSED, released(), told("order-cancelled"))],
)
def test_a_finished_order_is_hidden_once(make: Callable[[], Told]) -> None:
    order = make().hears(HIDE)
    first = order.order.hidden_at
    assert order.last == ["order-hidden"]
    assert order.hears(HIDE).order.hidden_at == first is not None
    assert order.order.state == "cancelled", "nothing else has changed"


@pytest.mark.parametrize(
    ("order", "by", "why"),
    [
        (Told(), CUSTOMER, "unknown-order"),
        (paid_order(), CUSTOMER, "not-finished"),
        (paid_order().hears(cancel()), CUSTOMER, "cancellation-open"),
        (cancelled(), Actor(kind="customer", id="c2"), "unknown-order"),
        (erased(), CUSTOMER, "unknown-order"),
    ],
)
def test_what_is_not_finished_or_not_theirs_is_not_hidden(order: Told, by: Actor, why: str) -> None:
    before = order.record
    with pytest.raises(Refusal) as refused:
        order.hears(HideOrder(order_id=ID, by=by))
    assert refused.value.event.model_dump()["reason"] == why
    assert order.record == before


# ── the rules ────────────────────────────────────────────────────────────────────────────────────────────────────────
def with_case(order: Told, **change: object) -> Order:
    case = order.order.cases[0]
    return order.order.with_case(case.model_copy(update=change))


def test_an_old_finished_order_may_be_deleted() -> None:
    assert denying(facts(cancelled())) == ()
    assert denying(facts(completed())) == ()


def young() -> Facts:
    order = cancelled()
    return Facts(
        order.order, last_moment(order.order) + timedelta(days=DAYS) - timedelta(milliseconds=1), timedelta(days=DAYS)
    )


def unsettled() -> Facts:
    order = cancelled()
    refund = order.order.cases[0].refund
    assert refund is not None
    return Facts(with_case(order, refund=refund.model_copy(update={"settled_at": None})), order.now, timedelta(0))


def with_open_case() -> Facts:
    order = paid_order().hears(cancel())
    return Facts(order.order.model_copy(update={"state": "completed"}), order.now, timedelta(0))


def with_task() -> Facts:
    order = paid_order().hears(cancel(), held(), accepted(), released(), told("refund-on-its-way"))
    order.hears(RefundDelayed.model_validate({"order_id": ID, "case_id": CASE, "refund_number": "o1-c1-1", "days": 3}))
    assert order.order.tasks
    order.hears(settled(), told("refund-arrived"))
    tasks = tuple(task.model_copy(update={"done_at": None}) for task in order.order.tasks)
    return Facts(order.order.model_copy(update={"tasks": tasks}), order.now, timedelta(0))


def with_run() -> Facts:
    order = completed()
    assert order.order.dispatching is not None
    running = order.order.dispatching.model_copy(update={"status": "running"})
    return Facts(order.order.model_copy(update={"dispatching": running}), order.now, timedelta(0))


def not_finished() -> Facts:
    order = paid_order()
    return Facts(order.order, order.now, timedelta(0))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("finished", not_finished),
        ("retention", young),
        ("no-open-case", with_open_case),
        ("no-unsettled-refund", unsettled),
        ("no-open-task", with_task),
        ("nothing-under-way", with_run),
        ("nothing-unsaid", lambda: facts(cancelled(), unsaid=1)),
    ],
)
def test_every_rule_denies_what_it_is_for_and_says_what_to_do(name: str, make: Callable[[], Facts]) -> None:
    given = make()
    rule = next(rule for rule in denying(given) if rule.name == name)
    words = rule.in_words(given)
    assert words["zh"]
    assert words["en"]
    assert "{" not in words["en"]


def test_the_table_above_names_every_rule() -> None:
    assert [rule.name for rule in RULES] == [
        "finished",
        "retention",
        "no-open-case",
        "no-unsettled-refund",
        "no-open-task",
        "nothing-under-way",
        "nothing-unsaid",
    ]


def test_the_retention_counts_from_the_last_thing_that_happened() -> None:
    order = cancelled()
    assert last_moment(order.order) == order.order.cases[0].ended_at
    assert f"{facts(order).until:%Y-%m-%d}" in RULES[1].in_words(facts(order))["zh"]


# ── erasing ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("make", [cancelled, completed])
def test_nothing_of_the_record_says_whose_order_it_was(make: Callable[[], Told]) -> None:
    order = make()
    before = order.order
    order.hears(erase(order))
    assert order.last == ["order-erased", "erase-contact"]
    text = order.order.model_dump_json() + "".join(
        said.body for entry in order.record.journal[:-1] for said in entry.said
    )
    assert not [value for value in PERSONAL if value in text]
    after = order.order
    figures = ("order_id", "state", "lines", "total_minor", "paid", "placed_at", "customer_group", "currency")
    assert [getattr(after, name) for name in figures] == [getattr(before, name) for name in figures]
    assert [(case.case_id, case.status, case.amount, case.lines) for case in after.cases] == [
        (case.case_id, case.status, case.amount, case.lines) for case in before.cases
    ]
    assert [(moment.at, moment.what) for moment in after.timeline] == [
        (moment.at, moment.what) for moment in before.timeline
    ]
    assert after.refunded_minor == before.refunded_minor


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"confirmed": False}, "code-required"),
        ({"digest": "0" * 64}, "export-outdated"),
        ({"retention_days": DAYS * 2}, "deletion-denied"),
    ],
)
def test_without_code_export_or_leave_nothing_is_erased(change: dict[str, object], reason: str) -> None:
    order = cancelled()
    before = order.record
    with pytest.raises(Refusal) as refused:
        order.hears(erase(order, **change))
    assert isinstance(refused.value.event, OrderNotErased)
    assert refused.value.event.reason == reason
    assert order.record == before


def test_the_other_services_are_asked_until_they_have_forgotten_too() -> None:
    order = cancelled()
    order.hears(erase(order))
    contact, notices = forgotten(order)
    assert order.after(timedelta(minutes=1)).last == ["erase-contact"]
    assert order.hears(contact).last == ["erase-notices"]
    assert order.after(timedelta(minutes=1)).last == ["erase-notices"]
    assert order.hears(NoticesErased(order_id=ID, erasure="another")).order.wake_at is not None
    assert order.hears(notices).order.wake_at is None


def test_an_erased_order_answers_repeats_and_takes_nothing_up_again() -> None:
    order = erased()
    state = order.order
    late = [
        paid(),
        held(),
        accepted(),
        settled(),
        told("refund-arrived"),
        NoticesErased(order_id=ID, erasure="x"),
        place(),
        erase(order),
    ]
    for message in late:
        order.hears(message)
        assert order.order == state
    assert order.last == ["order-erased"]
    order.decide(Heard(Woke(record_id="o1", due=order.now), "old ring", order.now))
    assert order.order == state


def test_a_message_that_was_heard_before_says_nothing_personal_when_it_comes_again() -> None:
    order = erased()
    for number in range(1, order.heard + 1):
        decided = order.decide(Heard(place(), f"m{number}", order.now))
        assert decided.repeat
        assert not decided.stored
        assert not [said for said in decided.says if not said.body or any(one in said.body for one in PERSONAL)]


def test_another_cancellation_is_refused_as_the_order_stands() -> None:
    order = erased()
    for by, why in ((STAFF, "already-cancelled"), (CUSTOMER, "unknown-order")):
        with pytest.raises(Refusal) as refused:
            order.hears(cancel(request="r9", by=by))
        assert refused.value.event.model_dump()["reason"] == why


def test_what_is_still_to_be_said_keeps_its_words_until_it_is_said() -> None:
    order = cancelled()
    late = order.record.journal[0].said[0].id
    order.record = replace(order.record, unsaid=(late,))
    order.hears(erase(order))
    assert order.record.pruned, "the stored journal is replaced"
    assert order.record.journal[0].said[0].body
    order.record = replace(order.record, unsaid=())
    order.hears(*forgotten(order))
    assert [said.wire for said in order.record.journal[0].said if said.body] == [], "nothing is left"


# ── restoring ────────────────────────────────────────────────────────────────────────────────────────────────────────
def restore(state: Order, digest: str = "") -> RestoreOrder:
    return RestoreOrder(order_id=ID, digest=digest or digest_of(state), state=state, by=STAFF)


def test_a_restored_order_is_what_it_was() -> None:
    order = cancelled()
    before = order.order
    order.hears(erase(order))
    order.hears(*forgotten(order))
    order.hears(restore(before))
    assert order.last == ["order-restored"]
    assert order.order.model_dump_json() == before.model_dump_json()
    assert order.hears(restore(before)).order == before, "a repeat changes nothing"
    order.hears(erase(order))
    assert order.order.erased is not None, "it can be erased again"


def test_an_order_that_is_gone_is_put_back() -> None:
    assert Told().hears(restore(cancelled().order)).order == cancelled().order


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: cancelled().hears(HIDE), "restore-over-newer"),
        (paid_order, "restore-over-newer"),
        (erased, "restore-another"),
    ],
)
def test_nothing_is_put_over_what_is_newer_or_another(make: Callable[[], Told], reason: str) -> None:
    order = make()
    before = order.record
    with pytest.raises(Refusal) as refused:
        order.hears(restore(completed().order))
    assert refused.value.event.model_dump()["reason"] == reason
    assert order.record == before


def test_nothing_is_put_back_while_it_is_being_erased() -> None:
    order = cancelled()
    before = order.order
    order.hears(erase(order))
    with pytest.raises(Refusal, match="OrderNotRestored"):
        order.hears(restore(before))
