"""How long one paid cancellation takes when nothing else happens: from the request's acceptance to refund accepted,
stock back and customer told. The times are those of the order's own timeline, so asking often does not change them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.progress import Progress

from tools.bench.steady import quantile
from tools.replay import doors
from tools.replay.client import Shop
from tools.replay.driver import Driver
from tools.replay.knock import Pace
from tools.replay.opening import open_shop
from tools.replay.plan import Cancellation, Order, OrderLine, Product, orders_alone

PRODUCT = Product("bench", "bench", "goods", (300,), 1_000_000)
CUSTOMER = "bench-1"  # one who accepts WeChat messages, as most do
MILESTONES = (
    ("refund accepted", "refund-accepted"),
    ("stock back", "stock-released"),
    ("customer told", "customer-told"),
)


async def latency(gateway: str, sandbox: str, count: int, console: Console) -> None:
    """Cancel `count` paid orders one after another; print milliseconds per milestone."""
    run = uuid.uuid4().hex[:8]
    orders = [_order(f"bench-{run}-{number}") for number in range(count)]
    async with doors(gateway, sandbox, Pace(), None) as (shop, outside):
        await outside.trouble(0, 0.0, 0.0)
        await open_shop([PRODUCT], shop)
        with Progress(console=console) as progress:
            bar = progress.add_task("placing and cancelling", total=2 * count)
            driver = Driver(orders_alone([PRODUCT], orders), shop, lambda done, _: progress.update(bar, completed=done))
            await driver.run(in_flight=8)
            timelines = []
            for number, order in enumerate(orders, start=1):
                timelines.append(await _cancel(shop, order, driver.driven.orders[order.invoice]))
                progress.update(bar, completed=count + number)
    for name, what in MILESTONES:
        taken = sorted(_milliseconds(timeline, what) for timeline in timelines)
        console.print(f"{name:16} p50 {quantile(taken, 0.50):6.1f} ms   p99 {quantile(taken, 0.99):6.1f} ms")


def _order(invoice: str) -> Order:
    line = OrderLine(1, PRODUCT.product_id, 1, PRODUCT.offers_minor[0])
    return Order(invoice, CUSTOMER, "bench", datetime.now(UTC), (line,))


async def _cancel(shop: Shop, order: Order, order_id: str) -> list[dict[str, Any]]:
    await until_state(shop, order, order_id, "paid")
    case = Cancellation(order.invoice, order.invoice, order.occurred_at, ((1, 1),), "customer", "changed-mind")
    answer = await shop.cancel(case, order_id)
    answer.raise_for_status()
    found = await until_state(shop, order, order_id, "cancelled")
    timeline: list[dict[str, Any]] = found["timeline"]
    return timeline


async def until_state(shop: Shop, order: Order, order_id: str, state: str) -> dict[str, Any]:
    """The order, as soon as it is in this state."""

    async def shown() -> dict[str, Any] | None:
        found = await shop.show(order, order_id)
        return found if found["state"] == state else None

    return await shop.pace.again(shown)


def _milliseconds(timeline: list[dict[str, Any]], what: str) -> float:
    at = {moment["what"]: datetime.fromisoformat(moment["at"]) for moment in reversed(timeline)}
    return (at[what] - at["cancellation-accepted"]).total_seconds() * 1000
