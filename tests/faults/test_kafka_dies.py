"""A real Kafka of the stack: its topics are there before anybody needs them, and `kill -9` takes nothing from it."""

from __future__ import annotations

import os
import signal

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from tools.stack import Plan, Stack, up
from tools.stack.home import Home
from tools.stack.kafka import PARTITIONS
from tools.stack.layout import tuidan_plan
from tools.stack.topics import topic_names

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("kafka_or_skip")]

ANSWER_SECONDS = 30.0
TOPIC = "order.events"


def _only_kafka(home: Home) -> Plan:
    return Plan(tuple(program for program in tuidan_plan(home, "native") if program.name == "broker"))


def _write(address: str, *bodies: bytes) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all", "enable.idempotence": True})
    for body in bodies:
        producer.produce(TOPIC, body, key=body)
    assert producer.flush(ANSWER_SECONDS) == 0


def _read(address: str, count: int) -> set[bytes]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "test", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
        return {message.value() or b"" for message in consumer.consume(count, ANSWER_SECONDS)}
    finally:
        consumer.close()


def test_kafka_comes_back_on_its_port_with_its_topics_and_its_data(home: Home) -> None:
    stack: Stack = up(home.root, plan=_only_kafka)
    address = stack.address("broker")
    topics = AdminClient({"bootstrap.servers": address}).list_topics(timeout=ANSWER_SECONDS).topics
    assert {name: len(topics[name].partitions) for name in topic_names()} == dict.fromkeys(topic_names(), PARTITIONS)
    _write(address, b"one", b"two")
    os.kill(stack.pid("broker"), signal.SIGKILL)
    stack.wait_ready("broker", restarts=1, timeout=120)
    assert stack.address("broker") == address
    _write(address, b"three")
    assert _read(address, 3) == {b"one", b"two", b"three"}
