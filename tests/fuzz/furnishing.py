"""What stands in a town before the first request: a shop with goods, and an order in each state that a route is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.fuzz.town import Town
from tests.support.shop import TEA_PRICE, Shop, eventually, shop_at

Json = dict[str, Any]
Known = Mapping[str, list[Any]]
"""Ids by the name of the parameter, or of the field of a body, that takes them."""

PARCELS = 3


async def furnish(place: Town) -> tuple[str, Known]:
    """Furnish the town; its customer, and the ids by which it can be asked for."""
    async with shop_at(place.gateway, place.sandbox) as shop:
        await shop.opens(tea=1_000, cup=1_000)
        await _variants(shop, "tea", "cup")
        waits = [await shop.paid_order(tea=2) for _ in range(2)]
        for order in waits:
            await shop.cancels(order, code="wrong-item")
        undone = await shop.paid_order(tea=1)
        await shop.cancels(undone, code="found-better")
        cancelled = await shop.paid_order(tea=1)
        await shop.cancels(cancelled)
        parcels = [await _called_back(shop) for _ in range(PARCELS)]
        stuck = [await _refused_late_payment(shop) for _ in range(2)]
        plain = [await shop.order(tea=1), *[await shop.paid_order(tea=2, cup=1) for _ in range(3)]]
        shown = [await shop.show(order) for order in (*plain, *parcels, *stuck, *waits, undone, cancelled)]
        return shop.name, _known(shop, shown)


def _known(shop: Shop, orders: list[Json]) -> Known:
    tasks = [task["task_id"] for order in orders for task in order["tasks"]]
    return {
        "order_id": [order["order_id"] for order in orders],
        "case_id": [case["case_id"] for order in orders for case in order["cases"]],
        "task_id": tasks,
        "product_id": [shop.product("tea"), shop.product("cup")],
        "version": [0, 1],
        "instead_of": [0, 1],
    }


async def _variants(shop: Shop, *names: str) -> None:
    """The same goods in two kinds, which one can be exchanged for the other."""
    listed = [
        {"product_id": shop.product(name), "name": name, "offers_minor": [TEA_PRICE], "variant_of": shop.name}
        for name in names
    ]
    answer = await shop.staff("POST", "/admin/v1/products", {"products": listed})
    assert answer.status_code == 200, answer.text


async def _called_back(shop: Shop) -> str:
    """An order whose parcel had left when it was cancelled."""
    order = await shop.paid_order(tea=1)
    left = await shop.staff("POST", f"/admin/v1/orders/{order}/ship", {"carrier": "SF", "tracking_number": "SF1"})
    assert left.status_code == 200, left.text
    cancelled = await shop.cancels(order)
    assert cancelled.status_code == 202, cancelled.text
    return order


async def _refused_late_payment(shop: Shop) -> str:
    """An order whose payment came after its cancellation, and whose refund the provider refuses."""
    await shop.trouble("refund", "error-before", nth=None, http=403, code="NO_AUTH")
    order = await shop.order(tea=1)
    prepay = await shop.starts_to_pay(order)
    await shop.cancels(order)
    await shop.comes_to(order, "cancelled")
    await shop.pays(prepay, late=True)

    async def raised() -> bool:
        return any(task["done_at"] is None for task in (await shop.show(order))["tasks"])

    await eventually(raised, f"somebody is asked about {order}")
    await shop.no_trouble()
    return order
