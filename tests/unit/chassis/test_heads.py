"""What comes before anybody knows what is asked for: heads without end, heads that dribble, callers who say nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI
from uvicorn import Config
from uvicorn.server import ServerState

from chassis import serving
from chassis.heads import HEAD_MAX, HEAD_SECONDS, Heads
from chassis.settings import HttpSettings
from tests.support.waiting import give_way

PIECE = b"a" * 65_536
SETTINGS = HttpSettings(http_port=1)


class Hours:
    """The event loop's clock, moved on by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        began, self.ahead = loop.time(), 0.0
        monkeypatch.setattr(loop, "time", lambda: began + self.ahead)

    async def pass_by(self, seconds: float) -> None:
        self.ahead += seconds
        await give_way()


class Line(asyncio.Transport):
    """A connection without a network: what was written to it, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("198.51.100.7", 4711), "sockname": ("127.0.0.1", 80)})
        self.written = b""
        self.closed = False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    @property
    def status(self) -> int:
        return int(self.written.split(b" ", 2)[1]) if self.written else 0

    @property
    def problem(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.written.partition(b"\r\n\r\n")[2])
        return found


@pytest.fixture
def app() -> FastAPI:
    made = FastAPI()
    made.state.finish = asyncio.Event()

    @made.post("/")
    async def told() -> str:
        return "told"

    @made.get("/")
    async def slow() -> str:
        await made.state.finish.wait()
        return "at last"

    return made


@pytest.fixture
def line() -> Line:
    return Line()


def connected(app: FastAPI, line: Line) -> Heads:
    """A connection as the server of a service makes it."""
    config: Config = serving.server_of(app, SETTINGS).config
    config.load()
    kind: Any = config.http_protocol_class
    made: Heads = kind(config, ServerState(), {}, asyncio.get_running_loop())
    made.connection_made(line)
    return made


@pytest.mark.parametrize("begin", [b"POST / HTTP/1.1\r\nX: ", b"POST /", b"POST / HTTP/1.1\r\n"])
async def test_a_head_without_end_is_refused_before_it_fills_the_memory(app: FastAPI, line: Line, begin: bytes) -> None:
    caller = connected(app, line)
    more = PIECE if not begin.endswith(b"\r\n") else b"X: a\r\n" * 11_000
    taken = 0
    caller.data_received(begin)
    while not line.closed:
        caller.data_received(more)
        taken += len(more)
        assert taken < 4 * HEAD_MAX
    assert line.status == 431
    assert line.problem["code"] == "head-too-large"
    assert line.problem["limit"] == HEAD_MAX


async def test_a_large_body_that_comes_with_its_head_is_none(app: FastAPI, line: Line) -> None:
    caller = connected(app, line)
    body = PIECE * 4
    caller.data_received(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n" % len(body))
    caller.data_received(b"\r\n" + body)
    await give_way()
    assert line.status == 200
    assert not line.closed


async def test_a_head_that_dribbles_is_waited_for_only_so_long(
    app: FastAPI, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, caller = Hours(monkeypatch), connected(app, line)
    for byte in b"POST / HTTP/1.1\r\nX: ":
        if hours.ahead < HEAD_SECONDS:
            assert not line.closed
            caller.data_received(bytes([byte]))
        await hours.pass_by(1)
    await hours.pass_by(1)
    assert line.status == 408
    assert line.problem["code"] == "head-too-slow"
    assert line.closed


async def test_who_says_nothing_is_not_waited_for(app: FastAPI, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = Hours(monkeypatch)
    connected(app, line)
    await hours.pass_by(HEAD_SECONDS - 1)
    assert not line.closed
    await hours.pass_by(2)
    assert line.closed
    assert not line.written, "nothing was asked"


@pytest.mark.parametrize("more", [b"P", b"POST / HTTP/1.1\r\n", b"x"], ids=["a request", "a head", "a body"])
async def test_who_begins_something_after_the_answer_is_not_waited_for_for_ever(
    app: FastAPI, line: Line, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    """The time to keep a connection ends with the first byte that comes: uvicorn has no other."""
    hours, caller = Hours(monkeypatch), connected(app, line)
    length = 100 if more == b"x" else 0
    caller.data_received(b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % length)
    await give_way()
    assert line.status == 200
    caller.data_received(more)
    await hours.pass_by(HEAD_SECONDS + 1)
    assert line.closed


async def test_an_answer_that_takes_its_time_is_not_cut_off(
    app: FastAPI, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours, caller = Hours(monkeypatch), connected(app, line)
    caller.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
    await hours.pass_by(3 * HEAD_SECONDS)
    assert not line.closed
    app.state.finish.set()
    await give_way()
    assert line.status == 200
    assert not line.closed


async def test_nothing_is_written_into_another_answer(app: FastAPI, line: Line) -> None:
    caller = connected(app, line)
    caller.data_received(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nX: ")
    await give_way()
    for _ in range(2):
        caller.data_received(PIECE)
    assert line.closed
    assert not line.written
