"""Records on a MongoDB replica set of three containers: what was acknowledged outlives the primary it was told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from testcontainers.core.container import DockerContainer

from chassis.mongo import Database, Driver
from chassis.record import Record
from chassis.store import Store, StoreUnavailable
from tests.support.containers import mongo_set
from tests.support.waiting import until
from tests.unit.chassis.jars import JARS, PutMarbles, decide, heard, jar_with

START_SECONDS = 120.0
ELECTION_SECONDS = 60.0

Servers = dict[int, DockerContainer]


@pytest.fixture(scope="module")
def servers(free_port: Callable[[], int]) -> Iterator[Servers]:
    with mongo_set([free_port() for _ in range(3)]) as found:
        yield found


def client_of(port: int) -> MongoClient[dict[str, Any]]:
    """A client of this very server, whatever it is in the set."""
    return MongoClient(f"mongodb://127.0.0.1:{port}", directConnection=True, serverSelectionTimeoutMS=500)


def primary(ports: list[int]) -> int | None:
    """The port of the server that takes writes now."""
    for port in ports:
        with client_of(port) as client:
            try:
                if client.admin.command("hello")["isWritablePrimary"]:
                    return port
            except PyMongoError:  # why: that one is away; another may take writes
                continue
    return None


def initiated(ports: list[int]) -> bool:
    """Whether the servers are a set, made one where they were not yet."""
    members = [{"_id": number, "host": f"127.0.0.1:{port}"} for number, port in enumerate(ports)]
    settings = {"electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500}
    with client_of(ports[0]) as client:
        try:
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": members, "settings": settings})
        except OperationFailure as refused:
            return refused.code == 23  # AlreadyInitialized
        except PyMongoError:
            return False
    return True


@pytest.fixture
async def url(servers: Servers) -> str:
    await until(lambda: initiated([*servers]), "the servers answer", seconds=START_SECONDS)
    await until(lambda: primary([*servers]), "there is a primary", seconds=START_SECONDS)
    hosts = ",".join(f"127.0.0.1:{port}" for port in servers)
    return f"mongodb://{hosts}/?replicaSet=rs0&serverSelectionTimeoutMS=2000"


@pytest.fixture(params=["motor", "pymongo"])
async def database(url: str, request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    driver: Driver = request.param
    opened = Database(url, f"set_{driver}", driver)
    yield opened
    await opened.close()


async def saved(store: Store, record: Record[Any]) -> set[str]:
    """Save as the engine does: again, while nobody takes it. Returns who lost against another version."""
    lost: list[set[str]] = []

    async def took() -> bool:
        try:
            lost.append(await store.save([record]))
        except StoreUnavailable:
            return False
        return True

    await until(took, "somebody takes writes", seconds=ELECTION_SECONDS)
    return lost[0]


async def test_what_was_saved_outlives_its_primary_and_nobody_saves_over_it(
    servers: Servers, database: Database
) -> None:
    store = database.store(JARS)
    await store.prepare()
    assert await saved(store, jar_with("a")) == set()
    seen = (await store.load(["a"]))["a"]
    mine = decide(seen, heard(PutMarbles(jar_id="a", marbles=10), "mine"))
    assert await saved(store, mine) == set()

    killed = primary([*servers])
    assert killed is not None
    container = servers[killed].get_wrapped_container()
    container.kill()
    try:
        theirs = decide(seen, heard(PutMarbles(jar_id="a", marbles=20), "theirs"))
        assert await saved(store, theirs) == {"a"}, "the new primary knows what the old one acknowledged"
        assert primary([*servers]) not in {None, killed}
        now = (await store.load(["a"], certain=True))["a"]
        more = decide(now, heard(PutMarbles(jar_id="a", marbles=5), "more"))
        assert await saved(store, more) == set()
    finally:
        container.start()
    await until(lambda: initiated([killed]), "it is back", seconds=START_SECONDS)
    found = (await store.load(["a"], certain=True))["a"]
    assert (found.version, found.state and found.state.marbles) == (3, 16)
    assert [entry.heard for entry in found.journal] == ["put-a", "mine", "more"]
