"""A topic of a real Kafka is given more partitions while a service hears it: all is heard, nothing twice."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions, NewTopic

from chassis import clock
from chassis.bus import KafkaBus
from chassis.delivery import Receiver
from contracts.message import CaseId, OrderId
from contracts.notify import CustomerTold
from tests.support.waiting import until
from tests.unit.chassis.buses import Ears
from tests.unit.chassis.jars import T0, headers_of
from tools.stack import Stack

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]

TOPIC = "jars"
PARTITIONS = 2
ANSWER_SECONDS = 30.0


def _write(producer: Producer, id: str, partition: int) -> None:
    message = CustomerTold(
        order_id=OrderId(id), case_id=CaseId(f"{id}-c1"), outcome="refund-arrived", channel="inbox", told_at=T0
    )
    body = message.model_dump_json().encode()
    producer.produce(TOPIC, body, key=id.encode(), partition=partition, headers=dict(headers_of(message, id)))
    assert producer.flush(ANSWER_SECONDS) == 0


async def test_a_partition_that_is_added_is_heard_and_so_are_the_others(lone_kafka: Stack) -> None:
    address, ears = lone_kafka.address("broker"), Ears()
    admin = AdminClient({"bootstrap.servers": address})
    for made in admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1), NewTopic(f"{TOPIC}.dead", 1, 1)]).values():
        made.result()
    bus = KafkaBus(address, "tests-partitions", fetch_wait_ms=20, metadata_ms=500)
    ears.listens_to = (CustomerTold,)
    bus.listen([TOPIC], Receiver("tests", ears, bus, clock.now))
    await bus.start()
    try:
        await until(bus.ping, "a new broker has made its group coordinator", seconds=60)
        producer = Producer({"bootstrap.servers": address, "acks": "all"})
        _write(producer, "before", 0)
        await until(lambda: ears.ids == ["before"])
        admin.create_partitions([NewPartitions(TOPIC, PARTITIONS + 1)])[TOPIC].result()
        fresh = Producer({"bootstrap.servers": address, "acks": "all"})
        _write(fresh, "added", PARTITIONS)
        _write(fresh, "after", 0)
        await until(lambda: sorted(ears.ids) == ["added", "after", "before"], "all three are heard", seconds=60)
        assert await bus.ping()
    finally:
        await bus.stop()
