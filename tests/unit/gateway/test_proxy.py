"""A proxy stands before the gateway: who is believed about where a request came from."""

from __future__ import annotations

import httpx
import pytest
from structlog.testing import capture_logs
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from services.gateway.auth import RIGHTS
from tests.unit.gateway.world import World, filled, role_for

PROXY, CUSTOMER = "172.18.0.1", "198.51.100.7"
SAID = "callers are not told apart: X-Forwarded-For comes from where it is not believed, see FORWARDED_ALLOW_IPS"


async def come(world: World, named: str | None, believed: str = "127.0.0.1") -> list[str]:
    """Everybody comes to every route, through the proxy; the warnings of it."""
    app = ProxyHeadersMiddleware(world.app, believed)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(app, client=(PROXY, 4711))  # type: ignore[arg-type]
    world.watch.closed = True
    with capture_logs() as logs:
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
            for right in RIGHTS:
                method, path, body = filled(right)
                token = world.token("s1", "staff", role=role_for(right)) if "staff" in right.may else world.token()
                headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
                more = {} if named is None else {"X-Forwarded-For": named}
                await http.request(method, path, json=body, headers=headers | more)
    return [line["event"] for line in logs if "X-Forwarded-For" in line["event"]]


async def test_a_proxy_that_is_not_believed_is_said_once(world: World) -> None:
    """All callers count as one then: twenty wrong passwords from anywhere lock out the whole staff."""
    assert await come(world, CUSTOMER) == [SAID]


@pytest.mark.parametrize("named", [CUSTOMER, f"{CUSTOMER}:4711", f"203.0.113.1, {CUSTOMER}", "[2001:db8::7]:4711"])
async def test_of_one_that_is_believed_nothing_is_said(world: World, named: str) -> None:
    assert await come(world, named, "172.16.0.0/12") == []


async def test_of_none_nothing_is_said(world: World) -> None:
    assert await come(world, None) == []
