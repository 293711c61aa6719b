"""Whether what a service needs answers as it should, part by part."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from chassis import telemetry
from chassis.joining import NotReady

READY_CHECK_SECONDS = 3.0

Check = Callable[[], Awaitable[bool]]


async def check_all(service: str, checks: Mapping[str, Check]) -> tuple[dict[str, str | None], bool]:
    """None for what is as it should be, else why it is not (empty where nobody can say); and whether all of it is."""

    async def one(check: Check) -> str | None:
        try:
            async with asyncio.timeout(READY_CHECK_SECONDS):
                return None if await check() else ""
        except NotReady as why:
            return str(why)
        except Exception:  # why: whatever went wrong, the answer is "not ready"
            return ""

    outcomes = await asyncio.gather(*(one(check) for check in checks.values()))
    is_ready = all(why is None for why in outcomes)
    telemetry.READY.labels(service).set(int(is_ready))
    return dict(zip(checks, outcomes, strict=True)), is_ready


def partly_ready(
    service: str, checks: Callable[[], Mapping[str, Check]]
) -> Callable[[], Awaitable[dict[tuple[str, ...], float]]]:
    """The same as figures, for who looks at metrics and never asks whether it is ready."""

    async def look() -> dict[tuple[str, ...], float]:
        found, _ = await check_all(service, checks())
        return {(part,): float(why is None) for part, why in found.items()}

    return look
