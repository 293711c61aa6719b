"""Asking over HTTP with patience: services may be restarted at any time, and every request here is safe to repeat."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

BUSY = frozenset({429, 500, 502, 503, 504})
SLOWEST = 2.0

Json = dict[str, Any]
T = TypeVar("T")


class UnexpectedAnswerError(Exception):
    """An answer that no road of the replay allows; says which request, and what came back."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for something that does not come, and with which clock. `patience` and `quiet` are seconds:
    the first for one request, the second for the whole system to show any movement."""

    patience: float = 120.0
    quiet: float = 120.0
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    async def again(self, ask: Callable[[], Awaitable[T | None]], first: float = 0.05) -> T:
        """Ask until there is an answer (not None), waiting longer each time. Raises TimeoutError when patience ends."""
        deadline, wait = self.clock() + self.patience, first
        while (answer := await ask()) is None:
            if self.clock() >= deadline:
                raise TimeoutError(f"no answer within {self.patience:.0f} s")
            await self.sleep(wait)
            wait = min(wait * 2, SLOWEST)
        return answer


class Knock:
    """One base address. Repeats a request while nobody answers or the answer is that it is too busy."""

    def __init__(self, http: httpx.AsyncClient, pace: Pace) -> None:
        self._http = http
        self.pace = pace

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The first answer that is no sign of trouble on the way. Raises UnexpectedAnswerError when patience ends."""
        last = "nothing"

        async def once() -> httpx.Response | None:
            nonlocal last
            try:
                answer = await self._http.request(method, path, json=body, params=params, headers=headers)
            except httpx.TransportError as lost:
                last = repr(lost)
                return None
            last = f"{answer.status_code} {answer.text[:300]}"
            if answer.status_code not in BUSY:
                return answer
            await self.pace.sleep(_asked_to_wait(answer))
            return None

        try:
            return await self.pace.again(once)
        except TimeoutError as end:
            raise UnexpectedAnswerError(f"{method} {path}: {end}; last came {last}") from end


def expect(answer: httpx.Response, *statuses: int) -> Json:
    """The body of an answer with one of these statuses. Raises UnexpectedAnswerError for any other."""
    if answer.status_code not in statuses:
        request = answer.request
        raise UnexpectedAnswerError(
            f"{request.method} {request.url.path}: expected {statuses[0]}, got {answer.status_code} {answer.text[:500]}"
        )
    found: Json = answer.json() if answer.content else {}
    return found


def problem(answer: httpx.Response) -> str:
    """The code of a problem document, or nothing."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    return str(body.get("code", "")) if isinstance(body, dict) else ""


def _asked_to_wait(answer: httpx.Response) -> float:
    """How many seconds the answer asks to wait; nothing when it does not say or speaks of a date."""
    try:
        return max(0.0, min(float(answer.headers.get("Retry-After", 0)), SLOWEST))
    except ValueError:
        return 0.0
