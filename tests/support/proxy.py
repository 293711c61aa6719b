"""A door in front of a server that can be shut: for those behind it the server is away at once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

_SECONDS = 10.0


class Door:
    """Passes bytes on between whoever connects to `port` and the server. Lives in a thread of its own: some drivers
    hold up the event loop while they wait for the server."""

    def __init__(self, host: str, port: int) -> None:
        self._server_host, self._server_port = host, port
        self._listening: asyncio.Server | None = None
        self._passing: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.port = 0

    def open(self) -> None:
        """Let people in; always at the same port."""
        self._do(self._open())

    def shut(self) -> None:
        """End every connection and take no new one."""
        self._do(self._shut())

    def remove(self) -> None:
        """Shut it for ever."""
        self.shut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _open(self) -> None:
        self._listening = await asyncio.start_server(self._welcome, "127.0.0.1", self.port)
        self.port = self._listening.sockets[0].getsockname()[1]

    async def _shut(self) -> None:
        if self._listening is not None:
            self._listening.close()
        passing = list(self._passing)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._passing.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                far_reader, far_writer = await asyncio.open_connection(self._server_host, self._server_port)
                try:
                    await asyncio.gather(_pass_on(reader, far_writer), _pass_on(far_reader, writer))
                finally:
                    far_writer.close()
        finally:
            writer.close()
            self._passing.discard(task)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while received := await reader.read(65_536):
        writer.write(received)
        await writer.drain()
    writer.close()


@contextlib.contextmanager
def door_to(host: str, port: int) -> Iterator[Door]:
    """An open door to a server."""
    door = Door(host, port)
    door.open()
    try:
        yield door
    finally:
        door.remove()
