"""A stand-in behind a real socket, for clients that cannot be called in-process."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from sandbox.app import create_app
from sandbox.settings import SandboxSettings

STARTS_WITHIN_SECONDS = 60.0


class Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answers.set()


@contextmanager
def served(keys: Path, **settings: Any) -> Iterator[str]:
    """host:port of a stand-in that runs in a thread of its own, with its own loop."""
    app = create_app(SandboxSettings(keys_dir=keys, **settings))
    listener = socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    try:
        # On a busy machine that takes longer than a client has patience.
        assert server.answers.wait(STARTS_WITHIN_SECONDS), "the stand-in did not start"
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # Also after a failed test: the interpreter waits for this thread.
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
    assert not thread.is_alive()
