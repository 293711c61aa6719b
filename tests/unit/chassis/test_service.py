"""A whole service on a real MongoDB and a Kafka broker: started, watched, cut off, stopped."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI
from structlog.testing import capture_logs

from chassis import joining, readiness
from chassis import service as service_module
from chassis.mongo import Database
from chassis.projection import Projection, Update
from chassis.record import Aggregate
from chassis.service import Parts, Service
from chassis.serving import Server
from chassis.settings import ServiceSettings
from chassis.store import RESTORING
from contracts.message import CATALOGUE, Message, Topic
from tests.support.kafka import Broker
from tests.support.proxy import Door, door_to
from tests.support.waiting import until
from tests.unit.chassis.buses import quick_groups, raw
from tests.unit.chassis.jars import (
    EVENTS,
    T0,
    Jar,
    JarPolished,
    JarRang,
    JarSeen,
    MarblesPut,
    Polish,
    PolishJar,
    PutMarbles,
    RemindOfJar,
    jar_aggregate,
)
from tests.unit.chassis.rig import Polisher

READS = 20
_numbers = count(1)


@pytest.fixture
def door(mongo_url: str) -> Iterator[Door]:
    """The only way to the database."""
    place = urlsplit(mongo_url)
    assert place.hostname is not None
    assert place.port is not None
    with door_to(place.hostname, place.port) as opened:
        yield opened


@pytest.fixture
def polisher() -> Polisher:
    return Polisher()


@pytest.fixture
def sights() -> Projection:
    """Who was seen: written from what the service itself says."""
    projection = Projection("sights")

    @projection.of(MarblesPut)
    def seen(event: MarblesPut) -> Sequence[Update]:
        return [Update({"_id": event.jar_id}, {"$set": {"total": event.total}}, upsert=True)]

    @projection.of(JarSeen)
    def never_kept(event: JarSeen) -> Sequence[Update]:
        return [Update({"_id": event.jar_id}, {"$set": {"total": 2**70}}, upsert=True)]

    return projection


class Running:
    """A service on a topic of its own, a way to talk to it and to look at what it says."""

    def __init__(self, service: Service, http: httpx.AsyncClient, kafka: Broker, parts: Parts) -> None:
        self.service, self.http, self.kafka, self.parts = service, http, kafka, parts
        (self.topic,) = service._topics

    def tell(self, **messages: Message) -> None:
        """Put messages on its topic, by id."""
        self.kafka.write_all(self.topic.name, [raw(message, id) for id, message in messages.items()])

    async def ready(self) -> tuple[int, dict[str, bool]]:
        answer = await self.http.get("/ready")
        return answer.status_code, answer.json()["checks"]

    async def becomes(self, status: int) -> dict[str, bool]:
        """What `/ready` says once it answers `status`."""
        checks: dict[str, bool] = {}

        async def answers_so() -> bool:
            nonlocal checks
            found, checks = await self.ready()
            return found == status

        await until(answers_so, f"/ready answers {status}")
        return checks

    async def said(self, jar: str, kind: type[Any]) -> list[Any]:
        """What the topic of events says about a jar."""
        found: list[Any] = []

        async def is_there() -> bool:
            records = [r for r in await self.kafka.read(EVENTS.name) if r.key == jar.encode()]
            types = [(CATALOGUE[dict(r.headers)["ce_type"].decode()], r.value) for r in records]
            found[:] = [type_.model_validate_json(value) for type_, value in types if type_ is kind]
            return bool(found)

        await until(is_there, f"{kind.__name__} of {jar}")
        return found


def make(
    kafka: Broker, door: Door, polisher: Polisher, sights: Projection | None = None
) -> tuple[Service, list[Parts]]:
    name = f"jars{next(_numbers)}"
    jars: Aggregate[Jar] = jar_aggregate()
    wired: list[Parts] = []
    router = APIRouter()

    @router.get("/jars/{jar_id}")
    async def look(jar_id: str) -> Any:
        record = await wired[0].engine.read(jars, jar_id)
        return record and record.state

    @asynccontextmanager
    async def wire(parts: Parts) -> AsyncIterator[list[APIRouter]]:
        parts.engine.perform(Polish, polisher)
        wired.append(parts)
        yield [router]

    settings = ServiceSettings(
        http_port=1,
        kafka=kafka.address,
        kafka_fetch_wait_ms=20,
        mongo=f"mongodb://127.0.0.1:{door.port}",
        timers_every_seconds=0.02,
        sweep_every_seconds=0.05,
        stop_seconds=8,
    )
    topic = Topic(kafka.create_topic(f"{name}.wishes"))
    kafka.create_topic(topic.dead)
    projections = [sights] if sights else []
    return Service(name, settings, topics=[topic], aggregates=[jars], projections=projections, wire=wire), wired


@asynccontextmanager
async def started(
    kafka: Broker, door: Door, polisher: Polisher, sights: Projection | None = None
) -> AsyncIterator[Running]:
    service, wired = make(kafka, door, polisher, sights)
    transport = httpx.ASGITransport(service.app)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://service") as http,
        service.app.router.lifespan_context(service.app),
    ):
        yield Running(service, http, kafka, wired[0])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_groups(monkeypatch.setattr)
    monkeypatch.setattr(service_module, "FLUSH_SHARE", 0.002)
    monkeypatch.setattr(readiness, "READY_CHECK_SECONDS", 0.5)
    monkeypatch.setattr(service_module, "START_RETRY_SECONDS", 0.02)


@pytest.fixture(scope="module", autouse=True)
def topics(kafka: Broker) -> None:
    kafka.create_topic(EVENTS.name)


@pytest.fixture
def jar() -> str:
    return f"jar-{next(_numbers)}"


async def test_a_service_hears_says_rings_and_performs(kafka: Broker, door: Door, polisher: Polisher, jar: str) -> None:
    async with started(kafka, door, polisher) as running:
        assert {"timers", "renew", "sweep", "flush"} <= {task.get_name() for task in asyncio.all_tasks()}
        assert (await running.becomes(200)) == {"started": True, "mongo": True, "kafka": True}
        assert (await running.http.get("/live")).json()["status"] == "live"

        running.tell(
            put=PutMarbles(jar_id=jar, marbles=4), remind=RemindOfJar(jar_id=jar, at=T0), polish=PolishJar(jar_id=jar)
        )
        assert await running.said(jar, MarblesPut) == [MarblesPut(jar_id=jar, total=4)]
        assert await running.said(jar, JarRang) == [JarRang(jar_id=jar)]
        assert await running.said(jar, JarPolished) == [JarPolished(jar_id=jar, times=1)]
        shown = (await running.http.get(f"/jars/{jar}")).json()
        assert (shown["marbles"], shown["wake_at"], shown["polished"]) == (4, None, 1)

        store = running.parts.engine.stores["jars"]

        async def all_is_marked() -> bool:
            return not (await store.load([jar]))[jar].unsaid

        await until(all_is_marked, "what was said is marked")
        metrics = (await running.http.get("/metrics")).text
        assert 'tuidan_part_ready{part="mongo"} 1.0' in metrics
        assert 'tuidan_unsaid_oldest_seconds{kind="jars"} 0.0' in metrics
        assert f'tuidan_consumer_lag_messages{{group="{running.service.name}",partition="0",topic=' in metrics
        assert 'tuidan_messages_heard_total{result="handled",wire="put-marbles.v1"}' in metrics
        assert f'tuidan_ready{{service="{running.service.name}"}} 1.0' in metrics
    async with httpx.AsyncClient(transport=httpx.ASGITransport(running.service.app), base_url="http://service") as http:
        assert (await http.get("/ready")).status_code == 503, "it has stopped"


async def test_a_database_that_takes_no_writes_is_not_ready(mongo_url: str) -> None:
    database = Database(mongo_url, "full")
    await database.ping()
    async with no_writes(database):
        ping = asyncio.create_task(database.ping())
        for _ in range(READS):
            assert await database.collection("nothing").find({}) == [], "reads are answered"
        assert not ping.done(), "the write waits"
    await ping
    await database.close()


@asynccontextmanager
async def no_writes(database: Database) -> AsyncIterator[None]:
    """The server answers and reads, but writes wait, as for a disk that has no room."""
    admin = database._client["admin"]
    await admin.command({"fsync": 1, "lock": True})
    try:
        yield
    finally:
        await admin.command({"fsyncUnlock": 1})


async def test_ready_tells_which_part_is_away_and_comes_back(
    kafka: Broker, door: Door, polisher: Polisher, jar: str
) -> None:
    async with started(kafka, door, polisher) as running:
        await running.becomes(200)
        door.shut()
        assert await running.becomes(503) == {"started": True, "mongo": False, "kafka": True}
        assert (await running.http.get("/live")).status_code == 200
        answer = await running.http.get(f"/jars/{jar}")
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "not-ready", "2")

        running.tell(away=PutMarbles(jar_id=jar))
        door.open()
        assert await running.becomes(200) == {"started": True, "mongo": True, "kafka": True}
        assert await running.said(jar, MarblesPut) == [MarblesPut(jar_id=jar, total=1)]
    assert await kafka.committed(running.service.name, running.topic.name) == 1


async def test_a_service_that_stops_marks_what_it_said_just_now(
    kafka: Broker, door: Door, polisher: Polisher, jar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module, "FLUSH_SHARE", 1_000)  # not before it stops
    async with started(kafka, door, polisher) as running:
        running.tell(put=PutMarbles(jar_id=jar, marbles=4))
        await running.said(jar, MarblesPut)
        await until(lambda: running.parts.engine.relay.known_said("jars", jar), "the topic has it")
        assert (await running.parts.engine.stores["jars"].load([jar]))[jar].unsaid
    database = Database(running.service._settings.mongo, f"tuidan_{running.service.name}")
    try:
        assert (await database.store(jar_aggregate()).load([jar]))[jar].unsaid == ()
    finally:
        await database.close()


async def test_a_service_may_be_started_before_its_database(kafka: Broker, door: Door, polisher: Polisher) -> None:
    door.shut()
    service, _ = make(kafka, door, polisher)
    lifespan = service.app.router.lifespan_context(service.app)
    starting = asyncio.create_task(lifespan.__aenter__())
    await until(lambda: service._database is not None)
    assert not starting.done()
    door.open()
    await asyncio.wait_for(starting, 15)
    assert service._running
    await lifespan.__aexit__(None, None, None)


async def test_what_running_effects_lead_to_is_said_before_a_stop(
    kafka: Broker, door: Door, polisher: Polisher, jar: str
) -> None:
    polisher.gate = asyncio.Event()
    async with started(kafka, door, polisher) as running:
        running.tell(polish=PolishJar(jar_id=jar))
        await until(lambda: polisher.attempts)
        bus = running.service._bus
        assert bus is not None
        hearing = bus.stop_hearing

        async def finish_only_now() -> None:
            await hearing()
            assert polisher.gate is not None
            polisher.gate.set()

        bus.stop_hearing = finish_only_now  # type: ignore[method-assign]
    assert await running.said(jar, JarPolished) == [JarPolished(jar_id=jar, times=1)]


async def test_a_projection_that_cannot_be_kept_holds_up_no_other(
    kafka: Broker, door: Door, polisher: Polisher, sights: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.delivery.RETRY_FIRST_SECONDS", 0.001)
    good, bad = f"jar-{next(_numbers)}", f"jar-{next(_numbers)}"
    async with started(kafka, door, polisher, sights) as running:
        put = MarblesPut(jar_id=good, total=3)
        running.tell(seen=JarSeen(jar_id=bad, total=1), put=put, put_again=put)
        collection = running.parts.database.collection("sights")
        await until(lambda: collection.find({"_id": good}), "the good one is kept")
        assert await collection.find({"_id": good}) == [{"_id": good, "total": 3}]
        dead = await kafka.read(running.topic.dead, 1)
    assert dict(dead[-1].headers)["dead_error"] == b"Unstorable"


@pytest.mark.parametrize("told", [True, False])
def test_an_application_hears_of_the_stop_before_answers_under_way_are_waited_for(told: bool) -> None:
    app = FastAPI()
    heard: list[bool] = []
    server = Server(uvicorn.Config(app))
    if told:
        app.state.stopping = lambda: heard.append(server.should_exit)
    server.handle_exit(signal.SIGTERM, None)
    assert heard == ([False] if told else [])
    assert server.should_exit


async def test_without_its_topics_a_service_says_so_and_goes_on_once_they_are_there(
    kafka: Broker, door: Door, polisher: Polisher, jar: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "LOOK_EVERY_SECONDS", 0.05)
    service, _ = make(kafka, door, polisher)
    missing = f"{service.name}.later"
    service._topics = [*service._topics, Topic(missing)]
    transport = httpx.ASGITransport(service.app)
    with capture_logs() as logged:
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://service") as http,
            service.app.router.lifespan_context(service.app),
        ):
            answer = await http.get("/ready")
            assert answer.status_code == 503
            assert answer.json()["checks"] | {"mongo": True} == {"started": False, "mongo": True, "kafka": False}
            why = f"topics are missing: {missing}, {missing}.dead. Make them with: tuidan topics create"
            assert answer.json()["why"]["kafka"] == why
            assert (await http.get("/live")).status_code == 200
            refused = await http.get(f"/jars/{jar}")
            assert (refused.status_code, refused.json()["code"]) == (503, "not-ready")

            kafka.create_topic(f"{missing}.dead")
            kafka.create_topic(missing)

            async def is_ready() -> bool:
                return (await http.get("/ready")).status_code == 200

            await until(is_ready, "the service has joined")
            assert (await http.get(f"/jars/{jar}")).json() is None
    told = [line for line in logged if line["event"] == "not ready: waiting for Kafka"]
    assert [line["why"] for line in told][:1] == [why], "it is told, and not every second again"
    assert len(told) <= 2


async def test_a_service_may_be_started_before_kafka(
    kafka: Broker, door: Door, polisher: Polisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "LOOK_EVERY_SECONDS", 0.05)
    service, _ = make(kafka, door, polisher)
    kafka.leave()
    transport = httpx.ASGITransport(service.app)
    try:
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://service") as http,
            service.app.router.lifespan_context(service.app),
        ):
            answer = await http.get("/ready")
            assert answer.json()["why"]["kafka"] == (f"no Kafka answers at {kafka.address}")
            kafka.come_back()

            async def is_ready() -> bool:
                return (await http.get("/ready")).status_code == 200

            await until(is_ready, "the service has joined")
    finally:
        kafka.come_back()


# In a process of its own: a signal ends it. uvicorn sends itself the signal once more when everything is done.
WAITS_FOR_EVER = """
import asyncio, os, signal
from contextlib import asynccontextmanager
from fastapi import FastAPI
from chassis import serving
from chassis.settings import HttpSettings

