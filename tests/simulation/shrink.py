"""Makes a failing world small: leaves out faults, people, and what people do, as long as the same promise stays broken
(delta debugging, Zeller and Hildebrandt 2002: halves first, then quarters, down to single things)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from tests.simulation.plan import Plan, Step
from tests.simulation.world import Outcome

T = TypeVar("T")
Run = Callable[[Plan], Outcome]


def shrunk(plan: Plan, run: Run, say: Callable[[str], None] = print) -> Plan:
    """The smallest plan found that breaks one of the promises that `plan` breaks. Raises ValueError when it breaks
    none."""
    wanted = broken(run(plan))
    if not wanted:
        raise ValueError("this world breaks no promise")

    def still(smaller: Plan) -> bool:
        return bool(broken(run(smaller)) & wanted)

    for round_ in range(1, 4):
        before = plan
        plan = _fewer_steps(_fewer_shoppers(_fewer_faults(plan, still), still), still)
        say(f"round {round_}: {len(plan.faults)} faults, {len(plan.shoppers)} shoppers, {_steps(plan)} steps")
        if plan == before:
            break
    return plan


def broken(outcome: Outcome) -> set[str]:
    """Which promises a world breaks; a world that did not end breaks one of its own."""
    return {violation.invariant for violation in outcome.violations} | ({"problem"} if outcome.problem else set())


def _fewest(things: Sequence[T], still: Callable[[list[T]], bool]) -> list[T]:
    kept = list(things)
    if kept and still([]):
        return []
    size = max(1, len(kept) // 2)
    while size:
        start = 0
        while start < len(kept):
            without = kept[:start] + kept[start + size :]
            if without and still(without):
                kept = without
            else:
                start += size
        size //= 2
    return kept


def _fewer_faults(plan: Plan, still: Callable[[Plan], bool]) -> Plan:
    return replace(plan, faults=_fewest(plan.faults, lambda some: still(replace(plan, faults=some))))


def _fewer_shoppers(plan: Plan, still: Callable[[Plan], bool]) -> Plan:
    return replace(plan, shoppers=_fewest(plan.shoppers, lambda some: still(replace(plan, shoppers=some))))


def _fewer_steps(plan: Plan, still: Callable[[Plan], bool]) -> Plan:
    for position in range(len(plan.shoppers)):
        plan = _fewer_steps_of(plan, position, still)
    return plan


def _fewer_steps_of(plan: Plan, position: int, still: Callable[[Plan], bool]) -> Plan:
    """Without some of what one person does; the order itself stays."""
    first, *others = plan.shoppers[position].steps

    def with_steps(steps: list[Step]) -> Plan:
        shoppers = list(plan.shoppers)
        shoppers[position] = replace(shoppers[position], steps=[first, *steps])
        return replace(plan, shoppers=shoppers)

    return with_steps(_fewest(others, lambda some: still(with_steps(some))))


def _steps(plan: Plan) -> int:
    return sum(len(shopper.steps) for shopper in plan.shoppers)
