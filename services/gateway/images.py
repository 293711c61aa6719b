"""What a deed of the staff changes, looked at before and after it: the images of the audit trail.

Each route that is a deed has a row here: what it is about, and where that is looked at; or a word why there is nothing
to look at. Images hold no personal data, are bounded, and are read with little patience: a service that is away delays
no deed and leaves the image out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from chassis.problem import Problem
from services.gateway.clients import Service, Services, segment
from services.gateway.staff import StaffBook
from services.gateway.tokens import Caller

SECONDS = 2.0
ORDERS_MAX = 200
PRODUCTS_MAX = 20
"""Of a longer list the first ones."""
_HOUSE = "house"
_RECONCILIATION = ("reconciliation_id", "status", "run", "started_at", "finished_at", "problem", "open")


@dataclass(frozen=True, slots=True)
class About:
    """A deed that is about to be done. `params`: of its path; `content`: its body."""

    services: Services
    staff: StaffBook
    caller: Caller
    params: Mapping[str, str]
    query: str
    content: bytes


Ids = Callable[[About], Awaitable[Sequence[str]]]
Look = Callable[[About, Sequence[str]], Awaitable[Any]]


class Row(NamedTuple):
    """`of`: the ids that the deed is about; `look`: how they stand; `subjects`: whether the trail is found by them."""

    of: Ids
    look: Look
    subjects: bool = False


class Seen(NamedTuple):
    """What a deed is about, found out before it: its ids, and how to look at them."""

    row: Row | None
    ids: Sequence[str]

    @property
    def subjects(self) -> Sequence[str]:
        """The ids by which the trail is searched."""
        return self.ids if self.row is not None and self.row.subjects else ()


async def seen(route: tuple[str, str], about: About) -> Seen:
    """What the deed is about. Raises StoreUnavailable when the gateway's own database does not answer."""
    row = ROWS.get(route)
    if row is None:
        return Seen(None, ())
    try:
        return Seen(row, tuple(await row.of(about)))
    except Problem:
        return Seen(row, ())


async def image(what: Seen, about: About) -> Any:
    """How it stands now; None where there is nothing to look at, or nobody could. Raises StoreUnavailable as above."""
    if what.row is None or not what.ids:
        return None
    try:
        return await what.row.look(about, what.ids)
    except Problem:
        return None


# ── what a deed is about ─────────────────────────────────────────────────────────────────────────────────────────────
async def _order(about: About) -> Sequence[str]:
    return [about.params["order_id"]]


async def _order_of_task(about: About) -> Sequence[str]:
    return [about.params["task_id"].rsplit("-", 2)[0]]


async def _order_of_case(about: About) -> Sequence[str]:
    return [about.params["case_id"].rpartition("-c")[0]]


async def _orders_of_tasks(about: About) -> Sequence[str]:
    """The orders of a bulk command, as its own dry run finds them; a dry run changes none."""
    body = _json(about)
    if body.get("dry_run"):
        return []
    asked = {name: value for name, value in body.items() if name != "digest"} | {
        "dry_run": True,
        "request_id": "image",
        "fingerprint": "",
        "by": {"kind": about.caller.kind, "id": about.caller.sub, "role": about.caller.role},
    }
    found = await _asked(about.services.order, "/tasks/resolutions", asked)
    return list(dict.fromkeys(str(task["order_id"]) for task in (found or {}).get("tasks", ())))[:ORDERS_MAX]


async def _orders_of_export(about: About) -> Sequence[str]:
    """The orders that a deletion by an export is about; a dry run changes none."""
    if _json(about).get("dry_run"):
        return []
    found = await _asked(about.services.order, f"/exports/{segment(about.params['export_id'])}/orders")
    return [str(id) for id in (found or {}).get("order_ids", ())][:ORDERS_MAX]


async def _orders_put_back(about: About) -> Sequence[str]:
    """The orders that stand in the lines of an export, those of damaged lines left out; a dry run changes none."""
    body = _json(about)
    lines = body.get("lines")
    if body.get("dry_run") or not isinstance(lines, list):
        return []
    named = (_order_id(line) for line in lines[:ORDERS_MAX])
    return list(dict.fromkeys(id for id in named if id))


def _order_id(line: Any) -> str:
    try:
        found = json.loads(line)
    except (ValueError, TypeError, RecursionError):
        return ""
    id = found.get("order_id") if isinstance(found, dict) else None
    return id if isinstance(id, str) and id.isascii() else ""  # as ids of orders are; half a character cannot be kept


async def _path(about: About) -> Sequence[str]:
    return list(about.params.values())


async def _products(about: About) -> Sequence[str]:
    body = _json(about)
    rows = body.get("products") or body.get("receipts")
    named = (one.get("product_id") for one in rows if isinstance(one, Mapping)) if isinstance(rows, list) else ()
    return list(dict.fromkeys(id for id in named if isinstance(id, str) and id))[:PRODUCTS_MAX]


async def _day(about: About) -> Sequence[str]:
    shop = about.params.get("shop") or parse_qs(about.query).get("shop", [_HOUSE])[0]
    return [f"{segment(shop)}/{segment(about.params['day'])}", about.params.get("n", "")]


async def _myself(about: About) -> Sequence[str]:
    return [about.caller.sub]


async def _all(_: About) -> Sequence[str]:
    return ["all"]


# ── how it stands ────────────────────────────────────────────────────────────────────────────────────────────────────
async def _orders(about: About, ids: Sequence[str]) -> Any:
    return await _asked(about.services.order, "/orders/images", {"order_ids": list(ids)})


