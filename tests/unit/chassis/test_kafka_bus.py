"""What only Kafka can do to a bus: be away, take partitions away, be too small for a record, stand still."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from structlog.testing import capture_logs

from chassis import bus as bus_module
from chassis import clock, sending, service
from chassis.bus import STUCK_EXIT_CODE, KafkaBus
from chassis.consumer import PatientConsumer
from chassis.delivery import Receiver
from chassis.relay import TooLarge
from chassis.sending import Unsent
from services.analytics.settings import AnalyticsSettings
from tests.support.kafka import Broker, Raw, running_broker
from tests.support.waiting import give_way, until
from tests.unit.chassis.buses import Ears, KafkaBench, KafkaMember, new_name, quick_groups, raw
from tests.unit.chassis.jars import PutMarbles, headers_of


@pytest.fixture
def bench(kafka: Broker, monkeypatch: pytest.MonkeyPatch) -> KafkaBench:
    quick_groups(monkeypatch.setattr)
    return KafkaBench(kafka)


@pytest.fixture
def topic(bench: KafkaBench) -> str:
    return bench.topic()


@pytest.fixture
def ears() -> Ears:
    return Ears()


@pytest.fixture
async def member(bench: KafkaBench, topic: str, ears: Ears) -> AsyncIterator[KafkaMember]:
    joined = bench.member(new_name("group"), topic, ears)
    await joined.start()
    yield joined
    await joined.stop()


def put(id: str) -> Raw:
    return raw(PutMarbles(jar_id="a"), id)


async def test_offsets_are_committed_in_the_background(
    bench: KafkaBench, topic: str, ears: Ears, member: KafkaMember
) -> None:
    await bench.write(topic, put("h1"), put("h2"))
    await until(lambda: len(ears.heard) == 2)
    committed = 0
    async with asyncio.timeout(10):
        while committed < 2:
            committed = await bench.committed(member.bus._group, topic)
    assert committed == 2
    assert member.bus._noted == {}


async def test_a_commit_that_fails_is_made_again(
    bench: KafkaBench, topic: str, ears: Ears, member: KafkaMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    await until(member.bus._assigned)
    consumer = member.bus._find_consumer()
    assert consumer is not None
    tried = asyncio.Event()

    async def fail(_: object) -> None:
        tried.set()
        raise CommitFailedError

    with monkeypatch.context() as broken:
        broken.setattr(consumer, "commit", fail)
        await bench.write(topic, put("h1"))
        await asyncio.wait_for(tried.wait(), 10)
        assert member.bus._noted == {TopicPartition(topic, 0): 1}
    await member.stop()
    assert await bench.committed(member.bus._group, topic) == 1


async def test_partitions_are_given_away_only_after_the_batch_in_hand(
    bench: KafkaBench, topic: str, ears: Ears, member: KafkaMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "COMMIT_EVERY_SECONDS", 3_600)
    ears.gates["h1"] = asyncio.Event()
    await bench.write(topic, put("h1"))
    await until(lambda: ears.tries["h1"])
    giving = asyncio.create_task(member.bus.on_partitions_revoked([TopicPartition(topic, 0)]))
    await give_way()
    assert not giving.done()
    ears.gates["h1"].set()
    await asyncio.wait_for(giving, 10)
    assert ears.ids == ["h1"]
    assert await bench.committed(member.bus._group, topic) == 1


async def test_what_is_in_hand_is_not_heard_yet(bench: KafkaBench, topic: str, ears: Ears, member: KafkaMember) -> None:
    """The consumer itself stands behind the records that it has handed over."""

    async def behind() -> float:
        return (await member.bus.lags())[member.bus._group, topic, "0"]

    await until(member.bus._assigned)
    assert await behind() == 0
    ears.gates["h2"] = asyncio.Event()
    await bench.write(topic, put("h1"))
    await until(lambda: ears.ids == ["h1"])
    await bench.write(topic, put("h2"))
    await until(lambda: ears.tries["h2"])
    await bench.write(topic, put("h3"), put("h4"))
    assert await behind() == 3
    ears.gates["h2"].set()
    await until(lambda: len(ears.heard) == 4)
    await until(lambda: not member.bus._hearing)
    assert await behind() == 0


async def test_of_two_members_the_second_goes_on_where_the_first_was(bench: KafkaBench, ears: Ears) -> None:
    topic, group, later = bench.topic(), new_name("group"), Ears()
    first, second = bench.member(group, topic, ears), bench.member(group, topic, later)
    await bench.write(topic, put("h1"))
    await first.start()
    await until(lambda: ears.ids == ["h1"])
    starting = asyncio.create_task(second.start())
    await first.stop()
    await starting
    await bench.write(topic, put("h2"))
    await until(lambda: "h2" in later.ids, "the second takes over")
    await second.stop()
    assert later.ids == ["h2"]


async def test_a_message_that_no_topic_takes_is_told_apart(bench: KafkaBench, topic: str, member: KafkaMember) -> None:
    with pytest.raises(TooLarge, match=topic):
        await member.bus.send(topic, b"k", b"?" * 2_000_000, [])


async def test_headers_travel_byte_for_byte(bench: KafkaBench, topic: str, member: KafkaMember) -> None:
    exact = [("broken", b"\xff\xfe\x80"), ("text", "退单".encode()), ("empty", b"")]
    await (await member.bus.send(f"{topic}.dead", b"\xff", b"\x00\xff", exact))
    (record,) = await bench.read(f"{topic}.dead", 1)
    assert (record.key, record.body) == (b"\xff", b"\x00\xff")
    assert dict(exact).items() <= dict(record.headers).items()


async def test_ready_is_who_has_partitions_and_a_broker_that_answers(bench: KafkaBench, topic: str) -> None:
    silent = KafkaBus(bench.broker.address, new_name("group"))
    assert not await silent.ping(), "not started"
    await silent.start()
    assert await silent.ping(), "it listens to nothing, so it needs no partitions"
    await silent.stop()
    assert not await silent.ping()


async def test_a_broker_that_is_away_is_waited_for_and_nothing_waits_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "SEND_DEADLINE_SECONDS", 0.3)
    monkeypatch.setattr(bus_module, "STOP_DEADLINE_SECONDS", 0.3)
    quick_groups(monkeypatch.setattr)
    ears = Ears()
    with running_broker() as broker:
        bench = KafkaBench(broker)
        topic = bench.topic()
        member = bench.member(new_name("group"), topic, ears)
        await member.start()
        await (await member.bus.send(topic, *put_now("before")))
        await until(lambda: ears.ids == ["before"])
        assert await member.bus.ping()

        broker.leave()
        with pytest.raises(Unsent):
            await (await member.bus.send(topic, *put_now("meanwhile")))
        assert not await member.bus.ping()

        broker.come_back()
        monkeypatch.setattr(sending, "SEND_DEADLINE_SECONDS", 20)
        await (await member.bus.send(topic, *put_now("again")))
        await until(lambda: "again" in ears.ids, "it hears again")
        assert await member.bus.ping()

        broker.leave()
        await asyncio.wait_for(member.stop(), 10)
        broker.come_back()
    assert not member.bus._started


def put_now(id: str) -> tuple[bytes, bytes, list[tuple[str, bytes]]]:
    message = PutMarbles(jar_id="a")
    return b"a", message.model_dump_json().encode(), headers_of(message, id)


async def test_a_consumer_that_stands_still_ends_the_process(
    bench: KafkaBench, topic: str, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    monkeypatch.setattr(bus_module, "STUCK_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(os, "_exit", left.append)
    bus = KafkaBus(bench.broker.address, new_name("group"), fetch_wait_ms=20, batch_max=1)
    bus.listen([topic], Receiver("tests", ears, bus, clock.now))
    await bus.start()
    await bench.write(topic, put("h1"))
    await until(lambda: ears.ids == ["h1"])
    assert left == [], "records come and move"

    for subscriber in bus._broker.subscribers:
        for loop in getattr(subscriber, "tasks", ()):
            loop.cancel()
    await bench.write(topic, put("h2"), put("h3"))
    await until(lambda: left, "it leaves")
    assert left[0] == STUCK_EXIT_CODE
    await bus.stop()


async def test_a_producer_whose_own_task_has_died_ends_the_process(
    bench: KafkaBench, topic: str, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when Kafka gives it no number: nothing is ever sent again, so what is being heard never comes to its end."""
    left: list[int] = []
    monkeypatch.setattr(bus_module, "STUCK_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(os, "_exit", left.append)
    bus = KafkaBus(bench.broker.address, new_name("group"), fetch_wait_ms=20)
    bus.listen([topic], Receiver("tests", ears, bus, clock.now))
    await bus.start()
    assert bus._sender._producer is not None
    async with bus._in_hand:
        bus._sender._producer._sender.sender_task.cancel()
        await until(lambda: left, "it leaves")
    assert left[0] == STUCK_EXIT_CODE
    await bus.stop()


async def test_a_batch_that_does_not_end_is_waited_for_once_not_at_each_step_of_the_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bus_module, "STOP_DEADLINE_SECONDS", 0.02)
    bus = KafkaBus("127.0.0.1:1", new_name("group"))
    with capture_logs() as logs:
        async with bus._in_hand:
            await bus.stop_hearing()
            await bus.stop()
    assert [line["unfinished"] for line in logs if "unfinished" in line] == ["the batch in hand"]


