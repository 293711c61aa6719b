"""Behaviour of FastStream and aiokafka that `chassis.bus` is built on. One of these failing after an update means:
read `chassis/bus.py` again before going on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord, RecordMetadata
from confluent_kafka import Producer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage
from structlog.testing import capture_logs

from chassis.consumer import PatientConsumer
from tests.support.kafka import Broker, Raw
from tests.support.waiting import until, within
from tests.unit.chassis.buses import new_name


@pytest.fixture
def topic(kafka: Broker) -> str:
    return kafka.create_topic(new_name("canary"), 6)


@pytest.fixture
async def broker(kafka: Broker) -> AsyncIterator[KafkaBroker]:
    made = KafkaBroker(
        kafka.address, enable_idempotence=True, allow_auto_create_topics=False, logger=None, apply_types=False
    )
    yield made
    await made.stop()


def subscribe(broker: KafkaBroker, topic: str, group: str, hear: Any, **more: Any) -> Any:
    subscriber = broker.subscriber(
        topic,
        batch=True,
        group_id=group,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        batch_timeout_ms=5,
        fetch_max_wait_ms=20,
        session_timeout_ms=1_500,
        heartbeat_interval_ms=300,
        **more,
    )
    subscriber(hear)
    return subscriber


def keyed(number: int) -> list[Raw]:
    return [Raw(b"%d" % n, b"key-%d" % (n % 7)) for n in range(number)]


async def test_manual_acknowledgement_never_commits_by_itself(kafka: Broker, broker: KafkaBroker, topic: str) -> None:
    group, seen = new_name("group"), asyncio.Event()

    async def hear(batch: Any) -> None:
        seen.set()

    subscribe(broker, topic, group, hear)
    kafka.write_all(topic, keyed(10))
    await broker.start()
    await within(seen)
    await broker.stop()
    assert await kafka.committed(group, topic) == 0


async def test_a_handler_that_raises_is_passed_over(kafka: Broker, broker: KafkaBroker, topic: str) -> None:
    """That is why `_hear` never raises."""
    heard: list[int] = []

    async def hear(batch: list[int]) -> None:
        heard.extend(batch)
        if 1 in batch:
            raise ZeroDivisionError

    subscribe(broker, topic, new_name("group"), hear)
    await broker.start()
    kafka.write(topic, b"1", key=b"k")
    await until(lambda: heard == [1])
    kafka.write(topic, b"2", key=b"k")
    await until(lambda: heard == [1, 2])
    assert heard == [1, 2]


async def test_a_parser_gets_the_raw_records_and_leads_to_the_consumer(
    kafka: Broker, broker: KafkaBroker, topic: str
) -> None:
    parsed: list[tuple[Any, Any]] = []
    handled: list[Any] = []

    async def parser(records: Any, parse: Any) -> KafkaMessage:
        parsed.append((records, parse.__self__._consumer))
        return KafkaMessage(body=b"", raw_message=records, consumer=parse.__self__._consumer)

    async def decoder(message: KafkaMessage) -> KafkaMessage:
        return message

    async def hear(message: KafkaMessage) -> None:
        handled.append(message.raw_message)

    subscriber = subscribe(broker, topic, new_name("group"), hear, parser=parser, decoder=decoder)
    kafka.write(topic, b"\xff", key=b"k", headers=[("broken", b"\xff"), ("none", None)])
    await broker.start()
    await until(lambda: handled)
    ((records, consumer),) = parsed
    assert isinstance(records, tuple)
    assert all(isinstance(record, ConsumerRecord) for record in records)
    assert records[0].headers == (("broken", b"\xff"), ("none", None))
    assert consumer is subscriber.consumer
    assert handled == [records], "and the handler gets what the parser made"


async def test_publish_without_confirmation_returns_a_future(broker: KafkaBroker, topic: str) -> None:
    await broker.start()
    sent = await broker.publish(b"x", topic, key=b"k", no_confirm=True)
    assert isinstance(sent, asyncio.Future)
    assert not sent.done(), "it is in line, nobody has waited for the broker"
    assert isinstance(await sent, RecordMetadata)


async def test_publish_keeps_the_order_of_calls_per_key(kafka: Broker, broker: KafkaBroker, topic: str) -> None:
    await broker.start()
    expected = {b"key-%d" % n: [b"%d" % m for m in range(n, 200, 5)] for n in range(5)}
    futures = [
        await broker.publish(b"%d" % n, topic, key=b"key-%d" % (n % 5), no_confirm=True, headers={"n": str(n)})
        for n in range(200)
    ]
    await asyncio.gather(*futures)
    found: dict[bytes, list[bytes]] = {}
    for record in await kafka.read(topic, 200):
        found.setdefault(record.key, []).append(record.value)
    assert found == expected


async def test_a_key_chooses_the_partition_of_a_record_but_not_of_a_batch(kafka: Broker, topic: str) -> None:
    """That is why the relay sends record by record and never uses `publish_batch`."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.address)
    await producer.start()
    try:
        alone = {(await (await producer.send(topic, b"x", key=b"same"))).partition for _ in range(30)}
        together = set()
        for _ in range(30):
            batch = producer.create_batch()
            batch.append(key=b"same", value=b"x", timestamp=None)
            future = await producer.send_batch(batch, topic, partition=None)
            together.add((await future).partition)
    finally:
        await producer.stop()
    assert len(alone) == 1
    assert len(together) > 1


