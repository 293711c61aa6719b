"""Taking orders away, at the door: nothing is erased without a code that somebody has checked."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.unit.gateway.world import World, expect_problem

EXPORT = "a" * 64
ONE = "/admin/v1/orders/o1/deletion"
MANY = f"/admin/v1/exports/{EXPORT}/deletion"
BODIES = {
    ONE: {"export_id": EXPORT, "reason": "kept long enough", "code": "123456"},
    MANY: {"reason": "kept long enough", "code": "123456"},
}
BOTH = pytest.mark.parametrize("path", [ONE, MANY])


def wishes(world: World) -> list[str]:
    return [seen.target for seen in world.fake.seen if seen.method == "POST"]


async def test_hiding_tells_the_order_service_who_asks(world: World) -> None:
    answer = await world.ask("DELETE", "/mp/v1/orders/o1", world.token("c1"))
    assert answer.status_code == 200
    seen = world.fake.seen[-1]
    assert (seen.method, seen.target) == ("POST", "/orders/o1/hide")
    assert seen.json == {"order_id": "o1", "by": {"kind": "customer", "id": "c1", "role": ""}}


async def test_a_customer_lists_what_is_not_hidden_and_staff_list_everything(world: World) -> None:
    await world.ask("GET", "/mp/v1/orders", world.token("c1"))
    await world.ask("GET", "/admin/v1/orders", world.token("s1", "staff", role="administrator"))
    own, every = (seen.target for seen in world.fake.seen)
    assert "hidden=false" in own
    assert "hidden" not in every


@BOTH
async def test_a_right_code_is_checked_for_this_action_and_amount_and_passed_on_as_confirmed(
    world: World, path: str
) -> None:
    answer = await world.ask("POST", path, world.token("s1", "staff", role="administrator"), BODIES[path])
    assert answer.status_code == 200, answer.text
    subject, action = ("o1", "delete-order") if path == ONE else (EXPORT, "delete-orders")
    assert world.codes.asked == [("s1", action, subject, 1900)]
    assert world.fake.seen[-1].json["confirmed"] is True
    assert "code" not in world.fake.seen[-1].json


@BOTH
async def test_a_wrong_code_erases_nothing(world: World, path: str) -> None:
    body = BODIES[path] | {"code": "000000"}
    expect_problem(
        await world.ask("POST", path, world.token("s1", "staff", role="administrator"), body), 409, "code-wrong"
    )
    assert wishes(world) == []


@BOTH
async def test_without_somebody_who_knows_codes_nothing_is_erased(world: World, path: str) -> None:
    world.app.state.door = replace(world.app.state.door, codes=None)
    answer = await world.ask("POST", path, world.token("s1", "staff", role="administrator"), BODIES[path])
    expect_problem(answer, 503, "codes-not-available")
    assert wishes(world) == []


async def test_a_dry_run_needs_no_code_and_is_not_confirmed(world: World) -> None:
    world.app.state.door = replace(world.app.state.door, codes=None)
    answer = await world.ask(
        "POST", MANY, world.token("s1", "staff", role="administrator"), {"reason": "to see", "dry_run": True}
    )
    assert answer.status_code == 200
    assert world.fake.seen[-1].json["confirmed"] is False


async def test_a_repeat_for_an_order_that_is_erased_asks_for_no_code_and_confirms_nothing(world: World) -> None:
    shown = {"erased_at": "2026-01-01T00:00:00Z", "confirmation": {"amount_minor": 1900}}
    world.fake.answers["order", "GET", "/orders/o1/deletion"] = httpx.Response(200, json=shown)
    assert (
        await world.ask("POST", ONE, world.token("s1", "staff", role="administrator"), BODIES[ONE])
    ).status_code == 200
    assert world.codes.asked == []
    assert world.fake.seen[-1].json["confirmed"] is False


@pytest.mark.parametrize("role", ["customer-service", "finance", "warehouse"])
async def test_only_who_answers_for_what_is_kept_may_delete(world: World, role: str) -> None:
    token = world.token("s1", "staff", role=role)
    for path in (ONE, MANY):
        expect_problem(await world.ask("POST", path, token, BODIES[path]), 403, "not-allowed")
    expect_problem(await world.ask("GET", "/admin/v1/orders/o1/export", token), 403, "not-allowed")
    assert world.fake.seen == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (ONE, {"export_id": "short", "reason": "x", "code": "123456"}),
        (ONE, {"export_id": EXPORT, "reason": "", "code": "123456"}),
        (ONE, {"export_id": EXPORT, "reason": "x", "code": {"$gt": ""}}),
        (ONE, {"export_id": EXPORT, "reason": "x", "code": "123456", "confirmed": True}),
        ("/admin/v1/exports", {"order_ids": [], "sha256": EXPORT}),
        ("/admin/v1/exports", {"order_ids": ["o1"] * 201, "sha256": EXPORT}),
        ("/admin/v1/restorations", {"lines": []}),
    ],
)
async def test_bad_wishes_are_refused_at_the_door(world: World, path: str, body: dict[str, object]) -> None:
    expect_problem(
        await world.ask("POST", path, world.token("s1", "staff", role="administrator"), body), 422, "invalid-request"
    )
    assert wishes(world) == []