async def _coupon(about: About, ids: Sequence[str]) -> Any:
    return await _asked(about.services.order, f"/coupons/{segment(ids[0])}")


async def _policies(about: About, _: Sequence[str]) -> Any:
    found = await _asked(about.services.order, "/policies")
    return None if found is None else {"active": found.get("active"), "versions": len(found.get("versions") or ())}


async def _reasons(about: About, _: Sequence[str]) -> Any:
    found = await _asked(about.services.order, "/reasons")
    return None if found is None else {"version": found.get("version"), "reasons": len(found.get("reasons") or ())}


async def _stock(about: About, ids: Sequence[str]) -> Any:
    paths = [f"/stock/{segment(id)}" for id in ids]
    asked = [_asked(about.services.inventory, path) for path in paths]
    return {"stock": [one for one in await asyncio.gather(*asked) if one is not None]}


async def _reconciliation(about: About, ids: Sequence[str]) -> Any:
    found = await _asked(about.services.payment, f"/reconciliations/{ids[0]}")
    if found is None:
        return None
    differences = [one for one in found.get("differences", ()) if str(one.get("n")) == ids[1]]
    plain = {name: found[name] for name in _RECONCILIATION if name in found}
    return plain | ({"difference": _plain_difference(differences[0])} if differences else {})


def _plain_difference(one: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: one.get(name) for name in ("n", "kind", "subject", "state", "by", "remark")}


async def _member(about: About, ids: Sequence[str]) -> Any:
    member = await about.staff.find(ids[0])
    return {"account": about.staff.shown(member) | {"version": member.version} if member is not None else None}


async def _asked(service: Service, path: str, body: Any = None) -> Any:
    """What a service answers, None when it does not know the thing. Raises Problem when it is away."""
    content = None if body is None else json.dumps(body).encode()
    answer = await service.ask("GET" if body is None else "POST", path, body=content, seconds=SECONDS)
    if answer.status != 200:
        return None
    try:
        found = json.loads(answer.body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _json(about: About) -> Mapping[str, Any]:
    try:
        found = json.loads(about.content or b"{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


_ONE_ORDER = Row(_order, _orders)
_BY_TASK = Row(_order_of_task, _orders, subjects=True)
_BY_CASE = Row(_order_of_case, _orders, subjects=True)
_BY_DAY = Row(_day, _reconciliation)

ROWS: Mapping[tuple[str, str], Row] = {
    ("POST", "/admin/v1/orders/{order_id}/cancellation"): _ONE_ORDER,
    ("POST", "/admin/v1/orders/{order_id}/ship"): _ONE_ORDER,
    ("POST", "/admin/v1/orders/{order_id}/deliver"): _ONE_ORDER,
    ("POST", "/admin/v1/orders/{order_id}/complete"): _ONE_ORDER,
    ("POST", "/admin/v1/orders/{order_id}/deletion"): _ONE_ORDER,
    ("POST", "/admin/v1/tasks/{task_id}/done"): _BY_TASK,
    ("POST", "/admin/v1/tasks/{task_id}/resolution"): _BY_TASK,
    ("POST", "/admin/v1/tasks/{task_id}/parcel"): _BY_TASK,
    ("POST", "/admin/v1/tasks/resolutions"): Row(_orders_of_tasks, _orders, subjects=True),
    ("POST", "/admin/v1/exports/{export_id}/deletion"): Row(_orders_of_export, _orders, subjects=True),
    ("POST", "/admin/v1/restorations"): Row(_orders_put_back, _orders, subjects=True),
    ("POST", "/admin/v1/cases/{case_id}/bank-card"): _BY_CASE,
    ("POST", "/admin/v1/cases/{case_id}/withdrawal"): _BY_CASE,
    ("POST", "/admin/v1/cases/{case_id}/decision"): _BY_CASE,
    ("PUT", "/admin/v1/coupons/{code}"): Row(_path, _coupon),
    ("POST", "/admin/v1/products"): Row(_products, _stock),
    ("POST", "/admin/v1/stock-receipts"): Row(_products, _stock),
    ("POST", "/admin/v1/policies"): Row(_all, _policies),
    ("POST", "/admin/v1/policies/{version}/activation"): Row(_all, _policies),
    ("POST", "/admin/v1/reasons"): Row(_all, _reasons),
    ("POST", "/admin/v1/reconciliations/{day}"): _BY_DAY,
    ("POST", "/admin/v1/reconciliations/{shop}/{day}/differences/{n}/close"): _BY_DAY,
    ("PUT", "/admin/v1/staff/{staff_id}"): Row(_path, _member),
    ("POST", "/admin/v1/staff/{staff_id}/secrets"): Row(_path, _member),
    ("POST", "/admin/v1/session/password"): Row(_myself, _member),
}

NOTHING_TO_SEE: Mapping[tuple[str, str], str] = {
    ("DELETE", "/admin/v1/session"): "a session is open or not",
    ("POST", "/admin/v1/codes"): "a code is known to whoever reads the message",
    ("POST", "/admin/v1/orders/{order_id}/cancellation-preview"): "it changes nothing",
    ("POST", "/admin/v1/policies/{version}/preview"): "it changes nothing",
    ("POST", "/admin/v1/stock/recount"): "it compares, and changes no stock",
    ("GET", "/admin/v1/orders/{order_id}/export"): "it changes nothing",
    ("GET", "/admin/v1/exports/orders"): "it changes nothing",
    ("POST", "/admin/v1/exports"): "an export is registered once, under its checksum, which stands in the body",
}
"""Deeds without an image, and why."""
