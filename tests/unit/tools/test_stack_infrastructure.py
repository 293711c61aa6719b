"""The real servers: they start, keep what they were given through `kill -9`, and stop cleanly."""

import os
import signal
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from pymongo import MongoClient
from redis import Redis

from tools.stack import Plan, Stack, down, up
from tools.stack.home import Home
from tools.stack.layout import tuidan_plan

pytestmark = pytest.mark.real


@pytest.fixture
def stack(home: Path) -> Stack:
    place = Home(home)
    place.make()
    plan = Plan(tuple(program for program in tuidan_plan(place) if program.name in ("mongo", "redis", "broker")))
    return up(home, plan=plan, timeout=45)


def test_mongo_keeps_its_data_through_kill_and_through_down(home: Path, stack: Stack) -> None:
    with MongoClient[dict[str, object]](f"mongodb://{stack.address('mongo')}") as client:
        kept = client["shop"].get_collection("orders")
        kept.with_options(write_concern=kept.write_concern.__class__(j=True)).insert_one({"_id": "T1"})
    os.kill(stack.pid("mongo"), signal.SIGKILL)
    stack.wait_ready("mongo", restarts=1, timeout=30)
    with MongoClient[dict[str, object]](f"mongodb://{stack.address('mongo')}") as client:
        assert client["shop"]["orders"].find_one() == {"_id": "T1"}
    down(home)
    assert '"Shutting down","attr":{"exitCode":0}' in Home(home).log("mongo").read_text()


def test_redis_answers_and_keeps_nothing_on_disk(home: Path, stack: Stack) -> None:
    with Redis.from_url(f"redis://{stack.address('redis')}/0") as client:
        assert client.set("key", "value")
        assert client.config_get("maxmemory") == {"maxmemory": str(64 * 1024 * 1024)}
    down(home)
    assert list(Home(home).data("redis").iterdir()) == []


def test_a_message_goes_through_the_broker(stack: Stack) -> None:
    delivered: list[Message] = []
    producer = Producer({"bootstrap.servers": stack.address("broker")})
    producer.produce("topic", b"hello", key=b"T1", on_delivery=lambda error, message: delivered.append(message))
    assert producer.flush(10) == 0
    (sent,) = delivered
    consumer = Consumer({"bootstrap.servers": stack.address("broker"), "group.id": "test"})
    try:
        partition, offset = sent.partition(), sent.offset()
        assert partition is not None
        assert offset is not None
        consumer.assign([TopicPartition("topic", partition, offset)])
        received = consumer.poll(10)
        assert received is not None
        assert received.value() == b"hello"
    finally:
        consumer.close()
