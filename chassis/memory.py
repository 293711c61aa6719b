"""A store and a bus that live in memory, for tests and simulation. They pass the contract tests of the real ones."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

from chassis.delivery import Delivery, Receiver, in_order
from chassis.documents import Documents
from chassis.keeping import Keeping
from chassis.memory_database import Direct, MemoryRecords
from chassis.personal import Ring
from chassis.record import Aggregate


class MemoryStore(MemoryRecords):
    """Records of one kind, in a database of their own on a way on which nothing happens."""

    def __init__(self, aggregate: Aggregate[Any], ring: Ring | None = None) -> None:
        self._alone = Documents()
        super().__init__(self._alone, Keeping(aggregate, ring), Direct())

    @property
    def documents(self) -> dict[str, dict[str, Any]]:
        """What is stored, by id."""
        return self._alone.documents


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
