"""A rule's limit measures what is cancelled of an order in all: many small parts are one large cancellation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from chassis import clock
from chassis.record import Refusal
from contracts.decision import WithdrawCancellation
from contracts.message import Message
from services.order.policies import Policy, ReadyToCancel, Rule
from services.order.preview import PastCases, cancel_preview
from services.order.wishes import pieces_wanted
from tests.unit.order.desk import cancelling_desk
from tests.unit.order.roads import found
from tests.unit.order.told import (
    CASE,
    CHANGED_MIND,
    CLOSE_REFUSED,
    ID,
    OPENED,
    RESERVED,
    STAFF,
    Told,
    accepted,
    cancel,
    held,
    kept,
    paid,
    paid_order,
    place,
    refused,
    released,
    settled,
    told,
)

LIMITED = Policy(
    version=8,
    rules=(
        Rule(name="small", way="allow", who=("supervisor",), states=("paid",), up_to_minor=600),
        Rule(name="large", way="approve", who=("supervisor",), states=("paid",), approve_by=("finance",), code=True),
        Rule(name="last", way="allow"),
    ),
)
SECOND = f"{ID}-c2"


def part(pieces: int, request: str, *, policy: Policy = LIMITED, confirmed_minor: int = 0) -> ReadyToCancel:
    """So many pieces of tea, 300 fen each; three were bought, and a cup for 1000."""
    confirmed = confirmed_minor > 0
    return cancel(
        (1, pieces), policy=policy, by=STAFF, request=request, confirmed=confirmed, confirmed_minor=confirmed_minor
    )


def ends(case: str, amount: int) -> Sequence[Message]:
    """A case gives so much back."""
    on_its_way, arrived = told("refund-on-its-way", case), told("refund-arrived", case)
    return held(case), accepted(case, amount), released(case), on_its_way, settled(case, amount), arrived


def undone(case: str) -> Sequence[Message]:
    """A case gives nothing back: its refund was refused."""
    return held(case), refused(case), kept(case), told("refund-failed", case)


def rule_of(order: Told, wish: ReadyToCancel) -> str:
    """The rule that the preview shows, and that then decides."""
    lines = pieces_wanted(order.order, wish.asked)
    shown = cancel_preview(order.order, wish.asked, CHANGED_MIND, lines, wish.policy, order.now)
    order.hears(wish)
    ruling = order.order.cases[-1].ruling
    assert ruling is not None
    assert shown["rule"] == ruling.rule
    return ruling.rule


def test_an_order_cancelled_in_parts_is_measured_as_a_whole() -> None:
    order = paid_order().hears(part(2, "r1"), *ends(CASE, 600))
    assert order.order.cases[0].status == "completed"
    assert rule_of(order, part(1, "r2", confirmed_minor=300)) == "large"
    assert order.order.cases[1].waits


def test_parts_up_to_the_limit_need_nobody() -> None:
    order = paid_order().hears(part(1, "r1"), *ends(CASE, 300))
    assert rule_of(order, part(1, "r2")) == "small"


def test_the_code_and_the_preview_speak_of_the_part_alone() -> None:
    order = paid_order().hears(part(2, "r1"), *ends(CASE, 600))
    wish = part(1, "r2")
    shown = cancel_preview(
        order.order, wish.asked, CHANGED_MIND, pieces_wanted(order.order, wish.asked), LIMITED, order.now
    )
    assert (shown["rule"], shown["code_needed"], shown["amount_minor"]) == ("large", True, 300)
    with pytest.raises(Refusal) as raised:
        order.hears(wish)
    event: Any = raised.value.event
    assert (event.reason, event.amount_minor) == ("code-required", 300)


def test_an_order_that_turned_out_to_be_paid_needs_a_code_for_what_goes_back() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel(), CLOSE_REFUSED, *undone(CASE))
    assert (order.order.state, order.order.paid) == ("paid", None), "the word of the payment is still under way"
    wish = part(3, "r2", confirmed_minor=900)
    shown = cancel_preview(
        order.order, wish.asked, CHANGED_MIND, pieces_wanted(order.order, wish.asked), LIMITED, order.now
    )
    assert (shown["code_needed"], shown["amount_minor"], shown["route"]) == (True, 900, "original")
    assert [line["amount_minor"] for line in shown["lines"]] == [900]
    for_nothing = wish.asked.model_copy(update={"confirmed_minor": 0})
    with pytest.raises(Refusal):
        order.hears(wish.model_copy(update={"asked": for_nothing}))
    order.hears(wish)
    assert order.order.cases[-1].amount.amount_minor == 900


def test_nothing_comes_back_of_an_unpaid_order_that_is_being_cancelled() -> None:
    order = Told().hears(place(), RESERVED, OPENED, cancel())
    again = cancel(request="r2").asked
    shown = cancel_preview(order.order, again, CHANGED_MIND, pieces_wanted(order.order, again), LIMITED, order.now)
    assert (shown["open_case_id"], shown["amount_minor"], shown["route"]) == (CASE, 0, "none")
    assert {line["amount_minor"] for line in shown["lines"]} == {0}


def test_a_refund_made_by_hand_counts() -> None:
    order = paid_order().hears(found(500), accepted(CASE, 500), told("refund-on-its-way"), settled(CASE, 500))
    order.hears(told("refund-arrived"))
    assert [case.status for case in order.order.cases] == ["completed"]
    assert rule_of(order, part(1, "r2", confirmed_minor=300)) == "large"


def test_what_was_undone_or_taken_back_counts_for_nothing() -> None:
    order = paid_order().hears(part(2, "r1"), *undone(CASE))
    assert order.order.cases[0].status == "undone"
    assert rule_of(order, part(2, "r2")) == "small"
    order = paid_order().hears(part(3, "r1", confirmed_minor=900))
    order.hears(WithdrawCancellation(order_id=ID, case_id=CASE, by=STAFF))
    assert rule_of(order, part(2, "r2")) == "small"


async def tried(*heard: Message) -> Any:
    """What `LIMITED` would have decided about the cancellations of an order that heard this."""
    desk = cancelling_desk()
    await desk.hears(place(), RESERVED, OPENED, paid(), *heard)
    now, day = clock.now(), timedelta(days=1)
    return await PastCases(desk.orders).under(LIMITED, now - day, now + day)


async def test_a_trial_measures_past_parts_like_the_wish_did() -> None:
    trial = await tried(part(2, "r1"), *ends(CASE, 600), part(1, "r2", confirmed_minor=300))
    assert (trial["was"], trial["changes"]) == ({"allow": 1, "approve": 1}, [])
    trial = await tried(part(1, "r1"), *undone(CASE), part(2, "r2"), *ends(SECOND, 600))
    assert (trial["was"], trial["changes"]) == ({"allow": 2}, [])


async def test_a_trial_finds_what_was_split() -> None:
    anything = Policy(version=1, rules=(Rule(name="anything", way="allow"),))
    split = [part(2, "r1", policy=anything), *ends(CASE, 600), part(1, "r2", policy=anything)]
    trial = await tried(*split)
    changes = [(one["case_id"], one["amount_minor"], one["rule"]) for one in trial["changes"]]
    assert changes == [(SECOND, 300, "large")]
