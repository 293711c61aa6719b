"""Who has been told that the money is on its way, as an outsider sees it: the first record on notify's topic that says
so of a case, by our own clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition

from contracts import notify
from contracts.message import Envelope

BEFORE = frozenset({"cancellation-begun"})
"""What a customer may hear first, when nothing is known of the money yet."""


class Told:
    """When each case's customer was told (s, `time.perf_counter`)."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}
        self._waiting: dict[str, asyncio.Event] = {}

    def note(self, case_id: str, at: float) -> None:
        """The customer of this case was told now, unless it was before."""
        if self.at.setdefault(case_id, at) == at and case_id in self._waiting:
            self._waiting[case_id].set()

    async def until(self, case_id: str, seconds: float) -> float:
        """When it was, waiting for it. Raises TimeoutError."""
        if case_id not in self.at:
            event = self._waiting.setdefault(case_id, asyncio.Event())
            async with asyncio.timeout(seconds):
                await event.wait()
            del self._waiting[case_id]
        return self.at[case_id]


@asynccontextmanager
async def watched(kafka: str) -> AsyncIterator[Told]:
    """See everybody who is told from now on."""
    topic, told = notify.EVENTS.name, Told()
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka, fetch_max_wait_ms=100, enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer._client.force_metadata_update()
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        reading = asyncio.create_task(_read(consumer, told))
        try:
            yield told
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, told: Told) -> None:
    async for record in consumer:
        envelope = Envelope.from_headers(record.headers)
        if envelope.type == notify.CustomerTold.wire and envelope.saga:
            at = time.perf_counter()
            if notify.CustomerTold.model_validate_json(record.value).outcome not in BEFORE:
                told.note(envelope.saga, at)
