"""Entity tags and If-Match at the door, and what callers are told about their limits."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx
import pytest

from services.gateway.api import VERSIONED
from services.gateway.auth import RIGHTS, Kind
from tests.unit.gateway.world import World, expect_problem, filled, is_own, problem

Server = tuple[str, subprocess.Popen[bytes]]


@pytest.mark.parametrize("door", ["/mp/v1", "/admin/v1"])
async def test_one_order_comes_with_its_tag(world: World, door: str) -> None:
    view = {"order_id": "o1", "customer_id": "c1"}
    world.fake.answers["order", "GET", "/orders/o1"] = httpx.Response(200, json=view, headers={"etag": '"7"'})
    token = world.token("c1", "staff" if door == "/admin/v1" else "customer")
    assert (await world.ask("GET", f"{door}/orders/o1", token)).headers["etag"] == '"7"'


@pytest.mark.parametrize("right", RIGHTS, ids=[f"{right.method} {right.path}" for right in RIGHTS])
async def test_if_match_reaches_the_order_where_it_is_honoured(world: World, right: Any) -> None:
    if not right.may:
        assert right.path not in VERSIONED
        return
    kind: Kind = "customer" if "customer" in right.may else "staff"
    method, path, body = filled(right)
    role = {"role": "administrator"} if kind == "staff" else {}
    answer = await world.ask(method, path, world.token("c1", kind, **role), body, headers={"If-Match": '"7"'})
    assert answer.status_code == 200 or is_own(right), answer.text
    passed = [seen.headers.get("if-match") for seen in world.fake.seen]
    assert passed == (['"7"'] if right.path in VERSIONED else [None] * len(passed))


async def test_a_stale_order_is_told_as_the_order_service_tells_it(world: World) -> None:
    world.fake.answers["order", "POST", "/orders/o1/deliver"] = problem(412, "version-changed")
    token = world.token("s1", "staff")
    answer = await world.ask("POST", "/admin/v1/orders/o1/deliver", token, {}, headers={"If-Match": '"7"'})
    expect_problem(answer, 412, "version-changed")


async def test_the_document_says_so(world: World) -> None:
    document = (await world.http.get("/openapi.json")).json()
    for right in RIGHTS:
        operation = document["paths"][right.path][right.method.lower()]
        names = {parameter["name"] for parameter in operation.get("parameters", [])}
        assert ("If-Match" in names) == (right.path in VERSIONED)
        assert ("412" in operation["responses"]) == (right.path in VERSIONED)
        for answer in operation["responses"].values():
            assert ("RateLimit" in answer.get("headers", {})) == bool(right.may)


def limits(answer: httpx.Response) -> tuple[str | None, str | None]:
    return answer.headers.get("ratelimit-policy"), answer.headers.get("ratelimit")


@pytest.mark.real
async def test_every_answer_says_what_is_left(redis: Server) -> None:
    """Good, refused, not valid, too many: in the words of draft-ietf-httpapi-ratelimit-headers."""
    world = World(rate=0.02, redis=redis[0])
    world.limits._rate = type(world.limits._rate)(0.02, 4)
    token = world.token()
    answers = [
        await world.ask("GET", "/mp/v1/orders", token),
        await world.ask("GET", "/admin/v1/orders", token),
        await world.ask("GET", "/mp/v1/orders?limit=0", token),
        await world.ask("GET", "/mp/v1/orders/o9", token),
        await world.ask("GET", "/mp/v1/orders", token),
    ]
    assert [answer.status_code for answer in answers] == [200, 403, 422, 404, 429]
    assert {policy for policy, _ in map(limits, answers) if policy} == {'"caller";q=4;w=200'}
    assert limits(answers[0]) == ('"caller";q=4;w=200', '"caller";r=3;t=50')
    assert limits(answers[2])[1] == '"caller";r=1;t=150'
    assert limits(answers[4]) == ('"caller";q=4;w=200', '"caller";r=0;t=200')
    assert answers[4].headers["retry-after"] == "50"
    await world.aclose()


async def test_where_nobody_is_limited_nothing_is_said(world: World) -> None:
    assert limits(await world.ask("GET", "/mp/v1/orders", world.token())) == (None, None)
    away = World(rate=5)
    assert limits(await away.ask("GET", "/mp/v1/orders", away.token())) == (None, None)
    await away.aclose()
