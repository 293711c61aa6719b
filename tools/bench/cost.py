"""What the machine spent between two moments: seconds of a core and memory by process, operations of MongoDB, records
on the topics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import psutil
from confluent_kafka import Consumer, TopicPartition

from chassis.mongo import Server
from contracts.message import CATALOGUE
from tools.stack.control import Stack

OPERATIONS = ("insert", "query", "update", "delete", "getmore", "command")


@dataclass(frozen=True, slots=True)
class Moment:
    """Seconds of a core and megabytes by process; MongoDB's operations and their documents, and records on all topics,
    since the beginning."""

    cores: Mapping[str, float]
    megabytes: Mapping[str, float]
    operations: Mapping[str, int]
    records: int


async def moment(stack: Stack, names: tuple[str, ...]) -> Moment:
    """The counters as they stand now; `bench` is this process."""
    processes = {name: psutil.Process(stack.pid(name)) for name in names} | {"bench": psutil.Process()}
    server = Server(f"mongodb://{stack.address('mongo')}")
    try:
        status = await server.command({"serverStatus": 1})
    finally:
        await server.close()
    return Moment(
        cores={name: sum(one.cpu_times()[:2]) for name, one in processes.items()},
        megabytes={name: one.memory_info().rss / 1_000_000 for name, one in processes.items()},
        operations={name: int(status["opcounters"][name]) for name in OPERATIONS},
        records=records(stack.address("broker")),
    )


def records(kafka: str) -> int:
    """How many records were ever put on our topics."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": "tuidan-bench-counts"})
    try:
        topics = {kind.topic.name for kind in CATALOGUE.values() if kind.topic is not None}
        found = consumer.list_topics(timeout=10).topics
        places = [TopicPartition(name, number) for name in topics for number in found[name].partitions]
        return sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
    finally:
        consumer.close()
