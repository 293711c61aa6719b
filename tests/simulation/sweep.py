"""Every process of every story is killed once at every crossing it makes: before each thing it asks of the outside,
and after each answer. Between two crossings nothing of a process is seen outside, so a kill anywhere there is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from tests.simulation.plan import SERVICES, Plan
from tests.simulation.runner import Task
from tests.simulation.stories import STORIES
from tests.simulation.world import Outcome

DOWN_SECONDS = 1.0
PROCESSES = (*(f"{name}/0" for name in SERVICES), "gateway/0")


def points(crossings: Mapping[str, Mapping[str, int]]) -> Iterator[Task]:
    """All kills, given how many crossings each process makes in each story when nobody kills it."""
    for name, story in STORIES.items():
        for process in PROCESSES:
            for number in range(1, crossings[name].get(process, 0) + 1):
                yield killed(story, process, number), ()


def killed(story: Plan, process: str, number: int) -> Plan:
    """The story with one process killed at its n-th crossing."""
    kill = {"kind": "kill-at", "at": 0.0, "who": process, "crossing": number, "lasts": DOWN_SECONDS, "waits": True}
    return replace(story, faults=[*story.faults, kill])


def crossings_of(outcomes: Mapping[str, Outcome]) -> dict[str, dict[str, int]]:
    """How many crossings each process made, by story."""
    return {name: outcome.crossings for name, outcome in outcomes.items()}
