"""The stand-in for the providers as a real server, because both SMS SDKs bring their own HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn

from sandbox.app import close, create_app
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings
from tests.support.fixtures import database, mongo_driver, mongo_url
from tests.unit.notify.outside import Outside, Server

__all__ = ["database", "keys", "mongo_driver", "mongo_url", "outside"]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder)
    return folder


@pytest.fixture
async def outside(keys: Path) -> AsyncIterator[Outside]:
    app = create_app(SandboxSettings(keys_dir=keys, subscribe_quota_default=1))
    server = Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    await server.up.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    async with Outside.at(f"http://127.0.0.1:{port}", keys) as outside:
        yield outside
    server.should_exit = True
    await running
    await close(app)
