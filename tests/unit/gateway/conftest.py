"""A gateway between fake services for each test; a real Redis for those that ask."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.unit.gateway.world import World
from tools.stack.binaries import find_redis


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.aclose()


@pytest.fixture
def redis() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a real Redis on a socket of its own, and its process."""
    with tempfile.TemporaryDirectory(prefix="gateway-") as folder:
        socket = Path(folder) / "redis"
        command = [find_redis(Path(folder)), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            for line in server.stdout:
                if b"accept connections" in line:
                    break
            yield f"unix://{socket}", server
            server.kill()
