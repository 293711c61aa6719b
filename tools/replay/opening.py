"""Before the first order: products on sale and their opening stock on the shelf."""

from __future__ import annotations

from collections.abc import Sequence

from tools.replay.client import Shop
from tools.replay.plan import Product


async def open_shop(products: Sequence[Product], shop: Shop) -> None:
    """List all products, fill their stock up to what the orders will buy, and wait until both can be seen.

    Stock is filled up, not added: a second replay adds nothing, a longer one on the same stack adds what is missing,
    and the receipt's id names the level reached, so that it counts once even when asked twice. Raises TimeoutError."""
    await shop.list_products(products)
    await shop.pace.again(lambda: _listed(products, shop))
    received = await _received(shop)
    receipts = [
        (f"opening-{product.product_id}-{product.opening}", product.product_id, missing)
        for product in products
        if (missing := product.opening - received.get(product.product_id, 0)) > 0
    ]
    await shop.receive_stock(receipts)
    await shop.pace.again(lambda: _on_the_shelf(products, shop))


async def _listed(products: Sequence[Product], shop: Shop) -> bool | None:
    shown = {str(row["product_id"]) async for row in shop.products()}
    return all(product.product_id in shown for product in products) or None


async def _on_the_shelf(products: Sequence[Product], shop: Shop) -> bool | None:
    received = await _received(shop)
    return all(received.get(product.product_id, 0) >= product.opening for product in products) or None


async def _received(shop: Shop) -> dict[str, int]:
    return {str(row["product_id"]): int(row["received"]) async for row in shop.stock()}
