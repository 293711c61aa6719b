"""A service that is away, slow or broken; and a caller who goes away."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from services.gateway.auth import PROVIDER, RIGHTS, Right
from services.gateway.clients import Service
from tests.unit.gateway.world import NAMES, World, expect_problem, filled, is_own, role_for

SIGNED_IN = [right for right in RIGHTS if right.may != PROVIDER and not is_own(right)]


@pytest.mark.parametrize("right", SIGNED_IN, ids=[f"{right.method} {right.path}" for right in SIGNED_IN])
async def test_when_nobody_is_there_every_route_says_so(world: World, right: Right) -> None:
    world.fake.away |= set(NAMES)
    method, path, body = filled(right)
    token = world.token() if "customer" in right.may else world.token("s1", "staff", role=role_for(right))
    answer = await world.ask(method, path, token, body)
    assert expect_problem(answer, 503, "not-ready")["retry_after"] > 0
    assert answer.headers["retry-after"]


@pytest.mark.parametrize(
    "trouble",
    [
        httpx.ReadTimeout("slow"),
        httpx.PoolTimeout("full"),
        httpx.RemoteProtocolError("gone"),
        TimeoutError(),
        httpx.Response(500, text="Internal Server Error"),
        httpx.Response(502, json={"message": "bad gateway"}),
        httpx.Response(302, headers={"location": "http://elsewhere"}),
    ],
    ids=repr,
)
async def test_what_is_no_answer_is_not_passed_on(world: World, trouble: httpx.Response | Exception) -> None:
    world.fake.answers["order", "POST", "/orders"] = trouble
    expect_problem(await world.place(), 503, "not-ready")


async def test_a_service_may_take_as_long_as_it_is_given_and_no_longer() -> None:
    class Never(httpx.AsyncBaseTransport):
        cancelled = False

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled = True
                raise
            raise AssertionError("unreachable")

    transport = Never()
    with pytest.raises(Exception, match="not-ready"):
        await Service("order", "http://order", transport, seconds=0.01).ask("GET", "/orders")
    assert transport.cancelled


async def test_an_outage_is_one_line_in_the_log(world: World) -> None:
    with capture_logs() as logs:
        world.fake.away.add("order")
        for _ in range(3):
            await world.place()
        world.fake.away.clear()
        await world.place()
    assert [line["event"] for line in logs] == ["a service is away", "a service is back"]


async def test_one_service_away_leaves_the_others_routes_alone(world: World) -> None:
    world.fake.away.add("order")
    assert (await world.ask("GET", "/mp/v1/inbox", world.token())).status_code == 200


async def test_a_caller_who_breaks_off_causes_no_error(world: World) -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/mp/v1/orders",
        "raw_path": b"/mp/v1/orders",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {world.token()}".encode()), (b"idempotency-key", b"k")],
        "client": ("client", 1),
        "server": ("gateway", 80),
    }
    await world.app(scope, receive, send)
    assert json.loads(sent[1]["body"])["code"] == "body-incomplete"
