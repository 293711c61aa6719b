"""A service that cannot join its consumer group yet: it says why, answers nobody, and joins when the cause is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from chassis import clock, problem

LOOK_EVERY_SECONDS = 1.0
PROBES = frozenset({"/live", "/ready", "/metrics"})

log = structlog.get_logger()


class NotReady(Exception):
    """A part that a service needs cannot be used; the text says what it is and what to do."""


class Waiting:
    """What stands in the way of a service, as words; None: nothing."""

    def __init__(self) -> None:
        self.why: str | None = None

    async def look(self, obstacle: Callable[[], Awaitable[str | None]]) -> bool:
        """Look once; True when the way is free. Each new obstacle is logged."""
        found = await obstacle()
        if found is not None and found != self.why:
            log.warning("not ready: waiting for Kafka", why=found)
        if found is None and self.why is not None:
            log.info("Kafka is there, going on")
        self.why = found
        return found is None

    async def until_clear(self, obstacle: Callable[[], Awaitable[str | None]]) -> None:
        """Look again and again until nothing stands in the way."""
        while not await self.look(obstacle):
            await clock.pause(LOOK_EVERY_SECONDS)


class ClosedDoor:
    """ASGI: while a service waits, every request but a probe's is told to come again."""

    def __init__(self, app: ASGIApp, waiting: Waiting) -> None:
        self._app, self._waiting = app, waiting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through, or refuse with 503."""
        if self._waiting.why is None or scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
        else:
            await problem.unavailable().response()(scope, receive, send)
