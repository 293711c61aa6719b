"""Notices as they are read: what was told about an order, a customer's inbox, how many by which channel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from chassis.keeping import Keeping
from chassis.mongo import Collection
from chassis.telemetry import masked
from services.notify.model import Notice

INBOX_MAX = 200
ORDER_MAX = 500


class Notices:
    """Reads the stored notices, which stand in their documents as `keeping` says. Every method raises StoreUnavailable
    when the database does not answer."""

    def __init__(self, records: Collection, keeping: Keeping) -> None:
        self._records = records
        self._keeping = keeping

    async def prepare(self) -> None:
        """Make the indexes these views read."""
        await self._records.ensure_index([("state.asked.order_id", 1)])
        await self._records.ensure_index([("state.asked.to.customer_id", 1), ("state.told_at", -1)])

    async def of_order(self, order_id: str) -> list[dict[str, Any]]:
        """Every notice of an order with each call that was made for it, oldest first."""
        found = await self._records.find(
            {"state.asked.order_id": order_id}, fields=["state"], sort=[("state.words.time", 1)], limit=ORDER_MAX
        )
        return [_for_staff(notice) for notice in self._read(found)]

    async def ids_of_order(self, order_id: str) -> AsyncIterator[str]:
        """The ids of every notice of an order."""
        after = ""
        while True:
            wanted = {"state.asked.order_id": order_id, "_id": {"$gt": after}}
            found = await self._records.find(wanted, fields=["_id"], sort=[("_id", 1)], limit=ORDER_MAX)
            for document in found:
                yield str(document["_id"])
            if len(found) < ORDER_MAX:
                return
            after = str(found[-1]["_id"])

    async def inbox(self, customer_id: str) -> list[dict[str, Any]]:
        """What a customer was told, newest first, whichever channel took it."""
        found = await self._records.find(
            {"state.asked.to.customer_id": customer_id, "state.told_at": {"$type": "date"}},
            fields=["state"],
            sort=[("state.told_at", -1)],
            limit=INBOX_MAX,
        )
        return [_for_customer(notice) for notice in self._read(found)]

    async def summary(self) -> dict[str, Any]:
        """`by_outcome`: outcome → channel → notices told. `waiting`: notices that have not left yet. `superseded`:
        those that never will, because a later outcome made them untrue."""
        key = {
            "outcome": "$state.asked.outcome",
            "channel": "$state.channel",
            "told": {"$gt": ["$state.told_at", None]},
            "superseded": {"$gt": ["$state.superseded_at", None]},
        }
        found = await self._records.aggregate([{"$group": {"_id": key, "count": {"$sum": 1}}}])
        table: dict[str, dict[str, int]] = {}
        waiting = superseded = 0
        for row in sorted(found, key=lambda row: (row["_id"]["outcome"], row["_id"]["channel"])):
            outcome, channel, count = row["_id"]["outcome"], row["_id"]["channel"], row["count"]
            if row["_id"]["told"]:
                by_channel = table.setdefault(outcome, {})
                by_channel[channel] = by_channel.get(channel, 0) + count
            elif row["_id"]["superseded"]:
                superseded += count
            else:
                waiting += count
        return {"by_outcome": table, "waiting": waiting, "superseded": superseded}

    def _read(self, documents: Iterable[dict[str, Any]]) -> list[Notice]:
        return [Notice.model_validate(self._keeping.opened(document)["state"]) for document in documents]


def _for_customer(notice: Notice) -> dict[str, Any]:
    return {
        "notice_id": notice.notice_id,
        "order_id": notice.asked.order_id,
        "case_id": notice.asked.case_id,
        "outcome": notice.asked.outcome,
        "title": notice.words.title,
        "text": notice.words.text,
        "channel": notice.channel,
        "told_at": notice.told_at,
    }


def _for_staff(notice: Notice) -> dict[str, Any]:
    to = notice.asked.to
    return {
        **_for_customer(notice),
        "customer_id": to.customer_id,
        "phone": masked(to.phone) if to.phone else "",
        "asked_at": notice.words.time,
        "next_call_at": notice.wake_at,
        "superseded_at": notice.superseded_at,
        "tried": [tried.model_dump() for tried in notice.tried],
    }