async def test_explicit_commits_are_where_the_next_member_goes_on(
    kafka: Broker, broker: KafkaBroker, topic: str
) -> None:
    group, heard = new_name("group"), list[int]()

    async def hear(batch: list[int]) -> None:
        heard.extend(batch)

    subscriber = subscribe(broker, topic, group, hear)
    kafka.write_all(topic, [Raw(b"%d" % n, b"k") for n in range(10)])
    await broker.start()
    await until(lambda: len(heard) == 10)
    (place,) = [p for p in subscriber.consumer.assignment() if await subscriber.consumer.position(p) == 10]
    await subscriber.consumer.commit({place: 7})
    await broker.stop()
    assert await kafka.committed(group, topic) == 7

    again: list[int] = []

    async def hear_again(batch: list[int]) -> None:
        again.extend(batch)

    second = KafkaBroker(kafka.address, allow_auto_create_topics=False, logger=None, apply_types=False)
    subscribe(second, topic, group, hear_again)
    await second.start()
    try:
        await until(lambda: len(again) == 3)
    finally:
        await second.stop()
    assert again == [7, 8, 9]


async def test_the_consumer_can_be_told_how_long_to_wait(kafka: Broker) -> None:
    """`PatientConsumer` stands on these names."""
    topic = kafka.create_topic(new_name("canary"), 1)
    consumer = PatientConsumer(bootstrap_servers=kafka.address, fetch_max_wait_ms=7, auto_offset_reset="earliest")
    assert isinstance(consumer, AIOKafkaConsumer)
    assert consumer._fetch_max_wait_ms == 7
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        assert consumer._fetcher._fetch_max_wait_ms == 7
        waiting = asyncio.create_task(consumer.getmany(timeout_ms=0))
        await until(lambda: consumer._fetcher._fetch_max_wait_ms > 7, "it grows patient while nothing comes")
        assert not waiting.done()
        kafka.write(topic, b"x")
        found = await asyncio.wait_for(waiting, 10)
        assert [record.value for record in found[TopicPartition(topic, 0)]] == [b"x"]
        assert consumer._fetcher._fetch_max_wait_ms == 7
    finally:
        await consumer.stop()


async def test_what_one_partition_holds_takes_nothing_from_the_others(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for everything, aiokafka drops what it took from one partition when the next one cannot be read, and goes
    on behind it. `PatientConsumer` stands on its buffer, and on a partition that raises being read anew."""
    monkeypatch.setattr("aiokafka.codec.has_lz4", lambda: False)
    topic = kafka.create_topic(new_name("canary"), 2)
    whole, broken = TopicPartition(topic, 0), TopicPartition(topic, 1)
    stranger = Producer({"bootstrap.servers": kafka.address, "compression.type": "lz4", "log_level": 0})
    stranger.produce(topic, b"x" * 1_000, partition=1)
    stranger.flush(10)
    plain = Producer({"bootstrap.servers": kafka.address, "log_level": 0})
    plain.produce(topic, b"heard", partition=0)
    plain.flush(10)
    consumer = PatientConsumer(bootstrap_servers=kafka.address, fetch_max_wait_ms=20, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([whole, broken])
        fetched = consumer._fetcher._records
        await until(lambda: {whole, broken} <= set(fetched))
        fetched.move_to_end(broken)
        with capture_logs() as logs:
            found = await consumer.getmany(max_records=20)
            assert {place: [record.value for record in some] for place, some in found.items()} == {whole: [b"heard"]}
            with pytest.raises(KafkaError):
                await consumer.getmany(max_records=20)
        assert [(line["topic"], line["partition"]) for line in logs] == [(topic, 1), (topic, 1)]
        plain.produce(topic, b"heard too", partition=0)
        plain.flush(10)
        await until(lambda: whole in fetched)
        found = await consumer.getmany(max_records=20)
        assert [record.value for record in found[whole]] == [b"heard too"]
        assert await consumer.position(broken) == 0, "nothing is passed over"
    finally:
        await consumer.stop()
