"""The lists of cases that need somebody, those that have waited longest first, each answered from an index of its own.
A case that needs nobody stands in none of them, so the indexes stay small however many orders there are."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

from chassis.keeping import Keeping
from chassis.mongo import Collection
from services.order.finding import EPOCH, cursor_of
from services.order.lists import Keys, place_after
from services.order.model import Order
from services.order.views import case_view
from services.order.work import Work, WorkList, commands_of, tries_of, work_of

LISTS: tuple[WorkList, ...] = get_args(WorkList)
_SET = {"$gt": EPOCH}


class WorkLists:
    """Reads the lists from the order records, which stand in their documents as `keeping` says."""

    def __init__(self, orders: Collection, keeping: Keeping) -> None:
        self._orders = orders
        self._keeping = keeping

    async def prepare(self) -> None:
        """Make the indexes."""
        for name in LISTS:
            await self._orders.ensure_index(keys_of(name), partial={_field(name): _SET})

    async def page(self, name: WorkList, *, after: str, limit: int, now: datetime) -> dict[str, Any]:
        """The entries of a page of `limit` orders: `{"cases", "next"}`; an order with two cases in the list has two.
        Raises the problem wrong-cursor (422)."""
        works, following = await self.read(name, after=after, limit=limit)
        return {"cases": [shown(order, work, now) for order, work in works], "next": following}

    async def read(self, name: WorkList, *, after: str, limit: int) -> tuple[list[tuple[Order, Work]], str | None]:
        """The same as data: the entries, and the cursor of the next page. Raises the problem wrong-cursor (422)."""
        place, field = place_after(after), _field(name)
        since: dict[str, datetime] = {**_SET}
        wanted: dict[str, Any] = {field: since}
        if place is not None:
            since["$gte"] = place[0]
            wanted["$or"] = [{field: {"$gt": place[0]}}, {"_id": {"$gt": place[1]}}]
        keys = keys_of(name)
        found = await self._orders.find(wanted, fields=["state", field], sort=keys, limit=limit, index=keys)
        works = []
        for document in found:
            order = Order.model_validate(self._keeping.opened(document)["state"])
            works += [(order, work) for work in work_of(order) if work.list == name]
        if len(found) < limit:
            return works, None
        last = found[-1]
        return works, cursor_of(last["found_by"]["work"][name], last["_id"])


def keys_of(name: WorkList) -> Keys:
    """The index of a list."""
    return [(_field(name), 1), ("_id", 1)]


def shown(order: Order, work: Work, now: datetime) -> dict[str, Any]:
    """An entry as staff see it: the case, since when it waits (s), what was tried, its open tasks, what can be said."""
    return {
        **case_view(order, work.case),
        "list": work.list,
        "since": work.since,
        "age_seconds": int((now - work.since).total_seconds()),
        **tries_of(order, work.case, now)._asdict(),
        "tasks": [task.model_dump(exclude={"case_id", "done_at", "done_by", "note", "choice"}) for task in work.tasks],
        "commands": commands_of(work),
    }


def _field(name: WorkList) -> str:
    return f"found_by.work.{name}"
