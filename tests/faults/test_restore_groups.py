"""After a restore nobody hears what a real Kafka's topics still hold, and a group with members is seen."""

from __future__ import annotations

import pytest
from confluent_kafka import Consumer, Producer

from tests.unit.tools.backup.made import made
from tools.backup.command import run_restore
from tools.backup.groups import Groups, heard
from tools.stack import Plan, up
from tools.stack.home import Home
from tools.stack.layout import tuidan_plan
from tools.topics.cluster import ClusterRefused

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.usefixtures("kafka_or_skip")]

ANSWER_SECONDS = 30.0
TOPIC = "payment.commands"


def _servers(home: Home) -> Plan:
    return Plan(tuple(one for one in tuidan_plan(home, "native") if one.name in ("broker", "mongo")))


def _write(address: str, *bodies: bytes) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all"})
    for body in bodies:
        producer.produce(TOPIC, body, key=body)
    assert producer.flush(ANSWER_SECONDS) == 0


def _payment(address: str) -> Consumer:
    options = {"group.id": "payment", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": address, **options})
    consumer.subscribe([TOPIC])
    return consumer


def test_every_service_that_hears_has_its_topics() -> None:
    assert heard() == {
        "order": ["inventory.events", "notify.events", "order.commands", "payment.events"],
        "payment": ["payment.commands"],
        "inventory": ["inventory.commands"],
        "notify": ["notify.commands"],
        "analytics": ["inventory.events", "notify.events", "order.events", "payment.events"],
    }


def test_nobody_hears_what_was_said_before_a_restore(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    stack = up(home.root, plan=_servers)
    address, mongo = stack.address("broker"), f"mongodb://{stack.address('mongo')}"
    _write(address, b"heard", b"unheard")
    made(home.root / "backup")
    service = _payment(address)
    (first,) = service.consume(1, ANSWER_SECONDS)
    service.commit(message=first, asynchronous=False)
    groups = Groups(address)
    assert groups.with_members() == ["payment"]
    with pytest.raises(ClusterRefused):
        groups.go_to_the_end()
    with pytest.raises(BaseException) as left:
        run_restore(home.root / "backup", mongo, address, replace=False)
    assert "members of their groups: payment" in capsys.readouterr().err, left
    service.close()
    run_restore(home.root / "backup", mongo, address, replace=False)
    assert "behind 2 records" in capsys.readouterr().err
    _write(address, b"new")
    service = _payment(address)
    (next_one,) = service.consume(1, ANSWER_SECONDS)
    service.close()
    assert next_one.value() == b"new"
