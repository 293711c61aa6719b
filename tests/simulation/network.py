"""HTTP between processes without sockets: a request crosses the sea, the other process's application answers it as
itself, the answer crosses back. Either way may be lost; whoever dies leaves the other without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import unquote

from tests.simulation.loop import ACTOR, Actor, SimLoop
from tests.simulation.sea import Sea, later

Headers = Sequence[tuple[bytes, bytes]]
App = Any
"""An ASGI application."""


OVERSEER = "people"
"""Who reaches the sandbox whatever happens: what people do there, and what drives it, is no traffic of ours."""


class Nobody(Exception):
    """Nobody listens there."""


class Cut(Exception):
    """The connection ended without an answer."""


class TooSlow(Exception):
    """No answer in time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Headers
    body: bytes


@dataclass
class Weather:
    """What goes wrong on the way. `unreachable`: hosts nobody reaches. Shares of requests: `lost` before anybody heard
    them, `unanswered` after they were carried out, `cut` after they were carried out, with an error at once."""

    unreachable: set[str] = field(default_factory=set)
    lost: float = 0.0
    unanswered: float = 0.0
    cut: float = 0.0


class Chance(Protocol):
    """A source of numbers from 0 to 1."""

    def __call__(self) -> float: ...


@dataclass(eq=False, slots=True)
class Listener:
    """A process that answers at a host. `open`: requests it has not answered yet, in their order: a set would have
    another one in every run."""

    actor: Actor
    app: App
    open: dict[asyncio.Future[Answer], None] = field(default_factory=dict)


class Network:
    """Who listens where. Several may listen at one host: they are asked in turn."""

    def __init__(self, loop: SimLoop, sea: Sea, draw: Chance) -> None:
        self.weather = Weather()
        self.asked = 0
        self._loop = loop
        self._sea = sea
        self._draw = draw
        self._hosts: dict[str, list[Listener]] = {}

    def listen(self, host: str, actor: Actor, app: App) -> None:
        """This process answers at `host` from now on."""
        self._hosts.setdefault(host, []).append(Listener(actor, app))

    def leave(self, host: str, actor: Actor) -> None:
        """This process answers there no more: whoever waits for it learns that the connection ended."""
        for listener in [one for one in self._hosts.get(host, ()) if one.actor is actor]:
            self._hosts[host].remove(listener)
            for waiting in listener.open:
                if not waiting.done():
                    waiting.set_exception(Cut(host))
                    waiting.exception()

    async def ask(
        self,
        method: str,
        host: str,
        target: str,
        headers: Headers,
        body: bytes,
        seconds: float | None,
        *,
        hangs_up: float | None = None,
    ) -> Answer:
        """One request. `hangs_up`: who asks is gone after so many seconds, and has what came until then. Raises Nobody,
        Cut or TooSlow."""
        where = target.partition("?")[0]
        await self._sea.cross(f"asks {method} {host}{where}")
        weather = Weather() if ACTOR.get().name == OVERSEER and host == "sandbox" else self.weather
        fate = self._draw()
        try:
            async with asyncio.timeout(seconds):
                listener = await later(self._sea.delay(), lambda: self._find(host, weather))
                if fate < weather.lost:
                    await self._loop.create_future()
                answer = await self._answered(listener, _scope(method, host, target, headers), body, hangs_up)
                await later(self._sea.delay(), lambda: None)
                if fate > 1 - weather.unanswered:
                    await self._loop.create_future()
                if fate > 1 - weather.unanswered - weather.cut:
                    raise Cut(host)
        except TimeoutError as problem:
            raise TooSlow(host) from problem
        await self._sea.cross(f"hears {answer.status} {host}{where}")
        return answer

    def _find(self, host: str, weather: Weather) -> Listener:
        listeners = [one for one in self._hosts.get(host, ()) if one.actor.alive]
        if host in weather.unreachable or not listeners:
            raise Nobody(host)
        self.asked += 1
        return listeners[self.asked % len(listeners)]

    async def _answered(self, listener: Listener, scope: dict[str, Any], body: bytes, hangs_up: float | None) -> Answer:
        waiting: asyncio.Future[Answer] = self._loop.create_future()
        listener.open[waiting] = None

        async def gone() -> None:
            if hangs_up is None:
                await self._loop.create_future()
            for _ in range(int(hangs_up or 0)):
                await asyncio.sleep(1.0)
                self._loop.changed(listener.actor.sight)  # what is watched changes elsewhere: looks must not be parked

        self._loop.start(listener.actor, _serve(listener.app, scope, body, waiting, gone))
        try:
            return await waiting
        finally:
            listener.open.pop(waiting, None)


def _scope(method: str, host: str, target: str, headers: Headers) -> dict[str, Any]:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in headers],
        "client": ("127.0.0.1", 40_000),
        "server": (host, 80),
    }


async def _serve(
    app: App, scope: dict[str, Any], body: bytes, waiting: asyncio.Future[Answer], gone: Callable[[], Awaitable[None]]
) -> None:
    """Let the application answer, in the process this runs in. `gone` ends when who asks has hung up."""
    await _arrives(scope)
    begun: dict[str, Any] = {}
    parts: list[bytes] = []
    given = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if given:
            return given.pop()
        await gone()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            begun.update(message)
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    try:
        await app(scope, receive, send)
    except Exception:  # why: a server that fails ends the connection; the sandbox cuts connections this way
        begun.clear()
    if waiting.done():
        return
    if begun:
        waiting.set_result(Answer(begun["status"], begun.get("headers", ()), b"".join(parts)))
    else:
        waiting.set_exception(Cut("the server failed"))


async def _arrives(scope: dict[str, Any]) -> None:
    """A place of its own in the order of things: the process begins with a request when its turn comes."""
    ACTOR.get().sight.changes += 0
    await asyncio.sleep(0)
