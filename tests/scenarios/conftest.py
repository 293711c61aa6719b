"""The stages of the stories: the embedded stack with every process real, one for the whole run; and a house with all
services in one process, on a time of its own, new for each story."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chassis import clock
from chassis.mongo import Database
from contracts.zone import CHINA
from tests.scenarios.power import House, build
from tests.support.fixtures import mongo_url as mongo_url  # noqa: PLC0414 - a fixture comes by its name
from tests.support.shop import Shop, shop_at
from tools.stack import Stack, down, up

NEAR_MIDNIGHT = timedelta(minutes=10)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole system, started once."""
    home = tmp_path_factory.mktemp("stack")
    started = up(home)
    yield started
    down(home)


@pytest.fixture(scope="module")
def day_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A system for one file, new, where orders may be deleted on the day they are finished. Skipped near midnight in
    China: the bill of a day is to hold payments of that day."""
    now = clock.now()
    if (now - NEAR_MIDNIGHT).astimezone(CHINA).date() != (now + NEAR_MIDNIGHT).astimezone(CHINA).date():
        pytest.skip("the day is about to change in China")
    home = tmp_path_factory.mktemp("day")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TUIDAN_RETENTION_DAYS", "0")
        started = up(home)
    yield started
    down(home)


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    """A new shop with tea and cups."""
    async with shop_at(f"http://{stack.address('gateway')}", f"http://{stack.address('sandbox')}") as opened:
        await opened.no_trouble()
        await opened.opens(tea=100, cup=100)
        yield opened
        await opened.no_trouble()


@pytest.fixture
async def house(tmp_path: Path, mongo_url: str) -> AsyncIterator[House]:
    """A house with ten tea and ten cups on the shelf."""
    database = Database(mongo_url, f"house_{tmp_path.name}"[:60])
    opened = await build(tmp_path, database)
    await opened.stocks(tea=10, cup=10)
    yield opened
    await opened.close()
    await database.close()
