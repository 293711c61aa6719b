"""The load: paid orders are made beforehand; then they are cancelled one at a time, at a rate, or as many as fit."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
from rich.console import Console
from rich.progress import Progress

from tools.bench.latency import until_state
from tools.bench.watching import Told
from tools.replay.client import Outside, Shop
from tools.replay.driver import Driver
from tools.replay.opening import open_shop
from tools.replay.plan import Order, OrderLine, Product, orders_alone

PRODUCTS = tuple(Product(f"bench-{n}", f"bench {n}", "goods", (300 + n,), 1_000_000) for n in range(50))
BODY = json.dumps({"reason": {"family": "customer", "code": "changed-mind"}}).encode()
ACCEPTED = 202
TOLD_WITHIN_SECONDS = 120.0
REST_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Paid:
    """An order that is paid, and the token of the customer who will cancel it."""

    order_id: str
    token: str


@dataclass(slots=True)
class Seen:
    """Seconds from each request to the customer told; from each request to its answer; answers that accepted nothing;
    and how long all of it took."""

    told: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Customers told a second."""
        return len(self.told) / self.seconds if self.seconds else 0.0


async def paid_orders(shop: Shop, outside: Outside, count: int, console: Console) -> list[Paid]:
    """Place so many orders of as many customers, and let them be paid."""
    await outside.trouble(0, 0.0, 0.0)
    await open_shop(PRODUCTS, shop)
    await shop.begin_at_once()
    run = uuid.uuid4().hex[:8]
    orders = [_order(run, number) for number in range(count)]
    with Progress(console=console) as progress:
        bar = progress.add_task("placing and paying", total=count)
        driver = Driver(orders_alone(PRODUCTS, orders), shop, lambda done, _: progress.update(bar, completed=done))
        driven = await driver.run()
    for order in orders:
        await until_state(shop, order, driven.orders[order.invoice], "paid")
    return [Paid(driven.orders[order.invoice], await shop.token(order)) for order in orders]


def _order(run: str, number: int) -> Order:
    """Two lines, as most orders of a small shop have."""
    products = (PRODUCTS[number % len(PRODUCTS)], PRODUCTS[(number * 7 + 1) % len(PRODUCTS)])
    lines = tuple(
        OrderLine(line_no, product.product_id, 1, product.offers_minor[0])
        for line_no, product in enumerate(dict.fromkeys(products), start=1)
    )
    return Order(f"bench-{run}-{number}", f"bench-{run}-{number}", "bench", datetime.now(UTC), lines)


class Load:
    """Cancels orders through the gateway and waits until their customers are told."""

    def __init__(self, http: aiohttp.ClientSession, told: Told) -> None:
        self._http = http
        self._told = told

    async def alone(self, orders: Sequence[Paid], rest_seconds: float = REST_SECONDS) -> Seen:
        """One after the other, with a rest in which the one before comes to its end: when its customer was told, a case
        goes on until the refund has arrived."""
        seen, began = Seen(), time.perf_counter()
        for order in orders:
            await asyncio.sleep(rest_seconds)
            await self._one(order, seen, time.perf_counter())
        seen.seconds = time.perf_counter() - began
        return seen

    async def at_once(self, orders: Sequence[Paid], in_flight: int) -> Seen:
        """As fast as they go, with so many cases under way at any time; 1: one after the other."""
        seen, left, began = Seen(), iter(orders), time.perf_counter()
        async with asyncio.TaskGroup() as workers:
            for _ in range(in_flight):
                workers.create_task(self._work(left, seen))
        seen.seconds = time.perf_counter() - began
        return seen

    async def steadily(self, orders: Sequence[Paid], rate: float) -> Seen:
        """So many a second, whether earlier ones are done or not; each is measured from when it should have begun."""
        seen, began = Seen(), time.perf_counter()
        async with asyncio.TaskGroup() as cases:
            for number, order in enumerate(orders):
                due = began + number / rate
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                cases.create_task(self._one(order, seen, due))
        seen.seconds = time.perf_counter() - began
        return seen

    async def _work(self, orders: Iterator[Paid], seen: Seen) -> None:
        for order in orders:
            await self._one(order, seen, time.perf_counter())

    async def _one(self, order: Paid, seen: Seen, began: float) -> None:
        headers = {
            "Authorization": f"Bearer {order.token}",
            "Content-Type": "application/json",
            "Idempotency-Key": f"{order.order_id}-cancel",
        }
        path = f"/mp/v1/orders/{order.order_id}/cancellation"
        async with self._http.post(path, data=BODY, headers=headers) as answer:
            content = await answer.read()
        seen.answered.append(time.perf_counter() - began)
        if answer.status != ACCEPTED:
            seen.wrong.append(f"{answer.status} {content[:200].decode(errors='replace')}")
            return
        try:
            at = await self._told.until(str(json.loads(content)["case_id"]), TOLD_WITHIN_SECONDS)
        except TimeoutError:
            seen.wrong.append(f"{order.order_id}: not told within {TOLD_WITHIN_SECONDS:.0f} s")
            return
        seen.told.append(at - began)
