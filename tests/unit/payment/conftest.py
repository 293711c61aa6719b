"""Key files, made once, as the merchant platform would give them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.keys import make_keys
from services.payment.keyfolder import Merchant, read_merchant
from tests.support.fixtures import database, mongo_driver, mongo_url

__all__ = ["database", "mongo_driver", "mongo_url"]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


@pytest.fixture(scope="session")
def merchant(keys: Path) -> Merchant:
    return read_merchant(keys)
