"""`tuidan trace`: what real services said about orders, put on a broker as their own bus puts it, and read back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from chassis.bus import KafkaBus
from chassis.delivery import Delivery
from contracts.message import Envelope, message_id
from tests.support.kafka import Broker, running_broker
from tests.unit.order.shelf import Shelf
from tests.unit.order.told import START
from tools.cli import app
from tools.records import Place, Span, records
from tools.records import Raw as Record
from tools.trace import showing
from tools.trace.weaving import walked, woven

PERSONAL = ("张三", "13800001111", "openid-1", "SF-parcel")
ORDER = "order-a"
Json = dict[str, Any]


@pytest.fixture(scope="module")
def kafka() -> Iterator[Broker]:
    """A broker of this file's own: the topics have their real names."""
    with running_broker() as broker:
        for service in ("order", "payment", "inventory", "notify"):
            for kind in ("commands", "events"):
                broker.create_topic(f"{service}.{kind}", 4)
                broker.create_topic(f"{service}.{kind}.dead", 3)
        yield broker


@pytest.fixture
async def shelf() -> Shelf:
    """Two orders that lived through everything."""
    made = Shelf()
    await made.order(ORDER)
    await made.order("order-b")
    return made


def said(shelf: Shelf) -> list[Delivery]:
    return [one for records in shelf.broker.topics.values() for one in records]


def as_records(deliveries: list[Delivery]) -> list[Record]:
    """What a cluster would hold of these."""
    return [
        Record(Place(one.topic, 0), one.offset, START + timedelta(seconds=n), one.key, one.body, one.headers)
        for n, one in enumerate(deliveries)
    ]


def of(shelf: Shelf, order_id: str) -> list[Record]:
    return as_records([one for one in said(shelf) if one.key == order_id.encode()])


def type_(kafka: Broker, *words: str) -> Result:
    return CliRunner().invoke(app, ["trace", *words, "--kafka", kafka.address])


async def typed(kafka: Broker, *words: str) -> Result:
    return await asyncio.to_thread(type_, kafka, *words)


async def test_every_message_of_an_order_stands_once_below_its_cause(shelf: Shelf) -> None:
    records = of(shelf, ORDER)
    knots = {knot.id: knot for knot in walked(woven(records)) if knot.wire}
    ids = {record.header("ce_id"): record for record in records}
    assert knots.keys() == ids.keys()
    assert len(ids) > 8, "a story worth telling"
    parents = {child.id: knot for knot in walked(woven(records)) for child in knot.children}
    for id, record in ids.items():
        cause = record.header("ce_cause")
        if cause in ids:
            assert parents[id].id == cause
        assert parents[id].at <= knots[id].at


async def test_a_cause_that_no_topic_has_is_named_as_what_it_is(shelf: Shelf) -> None:
    roots = woven(of(shelf, ORDER))
    assert all(not root.wire and root.children for root in roots)
    text = "\n".join(showing.lines(ORDER, roots))
    assert "a request, a timer, or word from outside" in text


async def test_nothing_about_who_somebody_is_is_shown(shelf: Shelf) -> None:
    roots = woven(of(shelf, ORDER))
    text = "\n".join(showing.lines(ORDER, roots)) + json.dumps([showing.nested(ORDER, one) for one in roots])
    assert not [one for one in PERSONAL if one in text]
    assert "total CNY" in text, "facts are shown"


def _message(id: str, cause: str, second: int, topic: str = "order.events", **more: str) -> Record:
    at = START + timedelta(seconds=second)
    envelope = Envelope(id, more.pop("type", "order-paid.v1"), "order", at, cause=cause or None)
    headers = [*envelope.headers().items(), *more.items()]
    made = tuple((name, value.encode()) for name, value in headers)
    return Record(Place(topic, 0), second, at, b"o", b"{}", made)


def test_said_again_died_and_replayed_are_told_of_one_message() -> None:
    died = {"dead_topic": "order.events", "dead_error": "KeyError", "dead_service": "analytics"}
    roots = woven(
        [
            _message("b", "a", 2),
            _message("a", "", 1),
            _message("a", "", 3),
            _message("b", "a", 4, "order.events.dead", **died),
            _message("b", "a", 5, replayed_from="x", replayed_at="2026-11-01", replayed_by="li"),
        ]
    )
    (first,) = roots
    (second,) = first.children
    assert (first.id, first.times, second.id, second.times) == ("a", 2, "b", 1)
    assert second.died == ["KeyError in analytics (order.events.dead:0:4)"]
    assert second.replayed == ["2026-11-01 by li"]
    text = "\n".join(showing.lines("o", roots))
    assert "said 2 times" in text
    assert "died: KeyError in analytics" in text
    assert "replayed 2026-11-01 by li" in text


