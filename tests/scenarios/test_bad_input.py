"""Bad input over the public door: a problem document with a code and two sentences, and nothing changed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.shop import TEA_PRICE, Shop, shop_at
from tools.stack import Stack

CONTACT = {"name": "张三", "phone": "13800001111"}


def check_problem(answer: httpx.Response, status: int, code: str) -> None:
    document = answer.json()
    assert (answer.status_code, document["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert document["detail"]["zh"]
    assert document["detail"]["en"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"product_id": "nothing"}, 422, "unknown-product"),
        ({"quantity": 0}, 422, "invalid-request"),
        ({"quantity": -1}, 422, "invalid-request"),
        ({"quantity": 10**9}, 422, "invalid-request"),
        ({"unit_price_minor": TEA_PRICE - 1}, 422, "price-changed"),
        ({"currency": "USD"}, 422, "wrong-currency"),
    ],
)
async def test_an_order_that_makes_no_sense(shop: Shop, change: dict[str, Any], status: int, code: str) -> None:
    line = {"product_id": shop.product("tea"), "quantity": 1, "unit_price_minor": TEA_PRICE}
    body = {"currency": change.get("currency", "CNY"), "contact": CONTACT}
    body["lines"] = [{**line, **{name: value for name, value in change.items() if name != "currency"}}]
    check_problem(await shop.customer("POST", "/mp/v1/orders", body), status, code)
    assert await shop.on_shelf("tea") == 100


async def test_a_body_that_is_no_json(shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {await shop.token('customer', 'x')}", "Idempotency-Key": "k"}
    answer = await shop.gateway.post("/mp/v1/orders", content=b'{"lines": [', headers=headers)
    check_problem(answer, 422, "invalid-request")


async def test_somebody_elses_order(shop: Shop, stack: Stack) -> None:
    order = await shop.paid_order(tea=1)
    async with shop_at(f"http://{stack.address('gateway')}", f"http://{stack.address('sandbox')}") as stranger:
        check_problem(await stranger.cancels(order), 404, "unknown-order")
        wish = {"reason": {"family": "customer", "code": "changed-mind"}}
        preview = await stranger.customer("POST", f"/mp/v1/orders/{order}/cancellation-preview", wish)
        check_problem(preview, 404, "unknown-order")
        check_problem(await stranger.customer("GET", f"/mp/v1/orders/{order}"), 404, "unknown-order")
    assert (await shop.show(order))["state"] == "paid"


async def test_cancelling_twice_too_much_or_too_late(shop: Shop) -> None:
    order = await shop.paid_order(tea=2)
    check_problem(await shop.cancels(order, (1, 3)), 422, "more-than-was-bought")
    check_problem(await shop.cancels(order, (7, 1)), 422, "unknown-line")
    assert (await shop.show(order))["cases"] == []
    assert (await shop.cancels(order, key="once")).status_code == 202
    await shop.comes_to(order, "cancelled")
    check_problem(await shop.cancels(order), 409, "already-cancelled")
    assert (await shop.cancels(order, key="once")).status_code == 202, "the same request has the same answer"
    assert (await shop.money(order))["refund-success"] == 2 * TEA_PRICE


async def test_cancelling_a_completed_order(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    parcel = {"carrier": "SF", "tracking_number": "SF1"}
    for step, body in (("ship", parcel), ("deliver", {}), ("complete", {})):
        moved = await shop.staff("POST", f"/admin/v1/orders/{order}/{step}", body)
        assert moved.status_code == 200, moved.text
        if step == "ship":
            continue  # a parcel under way may still be had back
        code = {"deliver": "already-shipped", "complete": "already-completed"}[step]
        check_problem(await shop.cancels(order), 409, code)
    assert "refund-accepted" not in await shop.money(order)


async def test_a_key_used_for_another_body(shop: Shop) -> None:
    line = {"product_id": shop.product("tea"), "quantity": 1, "unit_price_minor": TEA_PRICE}
    body = {"currency": "CNY", "lines": [line], "contact": CONTACT}
    first = await shop.customer("POST", "/mp/v1/orders", body, key="the-key")
    again = await shop.customer("POST", "/mp/v1/orders", body, key="the-key")
    assert first.json()["order_id"] == again.json()["order_id"]
    other = {**body, "lines": [{**line, "quantity": 2}]}
    check_problem(await shop.customer("POST", "/mp/v1/orders", other, key="the-key"), 409, "idempotency-key-reused")


async def test_a_wish_without_a_key_or_a_token(shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {await shop.token('customer', shop.name)}"}
    check_problem(await shop.gateway.post("/mp/v1/orders", json={}, headers=headers), 400, "idempotency-key-required")
    answer = await shop.gateway.get("/admin/v1/orders", headers=headers)
    assert answer.status_code == 403
    assert (await shop.gateway.get("/mp/v1/orders")).status_code == 401
