"""Bulk commands that were begun, so that a repeat after a crash finishes the same plan and no other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from chassis.mongo import Collection
from contracts.order import Actor
from services.order.bulk import Plan

NAME = "bulk_commands"
KEPT = timedelta(days=30)
"""After that a repeat is a new command: it needs a new dry run, and finds its tasks closed."""


class Begun(NamedTuple):
    """A bulk command under way or done. `fingerprint`: of the request that began it."""

    fingerprint: str
    plan: Plan


class BulkRuns:
    """One document per bulk command, written before its first task. All raise StoreUnavailable."""

    def __init__(self, collection: Collection) -> None:
        self._runs = collection

    async def prepare(self) -> None:
        """Make the index by which old ones are forgotten."""
        await self._runs.ensure_index([("at", 1)])

    async def find(self, request_id: str) -> Begun | None:
        """What was begun under this id."""
        found = await self._runs.find({"_id": request_id}, limit=1)
        return _begun(found[0]) if found else None

    async def begin(self, request_id: str, begun: Begun, by: Actor, at: datetime) -> Begun:
        """Write down what will be done, once; what was written first counts. Old ones are forgotten."""
        await self._runs.delete({"at": {"$lt": at - KEPT}})
        document: dict[str, Any] = {
            "_id": request_id,
            "fingerprint": begun.fingerprint,
            "plan": begun.plan.model_dump(mode="json"),
            "by": by.model_dump(),
            "at": at,
        }
        if await self._runs.insert_new([document]):
            return await self.find(request_id) or begun
        return begun


def _begun(document: dict[str, Any]) -> Begun:
    return Begun(document["fingerprint"], Plan.model_validate(document["plan"]))
