"""Taking orders away, at the door: nothing is erased without a code that somebody has checked."""

from __future__ import annotations

import json
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from services.gateway.codes import Matter
from services.gateway.confirmations import DELETE, DELETE_MANY
from tests.unit.gateway.desk import desk
from tests.unit.gateway.world import World, expect_problem, problem

EXPORT = "a" * 64
ONE = "/admin/v1/orders/o1/deletion"
MANY = f"/admin/v1/exports/{EXPORT}/deletion"
BODIES = {
    ONE: {"export_id": EXPORT, "reason": "kept long enough", "code": "123456"},
    MANY: {"reason": "kept long enough", "code": "123456"},
}
GONE = {"erased_at": "2026-01-01T00:00:00Z", "confirmation": {"amount_minor": 1900}}
HERE = {"erased_at": None, "confirmation": {"amount_minor": 1900}, "amount_minor": 1900}
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


@pytest.fixture
async def counted(redis: tuple[str, subprocess.Popen[bytes]]) -> AsyncIterator[World]:
    """A gateway that knows codes, and an order and an export that are there."""
    async with desk(redis[0]) as made:
        for path in ("/orders/o1/deletion", f"/exports/{EXPORT}/deletion"):
            made.world.fake.answers["order", "GET", path] = httpx.Response(200, json=HERE)
        yield made.world


async def code_for(world: World, path: str, amount_minor: int = 1900, staff: str = "s1") -> str:
    """A code that this member of staff was sent."""
    action, subject = (DELETE, "o1") if path == ONE else (DELETE_MANY, EXPORT)
    world.now += timedelta(minutes=2)
    matter = Matter(staff, action, subject, amount_minor)
    code, until = await world.people.codes.make(matter)
    await world.people.codes.keep(matter, code, until)
    return code


@BOTH
async def test_a_right_code_confirms_exactly_this_once(counted: World, path: str) -> None:
    token = counted.token("s1", "staff", role="administrator")
    body = BODIES[path] | {"code": await code_for(counted, path)}
    assert (await counted.ask("POST", path, token, body)).status_code == 200
    assert counted.fake.seen[-1].json["confirmed"] is True
    assert "code" not in counted.fake.seen[-1].json
    expect_problem(await counted.ask("POST", path, token, body, key="another"), 403, "code-wrong")


@BOTH
@pytest.mark.parametrize("key", ["the-same", None])
async def test_who_is_told_to_try_again_may_give_the_same_code_again(
    counted: World, path: str, key: str | None
) -> None:
    token = counted.token("s1", "staff", role="administrator")
    body = BODIES[path] | {"code": await code_for(counted, path)}
    lost: list[str] = []

    def answers_late(method: str, path: str, _: bytes) -> httpx.Response | None:
        if method == "GET" or lost or not path.endswith("/deletion"):
            return None
        lost.append(path)
        return problem(503, "not-ready")

    counted.fake.answer_by["order"] = answers_late
    expect_problem(await counted.ask("POST", path, token, body, key=key), 503, "not-ready")
    other = body | {"reason": "another wish"}
    expect_problem(await counted.ask("POST", path, token, other, key=key and "another"), 403, "code-wrong")
    assert (await counted.ask("POST", path, token, body, key=key)).status_code == 200
    assert counted.fake.seen[-1].json["confirmed"] is True


@BOTH
async def test_a_code_for_something_else_erases_nothing(counted: World, path: str) -> None:
    other = MANY if path == ONE else ONE
    codes = [
        await code_for(counted, path, amount_minor=1),
        await code_for(counted, other),
        await code_for(counted, path, staff="s2"),
    ]
    good = await code_for(counted, path)
    codes.append(f"{(int(good) + 1) % 1_000_000:06d}")
    token = counted.token("s1", "staff", role="administrator")
    for code in codes:
        if code != good:
            expect_problem(await counted.ask("POST", path, token, BODIES[path] | {"code": code}), 403, "code-wrong")
    assert wishes(counted) == []


@BOTH
async def test_while_codes_cannot_be_checked_nothing_is_erased(world: World, path: str) -> None:
    world.fake.answers["order", "GET", "/orders/o1/deletion"] = httpx.Response(200, json=HERE)
    answer = await world.ask("POST", path, world.token("s1", "staff", role="administrator"), BODIES[path])
    expect_problem(answer, 503, "codes-not-available")
    assert wishes(world) == []


async def test_a_dry_run_needs_no_code_and_is_not_confirmed(world: World) -> None:
    answer = await world.ask(
        "POST", MANY, world.token("s1", "staff", role="administrator"), {"reason": "to see", "dry_run": True}
    )
    assert answer.status_code == 200
    assert world.fake.seen[-1].json["confirmed"] is False


async def test_a_repeat_for_an_order_that_is_erased_asks_for_no_code_and_confirms_nothing(world: World) -> None:
    world.fake.answers["order", "GET", "/orders/o1/deletion"] = httpx.Response(200, json=GONE)
    assert (
        await world.ask("POST", ONE, world.token("s1", "staff", role="administrator"), BODIES[ONE])
    ).status_code == 200
    assert world.fake.seen[-1].json["confirmed"] is False


@pytest.mark.parametrize("role", ["customer-service", "finance", "warehouse"])
async def test_only_who_answers_for_what_is_kept_may_delete(world: World, role: str) -> None:
    token = world.token("s1", "staff", role=role)
    for path in (ONE, MANY):
        expect_problem(await world.ask("POST", path, token, BODIES[path]), 403, "not-allowed")
    expect_problem(await world.ask("GET", "/admin/v1/orders/o1/export", token), 403, "not-allowed")
    assert world.fake.seen == []


async def test_an_order_may_be_as_large_as_there_are_any_to_be_put_back(world: World) -> None:
    boss, path = world.token("s1", "staff", role="administrator"), "/admin/v1/restorations"
    line = json.dumps({"order_id": "o1", "state": "x" * 5_000_000})
    assert (await world.ask("POST", path, boss, {"lines": [line]})).status_code == 200
    assert world.fake.seen[-1].json["lines"] == [line]
    expect_problem(await world.ask("POST", path, boss, {"lines": [line, line]}), 413, "body-too-large")


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
