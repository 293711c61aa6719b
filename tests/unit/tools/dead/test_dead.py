"""Dead letters written by the real delivery on a broker, looked at and replayed by the command itself."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from chassis import clock, delivery
from chassis.bus import KafkaBus
from chassis.delivery import Delivery, Receiver
from chassis.engine import Engine
from chassis.failures import HandlerFailed
from chassis.memory import MemoryStore
from contracts import CATALOGUE
from tests.support.kafka import Broker, Raw
from tests.support.waiting import until
from tests.unit.chassis.buses import quick_groups, raw
from tests.unit.chassis.jars import CATALOGUED, PutMarbles, jar_aggregate
from tests.unit.order.told import place
from tools.cli import app
from tools.dead import command
from tools.records import Place, partition_of, records

_names = count(1)
PERSONAL = ("张三", "13800001111", "openid-1")


@pytest.fixture(autouse=True)
def jar_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    for wire, message in CATALOGUED.items():
        monkeypatch.setitem(CATALOGUE, wire, message)
    quick_groups(monkeypatch.setattr)
    monkeypatch.setattr(delivery, "RETRY_FIRST_SECONDS", 0.0001)


@pytest.fixture
def topic(kafka: Broker) -> str:
    """A topic of four partitions and the one for its dead letters."""
    name = f"shelf-{next(_names)}.commands"
    kafka.create_topic(f"{name}.dead", 2)
    return kafka.create_topic(name, 4)


def type_(kafka: Broker, *words: str) -> Result:
    return CliRunner().invoke(app, ["dead", *words, "--kafka", kafka.address])


async def typed(kafka: Broker, *words: str) -> Result:
    return await asyncio.to_thread(type_, kafka, *words)


async def listed(kafka: Broker, topic: str, *words: str) -> list[dict[str, Any]]:
    done = await typed(kafka, "list", "--topic", topic, "--json", *words)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    assert done.exit_code == int(any(not one["replays"] for one in found)), done.output
    return found


class Service:
    """The real delivery, engine and bus of one service on a topic, until `condition` holds; then it stops as services
    do. Its records outlive it."""

    def __init__(self, kafka: Broker, topic: str) -> None:
        self._kafka, self._topic = kafka, topic
        self.jars = jar_aggregate(f"shelf_{next(_names)}")
        self.store = MemoryStore(self.jars)
        self.heard: list[str] = []

    async def runs(self, condition: Callable[[], object] | Callable[[], Awaitable[object]], *, broken: bool) -> None:
        bus = KafkaBus(self._kafka.address, f"{self._topic}-group", fetch_wait_ms=20)
        engine = Engine("shelf", {self.jars: self.store}, bus, clock.now)
        service = self

        class Ear:
            def hears(self, message: Any) -> bool:
                return engine.hears(message)

            async def hear(self, heard: Any) -> object:
                if broken:
                    raise HandlerFailed("13800001111 is no number of marbles") from ZeroDivisionError()
                found = await engine.hear(heard)
                service.heard.append(heard.id)
                return found

        bus.listen([self._topic], Receiver("shelf", Ear(), bus, clock.now))
        await bus.start()
        try:
            await until(condition)
        finally:
            await bus.stop()

    async def marbles(self, jar: str) -> int:
        record = (await self.store.load([jar])).get(jar)
        return record.state.marbles if record and record.state else 0


async def test_a_message_that_died_of_a_bug_is_replayed_and_handled_once(kafka: Broker, topic: str) -> None:
    service = Service(kafka, topic)
    kafka.write_all(topic, [raw(PutMarbles(jar_id="a", marbles=3), "h1"), raw(PutMarbles(jar_id="b"), "h2")])

    async def both_died() -> bool:
        return len(await kafka.read(f"{topic}.dead")) == 2

    await service.runs(both_died, broken=True)
    first, _ = found = await listed(kafka, topic)
    assert {one["message_id"] for one in found} == {"h1", "h2"}
    assert (first["error"], first["attempts"], first["service"]) == ("ZeroDivisionError", "4", "shelf")
    assert first["message"] == "put-marbles.v1"

    dry = await typed(kafka, "replay", "--all-of-topic", topic, "--dry-run")
    assert (dry.exit_code, "2 would be replayed" in dry.output) == (0, True)
    assert len(await kafka.read(topic)) == 2, "a dry run changes nothing"
    no = await asyncio.to_thread(
        CliRunner().invoke, app, ["dead", "replay", first["id"], "--kafka", kafka.address], input="n\n"
    )
    assert (no.exit_code, "nothing was done" in no.output) == (1, True)
    assert len(await kafka.read(topic)) == 2

    done = await typed(kafka, "replay", "--all-of-topic", topic, "--yes")
    assert (done.exit_code, "replayed 2 of 2" in done.output) == (0, True), done.output
    await service.runs(lambda: len(service.heard) == 2, broken=False)
    assert (await service.marbles("a"), await service.marbles("b")) == (3, 1)

    twice = await typed(kafka, "replay", first["id"], "--yes")
    assert twice.exit_code == 1
    (note,) = next(one for one in await listed(kafka, topic, "--all") if one["id"] == first["id"])["replays"]
    assert f"was replayed at {note['at']} by tuidan dead replay, " in twice.output
    assert await listed(kafka, topic) == []
    again = await typed(kafka, "replay", first["id"], "--yes", "--again")
    assert again.exit_code == 0, again.output
    await service.runs(lambda: len(service.heard) == 3, broken=False)
    assert (await service.marbles("a"), await service.marbles("b")) == (3, 1), "heard again, nothing is changed"


async def test_a_replayed_record_is_the_original_on_its_orders_partition(kafka: Broker, topic: str) -> None:
    original = Raw(
        b'{"odd": \xff}', b"order-7", [("ce_type", b"?"), ("text", "退".encode()), ("odd", b"\xfe"), ("none", None)]
    )
    kafka.write(topic, original.body, key=original.key, headers=original.headers)
    await Service(kafka, topic).runs(_holds(kafka, f"{topic}.dead", 1), broken=False)
    (letter,) = await listed(kafka, topic)
    assert (await typed(kafka, "replay", letter["id"], "--yes")).exit_code == 0
    _, second = sorted(await kafka.read(topic, 2), key=lambda record: record.timestamp)
    assert (second.key, second.value) == (b"order-7", b'{"odd": \xff}')
    more = dict(second.headers)
    assert more | {"ce_type": b"?", "text": "退".encode(), "odd": b"\xfe", "none": b""} == more
    assert {name for name in more if "dead" in name or "replay" in name} == {
        "replayed_from",
        "replayed_at",
        "replayed_by",
    }
    assert more["replayed_from"].decode() == letter["id"]
    assert second.partition == partition_of(b"order-7", 4)


async def test_what_dies_again_says_so_and_keeps_no_trace_of_the_first_replay(kafka: Broker, topic: str) -> None:
    kafka.write_all(topic, [raw(PutMarbles(jar_id="a"), "h1")])
    service = Service(kafka, topic)
    await service.runs(_holds(kafka, f"{topic}.dead", 1), broken=True)
    (letter,) = await listed(kafka, topic)
    await typed(kafka, "replay", letter["id"], "--yes")
    await service.runs(_holds(kafka, f"{topic}.dead", 3), broken=True)
    (second,) = await listed(kafka, topic)
    assert (second["died_again"], second["message_id"]) == (True, "h1")
    await typed(kafka, "replay", second["id"], "--yes")
    *_, last = sorted(await kafka.read(topic, 3), key=lambda record: record.timestamp)
    assert [name for name, _ in last.headers].count("replayed_from") == 1
    assert not [name for name, _ in last.headers if name.startswith("dead_")]


def _holds(kafka: Broker, topic: str, number: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return len(await kafka.read(topic)) >= number

    return holds


async def test_a_letter_without_its_body_takes_it_from_where_it_was(kafka: Broker, topic: str) -> None:
    body = b'{"jar_id": "a", "marbles": 2}'
    (made,) = [raw(PutMarbles(jar_id="a"), "h1")]
    kafka.write(topic, body, key=b"a", headers=made.headers)
    (there,) = await kafka.read(topic, 1)
    dead = _headers(topic, there.partition, there.offset)
    kafka.write(f"{topic}.dead", b"", key=b"a", headers=[*made.headers, *dead, ("dead_left_out", b"29")])
    gone = _headers(topic, there.partition, 99)
    kafka.write(f"{topic}.dead", b"", key=b"a", headers=[*made.headers, *gone, ("dead_left_out", b"29")])
    done = await typed(kafka, "replay", "--all-of-topic", topic, "--yes")
    assert (done.exit_code, f"its original is gone from {topic}:{there.partition}:99" in done.output) == (1, True)
    assert [record.value for record in await kafka.read(topic, 2)] == [body, body]


async def test_another_message_in_its_old_place_is_not_taken_for_it(kafka: Broker, topic: str) -> None:
    (made,) = [raw(PutMarbles(jar_id="a"), "h1")]
    kafka.write(topic, made.body, key=b"a", headers=made.headers)
    (there,) = await kafka.read(topic, 1)
    (other,) = [raw(PutMarbles(jar_id="a"), "h2")]
    dead = _headers(topic, there.partition, there.offset)
    kafka.write(f"{topic}.dead", b"", key=b"a", headers=[*other.headers, *dead, ("dead_left_out", b"29")])
    assert (await typed(kafka, "replay", "--all-of-topic", topic, "--yes")).exit_code == 1
    assert len(await kafka.read(topic)) == 1


def _headers(topic: str, partition: int, offset: int) -> list[tuple[str, bytes]]:
    facts = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "error": "TooLarge",
        "at": "2026-11-01T08:00:00Z",
    }
    return [(f"dead_{name}", str(value).encode()) for name, value in facts.items()]


async def test_who_somebody_is_stays_in_the_letter(kafka: Broker, topic: str) -> None:
    """A command with name, phone and openid dies, with a reason that quotes the phone."""
    kafka.write_all(topic, [raw(place().asked, "h1")])

    (there,) = await kafka.read(topic, 1)
    bus = KafkaBus(kafka.address, "x")
    await bus.start()

    class Ear:
        def hears(self, message: Any) -> bool:
            return True

        async def hear(self, heard: Any) -> object:
            raise HandlerFailed("13800001111 is no phone") from ValueError("x")

    made = Delivery(topic, there.partition, there.offset, there.key, there.value, tuple(there.headers))
    assert await Receiver("order", Ear(), bus, clock.now).receive([made])
    await bus.stop()
    (letter,) = await listed(kafka, topic)
    shown = await typed(kafka, "show", letter["id"])
    assert shown.exit_code == 0, shown.output
    text = shown.output + json.dumps(letter, ensure_ascii=False) + (await typed(kafka, "list", "--topic", topic)).output
    assert not [one for one in PERSONAL if one in text]
    assert "138****1111" in text
    assert '"order_id": "o1"' in shown.output
    assert '"unit_price_minor"' in shown.output, "facts are shown"


async def test_what_nobody_knows_is_shown_by_its_shape(kafka: Broker, topic: str) -> None:
    body = json.dumps({"call": "张三", "at": ["13800001111"], "n": 13800001111, "ok": True}).encode()
    bodies = [body, "手机 13800001111".encode()]
    kafka.write_all(topic, [Raw(one, b"k", [("ce_type", b"other.v1"), ("note", b"13800001111")]) for one in bodies])
    await Service(kafka, topic).runs(_holds(kafka, f"{topic}.dead", 2), broken=False)
    found = await listed(kafka, topic)
    text = "".join([(await typed(kafka, "show", one["id"])).output for one in found])
    assert not [one for one in PERSONAL if one in text]
    assert '"n": "<number>"' in text
    assert "bytes that are no JSON" in text


async def test_the_list_is_for_people(kafka: Broker, topic: str) -> None:
    kafka.write_all(topic, [raw(PutMarbles(jar_id="a"), "h1")])
    await Service(kafka, topic).runs(_holds(kafka, f"{topic}.dead", 1), broken=True)
    done = await typed(kafka, "list", "--topic", f"{topic}.dead")
    assert done.exit_code == 1
    (letter,) = await listed(kafka, topic)
    assert f"{letter['id']}  put-marbles.v1  a" in done.output
    assert "shelf · ZeroDivisionError (4×): 138****1111 is no number of marbles" in done.output
    await typed(kafka, "replay", "--all-of-topic", f"{topic}.dead", "--yes")
    done = await typed(kafka, "list", "--topic", topic)
    assert (done.exit_code, "no letter waits" in done.output, "replayed before: 1" in done.output) == (0, True, True)
    assert (await typed(kafka, "replay", "--all-of-topic", topic, "--yes")).exit_code == 0, "all of it is done"


async def test_what_is_not_there_is_said(kafka: Broker, topic: str) -> None:
    for words, says in (
        (["show", "x:0:1"], "an id is like payment.commands.dead:0:17"),
        (["show", f"{topic}.dead:0:7"], f"there is no letter {topic}.dead:0:7"),
        (["replay", "nowhere.dead:0:7", "--yes"], "there is no topic nowhere.dead"),
        (["list", "--topic", "nowhere"], "there is no topic nowhere.dead"),
        (["replay"], "give either IDs or --all-of-topic"),
        (["replay", f"{topic}.dead:0:7", "--all-of-topic", topic], "give either IDs or --all-of-topic"),
    ):
        done = await typed(kafka, *words)
        assert (done.exit_code, says in done.output) == (2, True), done.output


async def test_a_strangers_record_is_left(kafka: Broker, topic: str) -> None:
    kafka.write(f"{topic}.dead", b"?", key=b"k")
    done = await typed(kafka, "replay", "--all-of-topic", topic, "--yes")
    assert (done.exit_code, "no letter of ours" in done.output) == (1, True)


def test_a_kafka_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.records.ANSWER_SECONDS", 0.5)
    done = CliRunner().invoke(app, ["dead", "list", "--kafka", "127.0.0.1:1"])
    assert (done.exit_code, "no Kafka answers at 127.0.0.1:1" in done.output) == (2, True)


async def test_records_of_a_span_are_read_whole_and_no_further(kafka: Broker, topic: str) -> None:
    bus = KafkaBus(kafka.address, "x")
    await bus.start()
    for n in range(20):
        await (await bus.send(topic, b"k", str(n).encode(), []))
    place_, seen = Place(topic, partition_of(b"k", 4)), list[tuple[int, int]]()
    with records(kafka.address) as opened:
        span = await asyncio.to_thread(opened.span, place_)
        assert span == (0, 20), "the services' own partition"
        await (await bus.send(topic, b"k", b"later", []))
        await bus.stop()
        read = opened.read({place_: span._replace(first=5)}, lambda some, all: seen.append((some, all)))
        found = await asyncio.to_thread(list, read)
    assert [record.body for record in found] == [str(n).encode() for n in range(5, 20)]
    assert seen[-1] == (15, 15)


@pytest.mark.parametrize("unknown", [KeyError("uid not found"), OSError("No username set in the environment")])
def test_who_is_a_number_only_replays_too(monkeypatch: pytest.MonkeyPatch, unknown: Exception) -> None:
    """As in the operator's image. What is raised depends on the version of Python."""

    def nobody(uid: int) -> object:
        raise unknown

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert command.who() == f"tuidan dead replay, user {os.getuid()}"
