"""The customers' door to the questionnaire and to ratings."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from contracts.rating import RateCancellation
from tests.unit.gateway.hostile import NUMBERS, OPERATORS, TEXTS
from tests.unit.gateway.world import World, expect_problem, problem

PATH = "/mp/v1/orders/o1/cases/o1-c1/rating"
GOOD: dict[str, Any] = {"questionnaire": 1, "stars": 5, "answers": {"again": "yes"}, "remark": "快\n谢谢😀"}


async def test_a_rating_goes_to_the_order_in_the_customers_name(world: World) -> None:
    world.fake.answers["order", "POST", "/orders/o1/cases/o1-c1/rating"] = httpx.Response(200, json={"stars": 5})
    answer = await world.ask("POST", PATH, world.token(), GOOD, key=None)
    assert answer.json() == {"stars": 5}
    command = RateCancellation.model_validate_json(world.fake.seen[-1].body)
    assert command.model_dump(include=set(GOOD)) == GOOD
    assert command.by.model_dump() == {"kind": "customer", "id": "c1", "role": ""}
    assert (command.order_id, command.case_id) == ("o1", "o1-c1")


async def test_the_questionnaire_is_the_order_services(world: World) -> None:
    await world.ask("GET", "/mp/v1/questionnaire", world.token())
    assert [(seen.service, seen.target) for seen in world.fake.seen] == [("order", "/questionnaire")]


async def test_another_orders_case_cannot_be_rated_through_an_own_order(world: World) -> None:
    for case in ("o2-c1", "o1-2-c1"):
        answer = await world.ask("POST", f"/mp/v1/orders/o1/cases/{case}/rating", world.token(), GOOD)
        expect_problem(answer, 404, "unknown-case")
    assert [seen.method for seen in world.fake.seen] == ["GET", "GET"]


async def test_a_second_other_rating_is_told_as_the_order_service_tells_it(world: World) -> None:
    world.fake.answers["order", "POST", "/orders/o1/cases/o1-c1/rating"] = problem(409, "already-rated")
    expect_problem(await world.ask("POST", PATH, world.token(), GOOD), 409, "already-rated")


BAD = [
    *({**GOOD, "stars": number} for number in NUMBERS),
    *({**GOOD, name: operator} for name in GOOD for operator in OPERATORS),
    *({**GOOD, "answers": {"again": operator}} for operator in OPERATORS),
    *({**GOOD, "answers": {text: "yes"}} for text in TEXTS),
    *({**GOOD, "answers": {"again": text}} for text in TEXTS),
    *({**GOOD, "questionnaire": number} for number in (0, -1, 10**30, "1", None)),
    *({**GOOD, "remark": text} for text in ("x" * 201, "a\x00b", "\u202egnp.exe", "\u2066x", "\ud800", "\x1b[2J")),
    {**GOOD, "answers": {f"question-{number}": "yes" for number in range(21)}},
    {**GOOD, "by": {"kind": "staff", "id": "s1"}},
    {**GOOD, "customer_id": "c2"},
    {},
]


@pytest.mark.parametrize("body", BAD, ids=[json.dumps(body)[:60] for body in BAD])
async def test_what_is_no_rating_reaches_nobody(world: World, body: object) -> None:
    expect_problem(await world.ask("POST", PATH, world.token(), body), 422, "invalid-request")
    assert not world.fake.seen


@pytest.mark.parametrize("remark", ["", "x" * 200, "字" * 200, "line\nline\ttab", "👨‍👩‍👧", "{$gt: 1}", "' OR 1=1 --"])
async def test_what_people_write_is_taken_as_it_is(world: World, remark: str) -> None:
    answer = await world.ask("POST", PATH, world.token(), {**GOOD, "remark": remark})
    assert answer.status_code == 200
    assert RateCancellation.model_validate_json(world.fake.seen[-1].body).remark == remark
