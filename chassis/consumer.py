"""What takes records from Kafka: all that was fetched, as soon as there is some, and nothing of it lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ConsumerStoppedError, KafkaError

from chassis import clock

IDLE_AFTER_MS = 1_000
IDLE_FETCH_WAIT_MS = 50

log = structlog.get_logger()


class PatientConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """A consumer whose `getmany` returns only when there is something: after an empty poll FastStream sleeps before it
    looks again, which would add to the latency of every hop.

    Where an empty fetch is held for a short time only (the embedded broker answers it after its full waiting time),
    the time grows while nothing comes, so that an idle service costs little.

    `gather_ms`: how long it waits for more before it looks, unless it lately found as much as it may take."""

    def __init__(self, *topics: str, gather_ms: int = 0, **options: Any) -> None:
        super().__init__(*topics, **options)
        self._gather_seconds = gather_ms / 1_000
        self._behind = False

    async def getmany(self, *partitions: Any, timeout_ms: int = 0, max_records: int | None = None) -> Any:
        """Records by partition, never none. Raises KafkaError when there is nothing but what cannot be read."""
        if self._gather_seconds and not self._behind:
            await clock.pause(self._gather_seconds)
        found = await self._getmany(partitions, max_records)
        self._behind = max_records is not None and sum(map(len, found.values())) >= max_records
        return found

    async def _getmany(self, partitions: Sequence[Any], max_records: int | None) -> Any:
        fetcher = self._fetcher
        while True:
            found = await self._fetched(partitions, max_records)
            if found:
                fetcher._fetch_max_wait_ms = self._fetch_max_wait_ms
                return found
            if not await self._more_comes():
                fetcher._fetch_max_wait_ms = max(self._fetch_max_wait_ms, IDLE_FETCH_WAIT_MS)

    async def _fetched(self, partitions: Sequence[Any], max_records: int | None) -> dict[Any, list[Any]]:
        """What was fetched, taken partition by partition. Asked for all of them, aiokafka drops what it has taken when
        a later one holds what it cannot read (broken bytes, a compression that is not installed), and goes on behind
        it: nobody would ever hear those records."""
        found: dict[Any, list[Any]] = {}
        broken: Exception | None = None
        places = [place for place in self._fetcher._records if not partitions or place in partitions]
        if not places:  # also an idle consumer is told that it was closed, or what its group died of
            return dict(await super().getmany(*partitions, max_records=max_records))
        for place in places:
            left = None if max_records is None else max_records - sum(map(len, found.values()))
            if left == 0:
                break
            try:
                found.update(await super().getmany(place, max_records=left))
            except ConsumerStoppedError:
                raise
            except Exception as problem:  # why: whatever it is, the other partitions go on; this one is read anew
                broken = problem
                log.error(
                    "a partition cannot be read, it waits until it can",
                    topic=place.topic,
                    partition=place.partition,
                    problem=repr(problem)[:300],
                )
        if broken is not None and not found:
            # FastStream waits five seconds then and says nothing; for other errors longer, or not at all.
            raise KafkaError(repr(broken)) from broken
        return found

    async def _more_comes(self) -> bool:
        """Wait until something more is fetched, for a second at most; whether it was."""
        with self._subscription.fetch_context():
            waiter = self._fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=IDLE_AFTER_MS / 1_000)
        if not done:
            waiter.cancel()
            return False
        waiter.result()
        return True
