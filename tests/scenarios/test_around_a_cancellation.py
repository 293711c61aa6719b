"""What else a customer meets around a cancellation: the order moves before their eyes, something else is offered, and
in the end they are asked how it went."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.shop import Shop, eventually


async def events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, int, Any]]:
    """Events as a browser reads them: name, id, data."""
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        else:
            if "event" in fields:
                yield fields["event"], int(fields.get("id", 0)), json.loads(fields["data"])
            fields = {}


async def test_an_order_moves_before_the_customers_eyes(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    headers = {"Authorization": f"Bearer {await shop.token('customer', shop.name)}"}
    seen: list[tuple[int, str]] = []
    async with shop.gateway.stream("GET", f"/mp/v1/orders/{order}/live", headers=headers) as live:
        assert live.headers["content-type"].startswith("text/event-stream")
        async for _, version, shown in events(live.aiter_lines()):
            seen.append((version, shown["state"]))
            if len(seen) == 1:
                assert (await shop.cancels(order)).status_code == 202
            if shown["state"] == "cancelled":
                break
    versions = [version for version, _ in seen]
    assert versions == sorted(set(versions)), "each state once, in order"
    assert seen[0][1] == "paid"
    assert seen[-1][1] == "cancelled"


async def test_a_later_delivery_in_place_of_a_cancellation(shop: Shop) -> None:
    order = await shop.paid_order(tea=2)
    shown = (await shop.customer("GET", f"/mp/v1/orders/{order}/alternatives")).json()
    assert shown["later_delivery"]["possible"]
    assert shop.product("cup") in {row["product_id"] for row in shown["similar"]}, "same category, same price, in stock"
    day = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    taken = await shop.customer("POST", f"/mp/v1/orders/{order}/alternatives", {"kind": "later-delivery", "day": day})
    assert taken.status_code == 200, taken.text
    parcel = {"carrier": "SF", "tracking_number": f"SF-{order}"}
    refused = await shop.staff("POST", f"/admin/v1/orders/{order}/ship", parcel)
    assert (refused.status_code, refused.json()["code"]) == (409, "deliver-later")

    async def saved() -> bool:
        rows = (await shop.staff("GET", "/admin/v1/figures/saved-orders?by=kind")).json()["rows"]
        return any(row["key"] == "later-delivery" and row["count"] >= 1 for row in rows)

    await eventually(saved, "the order counts as saved")
    early = await shop.staff("POST", f"/admin/v1/orders/{order}/ship", {**parcel, "early": True})
    assert early.json()["state"] == "shipped"


async def test_a_customer_says_how_it_went(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    case = (await shop.cancels(order)).json()["case_id"]
    await shop.comes_to(order, "cancelled")
    asked = (await shop.customer("GET", "/mp/v1/questionnaire")).json()
    answers = {question["word"]: question["choices"][0]["word"] for question in asked["questions"]}
    rating = {"questionnaire": asked["version"], "stars": 4, "answers": answers, "remark": "谢谢"}
    path = f"/mp/v1/orders/{order}/cases/{case}/rating"
    assert (await shop.customer("POST", path, rating)).status_code == 200
    assert (await shop.customer("POST", path, rating)).json()["stars"] == 4
    refused = await shop.customer("POST", path, {**rating, "stars": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "already-rated")

    async def counted() -> bool:
        rows = (await shop.staff("GET", "/admin/v1/figures/ratings?by=stars")).json()["rows"]
        return [row["count"] for row in rows if row["key"] == "4"] == [1]

    await eventually(counted, "the rating is counted once")
    assert (await shop.show(order))["cases"][0]["rating"]["remark"] == "谢谢"
