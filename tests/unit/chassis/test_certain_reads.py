"""A read that only the majority's primary can answer, on a real replica set, which a standalone server is not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import AsyncMongoClient, ReadPreference

from chassis.mongo import Database, Driver
from tests.support.mongod import running_mongod
from tests.support.waiting import until
from tests.unit.chassis.jars import JARS, jar_with

pytestmark = pytest.mark.real


@pytest.fixture
async def replica_set() -> AsyncIterator[str]:
    with running_mongod("--replSet", "jars") as address:
        url = f"{address}/?directConnection=true"
        async with AsyncMongoClient[dict[str, Any]](url) as client:
            members = [{"_id": 0, "host": urlsplit(address).netloc}]
            await client.admin.command("replSetInitiate", {"_id": "jars", "members": members})

            async def leads() -> bool:
                return bool((await client.admin.command("hello"))["isWritablePrimary"])

            await until(leads, "it leads")
        yield url


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_a_replica_set_is_asked_what_the_majority_has(replica_set: str, driver: Driver) -> None:
    database = Database(replica_set, f"certain_{driver}", driver)
    try:
        store = database.store(JARS)
        await store.save([jar_with("here")])
        assert set(await store.load(["here", "not-here"], certain=True)) == {"here"}
        assert await store.load(["here"], certain=True) == await store.load(["here"])
    finally:
        await database.close()


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_many_records_are_one_question_to_the_majority(replica_set: str, driver: Driver) -> None:
    database = Database(replica_set, f"asked_{driver}", driver)
    async with AsyncMongoClient[dict[str, Any]](replica_set) as client:
        try:
            store = database.store(JARS)
            await store.save([jar_with("here"), jar_with("there")])
            await client[f"asked_{driver}"].command("profile", 2)
            assert set(await store.load(["here", "there", "nowhere"], certain=True)) == {"here", "there"}
            await client[f"asked_{driver}"].command("profile", 0)
            asked = client[f"asked_{driver}"]["system.profile"].find({"op": "query", "ns": f"asked_{driver}.jars"})
            assert [one["command"]["readConcern"]["level"] async for one in asked] == ["linearizable"]
        finally:
            await database.close()


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_whatever_the_address_says_the_primary_is_asked(driver: Driver) -> None:
    database = Database("mongodb://127.0.0.1:1/?readPreference=secondaryPreferred", "anywhere", driver)
    try:
        assert database.collection("any")._collection.read_preference == ReadPreference.PRIMARY
    finally:
        await database.close()
