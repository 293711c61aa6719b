"""Reading what the judge is shown: the sandbox's ledgers, the pages, the shelf, the audit trail."""

from __future__ import annotations

import re
from collections import Counter

from services.gateway.auth import RIGHTS
from tools.drill.day.judge import Deed, Evidence, Promised, Route
from tools.drill.day.people import Member
from tools.drill.day.world import Day

PAGE = "500"
NO_DEED = "/admin/v1/session/refresh"
"""Staying signed in is nothing that the trail writes down."""


async def gather(day: Day) -> Evidence:
    """Everything, as it is now."""
    boss = day.staff["administrator"]
    done = {member.staff_id: _deeds(member) for member in day.staff.values()}
    trail = {member.staff_id: await _trail(day, member) for member in day.staff.values()}
    orders = {}
    for order_id, promise in day.orders.items():
        page = await boss.sees(f"/admin/v1/orders/{order_id}")
        orders[order_id] = Promised(
            promise.customer.openid,
            promise.paid_minor,
            promise.back_minor,
            promise.outcomes,
            int(page["paid_minor"]),
            int(page["refunded_minor"]),
        )
    checked = await day.outside.check()
    counted = await boss.does("POST", "/admin/v1/stock/recount")
    return Evidence(
        orders=orders,
        money=[line async for line in day.money()],
        messages=[line async for line in day.messages()],
        codes=day.codes,
        violations=[f"{found['rule']}: {found['subject']} ({found['found']})" for found in checked["violations"]],
        shelf=await _shelf(day),
        stock_differences=[
            one for one in counted["differences"] if one["product_id"] in {g.product_id for g in day.goods.values()}
        ],
        deeds=done,
        trail=trail,
        asked=_routes(day),
        left_out=frozenset(day.left_out),
    )


async def _shelf(day: Day) -> dict[str, tuple[int, int]]:
    keeper = day.staff["warehouse"]
    found = {}
    for goods in day.goods.values():
        kept = sum(promise.pieces[goods.product_id] for promise in day.orders.values())
        there = int((await keeper.sees(f"/admin/v1/stock/{goods.product_id}"))["available"])
        found[goods.product_id] = (goods.opening - kept, there)
    return found


def _deeds(member: Member) -> Counter[Deed]:
    return Counter(deed for deed in member.deeds if deed[1] != NO_DEED)


async def _trail(day: Day, member: Member) -> Counter[Deed]:
    """What the trail says this member of staff did."""
    boss, found, after = day.staff["administrator"], Counter[Deed](), ""
    while True:
        page = await boss.sees(
            "/admin/v1/audit", staff=member.staff_id, limit=PAGE, **({"after": after} if after else {})
        )
        found.update((str(one["method"]), str(one["path"]), int(one["status"] or 0)) for one in page["entries"])
        if page["next"] is None:
            return found
        after = str(page["next"])


def _routes(day: Day) -> frozenset[Route]:
    """The routes that were used: a path may fit `/stock/recount` and `/stock/{product_id}`, and is the former."""
    asked = {route for person in day.people for route in person.asked}
    return frozenset(found for method, path in asked if (found := route_of(method, path)) is not None)


def route_of(method: str, path: str) -> Route | None:
    """The row of the table of rights that a request used."""
    rows = [right for right in RIGHTS if right.method == method and _pattern(right.path).fullmatch(path)]
    if not rows:
        return None
    row = min(rows, key=lambda right: right.path.count("{"))
    return row.method, row.path


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(path)))
