"""Which orders were exported, and as what. An export is known here only after whoever wrote it has read it back: its
checksum must be the one of the lines that are made here again from the orders as they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chassis.keeping import Keeping
from chassis.mongo import Collection
from contracts.message import OrderId
from services.order.deleting import FINISHED
from services.order.exporting import checksum, digest_of, exported
from services.order.model import Order

EXPORTS = "exports"
EXPORTED = "exported_orders"

AT_ONCE = 5
TEXT_MAX = 8_000_000
"""Characters in one page: two hundred orders of two hundred lines, read at once, take two hundred megabytes."""

_AFTER_SLASH = "0"  # the character after "/"


class Mismatch(Exception):
    """The checksum is not that of these orders as they stand now."""


class Exports:
    """Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, orders: Collection, exports: Collection, exported_orders: Collection, keeping: Keeping) -> None:
        self._orders = orders
        self._exports = exports
        self._exported = exported_orders
        self._keeping = keeping

    async def page(self, *, before: datetime, after: str, limit: int) -> dict[str, Any]:
        """Finished orders placed before a time and not erased, by id: their state as text, with its digest. Fewer than
        `limit` where they are large; there are more as long as there is a `next`."""
        wanted = {
            "state.state": {"$in": list(FINISHED)},
            "state.placed_at": {"$lt": before},
            "state.erased": None,
        }
        rows: list[dict[str, Any]] = []
        text = 0
        while len(rows) < limit and text < TEXT_MAX:
            most = min(AT_ONCE, limit - len(rows))
            found = await self._orders.find(
                {"_id": {"$gt": after}, **wanted}, fields=["state"], sort=[("_id", 1)], limit=most
            )
            for order in map(self._order, found):
                state = order.model_dump_json()
                rows.append({"order_id": order.order_id, "sha256": digest_of(order), "state": state})
                text += len(state)
            if len(found) < most:
                return {"orders": rows, "next": None}
            after = str(found[-1]["_id"])
        return {"orders": rows, "next": after}

    async def orders(self, order_ids: Sequence[str]) -> list[Order]:
        """These orders, in this order. Raises KeyError with the id of one that does not exist."""
        known = {order.order_id: order for order in await self.known(order_ids)}
        return [known[OrderId(order_id)] for order_id in order_ids]

    async def known(self, order_ids: Sequence[str]) -> list[Order]:
        """Those of these orders that there are, in no order."""
        found = await self._orders.find({"_id": {"$in": list(order_ids)}}, fields=["state"])
        return [self._order(document) for document in found if document.get("state")]

    def _order(self, document: Mapping[str, Any]) -> Order:
        return Order.model_validate(self._keeping.opened(document)["state"])

    async def register(self, order_ids: Sequence[str], sha256: str, by: str, at: datetime) -> dict[str, Any]:
        """Note an export whose file was read back with this checksum. Raises KeyError, or Mismatch when the file does
        not hold the orders as they stand. A repeat changes nothing."""
        orders = await self.orders(order_ids)
        if any(order.erased is not None for order in orders) or checksum(exported(orders)) != sha256:
            raise Mismatch
        # The lines first: an export that is known is known whole.
        await self._exported.insert_new(
            {"_id": f"{order.order_id}/{sha256}", "digest": digest_of(order), "at": at} for order in orders
        )
        await self._exports.insert_new([{"_id": sha256, "order_ids": list(order_ids), "by": by, "at": at}])
        return {"export_id": sha256, "orders": len(orders)}

    async def order_ids(self, export_id: str) -> list[str] | None:
        """Which orders an export holds; None when there is none of that id."""
        found = await self._exports.find({"_id": export_id}, limit=1)
        return [str(one) for one in found[0]["order_ids"]] if found else None

    async def digest(self, order_id: str, export_id: str) -> str | None:
        """The digest of the order's state as that export holds it; None when it does not hold the order."""
        found = await self._exported.find({"_id": f"{order_id}/{export_id}"}, limit=1)
        return str(found[0]["digest"]) if found else None

    async def covering(self, order: Order) -> str | None:
        """An export that holds the order as it stands now."""
        digest = digest_of(order)
        known = {"$gt": f"{order.order_id}/", "$lt": f"{order.order_id}{_AFTER_SLASH}"}
        found = await self._exported.find({"_id": known}, sort=[("_id", 1)])
        ids = [str(one["_id"]).partition("/")[2] for one in found if one["digest"] == digest]
        return ids[0] if ids else None
