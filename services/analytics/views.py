"""Figures, added up by the database when asked.

A row is `{"key", "count", "quantity", "amount_minor"}`: how many orders, cases or refunds, how many pieces, how much
money in minor units. Rows are sorted by key; a figure nobody has facts for has no rows. Sums over all facts read all
facts, so the collections have no index beyond their ids: one would slow writing and speed nothing up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chassis.mongo import Database
from chassis.projection import Document
from services.analytics import model

Row = dict[str, Any]
Stage = dict[str, Any]

_SUMS = ("quantity", "amount_minor")
_WITH_CASE: Sequence[Stage] = (
    {"$lookup": {"from": model.CASES, "localField": "case_id", "foreignField": "_id", "as": "case"}},
    {"$set": {"case": {"$first": "$case"}}},
)


class Figures:
    """What analytics can tell. Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def orders(self, by: str) -> list[Row]:
        """Orders placed, by month, product, category or group. An order counts once per key it has a line of."""
        return await self._rows(model.ORDER_LINES, _summed(f"${by}", _same(), count=f"$first_of.{by}"))

    async def cancellations(self, by: str) -> list[Row]:
        """Completed cases, by month (in which the case was opened), product, reason, family or group."""
        start: list[Stage] = [{"$match": {"completed": {"$exists": True}}}]
        if by == "product":
            each = _fields("completed.lines")
            unwound: list[Stage] = [{"$unwind": "$completed.lines"}]
            return await self._rows(model.CASES, start + unwound + _distinct("$completed.lines.product", "$_id", each))
        key: Any = _first("$accepted.month", "$completed.month") if by == "month" else f"$completed.{by}"
        return await self._rows(model.CASES, [*start, *_summed(key, _fields("completed"))])

    async def refunds(self, by: str) -> list[Row]:
        """Refunds that have arrived, by what their case says: its month, its products, its reason, its group.

        By product the amounts are the lines' shares of what was paid; otherwise what the customer received."""
        start: list[Stage] = [*_WITH_CASE, {"$set": {"about": _first("$case.completed", "$case.accepted")}}]
        if by == "product":
            each = {
                "quantity": _first("$about.lines.quantity", 0),
                "amount_minor": _first("$about.lines.amount_minor", "$amount_minor"),
            }
            start.append({"$unwind": {"path": "$about.lines", "preserveNullAndEmptyArrays": True}})
            key: Any = _first("$about.lines.product", model.UNKNOWN)
            return await self._rows(model.REFUNDS, start + _distinct(key, "$_id", each))
        key = _first("$case.accepted.month", "$about.month", "$month") if by == "month" else f"$about.{by}"
        each = {"quantity": _first("$about.quantity", 0), "amount_minor": _first("$amount_minor", 0)}
        return await self._rows(model.REFUNDS, start + _summed(_first(key, model.UNKNOWN), each))

    async def refund_attempts(self, by: str) -> list[Row]:
        """Calls for a refund that settled nothing, by outcome or by the provider's code; only `count` tells."""
        return await self._rows(model.REFUND_ATTEMPTS, _summed(f"${by}", {"quantity": 0, "amount_minor": 0}))

    async def stock_returns(self, by: str) -> list[Row]:
        """Pieces that cancelled cases put back on the shelf, by product. There is no money in it. What a case had put
        there before its order was given back was taken from the shelf again: a case that was undone has returned
        nothing, unless it was taken up again."""
        stays = [{"case.undone": {"$exists": False}}, {"case.completed": {"$exists": True}}]
        each = {"quantity": "$quantity", "amount_minor": 0}
        start: list[Stage] = [*_WITH_CASE, {"$match": {"$or": stays}}]
        return await self._rows(model.STOCK_RETURNS, [*start, *_distinct(f"${by}", "$case_id", each)])

    async def ratings(self, by: str) -> list[Row]:
        """Ratings of cancellations, by stars, reason, month (in which the case was opened), group, or by the answers
        given (`question=answer`): `{"key", "count", "stars"}`, where `stars` is their sum; shared out it is the
        average."""
        start: list[Stage] = [{"$unwind": "$answers"}] if by == "answer" else []
        group = {"_id": "$answers" if by == "answer" else f"${by}", "count": {"$sum": 1}, "stars": {"$sum": "$stars"}}
        found = await self._database.collection(model.RATINGS).aggregate(
            [*start, {"$group": group}, {"$sort": {"_id": 1}}]
        )
        return [{"key": str(row["_id"]), "count": row["count"], "stars": row["stars"]} for row in found]

    async def saved_orders(self, by: str) -> list[Row]:
        """Orders for which an alternative was taken and that were not cancelled later, by kind of the alternative,
        month in which the order was placed, or group: `{"key", "count"}`. An order counts once per key."""
        kept = {"$match": {"kind": {"$exists": True}, "lost": {"$exists": False}}}
        once = {"$group": {"_id": {"key": f"${by}", "of": "$order_id"}, "n": {"$sum": 1}}}
        rows = {"$group": {"_id": "$_id.key", "count": {"$sum": 1}}}
        found = await self._database.collection(model.SAVED_ORDERS).aggregate([kept, once, rows, {"$sort": {"_id": 1}}])
        return [{"key": row["_id"], "count": row["count"]} for row in found]

    async def notices(self) -> dict[str, dict[str, int]]:
        """Notices that have left: outcome → channel → how many."""
        found = await self._database.collection(model.NOTICES).aggregate(
            [{"$group": {"_id": {"outcome": "$outcome", "channel": "$channel"}, "count": {"$sum": 1}}}]
        )
        table: dict[str, dict[str, int]] = {}
        for row in sorted(found, key=lambda row: (row["_id"]["outcome"], row["_id"]["channel"])):
            table.setdefault(row["_id"]["outcome"], {})[row["_id"]["channel"]] = row["count"]
        return table

    async def _rows(self, collection: str, pipeline: Sequence[Document]) -> list[Row]:
        found = await self._database.collection(collection).aggregate([*pipeline, {"$sort": {"_id": 1}}])
        return [{"key": row["_id"], "count": row["count"], **{name: row[name] for name in _SUMS}} for row in found]


def _fields(path: str) -> dict[str, Any]:
    return {name: f"${path}.{name}" for name in _SUMS}


def _first(*choices: Any) -> dict[str, Any]:
    """The first of the choices that is there."""
    *others, last = choices
    for choice in reversed(others):
        last = {"$ifNull": [choice, last]}
    assert isinstance(last, dict)
    return last


def _summed(key: Any, each: Mapping[str, Any], *, count: Any = 1) -> list[Stage]:
    """One row per key; every document counts `count` times."""
    return [{"$group": {"_id": key, "count": {"$sum": count}, **{name: {"$sum": each[name]} for name in _SUMS}}}]


def _distinct(key: Any, of: str, each: Mapping[str, Any]) -> list[Stage]:
    """One row per key; documents of the same `of` count once together."""
    sums = {name: {"$sum": each[name]} for name in _SUMS}
    return [{"$group": {"_id": {"key": key, "of": of}, **sums}}, *_summed("$_id.key", _same())]


def _same() -> dict[str, Any]:
    return {name: f"${name}" for name in _SUMS}
