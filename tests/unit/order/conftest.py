"""A real MongoDB for the queries whose plans are looked at."""

from __future__ import annotations

from tests.support.fixtures import database, mongo_driver, mongo_url

__all__ = ["database", "mongo_driver", "mongo_url"]
