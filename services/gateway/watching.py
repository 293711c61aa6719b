"""Who watches which order, and what they are told when it changes. One question a second to the order service for all
orders that anybody here watches, and one reading of an order that changed, however many watch it.

A state is told whole, so whoever is slow misses steps in between and never the present; nothing is queued for anybody.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from prometheus_client import Gauge

from chassis import clock
from chassis.clock import Clock
from chassis.etags import versions
from chassis.problem import Problem, unavailable
from chassis.service import every
from services.gateway.clients import Answer, Service
from services.gateway.model import owner_of
from services.gateway.tokens import Caller

LOOK_EVERY_SECONDS = 1.0
LOOK_SECONDS = 2.0
"""How long the order service may take for one look; heartbeats and expiries wait for it."""
GONE_SECONDS = 15.0
"""An order that was there is gone once nobody knows it for so long: a database that was replaced, and has not heard of
it yet, does not know the newest ones for up to ten seconds."""
HEARTBEAT_SECONDS = 15.0
BEGIN_SECONDS = 30.0
"""Whoever was let in and never began to listen is forgotten then."""
PER_CALLER_MAX = 5
RETRY_SECONDS = 15
RECONNECT_MS = 3_000
ORDERS_AT_ONCE = 500
READINGS_AT_ONCE = 20

STREAMS = Gauge("tuidan_gateway_live_streams", "Streams of live status that are open")

_HEARTBEAT = b": still here\n\n"


@dataclass(slots=True)
class _Order:
    """An order that somebody watches: its newest known state, as the order service shows it, and whose it is then.
    `missed_at`: since when nobody knows it any more (monotonic, s)."""

    version: int
    view: bytes
    owner: str | None
    missed_at: float | None = None
    viewers: set[Viewer] = field(default_factory=set)
    exists: bool = True


class Viewer:
    """One stream of `caller`, whose token ends at the Unix time (s) `caller.until`."""

    def __init__(self, watch: Watch, order: _Order, order_id: str, caller: Caller, seen: int | None) -> None:
        self.order_id = order_id
        self.who = _who(caller)
        self.until = caller.until
        self._owner = caller.sub if caller.kind == "customer" else None
        self._watch = watch
        self._order = order
        self._seen = order.version if seen == order.version else -1
        self._bell = asyncio.Event()
        self._greeted = False
        self._ended = False
        self._spoke = watch.monotonic()

    async def next(self) -> bytes | None:
        """What to send now, as soon as there is something; None when nothing more will come."""
        if not self._greeted:
            self._greeted = True
            return self._saying(f"retry: {RECONNECT_MS}\n\n".encode())
        while not self._ended:
            if self._order.version > self._seen and not self._is_nobodys():
                self._seen = self._order.version
                return self._saying(_event("order", self._order.view, self._seen))
            end = self._end()
            if end:
                self._ended = True
                return _event("end", json.dumps({"code": end}).encode())
            if self._is_silent():
                return self._saying(_HEARTBEAT)
            self._bell.clear()
            await self._bell.wait()
        return None

    def ring(self) -> None:
        """Look again, if there is something to look at."""
        if not self._greeted and self._watch.monotonic() - self._spoke >= BEGIN_SECONDS:
            self.leave()
        elif self._ended or self._order.version > self._seen or self._end() or self._is_silent():
            self._bell.set()

    def leave(self) -> None:
        """Nobody listens any more. Leaving twice is harmless."""
        self._ended = True
        self._watch.forget(self)
        self._bell.set()

    def _is_nobodys(self) -> bool:
        """Whether the order is not there any more for this caller. What is left of an erased one is no customer's."""
        return not self._order.exists or self._owner not in (None, self._order.owner)

    def _end(self) -> str:
        if self._is_nobodys():
            return "unknown-order"
        if self._watch.now().timestamp() >= self.until:
            return "token-expired"
        return "going-away" if self._watch.closed else ""

    def _is_silent(self) -> bool:
        return self._watch.monotonic() - self._spoke >= HEARTBEAT_SECONDS

    def _saying(self, words: bytes) -> bytes:
        self._spoke = self._watch.monotonic()
        return words


