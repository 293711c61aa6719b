"""A cancellation before it begins: it waits, is taken back, approved or rejected, and until then nothing moves."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chassis.record import Refusal
from contracts.decision import DecideCancellation, WithdrawCancellation
from contracts.message import CaseId, Woke
from contracts.order import Actor, CancellationNotAccepted, Reference
from services.order.policies import Policy, Rule
from services.order.preview import cancel_preview
from services.order.story import customers_case, customers_order
from services.order.views import case_view, order_view
from services.order.wishes import pieces_wanted
from tests.unit.order.told import (
    CASE,
    CHANGED_MIND,
    CUSTOMER,
    ID,
    OPENED,
    RESERVED,
    SHIP,
    STAFF,
    START,
    Told,
    cancel,
    held,
    paid,
    place,
    told,
)

WINDOW = timedelta(minutes=5)
BOSS = Actor(kind="staff", id="s2", role="supervisor")
HELPER = Actor(kind="staff", id="s3", role="customer-service")
LAST = Rule(name="last", way="allow")
UNDO = Policy(
    version=3, rules=(Rule(name="soon", way="allow", states=("paid",), undo_seconds=int(WINDOW.total_seconds())), LAST)
)
APPROVAL = Policy(
    version=4, rules=(Rule(name="later", way="approve", states=("paid",), approve_by=("supervisor",)), LAST)
)
CODE = Policy(version=5, rules=(Rule(name="coded", way="allow", who=("supervisor",), code=True), LAST))
DENIED = Policy(version=6, rules=(Rule(name="no", way="deny", zh="不行", en="No."),))


def paid_order() -> Told:
    return Told().hears(place(), RESERVED, OPENED, paid())


def waits(policy: Policy, by: Actor = CUSTOMER) -> Told:
    return paid_order().hears(cancel(policy=policy, by=by))


def withdraw(by: Actor = CUSTOMER, case: str = CASE) -> WithdrawCancellation:
    return WithdrawCancellation(order_id=ID, case_id=CaseId(case), by=by)


def decide(approve: bool, by: Actor = BOSS, note: str = "", case: str = CASE) -> DecideCancellation:
    return DecideCancellation(order_id=ID, case_id=CaseId(case), approve=approve, note=note, by=by)


def refused(order: Told, message: Any) -> Any:
    with pytest.raises(Refusal) as found:
        order.hears(message)
    return found.value.event


# ── waiting ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("policy", [UNDO, APPROVAL])
def test_while_it_waits_nothing_moves_and_nothing_is_shipped(policy: Policy) -> None:
    order = waits(policy)
    assert order.last == ["cancellation-accepted"]
    assert order.order.state == "cancelling"
    assert refused(order, SHIP).reason == "cancellation-open"
    assert order.hears(held()).last == [], "an answer nobody asked for"


def test_the_case_keeps_which_rule_of_which_version_decided() -> None:
    ruling = waits(UNDO).order.cases[0].ruling
    assert ruling is not None
    assert (ruling.rule, ruling.policy_version, ruling.way) == ("soon", 3, "allow")


def test_when_the_window_closes_it_begins() -> None:
    order = waits(UNDO)
    assert order.order.wake_at == START + timedelta(seconds=4) + WINDOW
    order.after(WINDOW)
    assert order.last == ["hold-stock"]
    assert not order.order.cases[0].waits


def test_a_timer_before_the_end_of_the_window_begins_nothing() -> None:
    order = waits(UNDO)
    due = order.record.wake_at
    assert due is not None
    order.now = due - timedelta(seconds=1)
    assert order.hears(Woke(record_id="o1", due=due)).last == []
    assert order.order.cases[0].waits


def test_a_second_request_for_the_same_meets_the_waiting_case() -> None:
    order = waits(APPROVAL).hears(cancel(request="r2", policy=APPROVAL))
    assert order.last == ["cancellation-accepted"]
    assert len(order.order.cases) == 1


# ── taken back ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("policy", [UNDO, APPROVAL])
@pytest.mark.parametrize(("asked_by", "by"), [(CUSTOMER, CUSTOMER), (STAFF, HELPER)])
def test_what_is_taken_back_leaves_the_order_as_it_was(policy: Policy, asked_by: Actor, by: Actor) -> None:
    before = paid_order().order
    order = waits(policy, asked_by).hears(withdraw(by))
    after = order.order
    assert order.last == ["cancellation-undone"]
    same = {"cases": (), "timeline": ()}
    assert after.model_copy(update=same) == before.model_copy(update=same)
    assert after.cases[0].refusal == "withdrawn"
    assert after.wake_at is None, "no timer begins it after all"


def test_taking_back_twice_is_answered_twice() -> None:
    order = waits(UNDO).hears(withdraw(), withdraw())
    assert order.last == ["cancellation-undone"]


def test_what_was_taken_back_can_be_asked_again() -> None:
    order = waits(UNDO).hears(withdraw(), cancel(request="r2", policy=UNDO))
    assert order.last == ["cancellation-accepted"]
    assert len(order.order.cases) == 2


def test_what_has_begun_cannot_be_taken_back() -> None:
    order = waits(UNDO).after(WINDOW)
    assert refused(order, withdraw()).reason == "too-late"


@pytest.mark.parametrize("asked", [withdraw(Actor(kind="customer", id="c2")), withdraw(case="o1-c9")])
def test_a_stranger_takes_nothing_back(asked: WithdrawCancellation) -> None:
    assert refused(waits(UNDO), asked).reason == "unknown-case"


@pytest.mark.parametrize(("asked_by", "by"), [(CUSTOMER, HELPER), (STAFF, CUSTOMER)])
def test_what_the_other_side_asked_for_is_not_theirs_to_take_back(asked_by: Actor, by: Actor) -> None:
    assert refused(waits(UNDO, asked_by), withdraw(by)).reason == "not-yours"


def test_until_it_is_decided_it_lies_with_a_person_and_afterwards_not() -> None:
    order = waits(APPROVAL)
    assert order.order.cases[0].waits_for_a_person
    assert not order.hears(decide(True)).order.cases[0].waits_for_a_person
    assert not waits(UNDO).order.cases[0].waits_for_a_person


def test_what_is_told_of_it_is_the_same_before_and_after_it_has_begun() -> None:
    order = waits(UNDO)
    first = order.record.journal[-1].said[0].body
    order.after(WINDOW).hears(cancel(request="r2", policy=UNDO))
    assert order.record.journal[-1].said[0].body == first


# ── approved or rejected ─────────────────────────────────────────────────────────────────────────────────────────────
def test_approved_it_begins() -> None:
    order = waits(APPROVAL).hears(decide(True))
    assert order.last == ["cancellation-decided", "hold-stock"]


def test_rejected_the_customer_hears_why_and_the_order_is_as_it_was() -> None:
    order = waits(APPROVAL).hears(decide(False, note="already packed"))
    assert order.last == ["cancellation-decided", "tell-customer"]
    assert refused(order, SHIP).reason == "cancellation-open", "not before the customer has heard it"
    order.hears(told("cancellation-refused"))
    assert order.last == ["cancellation-undone"]
    assert order.order.state == "paid"
    assert order.order.tasks == ()
    assert order.order.lines[0].cancelled == 0


def test_a_decision_is_asked_for_again_until_the_customer_has_heard_it() -> None:
    order = waits(APPROVAL).hears(decide(False, note="already packed"))
    assert order.after(timedelta(minutes=1)).last == ["tell-customer"]


def test_the_same_decision_twice_is_one() -> None:
    order = waits(APPROVAL).hears(decide(True), decide(True))
    assert order.last == ["cancellation-decided"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (decide(True, HELPER), "not-your-role"),
        (decide(False), "note-required"),
        (decide(True, case="o1-c9"), "unknown-case"),
    ],
)
def test_decisions_that_are_none(asked: DecideCancellation, reason: str) -> None:
    order = waits(APPROVAL)
    assert refused(order, asked).reason == reason
    assert order.order.cases[0].waits


def test_whoever_asked_does_not_approve() -> None:
    order = waits(APPROVAL, by=STAFF)
    assert refused(order, decide(True, STAFF)).reason == "second-person-needed"
    assert order.hears(decide(True, BOSS)).last == ["cancellation-decided", "hold-stock"]


def test_what_is_decided_stays_so() -> None:
    order = waits(APPROVAL).hears(decide(True))
    assert refused(order, decide(False, note="no")).reason == "already-decided"
    assert refused(order, decide(True, Actor(kind="staff", id="s9", role="supervisor"))).reason == "already-decided"
    assert refused(waits(UNDO), decide(True)).reason == "already-decided"
    assert refused(waits(APPROVAL).hears(withdraw()), decide(True)).reason == "already-decided"


# ── denied, or with a code ───────────────────────────────────────────────────────────────────────────────────────────
def test_denied_with_the_sentence_of_the_rule() -> None:
    event = refused(paid_order(), cancel(policy=DENIED))
    assert isinstance(event, CancellationNotAccepted)
    assert (event.reason, event.rule, event.policy_version, event.zh) == ("policy-denied", "no", 6, "不行")


def test_without_the_code_it_is_refused_and_says_for_how_much() -> None:
    event = refused(paid_order(), cancel(policy=CODE, by=STAFF))
    assert (event.reason, event.amount_minor) == ("code-required", 1900)
    other = refused(paid_order(), cancel(policy=CODE, by=STAFF, confirmed=True, confirmed_minor=1))
    assert other.reason == "code-required", "the code was for another amount"
    order = paid_order().hears(cancel(policy=CODE, by=STAFF, confirmed=True, confirmed_minor=1900))
    assert order.last == ["cancellation-accepted", "hold-stock"]


def test_the_code_is_for_what_the_preview_shows_to_come_back_also_where_nothing_was_paid() -> None:
    unpaid = Told().hears(place(), RESERVED, OPENED)
    wish = cancel(policy=CODE, by=STAFF, confirmed=True)
    shown = cancel_preview(unpaid.order, wish.asked, CHANGED_MIND, pieces_wanted(unpaid.order, wish.asked), CODE, START)
    assert (shown["code_needed"], shown["amount_minor"]) == (True, 0)
    assert refused(unpaid, cancel(policy=CODE, by=STAFF)).amount_minor == 0
    assert unpaid.hears(wish).last == ["cancellation-accepted", "close-payment"]


def test_a_repeat_meets_its_case_whatever_the_policy_says_by_now() -> None:
    order = paid_order().hears(cancel(policy=UNDO), cancel(policy=DENIED))
    assert order.last == ["cancellation-accepted"]


def test_what_another_system_did_is_taken_over() -> None:
    reference = Reference(number="C536365", occurred_at=START)
    policy = Policy(version=7, rules=(Rule(name="over", way="allow", imported=True), *DENIED.rules))
    order = paid_order().hears(cancel(policy=policy, reference=reference))
    assert order.last == ["cancellation-accepted", "hold-stock"]


def test_the_customer_reads_why_and_not_who() -> None:
    order = waits(APPROVAL).hears(decide(False, note="already packed"), told("cancellation-refused")).order
    shown = customers_case(order, order.cases[0])
    assert (shown["status"], shown["note"], shown["by"]) == ("undone", "already packed", {"kind": "customer"})
    assert "s2" not in repr(shown)
    assert case_view(order, order.cases[0])["verdict"]["by"]["id"] == "s2"


def test_staff_and_customer_see_until_when_it_can_be_taken_back() -> None:
    order = waits(UNDO).order
    for shown in (customers_case(order, order.cases[0]), case_view(order, order.cases[0])):
        assert (shown["waits_for"], shown["undo_until"]) == ("undo-window", order.wake_at)
    begun = waits(UNDO).after(WINDOW).order
    assert customers_case(begun, begun.cases[0])["undo_until"] is None


def test_what_customers_see_of_an_order_staff_see_too() -> None:
    order = paid_order().order
    own, theirs = customers_order(order), order_view(order)
    assert set(own) <= set(theirs)
    assert {"deliver_after", "carrier", "tracking_number"} <= set(own)
    differ = {name for name in own if own[name] != theirs[name]}
    assert differ <= {"timeline", "cases"}
