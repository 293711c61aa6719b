from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import count

import pytest

from chassis.memory import MemoryStore
from chassis.memory_database import MemoryDatabase
from chassis.mongo import Database
from chassis.record import Aggregate
from chassis.store import Store
from contracts.message import CATALOGUE
from tests.support.fixtures import mongo_url
from tests.support.kafka import kafka
from tests.unit.chassis.jars import CATALOGUED, Jar, jar_aggregate

__all__ = ["kafka", "mongo_url"]

_names = count(1)


@pytest.fixture(autouse=True)
def jar_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The messages about jars travel while a test of this folder runs."""
    for wire, message in CATALOGUED.items():
        monkeypatch.setitem(CATALOGUE, wire, message)


@pytest.fixture
def jars() -> Aggregate[Jar]:
    """Jars kept in a place of their own."""
    return jar_aggregate(f"jars_{next(_names)}")


@pytest.fixture(params=["memory", "memory-database", "motor", "pymongo"])
async def store(request: pytest.FixtureRequest, jars: Aggregate[Jar]) -> AsyncIterator[Store]:
    """An empty store for jars: each of the stores there are, one after the other."""
    if request.param == "memory":
        yield MemoryStore(jars)
        return
    if request.param == "memory-database":
        yield MemoryDatabase().store(jars)
        return
    database = Database(request.getfixturevalue("mongo_url"), "test_chassis", request.param)
    kept = database.store(jars)
    await kept.prepare()
    yield kept
    await database.close()
