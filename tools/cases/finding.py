"""Cases that are asked for at the gateway. Every call raises Refused, or httpx.TransportError."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import httpx

from services.gateway.model import ORDER_ID_PATTERN
from tools.front import Json, Refused, asked

WorkList = Literal["stuck", "parked", "person", "approval"]
PAGE = 200
CASE = re.compile(r"(?P<order>.+)-c\d+")
"""The id of a case, with that of its order."""


class Unknown(Exception):
    """There is no such order or case; the text says so."""


@dataclass(frozen=True, slots=True)
class Found:
    """An order as staff see it; `case_id`: the one of its cases that was asked for, empty where the order was."""

    order: Json
    case_id: str = ""

    @property
    def cases(self) -> list[Json]:
        """The cases that this is about."""
        return [case for case in self.order["cases"] if self.case_id in ("", case["case_id"])]

    @property
    def open_tasks(self) -> list[Json]:
        """What somebody has to do about them."""
        ids = {case["case_id"] for case in self.cases}
        return [task for task in self.order["tasks"] if task["case_id"] in ids and task["done_at"] is None]


async def listed(http: httpx.AsyncClient, name: WorkList) -> list[Json]:
    """Every entry of a work list, the longest wait first."""
    entries: list[Json] = []
    query: dict[str, str | int] = {"list": name, "limit": PAGE}
    while True:
        page = await asked(http, "GET", "/cases", params=query)
        entries += page["cases"]
        if page["next"] is None:
            return entries
        query["after"] = page["next"]


async def find(http: httpx.AsyncClient, name: str) -> Found:
    """The order of this name, or the order of the case of this name. Raises Unknown."""
    case = CASE.fullmatch(name)
    if case is not None:
        order = await _order(http, case["order"])
        if order is not None:
            if all(one["case_id"] != name for one in order["cases"]):
                raise Unknown(f"订单没有这个取消单 · order {case['order']} has no case {name}: {_named(order)}")
            return Found(order, name)
    order = await _order(http, name)
    if order is None:
        raise Unknown(f"没有这个订单或取消单 · there is no order and no case {name}")
    return Found(order)


def one_case(found: Found) -> Json:
    """The case that is meant. Raises Unknown where an order was named: which of its cases is not for us to choose."""
    if not found.case_id:
        raise Unknown(f"请指定取消单 · {found.order['order_id']} is an order, name a case: {_named(found.order)}")
    return found.cases[0]


async def _order(http: httpx.AsyncClient, order_id: str) -> Json | None:
    if not re.fullmatch(ORDER_ID_PATTERN, order_id):
        return None
    try:
        return await asked(http, "GET", f"/orders/{order_id}")
    except Refused as refusal:
        if refusal.code == "unknown-order":
            return None
        raise


def _named(order: Json) -> str:
    return ", ".join(case["case_id"] for case in order["cases"]) or "无取消单 it has none"
