"""Topics and consumer groups on Apache Kafka in a container."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions
from typer.testing import CliRunner

from chassis import clock
from chassis.bus import KafkaBus
from chassis.delivery import Receiver
from contracts.message import CATALOGUE
from tests.support.containers import kafka_container
from tests.support.kafka import Raw
from tests.support.waiting import until
from tests.unit.chassis.buses import Ears, raw
from tests.unit.chassis.jars import CATALOGUED, PutMarbles
from tools.cli import app
from tools.stack.probes import ask
from tools.topics.cluster import Cluster
from tools.topics.drift import Difference, differences
from tools.topics.listing import RETENTION, read

START_SECONDS = 120.0
GROUP_SECONDS = 60.0
ANSWER_SECONDS = 30.0
ORDERS = 60


@pytest.fixture(scope="module")
def address(free_port: Callable[[], int]) -> Iterator[str]:
    with kafka_container(free_port()) as found:
        yield found


@pytest.fixture(autouse=True)
def jars_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    for wire, message in CATALOGUED.items():
        monkeypatch.setitem(CATALOGUE, wire, message)


@pytest.fixture(autouse=True)
async def answering(address: str) -> None:
    async def answers() -> bool:
        return await ask("kafka", address, "") is None

    await until(answers, "Kafka answers", seconds=START_SECONDS)


@pytest.fixture
async def two_members(address: str) -> AsyncIterator[list[tuple[KafkaBus, Ears]]]:
    """Two members of one group, not started yet."""
    members = []
    for _ in range(2):
        ears = Ears()
        bus = KafkaBus(address, "pair", fetch_wait_ms=50, session_ms=6_000)
        bus.listen(["order.commands"], Receiver("tests", ears, bus, clock.now))
        members.append((bus, ears))
    yield members
    for bus, _ in members:
        await bus.stop()


def topics(word: str, address: str, *more: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["topics", word, "--kafka", address, "--copies", "1", *more])
    return done.exit_code, done.output


def written(address: str, count: int, first: int = 0) -> list[str]:
    """Put messages about as many jars on a topic; returns their ids."""
    producer = Producer({"bootstrap.servers": address, "acks": "all"})
    ids = [f"h{number}" for number in range(first, first + count)]
    for id in ids:
        record: Raw = raw(PutMarbles(jar_id=f"jar-{id}"), id)
        producer.produce("order.commands", record.body, key=record.key, headers=list(record.headers))
    assert producer.flush(ANSWER_SECONDS) == 0
    return ids


async def test_a_member_says_which_topics_are_missing_and_makes_none(
    address: str, two_members: list[tuple[KafkaBus, Ears]]
) -> None:
    (bus, _), _ = two_members
    why = "topics are missing: order.commands, order.commands.dead. Make them with: tuidan topics create"
    assert await bus.obstacle() == why
    assert await bus.obstacle() == why, "asking has not made them"
    assert Cluster(address).found(["order.commands"]) == {}


async def test_topics_are_made_as_listed_and_what_differs_is_shown_and_mended(address: str) -> None:
    code, said = topics("check", address)
    assert (code, "order.events: topic is absent, listed there" in said) == (1, True)
    code, said = topics("create", address)
    assert (code, said.splitlines()[-1]) == (0, "16 of 16 topics were made, 0 settings set.")
    await until(lambda: topics("check", address) == (0, "All 16 topics are as listed.\n"), "they are seen")
    assert topics("create", address) == (0, "0 of 16 topics were made, 0 settings set.\n")

    admin = AdminClient({"bootstrap.servers": address})
    admin.create_partitions([NewPartitions("order.events", 15)])["order.events"].result(ANSWER_SECONDS)
    Cluster(address).mend([Difference("order.events", RETENTION, "60000", "", "mend")])
    month_ms = 30 * 86_400_000
    changed = f"order.events: {RETENTION} is 60000, listed {month_ms}"

    # The broker shows a change when the controller has told it, a moment after it was made.
    await until(lambda: changed in topics("check", address)[1], "the changes are seen", seconds=GROUP_SECONDS)
    code, said = topics("check", address)
    assert (code, said.splitlines()[:2]) == (1, ["order.events: partitions is 15, listed 12", changed])
    code, said = topics("create", address, "--mend")
    assert f"order.events: {RETENTION} was 60000, is {month_ms} now" in said
    await until(lambda: changed not in topics("check", address)[1], "it is mended", seconds=GROUP_SECONDS)
    listed = read(copies=1)
    left = differences(listed, Cluster(address).found(topic.name for topic in listed))
    assert [(row.topic, row.setting) for row in left] == [("order.events", "partitions")], "no record moves by itself"


async def test_two_members_share_and_who_stays_takes_over(
    address: str, two_members: list[tuple[KafkaBus, Ears]]
) -> None:
    topics("create", address)
    (first, first_ears), (second, second_ears) = two_members
    assert await first.obstacle() is None
    await first.start()
    await second.start()
    await until(lambda: first._assigned() and second._assigned(), "both have a share", seconds=GROUP_SECONDS)
    assert len(first._assigned()) + len(second._assigned()) == 12
    early = written(address, ORDERS)
    await until(lambda: {*first_ears.ids, *second_ears.ids} >= {*early}, "all is heard", seconds=GROUP_SECONDS)
    assert first_ears.ids
    assert second_ears.ids

    await first.stop()
    late = written(address, ORDERS, ORDERS)
    await until(lambda: {*second_ears.ids} >= {*late}, "the other hears all", seconds=GROUP_SECONDS)
    assert not {*first_ears.ids} & {*late}
