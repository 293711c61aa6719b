"""A real MongoDB with the books of one test in it."""

from __future__ import annotations

import pytest

from chassis import clock
from chassis.mongo import Database
from services.inventory.balances import Balances
from tests.support.fixtures import database, mongo_driver, mongo_url
from tests.unit.inventory.story import Story

__all__ = ["database", "mongo_driver", "mongo_url"]


@pytest.fixture
async def books(database: Database) -> Balances:
    """Books nobody has written in yet."""
    opened = Balances(database.collection("balances"), database.collection("ledger"), clock.now)
    await opened.prepare()
    return opened


@pytest.fixture
def story() -> Story:
    """The reservation of one order, before anything was heard of it."""
    return Story()
