"""The part that runs by itself: settles refunds when they are due and delivers callbacks, with retries."""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from sandbox.callbacks import CallbackQueue, callback_body
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.keys import Keys
from sandbox.settings import SandboxSettings
from sandbox.signing import signed_headers

HANDLED = (200, 204)


@dataclass(frozen=True, slots=True)
class Settlements:
    """How the courier reaches refunds: settle what is due, and say when the next one is (business time)."""

    settle_due: Callable[[], int]
    next_due: Callable[[], float | None]


class Courier:
    """Delivers callbacks at least once. Works in the event loop that calls ``kick``; no other thread is involved."""

    def __init__(
        self,
        *,
        settings: SandboxSettings,
        keys: Keys,
        clock: Clock,
        queue: CallbackQueue,
        faults: Faults,
        settlements: Settlements,
        client: httpx.AsyncClient | None,
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._queue = queue
        self._faults = faults
        self._settlements = settlements
        self._own_client = client is None
        # Proxies from the environment must not come between two processes of one machine.
        self._client = client or httpx.AsyncClient(timeout=settings.callback_timeout_seconds, trust_env=False)
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: asyncio.Task[None] | None = None
        self._flying: set[asyncio.Task[None]] = set()

    def kick(self) -> None:
        """There may be something to do; starts the background task when it does not run yet."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # Another loop than before (each test may have its own): what flew in the old one is gone with it.
            self._loop, self._runner, self._wake, self._flying = loop, None, asyncio.Event(), set()
        self._wake.set()
        if self._runner is None or self._runner.done():
            self._runner = loop.create_task(self._run())

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            self._begin_due()
            try:
                await asyncio.wait_for(self._wake.wait(), self._seconds_to_next())
            except TimeoutError:
                continue

    def _begin_due(self) -> None:
        self._settlements.settle_due()
        for row in self._queue.claim(self._settings.callback_concurrency - len(self._flying)):
            task = asyncio.get_running_loop().create_task(self._deliver(row))
            self._flying.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._wake.set()

    def _next_due(self) -> float | None:
        moments = [moment for moment in (self._queue.next_due(), self._settlements.next_due()) if moment is not None]
        return min(moments, default=None)

    def _seconds_to_next(self) -> float | None:
        if len(self._flying) >= self._settings.callback_concurrency:
            return None
        moment = self._next_due()
        return None if moment is None else max(0.0, moment - self._clock.now())

    async def _deliver(self, row: sqlite3.Row) -> None:
        fault = None
        if row["attempts"] == 0:
            fault = self._faults.draw(row["call"], json.loads(row["numbers"]))
        if fault is not None and fault.kind == "callback-lost":
            self._queue.lost(row)
            return
        outcome, handled = await self._send(row)
        if fault is not None and fault.kind == "callback-doubled":
            outcome, handled = await self._send(row)
        if handled:
            self._queue.delivered(row, outcome)
        else:
            self._queue.failed(row, outcome)

    async def _send(self, row: sqlite3.Row) -> tuple[str, bool]:
        """One POST: what came back, and whether it counts as handled. The HTTP status alone decides."""
        body = callback_body(self._keys, row)
        headers = {**signed_headers(self._keys, body, self._clock.wall()), "Content-Type": "application/json"}
        try:
            answer = await self._client.post(
                row["notify_url"], content=body, headers=headers, timeout=self._settings.callback_timeout_seconds
            )
        except Exception as problem:  # why: an application called in-process raises its own errors through the client
            return f"{type(problem).__name__}: {problem}"[:200], False
        return f"HTTP {answer.status_code}", answer.status_code in HANDLED

    async def drain(self) -> None:
        """Return when nothing that is due now is left: refunds settled, each due callback delivered or failed."""
        self.kick()
        while True:
            self._begin_due()
            if not self._flying:
                return
            await asyncio.gather(*self._flying)

    async def advance(self, seconds: float) -> None:
        """Let time pass, stopping at every moment when something is due, so that retries happen in their order."""
        target = self._clock.now() + seconds
        while (moment := self._next_due()) is not None and moment <= target:
            self._clock.advance(max(0.0, moment - self._clock.now()))
            await self.drain()
        self._clock.advance(max(0.0, target - self._clock.now()))
        await self.drain()

    async def close(self) -> None:
        """Stop; what was not delivered stays in the store."""
        tasks = (*self._flying, *(() if self._runner is None else (self._runner,)))
        if self._loop is asyncio.get_running_loop():
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self._own_client:
            await self._client.aclose()
