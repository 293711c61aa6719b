"""Alternatives over the order service's HTTP, and the plans of its queries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from chassis import clock
from chassis.mongo import Database
from chassis.projection import Update
from contracts import inventory
from contracts.message import CaseId, ProductId
from contracts.zone import CHINA
from services.order.alternatives_api import Shelf, alternatives_routes
from services.order.api import routes
from services.order.offer import Product
from tests.unit.order.desk import Desk
from tests.unit.order.told import CUP, ID, OPENED, RESERVED, STAFF, TEA, cancel, paid, paid_order, place

VARIANT = {"variant_of": "tea"}
TODAY = clock.now().astimezone(CHINA).date()
DAY = TODAY + timedelta(days=7)


def good(name: str, price: int, category: str = "goods", currency: str = "CNY") -> Product:
    return Product(product_id=ProductId(name), name=name, category=category, offers_minor=(price,), currency=currency)


async def opened() -> Desk:
    desk = Desk()
    desk.opens(
        routes(desk.engine, desk.catalogue, desk.views, desk.lists),
        alternatives_routes(desk.engine, Shelf(desk.products), desk.catalogue),  # type: ignore[arg-type]
    )
    await desk.sells(TEA, CUP, good("oolong", 310), good("pot", 300, "pots"), good("dollar", 300, currency="USD"))
    await desk.hears(place(), RESERVED, OPENED, paid())
    return desk


def wish(**changes: Any) -> dict[str, Any]:
    by = {"kind": "customer", "id": "c1"}
    given = {"order_id": ID, "request_id": "a1", "fingerprint": "f", "day": DAY.isoformat(), "by": by}
    return {**given, **changes}


async def test_what_may_help() -> None:
    desk = await opened()
    found = (await desk.http.get(f"/orders/{ID}/alternatives")).json()
    assert found["later_delivery"] == {
        "possible": True,
        "because": "",
        "chosen": None,
        "earliest": (TODAY + timedelta(days=1)).isoformat(),
        "latest": (TODAY + timedelta(days=60)).isoformat(),
    }
    assert [(row["line_no"], row["product_id"]) for row in found["similar"]] == [(1, "oolong")]


def exchange_wish(**changes: Any) -> dict[str, Any]:
    about = {"order_id": ID, "request_id": "e1", "fingerprint": "f", "line_no": 1, "quantity": 2, "product_id": "green"}
    return {**about, "by": {"kind": "customer", "id": "c1"}, **changes}


async def with_variants() -> Desk:
    desk = await opened()
    tea, green = TEA.model_copy(update={"variant_of": "tea"}), good("green", 300).model_copy(update=VARIANT)
    await desk.sells(tea, green, good("dear", 310).model_copy(update=VARIANT), good("pot-2", 300))
    return desk


async def test_variants_at_the_same_price_are_shown_and_taken() -> None:
    desk = await with_variants()
    found = (await desk.http.get(f"/orders/{ID}/alternatives")).json()["exchange"]
    assert (found["possible"], [(row["line_no"], row["product_id"]) for row in found["variants"]]) == (
        True,
        [(1, "green")],
    )
    answer = await desk.http.post(f"/orders/{ID}/exchange", json=exchange_wish())
    assert (answer.status_code, answer.json()["exchanges"][0]["status"]) == (202, "open")
    assert (await desk.http.post(f"/orders/{ID}/exchange", json=exchange_wish())).json() == answer.json()
    assert not {"tasks", "contact", "hidden_at"} & answer.json().keys(), "the customer reads it"
    found = (await desk.http.get(f"/orders/{ID}/alternatives")).json()["exchange"]
    assert found == {"possible": False, "because": "exchange-open", "variants": []}
    refused = await desk.http.post(f"/orders/{ID}/postponement", json=wish())
    assert (refused.status_code, refused.json()["code"]) == (409, "exchange-open")
    assert refused.headers["retry-after"] == "1"
    await desk.hears(
        inventory.StockSwapped(order_id=ID, case_id=CaseId("o1-x1")),
        inventory.StockReleased(order_id=ID, case_id=CaseId("o1-x1"), lines=(), exchanged=True),
    )
    order = (await desk.http.get(f"/orders/{ID}")).json()
    assert [(line["product_id"], line["left"]) for line in order["lines"]] == [("tea", 1), ("cup", 1), ("green", 2)]
    (row,) = (await desk.http.get("/orders")).json()["orders"]
    assert (row["goods"], row["pieces"]) == (["茶", "杯", "green"], 4)
    last = exchange_wish(request_id="e2", quantity=1)
    assert (await desk.http.post(f"/orders/{ID}/exchange", json=last)).status_code == 202
    await desk.hears(inventory.StockSwapped(order_id=ID, case_id=CaseId("o1-x2")))
    (row,) = (await desk.http.get("/orders")).json()["orders"]
    assert (row["goods"], row["pieces"]) == (["杯", "green", "green"], 4), "no tea is left"


async def test_goods_that_were_listed_before_there_were_variants_are_still_on_sale() -> None:
    desk = await opened()
    old = {"name": "旧茶", "category": "goods", "offers_minor": [300], "currency": "CNY", "revision": 1}
    await desk.products.update_all([Update({"_id": "old-tea"}, {"$set": old}, upsert=True)])
    listed = (await desk.http.get("/products", params={"after": "old", "limit": 1})).json()["products"]
    assert listed == [
        {
            "product_id": "old-tea",
            "name": "旧茶",
            "category": "goods",
            "offers_minor": [300],
            "currency": "CNY",
            "variant_of": "",
        }
    ]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"product_id": "dear"}, 422, "not-at-this-price"),
        ({"product_id": "pot-2"}, 422, "not-a-variant"),
        ({"product_id": "none-such"}, 422, "not-a-variant"),
        ({"line_no": 9}, 422, "unknown-line"),
        ({"quantity": 4}, 422, "not-so-many-left"),
        ({"by": {"kind": "customer", "id": "c2"}}, 404, "unknown-order"),
    ],
)
async def test_why_it_cannot_be_exchanged(changes: dict[str, Any], status: int, code: str) -> None:
    desk = await with_variants()
    answer = await desk.http.post(f"/orders/{ID}/exchange", json=exchange_wish(**changes))
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["detail"]["zh"]
    assert answer.json().get("left") == (3 if code == "not-so-many-left" else None)


async def test_while_it_is_being_cancelled_it_says_why_not() -> None:
    desk = await opened()
    await desk.hears(cancel())
    later = (await desk.http.get(f"/orders/{ID}/alternatives")).json()["later_delivery"]
    assert later == {"possible": False, "because": "cancellation-open", "chosen": None}
    answer = await desk.http.post(f"/orders/{ID}/postponement", json=wish())
    assert (answer.status_code, answer.json()["code"]) == (409, "cancellation-open")


async def test_taken_in_one_call_and_the_parcel_waits() -> None:
    desk = await opened()
    first = await desk.http.post(f"/orders/{ID}/postponement", json=wish())
    assert first.status_code == 200
    assert first.json()["deliver_after"]
    assert not first.json().keys() & {"tasks", "contact", "hidden_at"}, "the order as its customer sees it"
    assert (await desk.http.post(f"/orders/{ID}/postponement", json=wish())).json() == first.json()
    other = await desk.http.post(f"/orders/{ID}/postponement", json=wish(fingerprint="g"))
    assert (other.status_code, other.json()["code"]) == (409, "idempotency-key-reused")
    parcel = {"order_id": ID, "carrier": "SF", "tracking_number": "1", "by": STAFF.model_dump()}
    refused = await desk.http.post(f"/orders/{ID}/ship", json=parcel)
    assert (refused.status_code, refused.json()["code"]) == (409, "deliver-later")
    assert refused.json()["not_before"] == first.json()["deliver_after"]
    assert refused.json()["detail"]["en"]
    assert (await desk.http.post(f"/orders/{ID}/ship", json={**parcel, "early": True})).json()["state"] == "shipped"


async def test_a_day_out_of_reach_says_which_can_be_chosen() -> None:
    desk = await opened()
    answer = await desk.http.post(f"/orders/{ID}/postponement", json=wish(day="9999-12-31"))
    assert (answer.status_code, answer.json()["code"]) == (422, "day-out-of-reach")
    assert answer.json()["earliest"] == (TODAY + timedelta(days=1)).isoformat()


@pytest.mark.real
async def test_goods_are_found_by_an_index_and_as_in_memory(database: Database) -> None:
    products = database.collection("products")
    goods = [good(f"p{number:03}", number * 10, "goods" if number % 2 else "pots") for number in range(1, 120)]
    rows = [Update({"_id": one.product_id}, {"$set": one.model_dump(exclude={"product_id"})}, True) for one in goods]
    await products.update_all(rows)
    desk = Desk()
    await desk.sells(*goods)
    shelf = Shelf(products)
    await shelf.prepare()
    line = paid_order().order.lines[0]
    await database._database.command({"profile": 2})
    found = {one.product_id for one in await shelf.near(line, "CNY")}
    await database._database.command({"profile": 0})
    assert found == {f"p{number:03}" for number in range(25, 37, 2)}
    assert found == {one.product_id for one in await Shelf(desk.products).near(line, "CNY")}  # type: ignore[arg-type]
    noted = await database._database["system.profile"].find({"op": "query"}).to_list(None)
    looked = [query for query in noted if query["ns"].endswith(".products")]
    assert len(looked) == 2
    assert all("COLLSCAN" not in query["planSummary"] for query in looked)
    assert all(query["docsExamined"] <= len(found) for query in looked)


@pytest.mark.real
async def test_variants_are_found_by_an_index_and_as_in_memory(database: Database) -> None:
    products = database.collection("products")
    goods = [good(f"p{number:03}", 300) for number in range(60)]
    goods += [good(f"v{number}", 300).model_copy(update=VARIANT) for number in range(4)]
    goods += [TEA.model_copy(update=VARIANT), CUP]
    rows = [Update({"_id": one.product_id}, {"$set": one.model_dump(exclude={"product_id"})}, True) for one in goods]
    await products.update_all(rows)
    desk = Desk()
    await desk.sells(*goods)
    shelf = Shelf(products)
    await shelf.prepare()
    lines = paid_order().order.lines
    await database._database.command({"profile": 2})
    found = {one.product_id for one in await shelf.variants(lines)}
    await database._database.command({"profile": 0})
    assert found == {"tea", "cup", "v0", "v1", "v2", "v3"}
    assert found == {one.product_id for one in await Shelf(desk.products).variants(lines)}  # type: ignore[arg-type]
    noted = await database._database["system.profile"].find({"op": "query"}).to_list(None)
    looked = [query for query in noted if query["ns"].endswith(".products")]
    assert len(looked) == 2
    assert all("COLLSCAN" not in query["planSummary"] for query in looked)
    assert all(query["docsExamined"] <= len(found) for query in looked)
