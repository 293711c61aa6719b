"""A small business for the tests of the chassis: jars with marbles in them. Its messages are in the catalogue only
while one of these tests runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from chassis.record import Aggregate, Heard, Record, Refusal, hear
from contracts.message import (
    CATALOGUE,
    Command,
    Envelope,
    Event,
    Intent,
    Message,
    Money,
    Report,
    Topic,
    Woke,
    answered_by,
)

COMMANDS = Topic("jars.commands")
EVENTS = Topic("jars.events")
T0 = datetime(2026, 11, 1, 8, 30, 15, 123_000, tzinfo=UTC)
FULL = 100


@EVENTS.carries("marbles-put.v1", key="jar_id")
class MarblesPut(Event):
    jar_id: str
    total: int


@EVENTS.carries("marbles-not-put.v1", key="jar_id")
class MarblesNotPut(Event):
    jar_id: str
    why: str


@EVENTS.carries("jar-seen.v1", key="jar_id")
class JarSeen(Event):
    jar_id: str
    total: int


@EVENTS.carries("jar-polished.v1", key="jar_id")
class JarPolished(Event):
    jar_id: str
    times: int


@EVENTS.carries("jar-rang.v1", key="jar_id")
class JarRang(Event):
    jar_id: str


@EVENTS.carries("rain-fell.v1", key="jar_id")
class RainFell(Event):
    """Nobody listens to it."""

    jar_id: str


@answered_by(yes=MarblesPut, no=MarblesNotPut, same=("jar_id",))
@COMMANDS.carries("put-marbles.v1", key="jar_id")
class PutMarbles(Command):
    jar_id: str
    marbles: int = 1


@COMMANDS.carries("look-at-jar.v1", key="jar_id")
class LookAtJar(Command):
    jar_id: str


@COMMANDS.carries("polish-jar.v1", key="jar_id")
class PolishJar(Command):
    jar_id: str


@COMMANDS.carries("remind-of-jar.v1", key="jar_id")
class RemindOfJar(Command):
    jar_id: str
    at: AwareDatetime


@COMMANDS.carries("drop-jar.v1", key="jar_id")
class DropJar(Command):
    """Its handler is broken."""

    jar_id: str


@COMMANDS.carries("melt-jar.v1", key="jar_id")
class MeltJar(Command):
    """Nobody handles it."""

    jar_id: str


class Polish(Intent):
    wire = "polish"
    key = "jar_id"
    jar_id: str


class Polished(Report):
    wire = "polished"
    key = "jar_id"
    jar_id: str


CATALOGUED = {
    message.wire: CATALOGUE.pop(message.wire)
    for message in (
        *(MarblesPut, MarblesNotPut, JarSeen, JarPolished, JarRang, RainFell),
        *(PutMarbles, LookAtJar, PolishJar, RemindOfJar, DropJar, MeltJar),
    )
}


class Marble(BaseModel):
    model_config = ConfigDict(frozen=True)

    colour: str
    worth: Money


class Jar(BaseModel):
    model_config = ConfigDict(frozen=True)

    jar_id: str
    marbles: int = 0
    worth: Money = Money(amount_minor=0)
    bought_at: AwareDatetime
    rows: tuple[tuple[str, int], ...] = ()
    samples: tuple[Marble, ...] = ()
    polished: int = 0
    wake_at: AwareDatetime | None = None


Decision = tuple[Jar | None, Sequence[Message]]


def put_marbles(jar: Jar | None, asked: PutMarbles, at: datetime) -> Decision:
    jar = jar or Jar(jar_id=asked.jar_id, bought_at=at)
    total = jar.marbles + asked.marbles
    if total > FULL and asked.marbles < 2**60:
        raise Refusal(MarblesNotPut(jar_id=asked.jar_id, why="full"))
    return jar.model_copy(update={"marbles": total}), [MarblesPut(jar_id=jar.jar_id, total=total)]


def look_at_jar(jar: Jar | None, asked: LookAtJar, at: datetime) -> Decision:
    return jar, [JarSeen(jar_id=asked.jar_id, total=jar.marbles if jar else 0)]


def polish_jar(jar: Jar | None, asked: PolishJar, at: datetime) -> Decision:
    return jar or Jar(jar_id=asked.jar_id, bought_at=at), [Polish(jar_id=asked.jar_id)]


def polished(jar: Jar | None, report: Polished, at: datetime) -> Decision:
    assert jar is not None
    after = jar.model_copy(update={"polished": jar.polished + 1})
    return after, [JarPolished(jar_id=jar.jar_id, times=after.polished)]


def remind_of_jar(jar: Jar | None, asked: RemindOfJar, at: datetime) -> Decision:
    jar = jar or Jar(jar_id=asked.jar_id, bought_at=at)
    return jar.model_copy(update={"wake_at": asked.at}), []


def drop_jar(jar: Jar | None, asked: DropJar, at: datetime) -> Decision:
    raise ZeroDivisionError(f"jar {asked.jar_id} is broken")


def ring(jar: Jar | None, rang: Woke, at: datetime) -> Decision:
    assert jar is not None
    return jar.model_copy(update={"wake_at": None, "rows": (*jar.rows, ("rang", 1))}), [JarRang(jar_id=jar.jar_id)]


def jar_aggregate(name: str = "jars") -> Aggregate[Jar]:
    """Jars, kept under `name`."""
    jars = Aggregate(name, Jar)
    jars.handles(PutMarbles)(put_marbles)
    jars.handles(LookAtJar)(look_at_jar)
    jars.handles(PolishJar)(polish_jar)
    jars.handles(Polished)(polished)
    jars.handles(RemindOfJar)(remind_of_jar)
    jars.handles(DropJar)(drop_jar)
    jars.wakes(ring)
    return jars


JARS = jar_aggregate()


def heard(message: Message, id: str, at: datetime = T0, **more: Any) -> Heard:
    return Heard(message, id, at, **more)


def decide(record: Record[Any], *all_heard: Heard, jars: Aggregate[Jar] = JARS) -> Record[Any]:
    """The record after hearing these, not saved."""
    for one in all_heard:
        record = hear(jars, record, one).record
    return record


def jar_with(id: str, *, touched_at: datetime = T0, wake_at: datetime | None = None) -> Record[Any]:
    """A new record with one message to say, and perhaps a timer."""
    record = decide(Record(id), heard(PutMarbles(jar_id=id), f"put-{id}", touched_at))
    if wake_at is not None:
        record = decide(record, heard(RemindOfJar(jar_id=id, at=wake_at), f"remind-{id}", touched_at))
    return record


def headers_of(message: Message, id: str, **more: Any) -> list[tuple[str, bytes]]:
    """Kafka headers as another service would write them."""
    envelope = Envelope(id=id, type=message.wire, source="tests", time=T0, **more)
    return [(name, value.encode()) for name, value in envelope.headers().items()]


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)
