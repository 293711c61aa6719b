"""Who runs next: drawn evenly, or by priorities that change at a few points (probabilistic concurrency testing:
Burckhardt et al., ASPLOS 2010), which finds orders of events that even chance hardly ever makes."""

from __future__ import annotations

import random

from tests.simulation.loop import Actor, Scheduler

STEPS_EXPECTED = 20_000


class Random:
    """Each actor that can run is as likely as any other."""

    def __init__(self, rng: random.Random) -> None:
        self._draw = rng.random

    def pick(self, listed: list[Actor]) -> int:
        return int(self._draw() * len(listed))


class Priorities:
    """The actor with the highest priority runs; at `changes` steps, drawn beforehand, the one that would run becomes
    the least important."""

    def __init__(self, rng: random.Random, changes: int) -> None:
        self._draw = rng.random
        self._at = {rng.randrange(STEPS_EXPECTED) for _ in range(changes)}
        self._step = 0
        self._known: dict[str, float] = {}
        self._least = 0.0

    def pick(self, listed: list[Actor]) -> int:
        self._step += 1
        best = max(range(len(listed)), key=lambda index: self._of(listed[index]))
        if self._step in self._at:
            self._least -= 1.0
            self._known[listed[best].name] = self._least
        return best

    def _of(self, actor: Actor) -> float:
        known = self._known.get(actor.name)
        if known is None:
            known = self._known[actor.name] = self._draw()
        return known


def named(name: str, rng: random.Random) -> Scheduler:
    """The scheduler of a plan: `random` or `pct-N`."""
    if name == "random":
        return Random(rng)
    return Priorities(rng, int(name.removeprefix("pct-")))
