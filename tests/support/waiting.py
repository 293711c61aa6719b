"""Waiting for something to become true, with a deadline. Never for a while."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable

DEADLINE_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 0.01


async def until(condition: Callable[[], object], what: str = "", *, seconds: float = DEADLINE_SECONDS) -> None:
    """Return as soon as `condition()`, which may be a coroutine function, is true; fail, naming `what`, when it is not
    within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = condition()
                if inspect.isawaitable(found):
                    found = await found
                if found:
                    return
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)  # why: what is waited for has no event of its own
    except TimeoutError:
        raise AssertionError(f"waited {seconds:.0f} s in vain: {what or condition}") from None


async def within(event: asyncio.Event, what: str = "", *, seconds: float = DEADLINE_SECONDS) -> None:
    """Return as soon as `event` is set; fail, naming `what`, when it is not within `seconds`."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        raise AssertionError(f"waited {seconds:.0f} s in vain: {what or event}") from None


async def give_way(times: int = 20) -> None:
    """Let everything that can go on without waiting for the outside go on."""
    for _ in range(times):
        await asyncio.sleep(0)
