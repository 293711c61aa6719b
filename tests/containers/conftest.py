"""Where a container engine answers; elsewhere every test here is skipped, and says so."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.support.containers import why_no_engine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mine = [item for item in items if "tests/containers" in str(item.path)]
    why_not = why_no_engine() if mine else None
    for item in mine:
        item.add_marker(pytest.mark.containers)
        item.add_marker(pytest.mark.slow)
        item.add_marker(pytest.mark.timeout(900))
        if why_not:
            item.add_marker(pytest.mark.skip(f"SKIPPED: containers were not tried: {why_not}"))


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Ports that nobody listens on now."""

    def one() -> int:
        with socket.socket() as asked:
            asked.bind(("127.0.0.1", 0))
            return int(asked.getsockname()[1])

    return one
