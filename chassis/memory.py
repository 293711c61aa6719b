"""A store and a bus that live in memory, for tests and simulation. They pass the contract tests of the real ones."""

from __future__ import annotations

import asyncio
import copy
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from chassis.delivery import Delivery, Receiver, in_order
from chassis.record import Aggregate, Record
from chassis.store import entries_to_documents, from_document, readable, to_document


class MemoryStore:
    """Records of one kind (see `store.Store`). Keeps plain data, never the objects it was given."""

    def __init__(self, aggregate: Aggregate[Any]) -> None:
        self._state = aggregate.state
        self.documents: dict[str, dict[str, Any]] = {}

    async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
        return {id: self._read(id) for id in ids if id in self.documents}

    async def save(self, records: Sequence[Record[Any]]) -> set[str]:
        lost = set()
        for record in records:
            stored = self.documents.get(record.id, {"version": 0, "journal": []})
            if stored["version"] != record.version:
                lost.add(record.id)
                continue
            new = entries_to_documents(record.journal if record.pruned else record.fresh)
            journal = new if record.pruned else [*stored["journal"], *new]
            self.documents[record.id] = {
                "_id": record.id,
                **copy.deepcopy(to_document(record)),
                "version": record.version + 1,
                "journal": journal,
            }
        return lost

    async def mark_said(self, said: Mapping[str, Iterable[str]]) -> None:
        for id, messages in said.items():
            if id in self.documents:
                gone = set(messages)
                self.documents[id]["unsaid"] = [one for one in self.documents[id]["unsaid"] if one not in gone]

    async def unsaid(self, before: datetime, limit: int) -> list[Record[Any]]:
        found = [
            document
            for document in self.documents.values()
            if document["unsaid"] and document["touched_at"] is not None and document["touched_at"] < before
        ]
        found.sort(key=lambda document: document["touched_at"])
        return readable(copy.deepcopy(found[:limit]), self._state)

    async def claim(self, record: Record[Any], at: datetime) -> bool:
        stored = self.documents.get(record.id)
        if stored is None or (stored["touched_at"], stored["attempts"]) != (record.touched_at, record.attempts):
            return False
        stored["touched_at"] = at
        stored["attempts"] += 1
        return True

    async def due(self, at: datetime, limit: int) -> list[tuple[str, datetime]]:
        found = [
            (document["_id"], document["wake_at"])
            for document in self.documents.values()
            if document["wake_at"] is not None and document["wake_at"] <= at
        ]
        return sorted(found, key=lambda one: one[1])[:limit]

    async def ping(self) -> None:
        return None

    def _read(self, id: str) -> Record[Any]:
        return from_document(copy.deepcopy(self.documents[id]), self._state)


class MemoryBroker:
    """Topics in memory: an append-only list each, read by groups that remember how far they came."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Delivery]] = defaultdict(list)
        self.committed: dict[tuple[str, str], int] = {}

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        """Store one record at the end of a topic (see `relay.Publisher`)."""
        records = self.topics[topic]
        records.append(Delivery(topic, 0, len(records), key, body, tuple(headers)))
        acknowledged: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged

    def waiting(self, group: str, topics: Iterable[str], limit: int) -> list[Delivery]:
        """What `group` has not committed yet, at most `limit` records of each topic."""
        found: list[Delivery] = []
        for topic in topics:
            start = self.committed.get((group, topic), 0)
            found.extend(self.topics[topic][start : start + limit])
        return found

    def commit(self, group: str, deliveries: Sequence[Delivery]) -> None:
        """Remember that `group` is done with these."""
        for (topic, _), offset in in_order(deliveries).items():
            self.committed[group, topic] = max(self.committed.get((group, topic), 0), offset)


class MemoryBus:
    """One consumer group on a `MemoryBroker`. Nothing moves by itself: whoever drives it calls `pump`."""

    def __init__(self, broker: MemoryBroker, group: str, topics: Sequence[str], receiver: Receiver) -> None:
        self._broker = broker
        self._group = group
        self._topics = topics
        self._receiver = receiver

    async def pump(self, limit: int = 100) -> int:
        """Hear what waits, commit it when it was handled; returns how many records were heard."""
        deliveries = self._broker.waiting(self._group, self._topics, limit)
        if deliveries and await self._receiver.receive(deliveries):
            self._broker.commit(self._group, deliveries)
        return len(deliveries)
