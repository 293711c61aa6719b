"""The services behind the door. An answer is handed on as bytes; only what must be looked into is parsed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlencode

import httpx
import structlog
from prometheus_client import Counter

from chassis import tracing
from chassis.problem import MEDIA_TYPE, Problem, unavailable

SLOW_SECONDS = 60.0
"""For what reads a whole book: a recount, the summary, figures over all time."""
IN_HAND_MAX = 200
"""Requests to one service at once. Whoever comes then is told to come again: a queue that grows answers nobody in time,
and keeps the service busy for callers who have gone."""

SEGMENT_MAX = 512
"""Characters; the longest id has 128."""
_HALF = re.compile(r"[\ud800-\udfff]")

JSON_TYPE = (b"content-type", b"application/json")

_KEPT = ("content-type", "retry-after", "etag")

TURNED_AWAY = Counter(
    "tuidan_gateway_turned_away_total", "Requests refused because a service had too many in hand", ["to"]
)

Header = tuple[bytes, bytes]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered. `headers`: media type, Retry-After and ETag, as they came."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Service:
    """One service: its address, its own pool of connections, its time limit in seconds.

    It speaks through an httpx transport, not through `httpx.AsyncClient`: cookies, redirects, proxies and logging, of
    which a service needs none, are a third of the cost of a call."""

    def __init__(self, name: str, url: str, transport: httpx.AsyncBaseTransport, seconds: float = 10.0) -> None:
        self.name = name
        self._url = url
        self._transport = transport
        self._seconds = seconds
        self._in_hand = 0
        self._away = False

    async def ask(
        self,
        method: Literal["GET", "POST", "PUT"],
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: bytes | None = None,
        headers: Sequence[Header] = (),
        seconds: float | None = None,
    ) -> Answer:
        """Ask once. `query`: what is None is left out. `body`: JSON unless `headers` name a type. Raises the 503
        problem `not-ready` when the service is away, too slow, or answers with an error that is no problem document."""
        answer = await self.ask_plainly(method, path, query=query, body=body, headers=headers, seconds=seconds)
        broken = answer.status >= 500 and not answer.headers.get("content-type", "").startswith(MEDIA_TYPE)
        if broken or answer.status // 100 == 3:
            log.warning("a service answered with something that is no answer", to=self.name, status=answer.status)
            raise unavailable()
        return answer

    async def ask_plainly(
        self,
        method: Literal["GET", "POST", "PUT"],
        path: str,
        *,
        query: Mapping[str, str | int | None] | None = None,
        body: bytes | None = None,
        headers: Sequence[Header] = (),
        seconds: float | None = None,
    ) -> Answer:
        """Ask once and take any answer. Raises the 503 problem `not-ready` when there is none in time, or when
        `IN_HAND_MAX` requests wait for theirs."""
        if self._in_hand >= IN_HAND_MAX:
            TURNED_AWAY.labels(self.name).inc()
            raise unavailable()
        given = [(name, value) for name, value in (query or {}).items() if value is not None]
        request = httpx.Request(
            method,
            self._url + path + ("?" + urlencode(given) if given else ""),
            headers=[*(headers or ([JSON_TYPE] if body is not None else [])), *tracing.headers()],
            content=body,
            extensions={"timeout": {"read": seconds or self._seconds}},  # for a transport that gives up by itself
        )
        self._in_hand += 1
        try:
            async with asyncio.timeout(seconds or self._seconds):
                answer = await self._answer(request)
        except (httpx.TransportError, TimeoutError) as trouble:
            self._note_away(trouble)
            raise unavailable() from trouble
        finally:
            self._in_hand -= 1
        if self._away:
            self._away = False
            log.info("a service is back", to=self.name)
        return answer

    async def _answer(self, request: httpx.Request) -> Answer:
        response = await self._transport.handle_async_request(request)
        try:
            body = await response.aread()
        finally:
            await response.aclose()
        kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
        return Answer(response.status_code, body, kept)

    def _note_away(self, trouble: Exception) -> None:
        if not self._away:
            log.warning("a service is away", to=self.name, problem=repr(trouble)[:300])
        self._away = True

    async def aclose(self) -> None:
        """Let go of the connections."""
        await self._transport.aclose()


@dataclass(frozen=True, slots=True)
class Services:
    """All services the gateway speaks to."""

    order: Service
    payment: Service
    inventory: Service
    notify: Service
    analytics: Service

    async def aclose(self) -> None:
        """Let go of all connections."""
        for service in (self.order, self.payment, self.inventory, self.notify, self.analytics):
            await service.aclose()


def segment(value: str) -> str:
    """A value as one segment of a path. Raises a 404 problem for the two that would lead elsewhere, and for what no id
    can be: too long, or with half a character."""
    if value in {".", ".."} or len(value) > SEGMENT_MAX or _HALF.search(value):
        raise Problem(404, "not-found", "没有这个编号。", "There is nothing with this id.")
    return quote(value, safe="")
