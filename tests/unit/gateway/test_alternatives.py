"""The customers' door to what may help more than cancelling."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import httpx
import pytest

from contracts.alternative import PostponeDelivery
from contracts.exchange import ExchangeGoods
from tests.unit.gateway.hostile import OPERATORS, TEXTS
from tests.unit.gateway.world import World, expect_problem, problem

PATH = "/mp/v1/orders/o1/alternatives"
GOOD: dict[str, Any] = {"kind": "later-delivery", "day": "2026-03-20"}
EXCHANGE: dict[str, Any] = {"kind": "exchange", "line_no": 1, "quantity": 2, "product_id": "green"}
LATER = {"possible": True, "because": "", "chosen": None, "earliest": "2026-03-02", "latest": "2026-04-30"}


def row(product_id: str, quantity: int = 2) -> dict[str, Any]:
    return {"line_no": 1, "quantity": quantity, "product_id": product_id, "unit_price_minor": 1050}


def offered(world: World, *rows: dict[str, Any]) -> None:
    found = {"order_id": "o1", "later_delivery": LATER, "similar": rows}
    world.fake.answers["order", "GET", "/orders/o1/alternatives"] = httpx.Response(200, json=found)


def on_shelf(world: World, **pieces: int) -> None:
    stock = [{"product_id": name, "available": n} for name, n in pieces.items()]
    world.fake.answers["inventory", "POST", "/stock/look"] = httpx.Response(200, json={"stock": stock})


async def test_goods_that_are_there_in_the_pieces_that_are_wanted(world: World) -> None:
    offered(world, row("oolong"), row("sencha"), row("gone"), row("unknown"))
    on_shelf(world, oolong=2, sencha=1, gone=0)
    answer = await world.ask("GET", PATH, world.token())
    assert answer.json() == {
        "order_id": "o1",
        "later_delivery": LATER,
        "exchange": {"variants": []},
        "similar": [row("oolong")],
        "stock_known": True,
    }
    assert world.fake.seen[-1].json == {"product_ids": ["gone", "oolong", "sencha", "unknown"]}


async def test_at_most_twenty_are_shown(world: World) -> None:
    offered(world, *(row(f"p{number}") for number in range(60)))
    on_shelf(world, **{f"p{number}": 9 for number in range(60)})
    assert len((await world.ask("GET", PATH, world.token())).json()["similar"]) == 20


async def test_without_inventory_the_rest_is_shown(world: World) -> None:
    offered(world, row("oolong"))
    world.fake.away.add("inventory")
    answer = (await world.ask("GET", PATH, world.token())).json()
    assert (answer["similar"], answer["stock_known"], answer["later_delivery"]) == ([], False, LATER)


async def test_variants_are_shown_with_as_many_as_are_on_the_shelf(world: World) -> None:
    variants = [row("green", 3), row("black", 3), row("gone", 3), row("unknown", 3)]
    exchange = {"possible": True, "because": "", "variants": variants}
    found = {"order_id": "o1", "later_delivery": LATER, "exchange": exchange, "similar": []}
    world.fake.answers["order", "GET", "/orders/o1/alternatives"] = httpx.Response(200, json=found)
    on_shelf(world, green=2, black=9, gone=0)
    shown = (await world.ask("GET", PATH, world.token())).json()["exchange"]
    assert shown == {**exchange, "variants": [{**variants[0], "at_most": 2}, {**variants[1], "at_most": 3}]}
    world.fake.away.add("inventory")
    away = (await world.ask("GET", PATH, world.token())).json()
    assert (away["exchange"]["variants"], away["stock_known"]) == ([], False)


async def test_an_exchange_is_taken_by_the_same_call(world: World) -> None:
    world.fake.answers["order", "POST", "/orders/o1/exchange"] = httpx.Response(202, json={"order_id": "o1"})
    assert (await world.ask("POST", PATH, world.token(), EXCHANGE)).status_code == 202
    first = ExchangeGoods.model_validate_json(world.fake.seen[-1].body)
    assert (first.line_no, first.quantity, first.product_id, first.by.id) == (1, 2, "green", "c1")
    await world.ask("POST", PATH, world.token(), EXCHANGE)
    assert ExchangeGoods.model_validate_json(world.fake.seen[-1].body) == first
    await world.ask("POST", PATH, world.token(), GOOD)
    other = PostponeDelivery.model_validate_json(world.fake.seen[-1].body)
    assert other.request_id == first.request_id
    assert other.fingerprint != first.fingerprint


async def test_where_nothing_is_similar_inventory_is_not_asked(world: World) -> None:
    offered(world)
    assert (await world.ask("GET", PATH, world.token())).json()["stock_known"] is True
    assert all(seen.service == "order" for seen in world.fake.seen)


async def test_taken_in_the_customers_name_once_per_key(world: World) -> None:
    assert (await world.ask("POST", PATH, world.token(), GOOD)).status_code == 200
    first = PostponeDelivery.model_validate_json(world.fake.seen[-1].body)
    assert world.fake.seen[-1].target == "/orders/o1/postponement"
    assert (first.day, first.by.model_dump()) == (date(2026, 3, 20), {"kind": "customer", "id": "c1", "role": ""})
    await world.ask("POST", PATH, world.token(), GOOD)
    assert PostponeDelivery.model_validate_json(world.fake.seen[-1].body) == first
    await world.ask("POST", PATH, world.token(), {**GOOD, "day": "2026-03-21"})
    other = PostponeDelivery.model_validate_json(world.fake.seen[-1].body)
    assert other.request_id == first.request_id
    assert other.fingerprint != first.fingerprint
    await world.ask("POST", PATH, world.token(), GOOD, key="key-2")
    assert PostponeDelivery.model_validate_json(world.fake.seen[-1].body).request_id != first.request_id


async def test_why_not_is_told_as_the_order_service_tells_it(world: World) -> None:
    world.fake.answers["order", "POST", "/orders/o1/postponement"] = problem(409, "cancellation-open")
    expect_problem(await world.ask("POST", PATH, world.token(), GOOD), 409, "cancellation-open")


BAD = [
    *({**EXCHANGE, name: operator} for name in EXCHANGE for operator in OPERATORS),
    *({**EXCHANGE, name: text} for name in EXCHANGE for text in TEXTS if name != "product_id"),
    *({**EXCHANGE, name: wrong} for name in ("line_no", "quantity") for wrong in (0, -1, 1.5, True, None, 10**30)),
    *({**EXCHANGE, "product_id": wrong} for wrong in ("", "a/b", "a\x00", "x" * 65, 7, None)),
    {**EXCHANGE, "day": "2026-03-20"},
    {**GOOD, "line_no": 1},
    {**GOOD, "kind": "exchange"},
    *({**GOOD, name: operator} for name in GOOD for operator in OPERATORS),
    *({**GOOD, name: text} for name in GOOD for text in TEXTS),
    *({**GOOD, "day": day} for day in (20260320, -1, 10**30, 1.5, None, True, "2026-02-30", "2026-3-2", "20260320")),
    *({**GOOD, "day": day} for day in ("2026-03-20T00:00:00Z", "２０２６-03-20", "0000-01-01", "99999-01-01", "")),
    {**GOOD, "kind": "discount"},
    {**GOOD, "deliver_after": "2026-03-20"},
    {"kind": "later-delivery"},
    {},
    [],
]


@pytest.mark.parametrize("body", BAD, ids=[json.dumps(body)[:60] for body in BAD])
async def test_what_is_no_alternative_reaches_nobody(world: World, body: object) -> None:
    expect_problem(await world.ask("POST", PATH, world.token(), body), 422, "invalid-request")
    assert not world.fake.seen


async def test_a_parcel_may_leave_early_when_staff_say_so(world: World) -> None:
    token = world.token("s1", "staff")
    parcel = {"carrier": "SF", "tracking_number": "1"}
    await world.ask("POST", "/admin/v1/orders/o1/ship", token, parcel)
    assert world.fake.seen[-1].json["early"] is False
    await world.ask("POST", "/admin/v1/orders/o1/ship", token, {**parcel, "early": True})
    assert world.fake.seen[-1].json["early"] is True
    for wrong in (1, "true", None, {"$gt": ""}):
        answer = await world.ask("POST", "/admin/v1/orders/o1/ship", token, {**parcel, "early": wrong})
        expect_problem(answer, 422, "invalid-request")
