"""The connections to a service, against sockets that answer as sockets do."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from chassis.problem import Problem
from services.gateway.clients import IN_HAND_MAX, TURNED_AWAY, Service
from services.gateway.pool import Pool

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "7"\r\nContent-Length: 2\r\n\r\n{}'


@asynccontextmanager
async def service(answer: Answering) -> AsyncIterator[Service]:
    """A service that answers each connection with `answer`, and hangs up when that ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    pool = Pool()
    try:
        yield Service("order", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", pool, seconds=5)
    finally:
        await pool.aclose()
        server.close()


async def _head(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def test_what_is_asked_arrives_as_it_was_written() -> None:
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await _head(reader)
            length = next(
                (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), 0
            )
            heard.append(head + await reader.readexactly(length))
            writer.write(OK)

    async with service(answer) as order:
        read = await order.ask("GET", "/orders/a%2Fb%25%27", query={"goods": "红茶 +", "none": None})
        told = await order.ask("POST", "/orders", body=b'{"a":1}', headers=[(b"if-match", b'"7"')])
    assert heard[0].startswith(b"GET /orders/a%2Fb%25%27?goods=%E7%BA%A2%E8%8C%B6+%2B HTTP/1.1\r\n")
    assert heard[1].endswith(b'\r\n\r\n{"a":1}')
    assert b'if-match: "7"' in heard[1].lower()
    assert (read.status, read.body, read.headers["etag"]) == (200, b"{}", '"7"')
    assert told.status == 200


async def test_a_connection_is_used_again() -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await _head(reader)
            writer.write(OK)

    async with service(answer) as order:
        for _ in range(5):
            await order.ask("GET", "/orders")
    assert connections == 1


async def test_nobody_listens_there() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    pool = Pool()
    with pytest.raises(httpx.ConnectError):
        await pool.handle_async_request(httpx.Request("GET", f"http://127.0.0.1:{port}/"))
    with pytest.raises(Problem, match="not-ready"):
        await Service("order", f"http://127.0.0.1:{port}", pool).ask("GET", "/orders")
    await pool.aclose()


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_an_answer_that_breaks_off_is_none(broken: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _head(reader)
        writer.write(broken)
        writer.close()

    async with service(answer) as order:
        with pytest.raises(Problem, match="not-ready"):
            await order.ask("GET", "/orders")


async def test_a_redirection_is_not_followed() -> None:
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while True:
            await _head(reader)
            asked += 1
            writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    async with service(answer) as order:
        with pytest.raises(Problem, match="not-ready"):
            await order.ask("GET", "/orders")
    assert asked == 1


async def test_whoever_comes_when_too_many_wait_is_told_at_once() -> None:
    gate, arrived = asyncio.Event(), asyncio.Event()
    reached = 0

    class Slow(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal reached
            reached += 1
            if reached == IN_HAND_MAX:
                arrived.set()
            await gate.wait()
            return httpx.Response(200, json={})

    order = Service("order", "http://order", Slow())
    before = TURNED_AWAY.labels("order")._value.get()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(order.ask("GET", "/orders")) for _ in range(IN_HAND_MAX)]
        await arrived.wait()
        with pytest.raises(Problem, match="not-ready") as refused:
            await order.ask("GET", "/orders")
        gate.set()
    assert refused.value.more["retry_after"] > 0
    assert reached == IN_HAND_MAX
    assert TURNED_AWAY.labels("order")._value.get() == before + 1
    assert {task.result().status for task in waiting} == {200}
    assert (await order.ask("GET", "/orders")).status == 200
