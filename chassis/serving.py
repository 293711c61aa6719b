"""One process that answers HTTP: from its start until it is told to stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from chassis import clock, garbage, telemetry, tracing
from chassis.heads import Heads
from chassis.settings import HttpSettings

STARTUP_FAILED = 3
"""uvicorn's own exit code for it."""


class Server(uvicorn.Server):
    """Tells the application that it will stop before it waits for answers under way: some would never end by
    themselves. `app.state.stopping`: a function that may be called from a signal handler. Told to stop while it starts,
    it is given some seconds to come that far; whoever still waits then, for a database that is away, has nothing in
    hand and goes."""

    _told: Callable[[], object] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, or give up."""
        told, loop = asyncio.Event(), asyncio.get_running_loop()
        self._told = lambda: loop.call_soon_threadsafe(told.set)
        starting = asyncio.current_task()
        assert starting is not None

        async def give_up() -> None:
            await told.wait()
            await clock.pause(self.config.timeout_graceful_shutdown or 0)
            starting.cancel()

        giving_up = asyncio.create_task(give_up())
        try:
            await super().startup(sockets=sockets)
        except asyncio.CancelledError:
            if not self.should_exit:
                raise
            starting.uncancel()
        finally:
            giving_up.cancel()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM, or Ctrl-C."""
        if self._told is not None:
            self._told()
        stopping: Callable[[], object] | None = getattr(self.config.app.state, "stopping", None)  # type: ignore[union-attr]
        if stopping is not None:
            stopping()
        super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and send the last spans. Not after `run`: there uvicorn sends the signal once more, to a process that
        does not outlive it."""
        await super().shutdown(sockets=sockets)
        tracing.end()


def serve(app: FastAPI, name: str, settings: HttpSettings) -> None:
    """Serve `app` until SIGTERM, then finish what is in hand inside the stop deadline. Exit code 3 when it could not
    start."""
    telemetry.configure(name, settings.log_level)
    tracing.configure(name, settings.otlp_endpoint, settings.trace_share)
    server = server_of(app, settings)
    garbage.collect_seldom()
    server.run()
    if not server.started:
        tracing.end()
        if not server.should_exit:
            raise SystemExit(STARTUP_FAILED)


def server_of(app: FastAPI, settings: HttpSettings) -> Server:
    """What serves `app`."""
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        http=Heads,
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=max(1, int(settings.stop_seconds / 2)),
        timeout_keep_alive=75,
    )
    return Server(config)
