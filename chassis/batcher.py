"""Group commit: whatever arrives while one batch is under way forms the next batch. One item when idle, hundreds under
load, so latency does not pay for throughput."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741 - item in
O = TypeVar("O")  # noqa: E741 - outcome


class Batcher(Generic[I, O]):
    """Runs `work(items)` for at most `size_max` items at a time, one call at a time; `work` returns one outcome per
    item, in order; an outcome that is an exception is raised to the one who submitted the item. A `size_max` set anew
    counts from the next batch on."""

    def __init__(
        self, work: Callable[[Sequence[I]], Awaitable[Sequence[O | BaseException]]], *, size_max: int = 500
    ) -> None:
        self._work = work
        self.size_max = size_max
        self._waiting: deque[tuple[I, asyncio.Future[O]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def submit(self, item: I) -> O:
        """The outcome of `item`."""
        outcome: asyncio.Future[O] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, outcome))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await outcome

    async def _run(self) -> None:
        try:
            while self._waiting:
                size = min(len(self._waiting), self.size_max)
                batch = [self._waiting.popleft() for _ in range(size)]
                await self._settle(batch)
        finally:
            self._running = None

    async def _settle(self, batch: Sequence[tuple[I, asyncio.Future[O]]]) -> None:
        outcomes: Sequence[O | BaseException]
        try:
            outcomes = await self._work([item for item, _ in batch])
        except Exception as problem:  # why: it is handed to everyone who waits for it
            outcomes = [problem] * len(batch)
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)


class Shared(Generic[O]):
    """One question that many ask at once. Who asks while an answer is under way is answered by the next: what is
    answered was looked at after it was asked."""

    def __init__(self, look: Callable[[], Awaitable[O]]) -> None:
        self._look = look
        self._batcher: Batcher[None, O] = Batcher(self._answer)

    async def now(self) -> O:
        """The answer. Raises what looking raises."""
        return await self._batcher.submit(None)

    async def _answer(self, askers: Sequence[None]) -> Sequence[O]:
        return [await self._look()] * len(askers)
