"""The warehouse's door: what became of a parcel that is to come back."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from contracts.task import GoodsBack, ResolveTask
from tests.unit.gateway.hostile import NUMBERS, OPERATORS
from tests.unit.gateway.world import World, expect_problem, problem

PATH = "/admin/v1/tasks/o1-c1-t1/parcel"
GOOD: dict[str, Any] = {"found": "returned", "goods": [{"line_no": 1, "good": 2, "damaged": 1}], "note": "torn"}


async def test_a_report_goes_to_the_order_in_the_name_of_who_made_it(world: World) -> None:
    world.fake.answers["order", "POST", "/tasks/o1-c1-t1/resolve"] = httpx.Response(200, json={"order_id": "o1"})
    answer = await world.ask("POST", PATH, world.token("s9", "staff", role="warehouse"), GOOD, key=None)
    assert answer.json() == {"order_id": "o1"}
    command = ResolveTask.model_validate_json(world.fake.seen[-1].body)
    assert (command.order_id, command.task_id, command.choice, command.note) == ("o1", "o1-c1-t1", "returned", "torn")
    assert command.goods == (GoodsBack(line_no=1, good=2, damaged=1),)
    assert (command.by.id, command.by.role) == ("s9", "warehouse")


async def test_a_refusal_is_told_as_the_order_service_tells_it(world: World) -> None:
    world.fake.answers["order", "POST", "/tasks/o1-c1-t1/resolve"] = problem(422, "goods-incomplete")
    token = world.token("s9", "staff", role="warehouse")
    expect_problem(await world.ask("POST", PATH, token, GOOD), 422, "goods-incomplete")


BAD = [
    *({**GOOD, "found": word} for word in ("lost", "", None, "done", *OPERATORS)),
    *({**GOOD, "goods": [{"line_no": 1, "good": number}]} for number in NUMBERS if number not in (0, 6)),
    {**GOOD, "goods": [*GOOD["goods"], {"line_no": 10**30}]},  # as no database keeps it, though it has no piece
    {**GOOD, "goods": []},
    {"found": "returned"},
    {"found": "delivered", "goods": GOOD["goods"]},
    {**GOOD, "note": "x" * 501},
    {**GOOD, "by": {"kind": "staff", "id": "s1"}},
    {},
]


@pytest.mark.parametrize("body", BAD, ids=[json.dumps(body)[:60] for body in BAD])
async def test_what_is_no_report_reaches_nobody(world: World, body: object) -> None:
    token = world.token("s9", "staff", role="warehouse")
    expect_problem(await world.ask("POST", PATH, token, body), 422, "invalid-request")
    assert not world.fake.seen
