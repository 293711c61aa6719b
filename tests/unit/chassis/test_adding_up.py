"""Whole books are added up by the database, which may take longer than any other answer, and longer each year."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from pymongo import AsyncMongoClient

from chassis import clock, mongo
from chassis.mongo import Database, Driver
from chassis.store import StoreUnavailable
from services.analytics.views import Figures
from services.inventory.balances import Balances
from services.inventory.recount import recount
from tests.support.mongod import running_mongod

pytestmark = pytest.mark.real

PATIENCE_MS = 1_000
TAKES_MS = 1_500


@pytest.fixture(scope="module")
def obedient() -> Iterator[str]:
    """A server that is slow when it is told to be."""
    with running_mongod("--setParameter", "enableTestCommands=1") as url:
        yield url


@pytest.fixture(params=["motor", "pymongo"])
async def impatient(
    obedient: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Database]:
    """A database that is not waited for as long as adding up takes."""
    monkeypatch.setattr(mongo, "_SOCKET_MS", PATIENCE_MS)
    driver: Driver = request.param
    opened = Database(obedient, f"books_{driver}", driver)
    yield opened
    await opened.close()


async def slow(url: str, command: str) -> None:
    """The next `command` takes its time, once."""
    data = {"failCommands": [command], "blockConnection": True, "blockTimeMS": TAKES_MS}
    async with AsyncMongoClient[dict[str, Any]](url) as client:
        await client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": data})


async def test_figures_of_a_large_shop_are_shown(obedient: str, impatient: Database) -> None:
    await slow(obedient, "aggregate")
    assert await Figures(impatient).orders("month") == []


async def test_a_large_ledger_is_recounted(obedient: str, impatient: Database) -> None:
    books = Balances(impatient.collection("balances"), impatient.collection("ledger"), clock.now)
    await books.open(["tea"])
    await slow(obedient, "aggregate")
    assert (await recount(books)).products == 1


async def test_whoever_waits_for_anything_else_hears_soon_that_nobody_answers(
    obedient: str, impatient: Database
) -> None:
    await slow(obedient, "find")
    with pytest.raises(StoreUnavailable):
        await impatient.collection("balances").find({})
