"""What readers see of orders: one order, open cases, tasks, the order book's totals. Lists of orders: `lists`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from chassis.batcher import Shared
from chassis.keeping import Keeping
from chassis.mongo import Collection
from chassis.projection import Update
from services.order.cancellation import Cancellation
from services.order.model import Case, Order
from services.order.offer import Coupon, Product
from services.order.story import case_shown_to_all, masked_contact, shown_to_all, told_to_staff

WaitsFor = Literal["approval", "undo-window", "parcel", "person"]
BY_STATUS = [("state.cases.status", 1), ("_id", 1)]
BY_OPEN_TASK = [("state.tasks.done_at", 1), ("_id", 1)]
_HAS_TASKS = {"state.tasks.task_id": {"$exists": True}}
_STATUSES = ("open", "completed", "undone")


def order_view(order: Order) -> dict[str, Any]:
    """One order, with its lines, cases and timeline, for staff. For its customer: `story.customers_order`."""
    return {
        **shown_to_all(order),
        "hidden_at": order.hidden_at,
        "erased_at": order.erased_at,
        "cases": [case_view(order, case) for case in order.cases],
        "contact": masked_contact(order.contact.name, order.contact.phone),
        "tasks": [task.model_dump() for task in order.tasks],
        "timeline": told_to_staff(order),
    }


def case_view(order: Order, case: Case) -> dict[str, Any]:
    """One cancellation case, for staff. For its customer: `story.customers_case`."""
    refund, ruling = case.refund, case.ruling
    facts = Cancellation.of(order, case)
    return {
        **case_shown_to_all(order, case),
        "road": case.road,
        "waits_for_a_person": case.waits_for_a_person,
        "step": case.run.step,
        "approve_by": ruling.approve_by if ruling and case.waits else (),
        "rule": ruling.rule if ruling else "",
        "policy_version": ruling.policy_version if ruling else 0,
        "verdict": case.verdict.model_dump() if case.verdict else None,
        "attempts": case.run.attempts,
        "next_try_at": case.run.wake_at,
        "last_provider_code": _last_code(order, case),
        "by": case.by.model_dump(),
        "occurred_at": case.occurred_at,
        "refusal": case.refusal,
        "refund": {**refund.model_dump(), "expected_by": facts.expected_by} if refund else None,
    }


class OrderViews:
    """Reads the order records. Pages go by id: `after` is the last id of the page before."""

    def __init__(self, orders: Collection, products: Collection, coupons: Collection, keeping: Keeping) -> None:
        self._orders = orders
        self._products = products
        self._coupons = coupons
        self._keeping = keeping
        self._totals = Shared(self._added_up)

    async def prepare(self) -> None:
        """Make the indexes that the lists read."""
        await self._orders.ensure_index(BY_STATUS, partial={"state.cases.case_id": {"$exists": True}})
        await self._orders.ensure_index([("state.tasks.task_id", 1)], partial=_HAS_TASKS)
        await self._orders.ensure_index(BY_OPEN_TASK, partial=_HAS_TASKS)

    async def cases(
        self, *, status: str | None, waits_for: WaitsFor | None = None, after: str, limit: int
    ) -> dict[str, Any]:
        """The cases of a page of orders that have any; `waits_for`: only open ones that wait for this. A page may hold
        fewer than `limit`, and there are more as long as it has a `next`."""
        status = "open" if waits_for is not None else status
        wanted: dict[str, Any] = {"_id": {"$gt": after}, "state.cases.case_id": {"$exists": True}}
        wanted["state.cases.status"] = status if status is not None else {"$in": list(_STATUSES)}
        found = await self._orders.find(wanted, fields=["state"], sort=[("_id", 1)], limit=limit, index=BY_STATUS)
        orders = [Order.model_validate(self._keeping.opened(document)["state"]) for document in found]
        listed = [
            case_view(order, case)
            for order in orders
            for case in order.cases
            if status in (None, case.status) and waits_for in (None, *_waits_for(case))
        ]
        return {"cases": listed, "next": _next(found, limit)}

    async def tasks(self, *, after: str, limit: int) -> dict[str, Any]:
        """The open tasks of a page of orders that have any."""
        wanted = {"_id": {"$gt": after}, **_HAS_TASKS, "state.tasks.done_at": None}
        fields, order = ["state.tasks"], [("_id", 1)]
        found = await self._orders.find(wanted, fields=fields, sort=order, limit=limit, index=BY_OPEN_TASK)
        listed = [
            {"order_id": document["_id"], **task}
            for document in found
            for task in document["state"]["tasks"]
            if task["done_at"] is None
        ]
        return {"tasks": listed, "next": _next(found, limit)}

    async def products(self, *, after: str, limit: int) -> dict[str, Any]:
        """A page of what can be ordered."""
        shown = [name for name in Product.model_fields if name != "product_id"]
        found = await self._products.find({"_id": {"$gt": after}}, fields=shown, sort=[("_id", 1)], limit=limit)
        return {
            # One that was listed before a field was thought of does not have it.
            "products": [Product.model_validate({"product_id": one["_id"], **one}).model_dump() for one in found],
            "next": _next(found, limit),
        }

    async def put_coupon(self, coupon: Coupon) -> None:
        """Make or change a coupon."""
        fields = coupon.model_dump(exclude={"code"})
        await self._coupons.update_all([Update({"_id": coupon.code}, {"$set": fields}, upsert=True)])

    async def summary(self) -> dict[str, Any]:
        """The order book's totals, added up by the database now. Amounts in fen. Reads every order there is, so it is
        done once for all who ask while it is done, never twice at a time."""
        return await self._totals.now()

    async def _added_up(self) -> dict[str, Any]:
        states = await self._orders.aggregate(
            [
                {"$match": {"state.order_id": {"$exists": True}}},
                {
                    "$group": {
                        "_id": "$state.state",
                        "count": {"$sum": 1},
                        "total": {"$sum": "$state.total_minor"},
                        "paid": {"$sum": "$state.paid.amount_minor"},
                    }
                },
            ]
        )
        cases = await self._orders.aggregate(
            [
                {"$match": {"state.cases.case_id": {"$exists": True}}},
                {"$unwind": "$state.cases"},
                {
                    "$group": {
                        "_id": "$state.cases.status",
                        "count": {"$sum": 1},
                        "refunded": {"$sum": "$state.cases.refund.amount.amount_minor"},
                        "quantity": {"$sum": {"$sum": "$state.cases.lines.quantity"}},
                    }
                },
            ]
        )
        open_tasks = await self._orders.aggregate(
            [
                {"$match": {**_HAS_TASKS, "state.tasks.done_at": None}},
                {"$unwind": "$state.tasks"},
                {"$match": {"state.tasks.done_at": None}},
                {"$count": "n"},
            ]
        )
        return _summary(states, cases, open_tasks[0]["n"] if open_tasks else 0)


def _waits_for(case: Case) -> Iterator[WaitsFor]:
    """What an open case waits for; approval is a person, too."""
    if case.ruling is not None and case.waits and case.ruling.waits_for:
        yield case.ruling.waits_for
    if case.waits_for_a_person:
        yield "person"


def _last_code(order: Order, case: Case) -> str:
    """The provider's own word for how the case's refund stands, the last that was heard."""
    said = (one.detail.get("provider_code", "") for one in reversed(order.timeline) if one.case_id == case.case_id)
    return next((code for code in said if code), "")


def _summary(states: Sequence[dict[str, Any]], cases: Sequence[dict[str, Any]], open_tasks: int) -> dict[str, Any]:
    by_status = {row["_id"]: row for row in cases}
    completed = by_status.get("completed", {})
    return {
        "orders": {
            "by_state": {row["_id"]: row["count"] for row in states},
            "count": sum(row["count"] for row in states),
            "total_minor": sum(row["total"] for row in states),
        },
        "paid_minor": sum(row["paid"] for row in states),
        "refunded_minor": completed.get("refunded", 0),
        "cases": {
            **{status: by_status.get(status, {}).get("count", 0) for status in ("open", "completed", "undone")},
            "cancelled_quantity": completed.get("quantity", 0),
            "refunded_minor": completed.get("refunded", 0),
        },
        "open_tasks": open_tasks,
    }


def _next(found: Sequence[dict[str, Any]], limit: int) -> str | None:
    return str(found[-1]["_id"]) if len(found) == limit else None
