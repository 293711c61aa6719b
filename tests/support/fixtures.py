"""Fixtures for tests that need a real server. Load them with `pytest_plugins` or import them in a conftest.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from itertools import count

import pytest

from chassis.mongo import Database, Driver
from tests.support.mongod import running_mongod

_names = count(1)


@pytest.fixture(scope="session")
def mongo_url() -> Iterator[str]:
    """The address of a real MongoDB, one for the whole run of this process."""
    with running_mongod() as url:
        yield url


@pytest.fixture
def mongo_driver() -> Driver:
    """The driver that `database` opens; parametrize it (`"motor"`, `"pymongo"`) to run a test with both."""
    return "motor"


@pytest.fixture
async def database(mongo_url: str, mongo_driver: Driver) -> AsyncIterator[Database]:
    """A database that nobody has used before."""
    opened = Database(mongo_url, f"test_{next(_names)}", mongo_driver)
    yield opened
    await opened.close()