@asynccontextmanager
async def lifespan(app):
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    await asyncio.Event().wait()  # for a database that is away
    yield

serving.serve(FastAPI(lifespan=lifespan), "tests", HttpSettings(http_port=1, log_level="ERROR", stop_seconds=1))
"""


def test_a_service_that_waits_for_its_database_can_be_stopped() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WAITS_FOR_EVER], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == -signal.SIGTERM, done.stderr


async def test_a_service_that_waits_for_its_topics_can_be_stopped(
    kafka: Broker, door: Door, polisher: Polisher
) -> None:
    service, _ = make(kafka, door, polisher)
    service._topics = [Topic(f"{service.name}.never")]
    async with service.app.router.lifespan_context(service.app):
        assert service._waiting.why is not None
    assert not service._running


async def test_half_of_a_backup_is_not_decided_on(kafka: Broker, door: Door, polisher: Polisher) -> None:
    service, wired = make(kafka, door, polisher)
    database = Database(service._settings.mongo, f"tuidan_{service.name}")
    mark = database.collection(RESTORING)
    await mark.update_all([Update({"_id": "backup"}, {"$set": {"at": T0}}, upsert=True)])
    stop = asyncio.Event()

    async def live() -> None:
        async with service.app.router.lifespan_context(service.app):
            await stop.wait()

    with capture_logs() as logs:
        living = asyncio.create_task(live())
        await until(lambda: any("tuidan restore" in str(line.get("problem")) for line in logs), "it says what to do")
    assert not wired
    await mark.delete({})
    await until(lambda: wired, "it goes on by itself")
    stop.set()
    await living
    await database.close()
