"""A broker that speaks the Kafka protocol, in this process: the one that librdkafka carries for its own tests. Unlike
the one of `tools.stack.broker` it can be told how many partitions a topic has and can be away for a while, and a
consumer group forms at once."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord
from confluent_kafka import KafkaError, Message, Producer

_PRODUCER = 0
_BROKER = 1
_ANSWER_SECONDS = 10.0
_ERROR_TEXT_BYTES = 512

Headers = Sequence[tuple[str, bytes | None]]


class Raw(NamedTuple):
    """A record as it goes to the broker."""

    body: bytes | None
    key: bytes | None = None
    headers: Headers = ()


class BrokerDidNotStart(Exception):
    """librdkafka's own reason."""


class Broker:
    """The broker, and a plain client to put records on it and take them off again, byte for byte."""

    def __init__(self, library: ctypes.CDLL, cluster: int) -> None:
        self._library = library
        self._cluster = cluster
        address: bytes = library.rd_kafka_mock_cluster_bootstraps(cluster)
        self.address = address.decode()
        self._producer = Producer(
            {"bootstrap.servers": self.address, "linger.ms": 500, "message.max.bytes": 4_000_000, "log_level": 0}
        )

    def create_topic(self, name: str, partitions: int = 1) -> str:
        """Make a topic; returns its name."""
        error = self._library.rd_kafka_mock_topic_create(self._cluster, name.encode(), partitions, 1)
        if error:
            raise BrokerDidNotStart(f"topic {name}: {KafkaError(error)}")
        return name

    def leave(self) -> None:
        """Be away: connections end and nobody is answered."""
        self._library.rd_kafka_mock_broker_set_down(self._cluster, _BROKER)

    def come_back(self) -> None:
        """Answer again, with everything that was stored."""
        self._library.rd_kafka_mock_broker_set_up(self._cluster, _BROKER)

    def write(self, topic: str, body: bytes | None, *, key: bytes | None = None, headers: Headers = ()) -> None:
        """Put one record on a topic and wait until it is there."""
        self.write_all(topic, [Raw(body, key, headers)])

    def write_all(self, topic: str, records: Iterable[Raw]) -> None:
        """Put records on a topic and wait until they are there; what shares a partition is fetched together."""
        failed: list[str] = []

        def arrived(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(str(error))

        for record in records:
            self._producer.produce(
                topic, record.body, key=record.key, headers=list(record.headers), on_delivery=arrived
            )
        left = self._producer.flush(_ANSWER_SECONDS)
        if failed or left:
            raise BrokerDidNotStart(f"{topic}: {failed or 'no answer'}")

    async def read(self, topic: str, expected: int = 0) -> list[ConsumerRecord]:
        """Everything on a topic, after waiting until it holds at least `expected` records; partition by partition."""
        async with self._reader(topic) as (consumer, places):
            async with asyncio.timeout(_ANSWER_SECONDS):
                while True:
                    ends: dict[TopicPartition, int] = await consumer.end_offsets(places)
                    if sum(ends.values()) >= expected:
                        break
                    await asyncio.sleep(0.02)  # why: a broker does not tell a stranger that a record came
                found: list[ConsumerRecord] = []
                while len(found) < sum(ends.values()):
                    batches: dict[Any, list[ConsumerRecord]] = await consumer.getmany(timeout_ms=1_000)
                    found.extend(record for batch in batches.values() for record in batch)
        return sorted(found, key=lambda record: (record.partition, record.offset))

    async def committed(self, group: str, topic: str) -> int:
        """How many records of a topic the group is done with."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.address, group_id=group, enable_auto_commit=False)
        await consumer.start()
        try:
            places = await self._places(topic)
            consumer.assign(places)
            return sum([await consumer.committed(place) or 0 for place in places])
        finally:
            await consumer.stop()

    async def _places(self, topic: str) -> list[TopicPartition]:
        metadata = await asyncio.to_thread(self._producer.list_topics, topic, _ANSWER_SECONDS)
        return [TopicPartition(topic, number) for number in metadata.topics[topic].partitions]

    @contextlib.asynccontextmanager
    async def _reader(self, topic: str) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.address, enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=20
        )
        await consumer.start()
        try:
            places = await self._places(topic)
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            yield consumer, places
        finally:
            await consumer.stop()

    def close(self) -> None:
        self._producer.flush(_ANSWER_SECONDS)


@contextlib.contextmanager
def running_broker() -> Iterator[Broker]:
    """A broker that lives as long as the block."""
    library = _library()
    text = ctypes.create_string_buffer(_ERROR_TEXT_BYTES)
    settings = library.rd_kafka_conf_new()
    library.rd_kafka_conf_set(settings, b"log_level", b"0", text, _ERROR_TEXT_BYTES)
    host = library.rd_kafka_new(_PRODUCER, settings, text, _ERROR_TEXT_BYTES)
    if not host:
        raise BrokerDidNotStart(text.value.decode())
    cluster = library.rd_kafka_mock_cluster_new(host, 1)
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    broker = Broker(library, cluster)
    try:
        yield broker
    finally:
        broker.close()
        library.rd_kafka_mock_cluster_destroy(cluster)
        library.rd_kafka_destroy(host)


def _library() -> ctypes.CDLL:
    """The copy of librdkafka that the Python client has loaded."""
    inside = Path(confluent_kafka.__file__).parent.with_suffix(".libs")
    (file,) = inside.glob("librdkafka*.so*")
    library = ctypes.CDLL(str(file))
    pointer, number, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    calls: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "rd_kafka_conf_new": (pointer, ()),
        "rd_kafka_conf_set": (number, (pointer, text, text, pointer, ctypes.c_size_t)),
        "rd_kafka_new": (pointer, (number, pointer, text, ctypes.c_size_t)),
        "rd_kafka_destroy": (None, (pointer,)),
        "rd_kafka_mock_cluster_new": (pointer, (pointer, number)),
        "rd_kafka_mock_cluster_destroy": (None, (pointer,)),
        "rd_kafka_mock_cluster_bootstraps": (text, (pointer,)),
        "rd_kafka_mock_topic_create": (number, (pointer, text, number, number)),
        "rd_kafka_mock_broker_set_down": (number, (pointer, ctypes.c_int32)),
        "rd_kafka_mock_broker_set_up": (number, (pointer, ctypes.c_int32)),
        "rd_kafka_mock_group_initial_rebalance_delay_ms": (None, (pointer, ctypes.c_int32)),
    }
    for name, (result, arguments) in calls.items():
        call = getattr(library, name)
        call.restype, call.argtypes = result, arguments
    return library


@pytest.fixture(scope="session")
def kafka() -> Iterator[Broker]:
    """One broker for the whole run of this process; tests use topics and groups of their own."""
    with running_broker() as broker:
        yield broker
