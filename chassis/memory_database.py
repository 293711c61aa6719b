"""A service's database in memory: the faces of `mongo.Collection`, `mongo_records.MongoRecords` and `mongo.Database`
over `documents.Documents`, for a simulated world.

Everything that would be one round trip to the database goes through one hook, `Line.through`, where a simulation puts
latency, a database that is away, or an answer that is lost after the write.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

from chassis.documents import Documents
from chassis.keeping import Keeping
from chassis.personal import Ring
from chassis.projection import BulkResult, Document, Update
from chassis.record import Aggregate, Record
from chassis.store import NEVER_CLAIMED, Unanswered
from chassis.values import stored

T = TypeVar("T")


class Line(Protocol):
    """The way to the database. `what` is "read orders", "write orders", or "certain orders" for a certain read. Raises
    StoreUnavailable, before `work` was done or after it."""

    async def through(self, what: str, work: Callable[[], T]) -> T:
        """Do `work`, which is done in one piece."""


class Direct:
    """A way on which nothing happens."""

    async def through(self, what: str, work: Callable[[], T]) -> T:
        """Do it now."""
        return work()


class MemoryCollection:
    """What `mongo.Collection` does."""

    def __init__(self, name: str, collections: Mapping[str, Documents], line: Line) -> None:
        self._documents = collections[name]
        self._collections = collections
        self._line = line
        self._read, self._write, self._certain = f"read {name}", f"write {name}", f"certain {name}"

    async def find(
        self,
        filter: Document,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
        index: Sequence[tuple[str, int]] | None = None,
    ) -> list[dict[str, Any]]:
        """Documents that match, with only `fields` when given (dots allowed). There are no indexes."""
        return await self._line.through(
            self._read, lambda: self._documents.find(filter, fields=fields, sort=sort, limit=limit)
        )

    async def find_certainly(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Documents, each as the majority has it."""
        return await self._line.through(self._certain, lambda: self._documents.find({"_id": {"$in": list(ids)}}))

    async def aggregate(self, pipeline: Sequence[Document]) -> list[dict[str, Any]]:
        """The result of an aggregation pipeline."""
        return await self._line.through(
            self._read, lambda: self._documents.aggregate(list(pipeline), self._collections)
        )

    async def update_all(self, updates: Iterable[Update]) -> BulkResult:
        """Apply all updates in one round trip."""
        if not (wanted := list(updates)):
            return BulkResult(0, 0, frozenset())
        return await self._line.through(self._write, lambda: self._documents.update_all(wanted))

    async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]:
        """Insert documents in one round trip; returns the positions of those whose `_id` was there before, which are
        left as they were."""
        if not (wanted := list(documents)):
            return frozenset()
        return await self._line.through(self._write, lambda: self._documents.insert_new(wanted))

    async def count(self, filter: Document) -> int:
        """How many documents match."""
        return await self._line.through(self._read, lambda: self._documents.count(filter))

    async def delete(self, filter: Document) -> None:
        """Delete every document that matches."""
        await self._line.through(self._write, lambda: self._documents.delete(filter))

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Document | None = None) -> None:
        """Nothing to make: there are few documents."""
        await self._line.through(self._write, lambda: None)


