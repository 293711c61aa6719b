"""The gateway's door for deleting orders, as the command asks at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import httpx

from tools.front import Json, asked
from tools.orders.files import Export

PAGE = 200
BATCH_BYTES_MAX = 400_000
"""Of lines in one request: escaped they stay below what the gateway takes."""


class Door:
    """Every call raises Refused, or httpx.TransportError when nobody answers."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def orders(self, before: str) -> AsyncIterator[list[Json]]:
        """Pages of finished orders that were placed before a time: `order_id`, `sha256`, `state`."""
        after = ""
        while True:
            page = await self.page(before, after)
            if page["orders"]:
                yield page["orders"]
            if page["next"] is None:
                return
            after = page["next"]

    async def page(self, before: str, after: str) -> Json:
        """One page of them."""
        query: dict[str, str | int] = {"before": before, "limit": PAGE}
        return await self._ask("GET", "/exports/orders", params=query | ({"after": after} if after else {}))

    async def register(self, export: Export) -> None:
        """An export was written and read back."""
        await self._ask("POST", "/exports", {"order_ids": export.order_ids, "sha256": export.sha256})

    async def would_delete(self, order_id: str) -> Json:
        """What deleting an order would do."""
        return await self._ask("GET", f"/orders/{order_id}/deletion")

    async def total(self, export: Export) -> int:
        """What the code for deleting an export's orders is bound to, fen."""
        return int((await self._ask("GET", f"/exports/{export.sha256}/deletion"))["amount_minor"])

    async def send_code(self, export: Export, amount_minor: int) -> str:
        """Have the code for deleting an export's orders sent to whoever is signed in; where it went, masked."""
        wish = {"action": "delete-orders", "order_id": export.sha256, "amount_minor": amount_minor}
        return str((await self._ask("POST", "/codes", wish))["sent_to"])

    async def delete(self, export: Export, reason: str, code: str) -> list[Json]:
        """Delete an export's orders; what came of each."""
        body = {"reason": reason, "code": code}
        found = await self._ask("POST", f"/exports/{export.sha256}/deletion", body)
        return list(found["orders"])

    async def restore(self, export: Export, *, dry_run: bool) -> AsyncIterator[list[Json]]:
        """Put an export's orders back; what came of each, a batch at a time."""
        for batch in _batches([line.text for line in export.lines]):
            found = await self._ask("POST", "/restorations", {"lines": batch, "dry_run": dry_run})
            yield list(found["orders"])

    async def _ask(
        self, method: str, path: str, body: Json | None = None, *, params: dict[str, str | int] | None = None
    ) -> Json:
        return await asked(self._http, method, path, body, params=params)


def _batches(lines: Sequence[str]) -> list[list[str]]:
    batches: list[list[str]] = []
    size = 0
    for line in lines:
        length = len(line.encode())
        if not batches or size + length > BATCH_BYTES_MAX:
            batches.append([])
            size = 0
        batches[-1].append(line)
        size += length
    return batches
