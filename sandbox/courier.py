"""The part that runs by itself: settles what is due and delivers callbacks, with retries."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from sandbox.callbacks import CallbackCall, CallbackQueue
from sandbox.clock import Clock
from sandbox.deliveries import Deliveries
from sandbox.settings import SandboxSettings


@dataclass(frozen=True, slots=True)
class Settlements:
    """How the courier reaches refunds and transfers: settle what is due, and say when the next one is."""

    settle_due: Callable[[], int]
    next_due: Callable[[], float | None]


Delivery = Callable[[httpx.AsyncClient], Awaitable[None]]


class Source(Protocol):
    """Something else that has deliveries to make; times are business times."""

    def begin_due(self, limit: int) -> list[Delivery]:
        """Take up to ``limit`` deliveries that are due now; each is made with a client, and notes its outcome."""

    def next_due(self) -> float | None:
        """When the next delivery is due; None when there is none."""


class Courier:
    """Delivers callbacks at least once. Works in the event loop that calls ``kick``; no other thread is involved."""

    def __init__(
        self,
        *,
        settings: SandboxSettings,
        clock: Clock,
        queue: CallbackQueue,
        deliveries: Deliveries,
        settlements: Settlements,
    ) -> None:
        self._most = settings.callback_concurrency
        self._clock = clock
        self._queue = queue
        self.deliveries = deliveries
        self._settlements = settlements
        self._sources: list[Source] = []
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: asyncio.Task[None] | None = None
        self._flying: set[asyncio.Task[None]] = set()
        self._closing = False

    def add_source(self, source: Source) -> None:
        """Make the deliveries of this source too, whenever they are due."""
        self._sources.append(source)

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
        while not self._closing:
            self._wake.clear()
            self._begin_due()
            try:
                await asyncio.wait_for(self._wake.wait(), self._seconds_to_next())
            except TimeoutError:
                continue

    def _begin_due(self) -> None:
        self._settlements.settle_due()
        for row in self._queue.claim(self._most - len(self._flying)):
            self._begin(self.deliveries.deliver(row))
        for source in self._sources:
            for delivery in source.begin_due(self._most - len(self._flying)):
                self._begin(self._with_client(delivery))

    async def _with_client(self, delivery: Delivery) -> None:
        await delivery(self.deliveries.client)

    def _begin(self, delivery: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(delivery)
        self._flying.add(task)
        task.add_done_callback(self._landed)
        return task

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        self._wake.set()

    def _next_due(self) -> float | None:
        moments = [self._queue.next_due(), self._settlements.next_due()]
        moments += [source.next_due() for source in self._sources]
        return min((moment for moment in moments if moment is not None), default=None)

    def _seconds_to_next(self) -> float | None:
        if len(self._flying) >= self._most:
            return None
        moment = self._next_due()
        return None if moment is None else self._clock.real_seconds_until(moment)

    async def hurry(self, call: CallbackCall, mchid: str, numbers: dict[str, str]) -> None:
        """Deliver the callbacks with these numbers now, and return when the receiver has answered."""
        self.kick()
        rows = self._queue.claim_of(call, mchid, numbers)
        await asyncio.gather(*(self._begin(self.deliveries.deliver(row)) for row in rows))

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
        # A task that waits with wait_for may miss its cancellation when it is woken at the same time, so it is told.
        self._closing = True
        self._wake.set()
        if self._loop is asyncio.get_running_loop():
            for task in self._flying:
                task.cancel()
            runner = () if self._runner is None else (self._runner,)
            await asyncio.gather(*self._flying, *runner, return_exceptions=True)
        await self.deliveries.close()
