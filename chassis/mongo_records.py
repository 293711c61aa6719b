"""Records of one kind in one collection of MongoDB (`store.Store`), in terms of `mongo.Collection`: nothing here knows
the driver."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from chassis.keeping import Keeping
from chassis.projection import Document, Update
from chassis.record import Record
from chassis.store import NEVER_CLAIMED, Unanswered

if TYPE_CHECKING:
    from chassis.mongo import Collection

_SET: Document = {"$gt": datetime(1970, 1, 1, tzinfo=UTC)}
"""A time that is there. MongoDB reads a partial index only for a query that says the same as the index."""


class MongoRecords:
    """Records of one kind in one collection (see `store.Store`)."""

    def __init__(self, collection: Collection, keeping: Keeping) -> None:
        self._collection = collection
        self._keeping = keeping
        self._token = f"{uuid4().hex[:12]}-"
        self._saves = count()
        self._unanswered = Unanswered()

    async def prepare(self) -> None:
        """Make the indexes that the sweep and the timers read."""
        await self._collection.ensure_index([("touched_at", 1)], partial={"unsaid.0": {"$exists": True}})
        await self._collection.ensure_index([("wake_at", 1)], partial={"wake_at": _SET})

    async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
        if certain:
            found = await self._collection.find_certainly(ids)
        else:
            found = await self._collection.find({"_id": {"$in": list(ids)}})
        return {one["_id"]: self._unanswered.marked(self._keeping.record(one), one) for one in found}

    async def save(self, records: Sequence[Record[Any]]) -> set[str]:
        token = f"{self._token}{next(self._saves)}"
        ids = [record.id for record in records]
        with self._unanswered.asking(ids, token):
            result = await self._collection.update_all([self._save(record, token) for record in records])
            if result.matched + result.upserted == len(records):
                return set()
            stored = await self._collection.find({"_id": {"$in": ids}}, fields=["saved_by"])
        ours = {document["_id"] for document in stored if document.get("saved_by") == token}
        return set(ids) - ours

    async def mark_said(self, said: Mapping[str, Iterable[str]]) -> None:
        await self._collection.update_all(
            Update({"_id": id}, {"$pull": {"unsaid": {"$in": list(messages)}}}) for id, messages in said.items()
        )

    async def unsaid(self, before: datetime, limit: int) -> list[Record[Any]]:
        wanted = {"unsaid.0": {"$exists": True}, "touched_at": {"$lt": before}}
        return await self._keeping.first_readable(
            lambda most: self._collection.find(wanted, sort=[("touched_at", 1)], limit=most), limit
        )

    async def claim(self, record: Record[Any], at: datetime) -> bool:
        result = await self._collection.update_all(
            [Update(_as_seen(record), {"$set": {"touched_at": at}, "$inc": {"attempts": 1}})]
        )
        return result.matched == 1

    async def renew(self, ids: Sequence[str], at: datetime) -> None:
        await self._collection.update_all(
            Update({"_id": id, "unsaid.0": {"$exists": True}}, {"$set": {"touched_at": at}}) for id in ids
        )

    async def hand_over(self, records: Sequence[Record[Any]], at: datetime) -> None:
        change = {"$set": {"touched_at": at, "attempts": NEVER_CLAIMED}}
        await self._collection.update_all(Update(_as_seen(record), change) for record in records)

    async def due(self, at: datetime, limit: int) -> list[tuple[str, datetime]]:
        found = await self._collection.find(
            {"wake_at": {**_SET, "$lte": at}}, fields=["wake_at"], sort=[("wake_at", 1)], limit=limit
        )
        return [(document["_id"], document["wake_at"]) for document in found]

    async def ping(self) -> None:
        await self._collection.find({"_id": ""}, fields=["_id"], limit=1)

    def _save(self, record: Record[Any], token: str) -> Update:
        entries = self._keeping.entries(record)
        change: dict[str, Any] = {
            "$set": {**self._keeping.document(record), "version": record.version + 1, "saved_by": token},
        }
        if record.pruned:
            change["$set"]["journal"] = entries
        else:
            change["$push"] = {"journal": {"$each": entries}}
        unmarked = {"unsaid": list(record.unsaid_before)} if record.version else {}
        return Update({"_id": record.id, "version": record.version, **unmarked}, change, upsert=record.version == 0)


def _as_seen(record: Record[Any]) -> Document:
    """The filter for a record that nobody has claimed or saved since."""
    return {"_id": record.id, "touched_at": record.touched_at, "attempts": record.attempts}
