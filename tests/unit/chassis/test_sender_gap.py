"""What an idempotent producer does after the broker has refused a batch for good."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from aiokafka.protocol.produce import ProduceRequest

from chassis.relay import TooLarge
from chassis.sending import Sender
from tests.support.kafka import Broker
from tests.unit.chassis.buses import new_name

MESSAGE_TOO_LARGE, INVALID_TIMESTAMP, OUT_OF_ORDER = 10, 32, 45
TRIES = 5
_SEQUENCE, _COUNT = slice(53, 57), slice(57, 61)


class Counting:
    """Stands between a producer and the broker and counts batches as Kafka does (KIP-98; the embedded broker does
    not): a batch that does not follow the last one stored is out of order. What it `refuses` is not stored."""

    def __init__(self, sender: Sender) -> None:
        self.refuses: int = 0
        self.next: dict[bytes, int] = {}
        self.stored = 0
        assert sender._producer is not None
        self._client = sender._producer.client
        self._send = self._client.send
        self._client.send = self.send

    async def send(self, node: int, request: Any, **more: Any) -> Any:
        if not isinstance(request, ProduceRequest):
            return await self._send(node, request, **more)
        ((topic, ((partition, batch),)),) = request._topics
        header = bytes(batch)[:61]
        producer = header[43:51]
        first, count = int.from_bytes(header[_SEQUENCE], "big"), int.from_bytes(header[_COUNT], "big")
        error = self.refuses
        if not error and self.next.get(producer, first) != first:  # a producer it has no state of may begin anywhere
            error = OUT_OF_ORDER
        if not error:
            self.next[producer] = first + count
            self.stored += count
        return SimpleNamespace(API_VERSION=7, topics=[(topic, [(partition, error, 0, -1, 0)])])


async def _say(sender: Sender, topic: str) -> object:
    return await (await sender.send(topic, b"k", b"v", []))


@pytest.mark.parametrize("error", [MESSAGE_TOO_LARGE, INVALID_TIMESTAMP, OUT_OF_ORDER])
async def test_after_a_batch_that_was_refused_for_good_others_get_through(kafka: Broker, error: int) -> None:
    topic = kafka.create_topic(new_name("topic"))
    sender = Sender(kafka.address, "tests")
    await sender.start()
    try:
        counting = Counting(sender)
        await _say(sender, topic)
        counting.refuses = error
        with pytest.raises(Exception) as refused:
            await _say(sender, topic)
        assert isinstance(refused.value, TooLarge) == (error == MESSAGE_TOO_LARGE)
        counting.refuses = 0
        for _ in range(TRIES):
            with contextlib.suppress(KafkaError):
                await _say(sender, topic)
        assert counting.stored > 1, "nothing gets through any more"
    finally:
        await sender.stop()
