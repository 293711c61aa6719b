"""One command for many tasks at the door."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.gateway.world import World, expect_problem

PATH = "/admin/v1/tasks/resolutions"
NAMED: dict[str, Any] = {"command": "try-again", "task_ids": ["o1-c1-t1"]}
DIGEST = "a" * 64


async def test_the_wish_reaches_the_order_service_in_the_name_of_who_asks(world: World) -> None:
    token = world.token("s1", "staff")
    for wish in ({**NAMED, "dry_run": True}, {**NAMED, "digest": DIGEST}, {**NAMED, "digest": DIGEST}):
        assert (await world.ask("POST", PATH, token, wish)).status_code == 200
    first, second, third = (seen.json for seen in world.fake.seen)
    assert {seen.target for seen in world.fake.seen} == {"/tasks/resolutions"}
    assert (first["dry_run"], second["dry_run"], second["digest"]) == (True, False, DIGEST)
    assert second["by"] == {"kind": "staff", "id": "s1", "role": "supervisor"}
    assert second == third, "a repeat is the same request"
    assert first["fingerprint"] != second["fingerprint"]
    await world.ask("POST", PATH, token, {**NAMED, "digest": DIGEST}, key="key-2")
    await world.ask("POST", PATH, world.token("s2", "staff"), {**NAMED, "digest": DIGEST})
    assert len({seen.json["request_id"] for seen in world.fake.seen[2:]}) == 3


@pytest.mark.parametrize(
    "wish",
    [
        NAMED,
        {**NAMED, "dry_run": True, "list": "stuck"},
        {**NAMED, "dry_run": True, "kind": "no-answer"},
        {**NAMED, "dry_run": True, "task_ids": ["t"] * 2},
        {**NAMED, "dry_run": True, "task_ids": []},
        {**NAMED, "dry_run": True, "task_ids": [f"t{n}" for n in range(201)]},
        {**NAMED, "dry_run": True, "task_ids": ["x" * 65]},
        {**NAMED, "dry_run": True, "task_ids": [{"$gt": ""}]},
        {**NAMED, "dry_run": True, "command": "delete"},
        {**NAMED, "dry_run": True, "note": "x" * 501},
        {**NAMED, "dry_run": True, "by": {"kind": "staff", "id": "boss"}},
        {"command": "give-up", "list": "everything", "dry_run": True},
        {"command": "give-up", "dry_run": True},
        {**NAMED, "digest": "A" * 64},
    ],
)
async def test_what_makes_no_sense_is_refused(world: World, wish: dict[str, Any]) -> None:
    expect_problem(await world.ask("POST", PATH, world.token("s1", "staff"), wish), 422, "invalid-request")
    assert not world.fake.seen


async def test_a_key_is_needed(world: World) -> None:
    wish = {**NAMED, "digest": DIGEST}
    answer = await world.ask("POST", PATH, world.token("s1", "staff"), wish, key=None)
    expect_problem(answer, 400, "idempotency-key-required")


@pytest.mark.parametrize("query", ["list=stuck&status=open", "list=stuck&waits_for=person", "list=all", "list[$gt]="])
async def test_a_list_is_asked_for_alone(world: World, query: str) -> None:
    answer = await world.ask("GET", f"/admin/v1/cases?{query}", world.token("s1", "staff"))
    expect_problem(answer, 422, "invalid-request")
