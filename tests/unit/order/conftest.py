"""A real MongoDB for the tests that ask for one."""

from __future__ import annotations

from tests.support.fixtures import database, mongo_driver, mongo_url

__all__ = ["database", "mongo_driver", "mongo_url"]
