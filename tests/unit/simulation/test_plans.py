"""A seed is a plan, a plan is plain data, and a failing plan is made small."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.bookkeeping import SPOILS
from tests.simulation.evidence import Violation
from tests.simulation.faults import KINDS
from tests.simulation.lost_plans import HOUSE
from tests.simulation.people import STEPS
from tests.simulation.plan import Plan
from tests.simulation.sealed import SHOPS
from tests.simulation.seeds import may_be_heard_again, plan_of
from tests.simulation.shrink import shrunk
from tests.simulation.stories import STORIES
from tests.simulation.sweep import killed, points
from tests.simulation.world import SHAPES, Outcome


def test_the_same_seed_is_the_same_plan_and_comes_back_from_text() -> None:
    for seed in range(50):
        plan = plan_of(seed)
        assert plan == plan_of(seed)
        assert Plan.from_json(plan.to_json()) == plan
    assert len({plan_of(seed).to_json() for seed in range(50)}) == 50


def test_plans_name_only_what_there_is() -> None:
    plans = [*(plan_of(seed) for seed in range(1000)), *STORIES.values()]
    kinds = {fault["kind"] for plan in plans for fault in plan.faults}
    steps = {step[0] for plan in plans for shopper in plan.shoppers for step in shopper.steps}
    assert kinds <= set(KINDS)
    assert set(KINDS) - {"deploy"} <= kinds, "a kind that never comes is not a fault"
    assert steps <= set(STEPS)
    assert {plan.house for plan in plans} == set(SHAPES)
    assert {plan.bills for plan in plans} == {"", *SPOILS}
    shops = {(SHAPES[plan.house].shops, shopper.shop) for plan in plans for shopper in plan.shoppers}
    assert shops == {(False, ""), (True, ""), *((True, shop) for shop in SHOPS)}


def test_everything_may_be_heard_again_but_what_a_restore_has_undone() -> None:
    plans = [plan_of(seed) for seed in range(300)]
    assert {plan.house == HOUSE for plan in plans} == {True, False}
    assert all(may_be_heard_again(plan) == (plan.house != HOUSE) for plan in plans)


def test_a_failing_plan_is_made_as_small_as_what_fails() -> None:
    plan = next(plan for plan in map(plan_of, range(1000)) if len(plan.faults) > 6 and len(plan.shoppers) > 5)
    needed = (plan.faults[3], plan.shoppers[2].name, plan.shoppers[2].steps[-1])

    def run(one: Plan) -> Outcome:
        names = {shopper.name: shopper.steps for shopper in one.shoppers}
        fails = needed[0] in one.faults and needed[2] in names.get(needed[1], [])
        return Outcome(one.seed, "", [Violation("I01", "x", "y")] if fails else [])

    small = shrunk(plan, run, say=lambda _: None)
    assert small.faults == [needed[0]]
    assert [shopper.name for shopper in small.shoppers] == [needed[1]]
    assert small.shoppers[0].steps == [plan.shoppers[2].steps[0], needed[2]]


def test_a_good_plan_is_not_made_smaller() -> None:
    with pytest.raises(ValueError, match="breaks no promise"):
        shrunk(plan_of(1), lambda one: Outcome(one.seed, "", []))


def test_the_sweep_has_a_point_for_every_crossing_of_every_process() -> None:
    crossings = {name: {"order/0": 3, "payment/0": 2, "people": 9} for name in STORIES}
    found = list(points(crossings))
    assert len(found) == 5 * len(STORIES)
    story = next(iter(STORIES.values()))
    assert (killed(story, "payment/0", 2), ()) in found
    assert all(plan.faults[-1]["waits"] for plan, _ in found)
    assert killed(story, "order/0", 1) == replace(story, faults=[*story.faults, found[0][0].faults[-1]])
