"""How late the event loop is: measured by a task of its own in every service, shown among the metrics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY

from chassis.service import http_app
from chassis.telemetry import PROBE_SECONDS, watch_loop_lag


class BusyLoop:
    """Time passes only in waits, and each wait takes as much longer as the loop is busy."""

    def __init__(self, *late: float) -> None:
        self.now = 0.0
        self._late = iter(late)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        try:
            self.now += seconds + next(self._late)
        except StopIteration:
            raise asyncio.CancelledError from None


def _seen(what: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"tuidan_loop_lag_seconds_{what}", labels) or 0.0


async def test_only_the_time_beyond_the_wait_is_lag() -> None:
    before = {le: _seen("bucket", le=le) for le in ("0.001", "0.05", "0.2")}
    total = _seen("sum")
    loop = BusyLoop(0.0, 0.15)
    with pytest.raises(asyncio.CancelledError):
        await watch_loop_lag(loop.sleep, loop.monotonic)
    grown = {le: _seen("bucket", le=le) - count for le, count in before.items()}
    assert grown == {"0.001": 1.0, "0.05": 1.0, "0.2": 2.0}
    assert _seen("sum") - total == pytest.approx(0.15)
    assert loop.now == pytest.approx(2 * PROBE_SECONDS + 0.15)


async def test_a_service_is_watched_from_its_start_to_its_end() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield

    app = http_app("tests", lifespan, dict)
    others = asyncio.all_tasks()
    async with app.router.lifespan_context(app):
        (probe,) = asyncio.all_tasks() - others
    with pytest.raises(asyncio.CancelledError):
        await probe
    assert probe.get_coro().__name__ == "watch_loop_lag"  # type: ignore[union-attr]
