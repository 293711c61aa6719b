"""What is kept for reading: documents written from events, each idempotent by its own id, so hearing an event twice
or a year later changes nothing. A projection never adds to a counter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from contracts.message import Event

Document = Mapping[str, Any]
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Update:
    """Change one document: `change` is a MongoDB update (`$set`, `$inc`, …); `upsert` makes it when it is not there."""

    filter: Document
    change: Document
    upsert: bool = False


@dataclass(frozen=True, slots=True)
class BulkResult:
    """What a bulk of updates did: how many matched, how many were made, which (by position) met a duplicate key."""

    matched: int
    upserted: int
    duplicates: frozenset[int]


class Projection:
    """One collection for reading, and the pure functions that say what an event writes into it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions: dict[type[Event], Callable[[Any], Sequence[Update]]] = {}

    def of(self, event: type[E]) -> Callable[[Callable[[E], Sequence[Update]]], Callable[[E], Sequence[Update]]]:
        """Register the function that turns `event` into writes."""
        if event in self.functions:
            raise ValueError(f"{self.name}: {event.__name__} is projected twice")

        def register(function: Callable[[E], Sequence[Update]]) -> Callable[[E], Sequence[Update]]:
            self.functions[event] = function
            return function

        return register
