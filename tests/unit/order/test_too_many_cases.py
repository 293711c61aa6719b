"""Whoever asks for a cancellation and takes it back, over and over, does not make an order grow for ever."""

from __future__ import annotations

import pytest

from chassis.record import Refusal
from contracts.decision import WithdrawCancellation
from contracts.message import CaseId
from contracts.order import CancellationNotAccepted, Reference
from services.order.policies import BUILT_IN
from services.order.problems import problem_of
from services.order.wishes import CASE_LINES_MAX, CASES_MAX, pieces_wanted
from tests.unit.order.told import (
    CUSTOMER,
    ID,
    OPENED,
    RESERVED,
    STAFF,
    START,
    TEA,
    Told,
    cancel,
    paid,
    paid_order,
    place,
)

ELSEWHERE = Reference(number="536379", occurred_at=START)


def asked_for_and_taken_back(times: int) -> Told:
    return taken_back(paid_order(), times)


def taken_back(order: Told, times: int) -> Told:
    for number in range(1, times + 1):
        order.hears(cancel(request=f"r{number}", policy=BUILT_IN))
        order.hears(WithdrawCancellation(order_id=ID, case_id=CaseId(f"{ID}-c{number}"), by=CUSTOMER))
    return order


def test_a_customer_may_think_better_of_it_many_times() -> None:
    order = asked_for_and_taken_back(CASES_MAX - 1).hears(cancel(request="the last", policy=BUILT_IN))
    assert order.order.cases[-1].waits


def test_after_that_it_is_a_matter_for_the_shop() -> None:
    order = asked_for_and_taken_back(CASES_MAX)
    before, wish = order.order, cancel(request="one more", policy=BUILT_IN)
    with pytest.raises(Refusal) as raised:
        order.hears(wish)
    event = raised.value.event
    assert isinstance(event, CancellationNotAccepted)
    assert (event.reason, event.because) == ("cancellation-open", "too-many-cancellations")
    assert (problem_of(event).status, problem_of(event).code) == (409, "too-many-cancellations")
    with pytest.raises(Refusal):
        pieces_wanted(before, wish.asked)  # so says the preview
    assert order.order is before


def test_so_it_is_the_sooner_the_more_lines_its_cases_have() -> None:
    lines, wish = 2_000, place([(TEA, 1)] * 2_000)
    order = Told().hears(wish, RESERVED, OPENED, paid(lines * 300))
    before = taken_back(order, CASE_LINES_MAX // lines).order
    assert len(before.cases) < CASES_MAX
    with pytest.raises(Refusal) as raised:
        order.hears(cancel(request="one more", policy=BUILT_IN))
    assert problem_of(raised.value.event).code == "too-many-cancellations"
    assert order.order is before


def test_wishes_that_meet_the_open_case_are_told_its_lines_so_often_and_no_more() -> None:
    lines = 2_000
    order = Told().hears(place([(TEA, 1)] * lines), RESERVED, OPENED, paid(lines * 300))
    for number in range(CASE_LINES_MAX // lines):
        order.hears(cancel(request=f"r{number}", policy=BUILT_IN))
    before = order.order
    for by in (CUSTOMER, STAFF):
        with pytest.raises(Refusal) as raised:
            order.hears(cancel(request=f"one more of {by.kind}", policy=BUILT_IN, by=by))
        event = raised.value.event
        assert isinstance(event, CancellationNotAccepted)
        assert (event.reason, event.open_case_id) == ("cancellation-open", f"{ID}-c1")
    assert order.order is before
    order.hears(cancel(request="r1", policy=BUILT_IN))
    assert order.last == ["cancellation-accepted"], "which was told before"
    order.hears(WithdrawCancellation(order_id=ID, case_id=CaseId(f"{ID}-c1"), by=CUSTOMER))
    with pytest.raises(Refusal) as raised:
        order.hears(cancel(request="another", policy=BUILT_IN))
    assert problem_of(raised.value.event).code == "too-many-cancellations"


def test_a_repeat_of_what_was_asked_for_once_is_answered_as_ever() -> None:
    order = asked_for_and_taken_back(CASES_MAX)
    before = order.order
    order.hears(cancel(request="r1", policy=BUILT_IN))
    assert order.last == ["cancellation-accepted"]
    assert order.order is before


def test_the_shop_still_cancels_it_and_takes_over_what_happened_elsewhere() -> None:
    order = asked_for_and_taken_back(CASES_MAX).hears(cancel(request="staff", by=STAFF))
    assert order.order.state == "cancelling"
    order = asked_for_and_taken_back(CASES_MAX).hears(cancel(request="import", reference=ELSEWHERE))
    assert order.order.state == "cancelling"