async def test_messages_gather_before_they_are_heard_unless_it_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[object] = []
    answers = [4, 4, 1, 0, 2]

    async def pause(seconds: float) -> None:
        happened.append(f"waits {seconds} s")

    async def getmany(consumer: PatientConsumer, *partitions: TopicPartition, **limits: int) -> dict[object, object]:
        happened.append(answers.pop(0))
        return {TopicPartition("topic", 0): ["record"] * happened[-1]} if happened[-1] else {}  # type: ignore[operator]

    monkeypatch.setattr(clock, "pause", pause)
    monkeypatch.setattr(AIOKafkaConsumer, "getmany", getmany)
    consumer = unconnected(gather_ms=250)
    for _ in range(4):
        await consumer.getmany(max_records=4)
    assert happened == ["waits 0.25 s", 4, 4, 1, "waits 0.25 s", 0, 2]

    happened.clear()
    answers[:] = [1, 1]
    at_once = unconnected(gather_ms=0)
    for _ in range(2):
        await at_once.getmany(max_records=4)
    assert happened == [1, 1]


async def test_what_a_service_sets_is_what_its_consumer_does(bench: KafkaBench, topic: str, ears: Ears) -> None:
    settings = AnalyticsSettings(kafka=bench.broker.address, mongo="mongodb://127.0.0.1:1", http_port=1)
    bus = service._open_bus(new_name("group"), settings)
    assert isinstance(bus, KafkaBus)
    bus.listen([topic], Receiver("tests", ears, bus, clock.now))
    await bus.start()
    try:
        consumer = bus._find_consumer()
        assert isinstance(consumer, PatientConsumer)
        assert consumer._gather_seconds == settings.kafka_gather_ms / 1_000 > 0
    finally:
        await bus.stop()


def unconnected(gather_ms: int) -> PatientConsumer:
    consumer = PatientConsumer(bootstrap_servers="127.0.0.1:1", gather_ms=gather_ms)
    come = asyncio.get_running_loop().create_future()
    come.set_result(None)
    consumer._fetcher = SimpleNamespace(_fetch_max_wait_ms=0, _records={}, _create_fetch_waiter=lambda: come)
    consumer._closed = True  # nothing of it is open, and it would complain
    return consumer
