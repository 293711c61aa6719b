"""How things stood before and after a deed, in the audit trail."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import count
from typing import Any

import httpx
import pytest

from services.gateway.auth import RIGHTS
from services.gateway.images import NOTHING_TO_SEE, ROWS
from services.gateway.trail import IMAGE_MAX, shown_in_trail
from tests.unit.gateway.world import BODIES, Json, World, expect_problem, problem

DEEDS = {(right.method, right.path) for right in RIGHTS if right.is_deed}


async def told(world: World, query: str = "") -> list[Json]:
    """The trail, as an administrator reads it."""
    answer = await world.ask("GET", f"/admin/v1/audit{query}", world.token("s1", "staff", role="administrator"))
    found: list[Json] = answer.json()["entries"]
    return found


def versions(world: World) -> None:
    """Orders whose version grows each time somebody looks."""
    numbers = count(1)

    def answer(method: str, path: str, content: bytes) -> httpx.Response | None:
        if path != "/orders/images":
            return None
        named = json.loads(content)["order_ids"]
        rows = [{"order_id": id, "version": next(numbers), "contact": {"phone": "13800138000"}} for id in named]
        return httpx.Response(200, json={"orders": rows})

    world.fake.answer_by["order"] = answer


def seen(entry: Json, name: str) -> list[tuple[str, int]]:
    return [(one["order_id"], one["version"]) for one in entry[name]["orders"]]


def test_every_deed_has_an_image_or_says_why_there_is_none() -> None:
    assert set(ROWS) | set(NOTHING_TO_SEE) == DEEDS
    assert not set(ROWS) & set(NOTHING_TO_SEE)


@pytest.mark.parametrize(
    ("path", "orders"),
    [
        ("/admin/v1/orders/o1/deliver", ["o1"]),
        ("/admin/v1/tasks/o1-c1-t2/resolution", ["o1"]),
        ("/admin/v1/cases/o1-c1/decision", ["o1"]),
    ],
)
async def test_an_order_is_looked_at_before_and_after(world: World, path: str, orders: list[str]) -> None:
    versions(world)
    body = {"deliver": {}, "resolution": {"choice": "transfer"}, "decision": {"approve": True}}[path.rpartition("/")[2]]
    assert (await world.ask("POST", path, world.token("s1", "staff"), body)).status_code == 200
    (entry,) = await told(world, "?subject=o1")
    assert seen(entry, "before") == [(id, place + 1) for place, id in enumerate(orders)]
    assert seen(entry, "after") == [(id, len(orders) + place + 1) for place, id in enumerate(orders)]
    assert (entry["outcome"], entry["status"]) == ("done", 200)
    assert "13800138000" not in str(world.database.collections["audit"].documents)


async def test_a_bulk_command_stands_with_all_its_orders(world: World) -> None:
    versions(world)
    orders = world.fake.answer_by["order"]
    dry_runs: list[Json] = []

    def answer(method: str, path: str, content: bytes) -> httpx.Response | None:
        if path == "/tasks/resolutions" and json.loads(content)["dry_run"]:
            dry_runs.append(json.loads(content))
            return httpx.Response(200, json={"tasks": [{"order_id": "o1"}, {"order_id": "o2"}, {"order_id": "o1"}]})
        return orders(method, path, content)

    world.fake.answer_by["order"] = answer
    body = {"command": "give-up", "list": "person", "digest": "a" * 64}
    answered = await world.ask("POST", "/admin/v1/tasks/resolutions", world.token("s1", "staff"), body)
    assert answered.status_code == 200
    (entry,) = await told(world, "?subject=o2")
    assert (seen(entry, "before"), seen(entry, "after")) == ([("o1", 1), ("o2", 2)], [("o1", 3), ("o2", 4)])
    assert [(one["list"], one["command"], "digest" in one) for one in dry_runs] == [("person", "give-up", False)]


async def test_a_deletion_by_an_export_stands_with_all_its_orders(world: World) -> None:
    versions(world)
    export = "e" * 64
    path = f"/admin/v1/exports/{export}/deletion"
    orders = httpx.Response(200, json={"export_id": export, "order_ids": ["o1", "o2"]})
    world.fake.answers["order", "GET", f"/exports/{export}/orders"] = orders
    world.fake.answers["order", "POST", f"/exports/{export}/deletion"] = httpx.Response(200, json={"orders": []})
    boss = world.token("s1", "staff", role="administrator")
    body = {
        name: value for name, value in BODIES["/admin/v1/exports/{export_id}/deletion"].items() if name != "dry_run"
    }
    await world.ask("POST", path, boss, body)
    (entry,) = await told(world, "?subject=o2")
    assert seen(entry, "before") == [("o1", 1), ("o2", 2)]
    assert (entry["outcome"], entry["after"]) == ("unknown", None), "nobody knows codes here"


async def test_orders_that_are_put_back_are_looked_at_before_and_after(world: World) -> None:
    versions(world)
    world.fake.answers["order", "POST", "/restorations"] = httpx.Response(200, json={"orders": []})
    boss = world.token("s1", "staff", role="administrator")
    half = r'{"order_id":"\ud800"}'  # as no database keeps it
    whole = '{"format":"tuidan-order/1","order_id":"o1"}'
    lines = [whole, "damaged", '{"order_id":7}', half, "[]", '{"order_id":"o2"}']
    answer = await world.ask("POST", "/admin/v1/restorations", boss, {"lines": lines})
    assert answer.status_code == 200, answer.text
    (entry,) = await told(world, "?subject=o2")
    assert (seen(entry, "before"), seen(entry, "after")) == ([("o1", 1), ("o2", 2)], [("o1", 3), ("o2", 4)])


@pytest.mark.parametrize(
    "path", ["/admin/v1/tasks/resolutions", "/admin/v1/exports/{export_id}/deletion", "/admin/v1/restorations"]
)
async def test_a_dry_run_has_no_image(world: World, path: str) -> None:
    body = {**BODIES[path], "dry_run": True}
    boss = world.token("s1", "staff", role="administrator")
    await world.ask("POST", path.replace("{export_id}", "e" * 64), boss, body)
    (entry,) = await told(world)
    assert (entry["before"], entry["after"], entry["outcome"]) == (None, None, "done")
    assert not world.fake.looked


async def test_an_account_is_shown_as_it_was_and_as_it_is(world: World) -> None:
    boss = world.token("s1", "staff", role="administrator")
    person = BODIES["/admin/v1/staff/{staff_id}"]
    await world.ask("PUT", "/admin/v1/staff/wang", boss, person)
    world.now += timedelta(seconds=1)
    await world.ask("PUT", "/admin/v1/staff/wang", boss, {**person, "role": "finance"})
    second, first = await told(world)
    assert first["before"] == {"account": None}
    assert [second[name]["account"]["role"] for name in ("before", "after")] == ["warehouse", "finance"]
    assert [second[name]["account"]["version"] for name in ("before", "after")] == [1, 2]
    kept = str(world.database.collections["audit"].documents)
    assert "王五" not in kept
    assert "13900001111" not in kept


async def test_what_is_refused_has_no_image_after_it(world: World) -> None:
    versions(world)
    world.fake.answers["order", "POST", "/orders/o1/deliver"] = problem(409, "wrong-state")
    await world.ask("POST", "/admin/v1/orders/o1/deliver", world.token("s1", "staff"), {})
    (entry,) = await told(world)
    assert (entry["outcome"], entry["status"], entry["after"]) == ("refused", 409, None)
    assert seen(entry, "before") == [("o1", 1)]


async def test_what_may_have_been_done_is_unknown(world: World) -> None:
    world.fake.answers["order", "POST", "/orders/o1/deliver"] = httpx.ReadTimeout("too slow")
    answer = await world.ask("POST", "/admin/v1/orders/o1/deliver", world.token("s1", "staff"), {})
    expect_problem(answer, 503, "not-ready")
    assert [entry["outcome"] for entry in await told(world)] == ["unknown"]
    (entry,) = world.database.collections["audit"].documents.values()
    entry["status"] = None
    assert [entry["outcome"] for entry in await told(world)] == ["unknown"]


async def test_an_image_that_cannot_be_read_holds_up_no_deed(world: World) -> None:
    for trouble in (httpx.ConnectError("away"), httpx.Response(200, content=b"["), httpx.Response(500)):
        world.fake.answers["order", "POST", "/orders/images"] = trouble
        answer = await world.ask("POST", "/admin/v1/orders/o1/deliver", world.token("s1", "staff"), {})
        assert answer.status_code == 200
    assert {(entry["outcome"], entry["before"]) for entry in await told(world)} == {("done", None)}


@pytest.mark.parametrize("body", [b"[" * 5_000, b"\xff", b"[]", b'{"products": 7}', b'{"products": [1, {"x": 2}]}'])
async def test_a_body_that_makes_no_sense_has_no_image_and_a_clear_error(world: World, body: bytes) -> None:
    for path in ("/admin/v1/products", "/admin/v1/tasks/resolutions"):
        expect_problem(await world.ask("POST", path, world.token("s1", "staff"), body), 422, "invalid-request")
    assert [entry["before"] for entry in await told(world)] == [None, None]


async def test_goods_and_rules_are_looked_at_where_they_are_kept(world: World) -> None:
    boss = world.token("s1", "staff", role="administrator")
    for path in ("/admin/v1/stock-receipts", "/admin/v1/products"):
        await world.ask("POST", path, boss, BODIES[path])
    await world.ask("PUT", "/admin/v1/coupons/ten", boss, BODIES["/admin/v1/coupons/{code}"])
    await world.ask("POST", "/admin/v1/policies/1/activation", boss, {"instead_of": 0})
    looked = [(one.service, one.target) for one in world.fake.looked]
    assert looked == [
        *[("inventory", "/stock/tea")] * 4,
        *[("order", "/coupons/ten")] * 2,
        *[("order", "/policies")] * 2,
    ]


def test_an_image_is_bounded_and_masked() -> None:
    assert shown_in_trail(None) == ""
    assert len(shown_in_trail({"orders": ["x" * 100] * 1_000})) == IMAGE_MAX + 1
    shown: dict[str, Any] = json.loads(shown_in_trail({"phone": "13800138000", "password": "x", "note": "13800138000"}))
    assert shown == {"phone": "138****8000", "password": "***", "note": "138****8000"}
