"""Where a cluster differs from the list, topic by topic and setting by setting. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tools.topics.listing import Listed

Means = Literal["create", "mend", "hand"]
"""What repairs it: `tuidan topics create`, the same with `--mend`, or a person with Kafka's own tools."""

ABSENT = "absent"
PARTITIONS = "partitions"
COPIES = "copies"


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as the cluster has it: the least number of copies of any partition, and its settings."""

    partitions: int
    copies: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    topic: str
    setting: str
    listed: str
    found: str
    means: Means


def differences(listed: Iterable[Listed], found: Mapping[str, Found]) -> list[Difference]:
    """Every difference, in the order of the list."""
    return [each for topic in listed for each in _of_one(topic, found.get(topic.name))]


def _of_one(topic: Listed, found: Found | None) -> list[Difference]:
    if found is None:
        return [Difference(topic.name, "topic", "there", ABSENT, "create")]
    rows: list[Difference] = []
    numbers = ((PARTITIONS, topic.partitions, found.partitions), (COPIES, topic.copies, found.copies))
    rows += [Difference(topic.name, what, str(want), str(have), "hand") for what, want, have in numbers if want != have]
    for name, want in sorted(topic.settings.items()):
        have = found.settings.get(name, ABSENT)
        if have != want:
            rows.append(Difference(topic.name, name, want, have, "mend"))
    return rows
