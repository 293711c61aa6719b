"""A customer's wish to cancel is about one of her own orders, or about nothing."""

from __future__ import annotations

import pytest

from contracts.order import Actor
from tests.unit.order.desk import paid_at_the_desk
from tests.unit.order.told import ID, cancel

STRANGER = Actor(kind="customer", id="c2")


@pytest.mark.parametrize("what", ["cancellation", "cancellation-preview"])
async def test_somebody_elses_order_and_none_look_the_same(what: str) -> None:
    desk = await paid_at_the_desk()
    wish = cancel(by=STRANGER).asked.model_dump(mode="json")
    strange = await desk.http.post(f"/orders/{ID}/{what}", json=wish)
    missing = await desk.http.post(f"/orders/o9/{what}", json={**wish, "order_id": "o9"})
    assert (strange.status_code, strange.json()["code"]) == (404, "unknown-order")
    assert strange.json() == missing.json()
    assert (await desk.http.get(f"/orders/{ID}")).json()["cases"] == []
