"""Facts are the same in whatever order and however often events are heard."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts.message import Event
from services.analytics.projections import PROJECTIONS
from tests.unit.analytics.shop import STORY, accepted, completed, placed, rated, undone

Facts = dict[str, dict[str, dict[str, Any]]]


def facts_of(events: Sequence[Event]) -> Facts:
    """Every collection as it is after `events`. Knows `$set` by `_id` with upsert, which is all a fact may need."""
    facts: Facts = {projection.name: {} for projection in PROJECTIONS}
    for event in events:
        for projection in PROJECTIONS:
            function = projection.functions.get(type(event))
            for update in function(event) if function else ():
                assert update.upsert
                assert list(update.filter) == ["_id"]
                assert list(update.change) == ["$set"], "a projection never counts"
                document = facts[projection.name].setdefault(update.filter["_id"], {})
                document.update(copy.deepcopy(update.change["$set"]))
    return facts


EXPECTED = facts_of(STORY)


@given(st.permutations(STORY), st.lists(st.sampled_from(STORY)))
def test_any_order_and_any_repeats_give_the_same_facts(events: list[Event], repeats: list[Event]) -> None:
    assert facts_of([*repeats, *events]) == EXPECTED
    assert facts_of([*events, *repeats]) == EXPECTED


def test_every_event_of_the_story_leaves_a_fact() -> None:
    for event in STORY:
        facts = facts_of([event])
        assert any(facts.values()), type(event).__name__
    assert all(EXPECTED.values()), "every collection is written"


def test_a_line_of_an_order() -> None:
    event = placed("order-1", [("mug", "cups", 2, 20_00), ("mug", "cups", 1, 10_00)])
    lines = facts_of([event])["facts_order_lines"]
    assert lines["order-1/1"] == {
        "order_id": "order-1",
        "product": "mug",
        "category": "cups",
        "group": "vip",
        "month": "2025-01",
        "quantity": 2,
        "amount_minor": 20_00,
        "first_of": {"month": 1, "product": 1, "category": 1, "group": 1},
    }
    assert lines["order-1/2"]["first_of"] == {"month": 0, "product": 0, "category": 0, "group": 0}


def test_months_are_those_of_the_shops_clock() -> None:
    late = datetime(2025, 1, 31, 15, 59, 59, tzinfo=UTC)
    months = [
        line["month"]
        for at in (late, late + timedelta(seconds=1))
        for line in facts_of([placed("order-1", [("mug", "cups", 1, 1)], at=at)])["facts_order_lines"].values()
    ]
    assert months == ["2025-01", "2025-02"]


def test_a_case_keeps_what_each_event_said() -> None:
    lines = [("mug", 2, 20_00)]
    events = [completed("case-1", "order-1", lines), undone("case-2", "order-2"), accepted("case-1", "order-1", lines)]
    cases = facts_of(events)["facts_cases"]
    assert set(cases["case-1"]) == {"order_id", "accepted", "completed"}
    assert set(cases["case-2"]) == {"order_id", "undone"}
    assert (cases["case-1"]["completed"]["quantity"], cases["case-1"]["completed"]["amount_minor"]) == (2, 20_00)


def test_a_case_has_one_rating_however_often_it_is_told() -> None:
    told = [rated("case-1", "order-1", 5), rated("case-1", "order-1", 5)]
    assert list(facts_of(told)["facts_ratings"]) == ["case-1"]
