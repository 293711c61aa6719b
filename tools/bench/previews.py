"""How long it takes to see what cancelling an order would do, at a steady rate, and what it costs."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.progress import Progress

from tools.bench.latency import until_state
from tools.bench.steady import NO_ANSWER, Opened, Question, ask_steadily, opened, show, sign_in
from tools.place import refuse
from tools.replay import doors
from tools.replay.driver import Driver
from tools.replay.knock import Pace
from tools.replay.opening import open_shop
from tools.replay.plan import Order, OrderLine, Product, orders_alone

TARGET_MS = 60.0
CUSTOMERS = 20
PRODUCTS = tuple(Product(f"bench-{n}", f"bench {n}", "goods", (300 + n,), 1_000_000) for n in range(3))
REASON = {"reason": {"family": "customer", "code": "changed-mind"}}
IN_PART = {**REASON, "lines": [{"line_no": 1, "quantity": 1}]}


def run_bench_previews(count: int, rate: float, seconds: float) -> None:
    """Measure the stack that is up. Exit code 1 when the target is missed, 2 when it could not be measured."""
    stack = opened()
    try:
        good = asyncio.run(bench(stack, count, rate, seconds, Console()))
    except NO_ANSWER as problem:
        refuse(f"the stack does not answer: {problem!r}. See: tuidan status")
    raise typer.Exit(0 if good else 1)


async def bench(stack: Opened, count: int, rate: float, seconds: float, console: Console) -> bool:
    """Whether the p99 of previews of `count` paid orders is within the target."""
    orders = _orders(count)
    known = await _placed(stack, orders, console)
    tokens = {
        one: await sign_in(stack.sandbox, "customer", {"customer_id": one, "name": "测", "phone": "13800001111"})
        for one in sorted({order.customer_id for order in orders})
    }
    chance = random.Random(0)

    def draw() -> Question:
        order, (kind, body) = chance.choice(orders), chance.choice((("whole", REASON), ("in part", IN_PART)))
        path = f"/mp/v1/orders/{known[order.invoice]}/cancellation-preview"
        return Question(kind, path, tokens[order.customer_id], json.dumps(body).encode())

    asked, spent = await ask_steadily(stack.gateway, draw, rate, seconds, stack.watched, lambda kind, content: None)
    show(console, f"previews of {count} paid orders", asked, spent)
    return asked.is_within(TARGET_MS)


def _orders(count: int) -> list[Order]:
    run = uuid.uuid4().hex[:8]
    lines = tuple(OrderLine(n, one.product_id, 2, one.offers_minor[0]) for n, one in enumerate(PRODUCTS, start=1))
    return [
        Order(f"bench-{run}-{n}", f"bench-{n % CUSTOMERS}", "bench", datetime.now(UTC), lines) for n in range(count)
    ]


async def _placed(stack: Opened, orders: list[Order], console: Console) -> Mapping[str, str]:
    """Place them and let them be paid; their ids."""
    async with doors(stack.gateway, stack.sandbox, Pace(), None) as (shop, outside):
        await outside.trouble(0, 0.0, 0.0)
        await open_shop(PRODUCTS, shop)
        with Progress(console=console) as progress:
            bar = progress.add_task("placing orders", total=len(orders))
            plan = orders_alone(PRODUCTS, orders)
            driver = Driver(plan, shop, lambda done, _: progress.update(bar, completed=done))
            await driver.run(in_flight=8)
        for order in orders:
            await until_state(shop, order, driver.driven.orders[order.invoice], "paid")
    return driver.driven.orders
