"""A client of a stream of events, and an order service whose orders change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.unit.gateway.world import World

Json = dict[str, Any]


class Listener:
    """One GET that stays open. `status` and `headers` when they came, `heard` what came after, piece by piece. While it
    does `not_taking`, what is sent to it gets stuck."""

    def __init__(self, app: Any, path: str, token: str, headers: dict[str, str] | None = None) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.heard: list[str] = []
        self.ended = False
        self.taking = asyncio.Event()
        self.taking.set()
        self._news = asyncio.Event()
        self._leaving = asyncio.Event()
        given = {"authorization": f"Bearer {token}", **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in given.items()],
            "client": ("client", 1),
            "server": ("gateway", 80),
        }
        self.task = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Json:
        await self._leaving.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Json) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self.taking.wait()
        if message["body"]:
            self.heard.append(message["body"].decode())
        self.ended = not message.get("more_body", False)
        self._news.set()

    async def until(self, pieces: int) -> list[str]:
        """What was heard when there are so many pieces, or it has ended."""
        async with asyncio.timeout(5):
            while len(self.heard) < pieces and not self.ended:
                self._news.clear()
                await self._news.wait()
        return self.heard

    async def end(self) -> list[str]:
        """All that was heard when the other side has ended it."""
        async with asyncio.timeout(5):
            await self.task
        return self.heard

    async def leave(self) -> None:
        """Go away."""
        self._leaving.set()
        await self.end()


def events(heard: list[str]) -> list[tuple[str, str, Any]]:
    """(event, id, data) of what was heard, as a browser reads it; comments and times to wait are left out."""
    found = []
    for piece in heard:
        lines = [line.partition(": ")[::2] for line in piece.splitlines() if line and not line.startswith(":")]
        fields = dict(lines)
        if "event" in fields:
            data = "\n".join(value for name, value in lines if name == "data")
            found.append((fields["event"], fields.get("id", ""), json.loads(data)))
    return found


@dataclass
class Orders:
    """Orders of customer c1 with versions, in place of the order service of a world. `asked`: what reached it. What is
    left of an order that is `erased` is nobody's."""

    world: World
    known: dict[str, int] = field(default_factory=lambda: {"o1": 1})
    erased: set[str] = field(default_factory=set)
    listeners: list[Listener] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world.fake.answer_by["order"] = self._answer

    @property
    def asked(self) -> list[str]:
        return [seen.target for seen in self.world.fake.seen]

    def _answer(self, method: str, path: str, body: bytes) -> httpx.Response | None:
        if (method, path) == ("POST", "/orders/versions"):
            wanted = json.loads(body)["order_ids"]
            return httpx.Response(200, json={"versions": {id: self.known[id] for id in wanted if id in self.known}})
        order_id = path.removeprefix("/orders/")
        if method != "GET" or order_id not in self.known:
            return None
        version = self.known[order_id]
        owner = "erased" if order_id in self.erased else "c1"
        view = {"order_id": order_id, "customer_id": owner, "note": f"第{version}版\nline"}
        return httpx.Response(200, json=view, headers={"etag": f'"{version}"'})

    def listen(self, order_id: str = "o1", sub: str = "c1", *, staff: bool = False, **more: Any) -> Listener:
        """Somebody opens a stream."""
        claims = more.pop("claims", {})
        token = self.world.token(sub, "staff" if staff else "customer", **claims)
        door = "/admin/v1" if staff else "/mp/v1"
        listener = Listener(self.world.app, f"{door}/orders/{order_id}/live", token, more.pop("headers", None))
        self.listeners.append(listener)
        return listener

    async def look(self, change: Callable[[], None] | None = None) -> None:
        """Something changes, and the gateway looks."""
        if change:
            change()
        await self.world.watch.look()

    def moves(self, order_id: str = "o1", version: int | None = None) -> None:
        """The order has a new version."""
        self.known[order_id] = self.known[order_id] + 1 if version is None else version

    def erase(self, order_id: str = "o1") -> None:
        """Nobody knows any more whose order it was."""
        self.erased.add(order_id)
        self.moves(order_id)

    async def close(self) -> None:
        """Everybody leaves."""
        for listener in self.listeners:
            if not listener.task.done():
                await listener.leave()
