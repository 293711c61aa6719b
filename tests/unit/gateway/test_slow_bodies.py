"""Bodies that dribble, lie about their length, are packed, or are nested without end. Time is driven."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.gateway.auth import PROVIDER, RIGHTS
from services.gateway.bodies import BODY_SECONDS
from tests.support.waiting import give_way
from tests.unit.gateway.world import ORDER, World, expect_problem, filled, role_for

WITH_BODY = [one for one in RIGHTS if one.method != "GET" and one.path != "/mp/v1/orders/{order_id}"]
"""Hiding an order takes no body, and none is read."""


class Hours:
    """The event loop's clock, moved on by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        began, self.ahead = loop.time(), 0.0
        monkeypatch.setattr(loop, "time", lambda: began + self.ahead)


class Dribble:
    """A body of which a byte comes when the test says so."""

    def __init__(self) -> None:
        self.sent = 0
        self._more = asyncio.Event()

    def drop(self) -> None:
        self._more.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            await self._more.wait()
            self._more.clear()
            self.sent += 1
            yield b" "


def headers(world: World, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.token()}", "Idempotency-Key": "k", **more}


async def test_a_body_that_dribbles_is_waited_for_only_so_long(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hours, body = Hours(monkeypatch), Dribble()
    asked = asyncio.create_task(world.http.post("/mp/v1/orders", content=body, headers=headers(world)))
    for _ in range(int(BODY_SECONDS)):  # a byte a second keeps it alive for no longer
        body.drop()
        await give_way()
        assert not asked.done()
        other = await world.place(token=world.token("c2"), key=f"k{body.sent}")
        assert other.status_code == 200, "nobody else waits meanwhile"
        hours.ahead += 1
    hours.ahead += 1
    answer = await asked
    assert expect_problem(answer, 408, "body-too-slow")["seconds"] == BODY_SECONDS
    assert answer.headers["connection"] == "close", "what still comes is not waited for"
    assert body.sent >= BODY_SECONDS - 1
    assert all(seen.method == "POST" and b"tea" in seen.body for seen in world.fake.seen)


@pytest.mark.parametrize(
    "right",
    WITH_BODY,
    ids=lambda one: f"{one.method} {one.path}",
)
async def test_every_route_has_that_deadline(world: World, monkeypatch: pytest.MonkeyPatch, right: object) -> None:
    hours, body = Hours(monkeypatch), Dribble()
    assert isinstance(right, type(RIGHTS[0]))
    method, path, _ = filled(right)
    kind = "staff" if "staff" in right.may else "customer"
    token = world.token("c1", "customer") if kind == "customer" else world.token("s1", "staff", role=role_for(right))
    given = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    asked = asyncio.create_task(world.http.request(method, path, content=body, headers=given))
    await give_way()
    hours.ahead += BODY_SECONDS + 1
    answer = await asked
    expect_problem(answer, 408, "body-too-slow")
    assert right.may == PROVIDER or not [seen for seen in world.fake.seen if seen.method != "GET"]


async def test_ten_megabytes_are_refused_unread(world: World) -> None:
    taken = 0

    async def much() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(160):
            taken += 65_536
            yield b" " * 65_536

    answer = await world.http.post(
        "/mp/v1/orders", content=much(), headers=headers(world, **{"Content-Length": str(10 * 1024 * 1024)})
    )
    expect_problem(answer, 413, "body-too-large")
    assert taken == 0, "its length alone says enough"
    answer = await world.http.post("/mp/v1/orders", content=much(), headers=headers(world))
    expect_problem(answer, 413, "body-too-large")
    assert taken <= 1024 * 1024 + 2 * 65_536, "without a length it ends soon after the limit"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("length", ["5", "0", "99", "9" * 30, "-1", "1e3", "٣", " 7 "])
async def test_a_length_that_lies_is_not_believed(world: World, length: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield json.dumps(ORDER).encode()

    given = [(name.encode(), value.encode()) for name, value in (*headers(world).items(), ("Content-Length", length))]
    answer = await world.http.post("/mp/v1/orders", content=body(), headers=given)
    if length == "9" * 30:
        expect_problem(answer, 413, "body-too-large")
    else:
        assert answer.status_code == 200, "what came is what counts; a server in front cuts or waits, see BODY_SECONDS"


async def test_nothing_is_unpacked(world: World) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    for encoding in ("gzip", "deflate", "br", "zstd"):
        answer = await world.http.post(
            "/mp/v1/orders", content=bomb, headers=headers(world, **{"Content-Encoding": encoding})
        )
        expect_problem(answer, 422, "invalid-request")
    assert not world.fake.seen


@pytest.mark.parametrize("piece", [b"[", b'{"lines":', b'{"contact":{"name":', b'[{"a":['])
async def test_ten_thousand_levels_are_refused_everywhere(world: World, piece: bytes) -> None:
    for right in WITH_BODY:
        if right.may == PROVIDER:
            continue
        method, path, _ = filled(right)
        kind = "staff" if "staff" in right.may else "customer"
        token = world.token("c1") if kind == "customer" else world.token("s1", "staff", role=role_for(right))
        answer = await world.ask(method, path, token, piece * 10_000)
        expect_problem(answer, 422, "invalid-request")
    assert not [seen for seen in world.fake.seen if seen.method != "GET"]


async def test_a_body_that_breaks_off_is_told(world: World) -> None:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers(world).items()]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
    }
    scope |= {"path": "/mp/v1/orders", "raw_path": b"/mp/v1/orders", "query_string": b"", "root_path": ""}
    scope |= {"headers": raw, "client": ("client", 1), "server": ("gateway", 80)}
    await world.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert not world.fake.seen
