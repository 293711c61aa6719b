"""How many records fit into memory together."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from chassis.record import Record

TOGETHER_MAX = 500
TEXT_TOGETHER_MAX = 4_000_000
TEXT_USUAL = 40_000
"""What a record is taken for that nobody has seen yet: some sixty lines."""


class Room:
    """How many records may be decided on together, by the size of those that were loaded lately: five hundred orders of
    two hundred lines, all that waited during an outage, take more than half a gigabyte, and would do so again after
    each start."""

    def __init__(self) -> None:
        self._usual = float(TEXT_USUAL)

    def after(self, loaded: Collection[Record[Any]]) -> int:
        """How many, now that these were loaded."""
        if loaded:
            mean = sum(map(text_of, loaded)) / len(loaded)
            self._usual += (mean - self._usual) * min(1.0, len(loaded) / 10)
        return max(1, min(TOGETHER_MAX, int(TEXT_TOGETHER_MAX / max(1.0, self._usual))))


def text_of(record: Record[Any]) -> int:
    """Characters of what it has said, which is most of a record: each takes some six bytes of memory."""
    return sum(len(said.body) for entry in record.journal for said in entry.said)
