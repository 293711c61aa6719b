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


@contextmanager
def served(keys: Path, **settings: Any) -> Iterator[str]:
    """host:port of a stand-in that runs in a thread of its own, with its own loop."""
    app = create_app(SandboxSettings(keys_dir=keys, **settings))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    # The socket listens already: a client that comes early waits in its queue until the server is up.
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        # Also after a failed test: the interpreter waits for this thread.
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
    assert not thread.is_alive()
