"""A real MongoDB for the figures, with both drivers."""

from __future__ import annotations

import pytest

from chassis.mongo import Driver
from tests.support.fixtures import database, mongo_url

__all__ = ["database", "mongo_driver", "mongo_url"]


@pytest.fixture(params=["motor", "pymongo"])
def mongo_driver(request: pytest.FixtureRequest) -> Driver:
    driver: Driver = request.param
    return driver
