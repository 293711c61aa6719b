"""A real database and one in memory that are asked the same and must answer the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.projection import BulkResult, Document, Update
from chassis.store import Unstorable

Ask = Callable[[Any], Awaitable[Any]]


def exactly(value: Any) -> Any:
    """A value so that `==` sees types and the order of fields, which it overlooks in Python."""
    if isinstance(value, Mapping):
        return ("object", [(name, exactly(inner)) for name, inner in value.items()])
    if isinstance(value, list | tuple):
        return ("array", [exactly(inner) for inner in value])
    if isinstance(value, datetime):
        return ("date", value.astimezone(UTC).isoformat())
    if isinstance(value, BulkResult):
        return ("bulk", value.matched, value.upserted, value.duplicates)
    kind = next(one for one in (bool, int, float, str, bytes, frozenset, type(None)) if isinstance(value, one))
    return (kind.__name__, value)


def loosely(value: Any) -> Any:
    """The same but for the order of fields."""
    kind, inner = exactly(value)
    if kind == "object":
        return (kind, sorted((name, loosely(one)) for name, one in value.items()))
    return (kind, [loosely(one) for one in value]) if kind == "array" else (kind, inner)


class Twins:
    """Both databases; `things` is the name of a collection that is empty in both."""

    def __init__(self, real: Database, memory: MemoryDatabase, things: str = "things") -> None:
        self.real, self.memory, self.things = real, memory, things

    async def both(self, ask: Ask, *, of: Callable[[Any], Any] = exactly) -> Any:
        """What both databases answer, or the error that both raise; `of` says what must be the same."""
        real, memory = await _answer(ask(self.real)), await _answer(ask(self.memory))
        if isinstance(real, type) or isinstance(memory, type):
            assert memory is real, f"memory: {memory}\nMongoDB: {real}"
        else:
            assert of(memory) == of(real), _difference(memory, real)
        return memory

    async def says(self, ask: Ask, **how: Any) -> Any:
        """What both say when their collection of things is asked."""
        return await self.both(lambda database: ask(database.collection(self.things)), **how)

    async def find(self, filter: Document, **how: Any) -> Any:
        """Things that match; by id unless `how` says another order."""
        return await self.says(lambda one: one.find(filter, **{"sort": [("_id", 1)], **how}))

    async def count(self, filter: Document) -> Any:
        """How many things match."""
        return await self.says(lambda one: one.count(filter))

    async def aggregate(self, pipeline: Sequence[Document], **how: Any) -> Any:
        """What comes out of a pipeline."""
        return await self.says(lambda one: one.aggregate(pipeline), **how)

    async def update(self, *updates: Update) -> Any:
        """Change things."""
        return await self.says(lambda one: one.update_all(iter(updates)))

    async def insert(self, *documents: Document) -> Any:
        """Insert things."""
        return await self.says(lambda one: one.insert_new(iter(documents)))

    async def put(self, *documents: Document) -> None:
        """Insert things that are in neither."""
        assert await self.insert(*documents) == frozenset()

    async def everything(self) -> list[dict[str, Any]]:
        """All things, the same in both."""
        found: list[dict[str, Any]] = await self.find({})
        return found

    async def delete(self, filter: Document) -> None:
        """No such things any more."""
        await self.says(lambda one: one.delete(filter))


def _difference(memory: Any, real: Any) -> str:
    """The first documents that differ, or all that was answered."""
    if isinstance(memory, list) and isinstance(real, list) and len(memory) == len(real):
        memory, real = next(pair for pair in zip(memory, real, strict=True) if exactly(pair[0]) != exactly(pair[1]))
    return f"memory: {memory}\nMongoDB: {real}"


async def _answer(asked: Awaitable[Any]) -> Any:
    try:
        return await asked
    except (Unstorable, ValueError) as problem:
        return type(problem)
