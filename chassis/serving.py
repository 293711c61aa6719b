"""One process that answers HTTP: from its start until it is told to stop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from fastapi import FastAPI

from chassis import garbage, telemetry, tracing
from chassis.settings import HttpSettings

STARTUP_FAILED = 3
"""uvicorn's own exit code for it."""


class Server(uvicorn.Server):
    """Tells the application that it will stop before it waits for answers under way: some would never end by
    themselves. `app.state.stopping`: a function that may be called from a signal handler."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM, or Ctrl-C."""
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
    config = uvicorn.Config(
        app,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=max(1, int(settings.stop_seconds / 2)),
        timeout_keep_alive=75,
    )
    server = Server(config)
    garbage.collect_seldom()
    server.run()
    if not server.started:
        tracing.end()
        raise SystemExit(STARTUP_FAILED)