class MemoryRecords:
    """Records of one kind (see `store.Store`), asked for as `mongo_records.MongoRecords` asks: the same round
    trips, the same fields."""

    def __init__(self, documents: Documents, keeping: Keeping, line: Line) -> None:
        self._documents = documents
        self._keeping = keeping
        aggregate = keeping.aggregate
        self._line = line
        self._read, self._write = f"read {aggregate.name}", f"write {aggregate.name}"
        self._certain = f"certain {aggregate.name}"
        self._unanswered = Unanswered()

    async def prepare(self) -> None:
        """The two indexes of the sweep and the timers, which are nothing here."""
        for _ in range(2):
            await self._line.through(self._write, lambda: None)

    async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
        found = await self._line.through(self._certain if certain else self._read, lambda: self._stored(ids))
        return {one["_id"]: self._unanswered.marked(self._keeping.record(one), one) for one in found}

    async def save(self, records: Sequence[Record[Any]]) -> set[str]:
        if not records:
            return set()
        token = f"save-{next(self._documents.turns)}"
        ids = [record.id for record in records]
        with self._unanswered.asking(ids, token):
            if await self._line.through(self._write, lambda: self._saved(records, token)):
                return set()
            after = await self._line.through(self._read, lambda: self._stored(ids))
        return set(ids) - {document["_id"] for document in after if document.get("saved_by") == token}

    async def mark_said(self, said: Mapping[str, Iterable[str]]) -> None:
        gone = {id: frozenset(messages) for id, messages in said.items()}
        if gone:
            await self._line.through(self._write, lambda: self._marked(gone))

    async def unsaid(self, before: datetime, limit: int) -> list[Record[Any]]:
        return await self._keeping.first_readable(
            lambda most: self._line.through(self._read, lambda: self._unsaid(stored(before), most)), limit
        )

    async def claim(self, record: Record[Any], at: datetime) -> bool:
        return await self._line.through(self._write, lambda: self._claimed(record, stored(at)))

    async def renew(self, ids: Sequence[str], at: datetime) -> None:
        if ids:
            await self._line.through(self._write, lambda: self._touched(ids, {"touched_at": stored(at)}))

    async def hand_over(self, records: Sequence[Record[Any]], at: datetime) -> None:
        change = {"touched_at": stored(at), "attempts": NEVER_CLAIMED}

        def handed() -> None:
            self._touched([record.id for record in records if self._is_as_seen(record)], change)

        if records:
            await self._line.through(self._write, handed)

    async def due(self, at: datetime, limit: int) -> list[tuple[str, datetime]]:
        return await self._line.through(self._read, lambda: self._due(stored(at))[:limit])

    async def ping(self) -> None:
        await self._line.through(self._read, lambda: None)

    # ── each in one piece ────────────────────────────────────────────────────────────────────────────────────────
    def _stored(self, ids: Iterable[str]) -> list[dict[str, Any]]:
        documents = self._documents.documents
        # Not copied: a record is made of new objects throughout.
        return [documents[id] for id in ids if id in documents]

    def _saved(self, records: Sequence[Record[Any]], token: str) -> bool:
        """Save those whose version is the stored one, and of what is to be said, too; true when that was so for all.
        When one cannot be written down none is saved."""
        documents = self._documents.documents
        keep = self._keeping
        prepared = [(record, stored(keep.document(record)), stored(keep.entries(record))) for record in records]
        written = 0
        for record, fields, entries in prepared:
            before = documents.get(record.id) or {"_id": record.id, "version": 0}
            if before.get("version") != record.version or before.get("unsaid", []) != list(record.unsaid_before):
                continue
            journal = entries if record.pruned else [*before.get("journal", ()), *entries]
            # In the order of their names, as the database writes fields that are new.
            changes = sorted({**fields, "journal": journal, "saved_by": token}.items())
            documents[record.id] = {**before, "version": record.version + 1, **dict(changes)}
            written += 1
        return written == len(records)

    def _marked(self, gone: Mapping[str, frozenset[str]]) -> None:
        documents = self._documents.documents
        for id, messages in gone.items():
            document = documents.get(id, {})
            if unsaid := document.get("unsaid"):
                documents[id] = {**document, "unsaid": [one for one in unsaid if one not in messages]}

    def _unsaid(self, before: datetime, limit: int) -> list[dict[str, Any]]:
        found = [
            document
            for document in self._documents.documents.values()
            if document.get("unsaid") and (touched := document.get("touched_at")) is not None and touched < before
        ]
        found.sort(key=lambda document: document["touched_at"])
        return found[:limit]

    def _touched(self, ids: Sequence[str], change: Mapping[str, Any]) -> None:
        documents = self._documents.documents
        for id in ids:
            if documents.get(id, {}).get("unsaid"):
                documents[id] = {**documents[id], **change}

    def _is_as_seen(self, record: Record[Any]) -> bool:
        """Whether nobody has claimed or saved it since."""
        document = self._documents.documents.get(record.id, {})
        seen = (record.attempts, stored(record.touched_at))
        return (document.get("attempts"), document.get("touched_at")) == seen

    def _claimed(self, record: Record[Any], at: datetime) -> bool:
        if not self._is_as_seen(record):
            return False
        document = self._documents.documents[record.id]
        self._documents.documents[record.id] = {**document, "touched_at": at, "attempts": record.attempts + 1}
        return True

    def _due(self, at: datetime) -> list[tuple[str, datetime]]:
        found = [
            (id, wake_at)
            for id, document in self._documents.documents.items()
            if (wake_at := document.get("wake_at")) is not None and wake_at <= at
        ]
        return sorted(found, key=lambda one: one[1])


class MemoryDatabase:
    """One service's database: what `mongo.Database` does. `collections` are what is on the disk: given to another
    MemoryDatabase they are seen by another process, each over a line of its own."""

    def __init__(
        self,
        line: Line | None = None,
        collections: defaultdict[str, Documents] | None = None,
        ring: Ring | None = None,
    ) -> None:
        self._ring = ring
        self.line: Line = line or Direct()
        self.collections = defaultdict(Documents) if collections is None else collections

    def collection(self, name: str) -> MemoryCollection:
        """A collection, also that of the records named so."""
        return MemoryCollection(name, self.collections, self.line)

    def store(self, aggregate: Aggregate[Any]) -> MemoryRecords:
        """The records of one kind."""
        return MemoryRecords(self.collections[aggregate.name], self.keeping(aggregate), self.line)

    def keeping(self, aggregate: Aggregate[Any]) -> Keeping:
        """How the records of one kind stand in their documents."""
        return Keeping(aggregate, self._ring)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the way is open for a write."""
        asked = Update({"_id": "ready"}, {"$inc": {"asked": 1}}, upsert=True)
        await self.collection("readiness").update_all([asked])

    async def close(self) -> None:
        """Nothing is open."""
