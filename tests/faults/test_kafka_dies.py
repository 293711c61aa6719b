"""A real Kafka of the stack: its topics are there before anybody needs them, and `kill -9` takes nothing from it."""

from __future__ import annotations

import os
import signal

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from tools.stack import Stack
from tools.topics.cluster import Cluster
from tools.topics.drift import differences
from tools.topics.listing import read

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

ANSWER_SECONDS = 30.0
TOPIC = "order.events"


def _write(address: str, *bodies: bytes) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all", "enable.idempotence": True})
    for body in bodies:
        producer.produce(TOPIC, body, key=body)
    assert producer.flush(ANSWER_SECONDS) == 0


def _read(address: str, count: int) -> set[bytes]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "test", "enable.auto.commit": False})
    (partitions,) = (topic.partitions for topic in read() if topic.name == TOPIC)
    try:
        consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(partitions)])
        return {message.value() or b"" for message in consumer.consume(count, ANSWER_SECONDS)}
    finally:
        consumer.close()


def test_kafka_comes_back_on_its_port_with_its_topics_and_its_data(lone_kafka: Stack) -> None:
    stack = lone_kafka
    address = stack.address("broker")
    listed = read(copies=1)
    assert differences(listed, Cluster(address).found(topic.name for topic in listed)) == []
    _write(address, b"one", b"two")
    os.kill(stack.pid("broker"), signal.SIGKILL)
    stack.wait_ready("broker", restarts=1, timeout=120)
    assert stack.address("broker") == address
    _write(address, b"three")
    assert _read(address, 3) == {b"one", b"two", b"three"}
