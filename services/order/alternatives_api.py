"""HTTP in: what may help more than cancelling, and taking it. Whether goods are there only inventory knows; the gateway
asks it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter

from chassis.engine import Engine
from chassis.mongo import Collection
from contracts.alternative import PostponeDelivery
from contracts.exchange import ExchangeGoods
from services.order.catalogue import Catalogue
from services.order.exchanging import hindrance as exchange_hindrance
from services.order.instead import band, days_to_choose, in_the_way, postponed, similar
from services.order.model import Line, Order
from services.order.offer import Product
from services.order.story import customers_order
from services.order.telling import read, same_order, tell
from services.order.variants import products_wanted, variants
from services.order.views import order_view

SAME_PRICE_MAX = 50
NEAR_MAX = 100
VARIANTS_MAX = 200
LINES_MAX = 20
"""Lines of an order for which other goods are looked for."""


class Shelf:
    """The shop's goods, by category and price."""

    def __init__(self, products: Collection) -> None:
        self._products = products

    async def prepare(self) -> None:
        """Make the indexes that `near` and `variants` read."""
        await self._products.ensure_index([("category", 1), ("offers_minor", 1)])
        await self._products.ensure_index([("variant_of", 1)], partial={"variant_of": {"$gt": ""}})

    async def variants(self, lines: Sequence[Line]) -> list[Product]:
        """The goods of these lines, and all variants of them."""
        mine = await self._products.find({"_id": {"$in": list(dict.fromkeys(line.product_id for line in lines))}})
        groups = sorted({one["variant_of"] for one in mine if one.get("variant_of")})
        # The second half says what the partial index says, so that it may be read.
        wanted = {"variant_of": {"$in": groups, "$gt": ""}}
        others = await self._products.find(wanted, limit=VARIANTS_MAX) if groups else []
        found = {one["_id"]: one for one in (*mine, *others)}
        return [Product.model_validate({"product_id": id, **one}) for id, one in found.items()]

    async def near(self, line: Line, currency: str) -> list[Product]:
        """Goods of a line's category at about its price: those at the very price first, as far as they fit."""
        low, high = band(line.unit_price_minor)
        rest = {"category": line.category, "currency": currency}
        same = await self._products.find({**rest, "offers_minor": line.unit_price_minor}, limit=SAME_PRICE_MAX)
        around = await self._products.find(
            {**rest, "offers_minor": {"$elemMatch": {"$gte": low, "$lte": high}}}, limit=NEAR_MAX
        )
        found = {one["_id"]: one for one in (*same, *around)}
        return [Product.model_validate({"product_id": id, **one}) for id, one in found.items()]


def alternatives_routes(engine: Engine, shelf: Shelf, catalogue: Catalogue) -> APIRouter:
    """`GET /orders/{order_id}/alternatives`, `POST /orders/{order_id}/postponement`, `POST
    /orders/{order_id}/exchange`."""
    routes = APIRouter(tags=["alternatives"])

    @routes.get("/orders/{order_id}/alternatives")
    async def show(order_id: str) -> dict[str, Any]:
        """`{"order_id", "later_delivery", "exchange", "similar"}`; what is listed says nothing of stock."""
        order = await read(engine, order_id)
        return {
            "order_id": order_id,
            "later_delivery": _later(order, engine.clock()),
            "exchange": await _exchange(order, shelf),
            "similar": await _similar(order, shelf),
        }

    @routes.post("/orders/{order_id}/postponement")
    async def postpone(order_id: str, asked: PostponeDelivery) -> dict[str, Any]:
        """The order as it is then, as who asked may see it."""
        same_order(order_id, asked)
        cause = f"{order_id}/postpone/{asked.request_id}/{asked.fingerprint}"
        order = await tell(engine, asked, cause)
        return customers_order(order) if asked.by.kind == "customer" else order_view(order)

    @routes.post("/orders/{order_id}/exchange", status_code=202)
    async def exchange(order_id: str, asked: ExchangeGoods) -> dict[str, Any]:
        """The order as it is then, as who asked may see it: the exchange is under way, and `exchanges` tells how it
        ends."""
        same_order(order_id, asked)
        order = await read(engine, order_id)
        ready = await catalogue.variants(asked, products_wanted(order, asked))
        cause = f"{order_id}/exchange/{asked.request_id}/{asked.fingerprint}"
        after = await tell(engine, ready, cause)
        return customers_order(after) if asked.by.kind == "customer" else order_view(after)

    return routes


async def _exchange(order: Order, shelf: Shelf) -> dict[str, Any]:
    because = exchange_hindrance(order)
    lines = [] if because else [line for line in order.lines if line.left][:LINES_MAX]
    products = await shelf.variants(lines) if lines else []
    rows = [
        {
            "line_no": line.line_no,
            "quantity": line.left,
            "product_id": product.product_id,
            "name": product.name,
            "unit_price_minor": line.unit_price_minor,
            "currency": product.currency,
        }
        for line in lines
        for product in variants(order, line, products)
    ]
    return {"possible": not because, "because": because, "variants": rows}


def _later(order: Order, at: datetime) -> dict[str, Any]:
    hindrance = in_the_way(order)
    earliest, latest = days_to_choose(at)
    days = {} if hindrance else {"earliest": earliest, "latest": latest}
    return {"possible": not hindrance, "because": hindrance, "chosen": postponed(order), **days}


async def _similar(order: Order, shelf: Shelf) -> list[dict[str, Any]]:
    wanted = [line for line in order.lines if line.left][:LINES_MAX]
    return [row for line in wanted for row in similar(line, await shelf.near(line, order.currency))]