class Watch:
    """All streams of this process. `most`: how many at once; one caller has at most `PER_CALLER_MAX`."""

    def __init__(
        self,
        orders: Service,
        now: Clock = clock.now,
        monotonic: Callable[[], float] = clock.monotonic,
        *,
        most: int = 2_000,
        seconds: float = LOOK_EVERY_SECONDS,
    ) -> None:
        self.now = now
        self.monotonic = monotonic
        self.closed = False
        self._service = orders
        self._most = most
        self._seconds = seconds
        self._orders: dict[str, _Order] = {}
        self._viewers: set[Viewer] = set()
        self._looking: asyncio.Task[None] | None = None

    def join(self, order_id: str, caller: Caller, shown: Answer, after: int | None) -> Viewer:
        """A new viewer of the order that was just `shown`; `after`: the version they have already. Raises a 429 problem
        when there are too many."""
        who = _who(caller)
        own = sum(viewer.who == who for viewer in self._viewers)
        if own >= PER_CALLER_MAX or len(self._viewers) >= self._most:
            raise Problem(
                429,
                "too-many-streams",
                "同时查看的实时状态过多,请关闭其他页面或稍后再试。",
                "Too many orders are watched at once. Close other pages, or try again in a moment.",
                retry_after=RETRY_SECONDS,
            )
        version = _version(shown)
        order = self._orders.setdefault(order_id, _Order(version, shown.body, owner_of(shown.body)))
        _learn(order, version, shown.body)
        viewer = Viewer(self, order, order_id, caller, after)
        order.viewers.add(viewer)
        self._viewers.add(viewer)
        STREAMS.inc()
        if self._looking is None:
            self._looking = asyncio.create_task(every(self._seconds, self.look, "live status"))
        return viewer

    def forget(self, viewer: Viewer) -> None:
        """Somebody has left. Without viewers nothing is asked."""
        if viewer not in self._viewers:
            return
        self._viewers.discard(viewer)
        STREAMS.dec()
        order = self._orders[viewer.order_id]
        order.viewers.discard(viewer)
        if not order.viewers:
            del self._orders[viewer.order_id]
        if not self._viewers and self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def look(self) -> None:
        """Ask once what has changed, read it, and ring whoever should hear of it, of their time or of the silence.
        While the order service is away nobody hears of changes, and everybody is told later."""
        try:
            changed = await self._changed()
            for start in range(0, len(changed), READINGS_AT_ONCE):
                await asyncio.gather(*(self._read(id) for id in changed[start : start + READINGS_AT_ONCE]))
        except Problem as away:
            if away.status != 503:
                raise
        finally:
            self._ring()

    def close(self) -> None:
        """This process is about to stop: streams end, and whoever watches goes to another one."""
        self.closed = True
        self._ring()

    def _ring(self) -> None:
        for viewer in list(self._viewers):
            viewer.ring()

    async def _changed(self) -> list[str]:
        watched, changed = iter(list(self._orders)), []
        while ids := list(islice(watched, ORDERS_AT_ONCE)):
            known = await self._versions(ids)
            for id in known.keys() & self._orders.keys():
                self._orders[id].missed_at = None
            changed += [id for id in ids if id in self._orders and known.get(id) != self._orders[id].version]
        return changed

    async def _versions(self, ids: Sequence[str]) -> dict[str, int]:
        body = json.dumps({"order_ids": ids}).encode()
        answer = await self._service.ask("POST", "/orders/versions", body=body, seconds=LOOK_SECONDS)
        if answer.status != 200:
            raise unavailable()
        found: dict[str, int] = json.loads(answer.body)["versions"]
        return found

    async def _read(self, order_id: str) -> None:
        answer = await self._service.ask("GET", f"/orders/{order_id}", query={"view": "customer"}, seconds=LOOK_SECONDS)
        order = self._orders.get(order_id)
        if order is None:
            return
        if answer.status == 404:
            order.missed_at = self.monotonic() if order.missed_at is None else order.missed_at
            order.exists = self.monotonic() - order.missed_at < GONE_SECONDS
        elif answer.status == 200:
            _learn(order, _version(answer), answer.body)


def _learn(order: _Order, version: int, view: bytes) -> None:
    """Never back: a database that was replaced may show what was, for some seconds."""
    if version > order.version:
        order.version, order.view, order.owner = version, view, owner_of(view)


def _who(caller: Caller) -> str:
    return f"{caller.kind}/{caller.sub}"


def _version(shown: Answer) -> int:
    found = versions(shown.headers.get("etag", '""'))
    return max(found, default=0) if found else 0


def _event(name: str, data: bytes, id: int | None = None) -> bytes:
    """One event as text/event-stream wants it (html.spec.whatwg.org/multipage/server-sent-events.html)."""
    lines = [b"data: " + line for line in data.splitlines() or [b""]]
    head = [f"id: {id}".encode()] if id is not None else []
    return b"\n".join([*head, f"event: {name}".encode(), *lines, b"", b""])
