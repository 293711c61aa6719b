"""Bodies that dribble, lie about their length, are packed, or are nested without end. Time is driven."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.gateway.auth import PROVIDER, RIGHTS
from services.gateway.bodies import BODY_SECONDS, LINGER_BYTES, LINGER_SECONDS
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


class Much:
    """Many megabytes, of which it counts how many were taken."""

    def __init__(self, megabytes: int) -> None:
        self.left = megabytes * 16
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self.left:
            self.left -= 1
            self.taken += 65_536
            yield b" " * 65_536


async def test_ten_megabytes_are_refused_unread(world: World) -> None:
    said, unsaid = Much(10), Much(10)
    length = {"Content-Length": str(10 * 1024 * 1024)}
    answer = await world.http.post("/mp/v1/orders", content=said, headers=headers(world, **length))
    expect_problem(answer, 413, "body-too-large")
    assert said.taken == 0, "its length alone says enough"
    answer = await world.http.post("/mp/v1/orders", content=unsaid, headers=headers(world))
    expect_problem(answer, 413, "body-too-large")
    assert unsaid.taken <= LINGER_BYTES + 2 * 65_536, "without a length it ends soon after what is thrown away"
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("says", ["how long it is", "nothing"])
async def test_who_sends_a_little_too_much_can_send_it_to_the_end_and_read_why(world: World, says: str) -> None:
    """Closed while they still send, the connection would be reset, and the answer lost."""
    body = Much(3)
    length = {} if says == "nothing" else {"Content-Length": str(3 * 1024 * 1024)}
    answer = await world.http.post("/mp/v1/orders", content=body, headers=headers(world, **length))
    expect_problem(answer, 413, "body-too-large")
    assert body.left == 0
    assert not world.fake.seen


async def test_who_asks_first_whether_to_send_too_much_sends_nothing(world: World) -> None:
    body = Much(3)
    more = {"Content-Length": str(3 * 1024 * 1024), "Expect": "100-continue"}
    answer = await world.http.post("/mp/v1/orders", content=body, headers=headers(world, **more))
    expect_problem(answer, 413, "body-too-large")
    assert body.taken == 0


async def test_a_body_that_is_too_large_and_dribbles_is_waited_for_a_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, body = Hours(monkeypatch), Dribble()
    length = {"Content-Length": str(2 * 1024 * 1024)}
    asked = asyncio.create_task(world.http.post("/mp/v1/orders", content=body, headers=headers(world, **length)))
    await give_way()
    assert not asked.done()
    hours.ahead += LINGER_SECONDS + 0.1
    expect_problem(await asked, 413, "body-too-large")


async def test_a_body_that_grows_too_large_and_stops_is_waited_for_a_second(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, stopped = Hours(monkeypatch), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        async for part in Much(2):
            yield part
        stopped.set()
        await asyncio.Event().wait()

    asked = asyncio.create_task(world.http.post("/mp/v1/orders", content=body(), headers=headers(world)))
    await stopped.wait()
    await give_way()
    assert not asked.done()
    hours.ahead += LINGER_SECONDS + 0.1
    expect_problem(await asked, 413, "body-too-large")


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
