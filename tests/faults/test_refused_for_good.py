"""A real Kafka refuses a record for good, and what follows it on its partition gets through."""

from __future__ import annotations

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from chassis.relay import TooLarge
from chassis.sending import Sender
from tools.stack import Plan, up
from tools.stack.home import Home
from tools.stack.layout import tuidan_plan

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("kafka_or_skip")]

TOPIC = "narrow.commands"
BYTES_MAX = 2_000


def _broker(home: Home) -> Plan:
    return Plan(tuple(one for one in tuidan_plan(home, "native") if one.name == "broker"))


async def test_a_record_that_is_too_large_for_its_topic_keeps_nobody_behind_it(home: Home) -> None:
    stack = up(home.root, plan=_broker)
    address = stack.address("broker")
    narrow = NewTopic(TOPIC, 1, 1, config={"max.message.bytes": str(BYTES_MAX)})
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([narrow])[TOPIC].result(30)
    sender = Sender(address, "tests")
    await sender.start()
    try:
        await (await sender.send(TOPIC, b"k", b"before", []))
        with pytest.raises(TooLarge):
            await (await sender.send(TOPIC, b"k", b"x" * 2 * BYTES_MAX, []))
        for _ in range(3):
            await (await sender.send(TOPIC, b"k", b"behind", []))
        assert await sender.ping()
    finally:
        await sender.stop()
