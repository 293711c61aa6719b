"""The head of a request, before anybody knows what it asks for: not too long, not too slow. uvicorn itself gathers one
of any length, waits for the rest of it for ever, and after an answer for whatever else a caller begins to send."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from chassis.problem import Problem

HEAD_MAX = 64 * 1024
"""Bytes of request line and headers together, and what was read with the first of them. A token has 4,096 at most."""
HEAD_SECONDS = 20.0
"""How long a connection may take to bring a whole head while nothing is being answered on it."""


class Heads(HttpToolsProtocol):
    """One connection."""

    _begun = False
    _size = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody is there, and should say what they want."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has gone."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """More has come."""
        if self._begun:
            self._size += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._begun and self._size > HEAD_MAX:
            self._refuse(_too_large())
        elif self._is_idle() and self._patience is None:
            self._wait()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._begun, self._size = True, 0

    def on_headers_complete(self) -> None:
        """It can be answered; its body is the application's to wait for."""
        self._begun = False
        self._wait_no_more()
        super().on_headers_complete()

    def _is_idle(self) -> bool:
        return bool(getattr(self.cycle, "response_complete", True))  # there is none before the first request

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self._begun:
            self._refuse(_too_slow())
        else:
            self.transport.close()

    def _refuse(self, problem: Problem) -> None:
        """Answer, unless another answer is on its way, and hang up."""
        if self._is_idle():
            answer = problem.response()
            head = (b"%b: %b\r\n" % header for header in (*answer.raw_headers, (b"connection", b"close")))
            self.transport.write(b"".join((STATUS_LINE[problem.status], *head, b"\r\n", bytes(answer.body))))
        self.transport.close()


def _too_large() -> Problem:
    return Problem(
        431,
        "head-too-large",
        f"请求头过大,上限为 {HEAD_MAX} 字节。",
        f"The request's line and headers are larger than {HEAD_MAX} bytes.",
        limit=HEAD_MAX,
    )


def _too_slow() -> Problem:
    return Problem(
        408,
        "head-too-slow",
        "请求头发送过慢,请检查网络后重试。",
        "The request's headers did not come in time. Check the network and try again.",
        seconds=HEAD_SECONDS,
    )
