"""Reading the three books once everything is still: the sandbox's ledger line by line, the other two order by order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator

from tools.drill.books import OrderEntry, entry
from tools.drill.doors import Doors
from tools.drill.judge import FINAL_OF
from tools.drill.ledger import FINAL, Ledger

READERS = 8


async def read_ledger(doors: Doors) -> Ledger:
    """The sandbox's ledger, and what it finds wrong with it itself."""
    ledger = Ledger()
    async for line in doors.outside.money():
        ledger.add_money(line)
    async for line in doors.outside.messages():
        ledger.add_message(line)
    violations = (await doors.outside.check())["violations"]
    ledger.violations = [f"{found['rule']}: {found['subject']} ({found['found']})" for found in violations]
    return ledger


async def read_orders(doors: Doors) -> dict[str, OrderEntry]:
    """Every order there is, with its payment."""
    orders: dict[str, OrderEntry] = {}
    ids = (str(row["order_id"]) async for row in doors.shop.orders())
    lock = asyncio.Lock()

    async def read() -> None:
        while (order_id := await _next(ids, lock)) is not None:
            orders[order_id] = entry(await doors.order_page(order_id), await doors.payment_page(order_id))

    async with asyncio.TaskGroup() as readers:
        for _ in range(READERS):
            readers.create_task(read())
    return orders


async def _next(ids: AsyncIterator[str], lock: asyncio.Lock) -> str | None:
    async with lock:  # an async generator may be asked by one at a time only
        return await anext(ids, None)


async def read_inbox(doors: Doors, orders: dict[str, OrderEntry], ledger: Ledger) -> dict[str, list[str]]:
    """Final outcomes that no outside channel took, by order. Only orders that seem to have heard too little are asked
    for: all other customers were told by a channel that the ledger knows."""
    inbox: dict[str, list[str]] = {}
    for order in orders.values():
        wanted = Counter(FINAL_OF[case.status] for case in order.cases if case.status in FINAL_OF)
        told = Counter(one.outcome for one in ledger.told.get(order.order_id, ()))
        if wanted - told:
            notices = await doors.shop.notices(order.order_id)
            inbox[order.order_id] = [
                str(notice["outcome"])
                for notice in notices
                if notice["channel"] == "inbox" and notice["told_at"] and notice["outcome"] in FINAL
            ]
    return inbox
