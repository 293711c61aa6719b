"""`kill -9` of each service in turn while cases are under way: it is started again, and no case is lost or doubled."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.shop import TEA_PRICE, Shop, eventually
from tools.stack import Stack

SERVICES = ("order", "payment", "inventory", "notify", "analytics", "gateway")
ORDERS_EACH = 4


@pytest.mark.timeout(400)
async def test_no_case_is_lost_when_services_are_killed(shop: Shop, stack: Stack) -> None:
    orders = [await shop.paid_order(tea=1) for _ in range(ORDERS_EACH * len(SERVICES))]
    for position, service in enumerate(SERVICES):
        mine = orders[position * ORDERS_EACH : (position + 1) * ORDERS_EACH]
        answers = await asyncio.gather(*(shop.cancels(order) for order in mine))
        assert {answer.status_code for answer in answers} == {202}
        restarts = stack.restarts(service)
        os.kill(stack.pid(service), signal.SIGKILL)
        await asyncio.to_thread(stack.wait_ready, service, restarts=restarts + 1)
    for order in orders:
        await shop.comes_to(order, "cancelled")
        money = await shop.money(order)
        assert money == {"payment": TEA_PRICE, "refund-accepted": TEA_PRICE, "refund-success": TEA_PRICE}
    assert await shop.on_shelf("tea") == 100
    recount = await shop.staff("POST", "/admin/v1/stock/recount", {})
    assert recount.json()["differences"] == []


def _ready(stack: Stack) -> Callable[[], Awaitable[bool]]:
    async def is_ready() -> bool:
        async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
            return (await client.get(f"http://{stack.address('order')}/ready")).status_code == 200

    return is_ready


def _not_ready(stack: Stack) -> Callable[[], Awaitable[bool]]:
    async def is_not_ready() -> bool:
        return not await _ready(stack)()

    return is_not_ready


@pytest.mark.timeout(300)
async def test_a_stopped_database_makes_services_not_ready_and_never_wrong(shop: Shop, stack: Stack) -> None:
    order = await shop.paid_order(tea=1)
    mongo = stack.pid("mongo")
    os.kill(mongo, signal.SIGSTOP)
    try:
        await eventually(_not_ready(stack), "the order service says that it is not ready")
        cancelled = await shop.cancels(order, key="while-away")
        assert cancelled.status_code == 503, cancelled.text
        assert cancelled.json()["code"] == "not-ready"
    finally:
        os.kill(mongo, signal.SIGCONT)
    await eventually(_ready(stack), "the order service is ready again")
    again = await shop.cancels(order, key="while-away")
    assert again.status_code == 202, again.text
    await shop.comes_to(order, "cancelled")
    assert (await shop.money(order))["refund-success"] == TEA_PRICE
