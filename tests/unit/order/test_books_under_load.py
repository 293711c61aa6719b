"""However many ask which policy and which reasons count, the database is asked once for all who wait."""

from __future__ import annotations

import asyncio
from typing import Any

from services.order.policybook import PolicyBook
from services.order.reasonbook import ReasonBook


class Shelf:
    """An empty collection that counts how often it was read, and answers when it is let."""

    def __init__(self) -> None:
        self.reads = 0
        self.open = asyncio.Event()

    async def find(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        self.reads += 1
        await self.open.wait()
        return []


async def test_who_asks_at_once_shares_one_look_at_each_book() -> None:
    policies, reasons = Shelf(), Shelf()
    book = PolicyBook(policies, ReasonBook(reasons))  # type: ignore[arg-type]
    asking = [asyncio.create_task(one()) for _ in range(9) for one in (book.active, book.reasons.newest)]
    policies.open.set()
    reasons.open.set()
    found = await asyncio.gather(*asking)
    assert {one.version for one in found} == {0}  # type: ignore[attr-defined]
    assert (policies.reads, reasons.reads) == (1, 1)
