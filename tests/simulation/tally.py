"""What came of many worlds, counted and told."""

from __future__ import annotations

import shlex
import time
from collections import Counter
from dataclasses import dataclass, field

from tests.simulation import walked
from tests.simulation.plan import Plan
from tests.simulation.seeds import plan_of
from tests.simulation.world import Outcome

TOLD_EVERY = 500
SELDOM_SHARE = 0.02


def show(plan: Plan, outcome: Outcome) -> None:
    """Say what is wrong with a world, and how to see it again."""
    for violation in outcome.violations[:10]:
        print(f"  {violation}")
    if outcome.problem:
        print(f"  {outcome.problem}")
    for line in outcome.stories:
        print(f"    {line}")
    if not outcome.good:
        again = str(plan.seed) if plan == plan_of(plan.seed) else f"<(echo {shlex.quote(plan.to_json())})"
        print(f"  again: .venv/bin/python -m tests.simulation replay {again} --trace", flush=True)


@dataclass
class Tally:
    """The counts. `virtual`: seconds that passed in the worlds; `cost`: seconds of a core; `before`: real seconds of
    earlier sittings, where a journal is kept."""

    expected: int
    worlds: int = 0
    failing: list[int] = field(default_factory=list)
    cases: Counter[str] = field(default_factory=Counter)
    walked: Counter[str] = field(default_factory=Counter)
    virtual: float = 0.0
    cost: float = 0.0
    before: float = 0.0
    began: float = field(default_factory=time.monotonic)

    @property
    def failed(self) -> int:
        """How many worlds were not as they should be."""
        return len(self.failing)

    @property
    def sitting(self) -> float:
        """How long this sitting has taken so far, in real seconds."""
        return time.monotonic() - self.began

    @property
    def seconds(self) -> float:
        """How long it has taken so far, all sittings together."""
        return self.before + self.sitting

    def take(self, plan: Plan, outcome: Outcome) -> None:
        """One more world."""
        self.worlds += 1
        self.cases.update(outcome.cases)
        self.walked.update(outcome.walked.keys())
        self.virtual += outcome.virtual
        self.cost += outcome.cost
        if not outcome.good:
            self.failing.append(plan.seed)
            print(
                f"seed {plan.seed} ({plan.house}, {plan.scheduler}): {len(outcome.violations)} violations", flush=True
            )
            show(plan, outcome)
        if self.worlds % TOLD_EVERY == 0:
            self.tell()

    def tell_roads(self) -> None:
        """Which roads nobody has walked, and which few have."""
        roads = walked.roads()
        print(f"{len(roads & self.walked.keys())} of {len(roads)} roads walked (which record hears which message)")
        by_worlds = sorted((self.walked[road], road) for road in roads)
        for worlds, road in by_worlds:
            if worlds < self.worlds * SELDOM_SHARE:
                print(f"  {road}: {f'in {worlds} worlds' if worlds else 'never'}")

    def tell(self) -> None:
        """What is known so far."""
        seconds = self.seconds
        cases = sum(self.cases.values())
        days = self.virtual / 86_400
        print(
            f"{self.worlds} of {self.expected} worlds, {self.failed} with violations; "
            f"{cases} cases: {', '.join(f'{count} {status}' for status, count in sorted(self.cases.items()))}; "
            f"{seconds:.0f} s: {self.worlds / seconds:.2f} seeds/s, {cases / seconds:.1f} cases/s, "
            f"{days / seconds:.1f} virtual days/s; {self.cost / max(1, self.worlds):.2f} s of a core per seed",
            flush=True,
        )
