"""The audit trail: every deed of the staff, before it is done, with what came of it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from services.gateway.auth import RIGHTS, Right
from services.gateway.trail import BODY_MAX, readable
from tests.unit.gateway.world import BODIES, CANCELLATION, Json, World, expect_problem, filled, role_for

DEEDS = [right for right in RIGHTS if right.is_deed]
EVERY_DEED = pytest.mark.parametrize("right", DEEDS, ids=[f"{one.method} {one.path}" for one in DEEDS])
CARD = BODIES["/admin/v1/cases/{case_id}/bank-card"]


def entries(world: World) -> list[Json]:
    return list(world.database.collections["audit"].documents.values())


def staff(world: World, role: str = "administrator") -> str:
    return world.token("s1", "staff", role=role)


@EVERY_DEED
async def test_every_deed_leaves_one_entry(world: World, right: Right) -> None:
    method, path, body = filled(right)
    answer = await world.ask(method, path, world.token("s1", "staff", role=role_for(right)), body)
    (entry,) = entries(world)
    assert (entry["staff"], entry["role"], entry["method"], entry["route"]) == (
        "s1",
        role_for(right),
        right.method,
        right.path,
    )
    assert entry["status"] == answer.status_code
    assert entry["path"] == path.partition("?")[0]
    assert entry["address"] == "127.0.0.1"
    assert entry["request_id"]
    assert entry["at"] == entry["done_at"] == world.now


@EVERY_DEED
async def test_what_cannot_be_written_down_is_not_done(world: World, right: Right) -> None:
    world.line.away.add("write audit")
    method, path, body = filled(right)
    answer = await world.ask(method, path, world.token("s1", "staff", role=role_for(right)), body)
    expect_problem(answer, 503, "not-ready")
    assert not world.fake.seen
    assert [one for one in world.line.crossed if one.startswith("write")] == ["write audit"], "nothing else was written"


def test_every_route_that_changes_something_for_staff_is_a_deed() -> None:
    opening = {"/admin/v1/session", "/admin/v1/session/refresh"}
    changing = [one for one in RIGHTS if one.path.startswith("/admin/") and one.method != "GET"]
    assert [one for one in changing if not one.is_deed and one.path not in opening] == []


async def test_the_intent_stands_there_while_the_deed_is_done(world: World) -> None:
    seen: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/orders/images":
            seen.extend(entry["status"] for entry in entries(world))
        return httpx.Response(200, json={})

    world.app.state.door.services.order._transport = httpx.MockTransport(answer)
    assert (await world.ask("POST", "/admin/v1/orders/o1/deliver", staff(world), {})).status_code == 200
    assert seen == [None]
    assert [entry["status"] for entry in entries(world)] == [200]


async def test_a_deed_whose_outcome_cannot_be_written_is_done_and_stays_open_in_the_trail(world: World) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/orders/images":
            world.line.away.add("write audit")
        return httpx.Response(200, json={"done": True})

    world.app.state.door.services.order._transport = httpx.MockTransport(answer)
    with capture_logs() as logs:
        found = await world.ask("POST", "/admin/v1/orders/o1/deliver", staff(world), {})
    assert (found.status_code, found.json()) == (200, {"done": True})
    assert [entry["status"] for entry in entries(world)] == [None]
    assert [line["event"] for line in logs] == ["the audit trail has no outcome of a deed"]


@pytest.mark.parametrize(
    ("role", "body", "key", "status", "word"),
    [
        ("warehouse", CANCELLATION, "k", 403, "not-allowed"),
        ("supervisor", {**CANCELLATION, "more": 1}, "k", 422, "invalid-request"),
        ("supervisor", CANCELLATION, None, 400, "idempotency-key-required"),
        ("supervisor", b"x" * 2_000_000, "k", 413, "body-too-large"),
        ("supervisor", b"\xff", "k", 422, "invalid-request"),
    ],
)
async def test_what_is_refused_stands_there_too(
    world: World, role: str, body: Any, key: str | None, status: int, word: str
) -> None:
    path = "/admin/v1/orders/o1/cancellation"
    expect_problem(await world.ask("POST", path, staff(world, role), body, key=key), status, word)
    assert [(entry["role"], entry["status"], entry["problem"]) for entry in entries(world)] == [(role, status, word)]


async def test_a_customer_at_the_staffs_door_is_written_down(world: World) -> None:
    expect_problem(
        await world.ask("POST", "/admin/v1/orders/o1/ship", world.token(), BODIES["/admin/v1/orders/{order_id}/ship"]),
        403,
        "not-allowed",
    )
    assert [(entry["staff"], entry["role"]) for entry in entries(world)] == [("c1", "customer")]


async def test_who_takes_whole_orders_along_is_written_down(world: World) -> None:
    page = "before=2026-01-01T00:00:00Z&limit=200"
    await world.ask("GET", f"/admin/v1/exports/orders?{page}", staff(world))
    await world.ask("GET", "/admin/v1/orders/o1/export", staff(world))
    expect_problem(await world.ask("GET", "/admin/v1/orders/o1/export", staff(world, "finance")), 403, "not-allowed")
    found = [(entry["path"], entry["query"], entry["subjects"], entry["status"]) for entry in entries(world)]
    assert found == [
        ("/admin/v1/exports/orders", page, [], 200),
        ("/admin/v1/orders/o1/export", "", ["o1"], 200),
        ("/admin/v1/orders/o1/export", "", ["o1"], 403),
    ]
    assert not any(entry["body"] or entry["before"] or entry["after"] for entry in entries(world))


async def test_reading_and_customers_orders_leave_no_entry(world: World) -> None:
    await world.ask("GET", "/admin/v1/orders", staff(world))
    await world.place()
    assert not entries(world)


async def test_personal_data_and_secrets_are_not_in_it(world: World) -> None:
    await world.ask("POST", "/admin/v1/cases/o1-c1/bank-card", staff(world), CARD)
    await world.ask("PUT", "/admin/v1/staff/wang", staff(world), BODIES["/admin/v1/staff/{staff_id}"])
    note = {"note": "called 13800138000 at noon"}
    await world.ask("POST", "/admin/v1/tasks/t1/done", staff(world), note)
    bodies = [entry["body"] for entry in entries(world)]
    assert json.loads(bodies[0]) == {"bank_type": "CMB_DEBIT", "bank_account": "***", "real_name": "张*"}
    assert json.loads(bodies[1]) == {"name": "王*", "role": "warehouse", "phone": "139****1111"}
    assert json.loads(bodies[2]) == {"note": "called 138****8000 at noon"}


@pytest.mark.parametrize(
    ("note", "kept"),
    [
        ("paid to 6222021234567890123 by hand", "paid to 622****0123 by hand"),
        ("卡号 6222 0212 3456 7890 123", "卡号 622****0 123"),
        ("identity card 11010119900307123X", "identity card 110****123X"),
        ("tel:138-0013-8000", "tel:138****-8000"),
        (
            "refunded on 2026-11-30 as 200027117125393215512345678",
            "refunded on 2026-11-30 as 200027117125393215512345678",
        ),
        (
            "order o2zn3ntuw7dfxwljtkdkeprfjo, ¥1234.56, case c1-2",
            "order o2zn3ntuw7dfxwljtkdkeprfjo, ¥1234.56, case c1-2",
        ),
    ],
)
def test_numbers_that_say_who_somebody_is_are_masked_however_they_are_grouped(note: str, kept: str) -> None:
    assert json.loads(readable(json.dumps({"note": note}).encode())) == {"note": kept}


async def test_a_reasons_code_is_kept_and_a_confirmation_code_is_not(world: World) -> None:
    body = {**CANCELLATION, "code": "123456", "amount_minor": 2100}
    await world.ask("POST", "/admin/v1/orders/o1/cancellation", staff(world), body)
    assert json.loads(entries(world)[0]["body"]) == {**CANCELLATION, "code": "***", "amount_minor": 2100}


def test_an_exported_order_is_only_counted() -> None:
    line = json.dumps({"order_id": "o1", "state": {"contact": {"name": "张三丰", "openid": "o-1"}}}, ensure_ascii=False)
    kept = readable(json.dumps({"lines": [line], "dry_run": True}).encode())
    assert json.loads(kept) == {"lines": [f"({len(line)} characters)"], "dry_run": True}
    order = {"lines": [{"product_id": "tea", "quantity": 1}]}
    assert json.loads(readable(json.dumps(order).encode())) == order


def test_bodies_that_are_none_or_huge_are_cut() -> None:
    assert readable(b"") == ""
    assert readable(b"\xff\xfe") == "(2 bytes that are no JSON)"
    assert readable(b"[" * 100_000).startswith("(100000 bytes")
    assert len(readable(json.dumps({"note": "x" * 20_000}).encode())) == BODY_MAX + 1
    assert readable(b'"\\ud800"').encode()
    nested = readable(json.dumps({"contact": [{"phone": 13800138000, "deep": {"name": "张三"}}]}).encode())
    assert json.loads(nested) == {"contact": [{"phone": "138****8000", "deep": {"name": "张*"}}]}
    assert json.loads(readable(json.dumps({"$where": "1", "a.b": {"$gt": ""}}).encode()))


async def test_administrators_read_it_newest_first_page_by_page(world: World) -> None:
    boss = staff(world)
    for number in range(5):
        world.now += timedelta(seconds=1)
        await world.ask(
            "POST", f"/admin/v1/orders/o{number % 2}/deliver", boss, {}, headers={"X-Request-Id": f"r{number}"}
        )
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await world.ask("GET", f"/admin/v1/audit?limit=2&after={after}", boss)).json()
        found += [entry["request_id"] for entry in page["entries"]]
        after = page["next"]
    assert found == ["r4", "r3", "r2", "r1", "r0"]
    about = (await world.ask("GET", "/admin/v1/audit?subject=o1", boss)).json()["entries"]
    assert [entry["request_id"] for entry in about] == ["r3", "r1"]
    assert not (await world.ask("GET", "/admin/v1/audit?staff=nobody", boss)).json()["entries"]
    assert about[0]["at"] == "2026-03-01T12:00:04+00:00"
    expect_problem(await world.ask("GET", "/admin/v1/audit", staff(world, "supervisor")), 403, "not-allowed")
    for query in ("staff[$gt]=", "subject[$ne]=x", "after=%00", "limit=501", "subject="):
        expect_problem(await world.ask("GET", f"/admin/v1/audit?{query}", boss), 422, "invalid-request")


async def test_a_request_id_that_is_none_is_replaced(world: World) -> None:
    for given in ("", "x" * 65, "a b", '{"$gt":""}'):
        await world.ask("POST", "/admin/v1/orders/o1/deliver", staff(world), {}, headers={"X-Request-Id": given})
    assert all(len(entry["request_id"]) == 16 for entry in entries(world))