def test_a_message_of_which_only_the_letter_is_left_stands_in_the_tree() -> None:
    dead = _message("b", "a", 4, "payment.commands.dead", dead_topic="payment.commands", dead_error="E")
    (root,) = woven([_message("a", "", 1), dead])
    assert [(knot.id, knot.topic) for knot in root.children] == [("b", "payment.commands")]


def test_what_came_of_an_effect_stands_below_the_message_that_asked_for_it() -> None:
    """Nobody but the service itself hears the outcome; its id leads back."""
    once = message_id(message_id("a", 3), "report")
    twice = message_id(message_id(once, 0), "report")
    (root,) = woven([_message("a", "", 1), _message("b", once, 2), _message("c", twice, 3)])
    assert [(knot.id, knot.effects) for knot in root.children] == [("b", 1), ("c", 2)]
    assert "after 1 effect" in "\n".join(showing.lines("o", [root]))


def test_what_names_itself_as_its_cause_ends() -> None:
    assert [knot.id for knot in walked(woven([_message("a", "a", 1)]))] == ["a"]


def test_causes_that_go_in_a_ring_lose_no_message() -> None:
    """No service says such a thing; whoever looks at a broken topic is to see it all the same."""
    assert {knot.id for knot in walked(woven([_message("a", "b", 1), _message("b", "a", 2)]))} == {"a", "b"}


async def _put(kafka: Broker, shelf: Shelf) -> None:
    bus = KafkaBus(kafka.address, "order")
    await bus.start()
    for one in said(shelf):
        await (await bus.send(one.topic, one.key, one.body, one.headers))
    await bus.stop()


async def test_it_reads_one_partition_of_each_topic_and_finds_everything(kafka: Broker, shelf: Shelf) -> None:
    await _put(kafka, shelf)
    shown = await typed(kafka, ORDER, "--json")
    assert shown.exit_code == 0, shown.output
    assert "of 16 partitions" in shown.stderr
    every = await typed(kafka, ORDER, "--json", "--every-partition")
    assert "of 56 partitions" in every.stderr

    def ids(nodes: list[Json]) -> set[str]:
        return {node["id"] for node in nodes if node["message"]} | {i for node in nodes for i in ids(node["children"])}

    wanted = {record.header("ce_id") for record in of(shelf, ORDER)}
    assert ids(json.loads(shown.stdout)["messages"]) == wanted
    assert ids(json.loads(every.stdout)["messages"]) == wanted
    text = (await typed(kafka, ORDER)).stdout
    assert f"{ORDER}: {len(wanted)} 条消息 · messages" in text
    assert "order-b" not in text


async def test_an_order_that_nobody_knows_is_said(kafka: Broker) -> None:
    done = await typed(kafka, "nobody")
    assert done.exit_code == 1
    assert "no message about nobody: there is no such order on this cluster" in done.stderr
    assert "(30 days)" in done.stderr
    assert "if it is a case" not in done.stderr
    for order_id, code in ((ORDER, 1), (40 * "o", 2)):
        done = await typed(kafka, f"{order_id}-c1")
        assert (done.exit_code, f"name its order: tuidan trace {order_id}\n" in done.stderr) == (code, True)
    done = await typed(kafka, "not an order")
    assert (done.exit_code, "is no order id" in done.output) == (2, True)


async def test_only_what_came_since_is_read(kafka: Broker, shelf: Shelf) -> None:
    done = await typed(kafka, ORDER, "--since", "2125-01-01")
    assert (done.exit_code, "since 2125-01-01T00:00:00+00:00" in done.stderr) == (1, True)


async def test_where_a_broker_knows_no_times_nothing_is_missed(kafka: Broker) -> None:
    topic = kafka.create_topic("times", 1)
    kafka.write(topic, b"x", key=b"k")
    (written,) = await kafka.read(topic, 1)
    at = datetime.fromtimestamp(written.timestamp / 1_000, UTC)
    with records(kafka.address) as cluster:
        for second, span in ((-60, Span(0, 1)), (0, Span(0, 1)), (60, Span(1, 1))):
            found = await asyncio.to_thread(cluster.since, Place(topic, 0), at + timedelta(seconds=second))
            assert found == span
