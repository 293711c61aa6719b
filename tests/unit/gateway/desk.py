"""A gateway with a real Redis, an account, and somebody who signs in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp

from services.gateway.staff import Person
from tests.unit.gateway.world import Json, World

PHONE = "13800138000"
HERE = "198.51.100.7"


class Desk:
    """Where one member of staff, `li`, sits. The clock moves on before each sign-in: a second factor works once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._transport = httpx.ASGITransport(world.app)
        self._http = httpx.AsyncClient(transport=self._transport, base_url="http://gateway")
        self.password = ""
        self.factor = ""

    async def furnish(self, role: str = "administrator", staff_id: str = "li") -> None:
        """Make the account."""
        made = await self.world.people.staff.add(staff_id, Person("李四", role, PHONE))
        assert made is not None
        self.take(made.password, made.address)

    def take(self, password: str, address: str) -> None:
        """Note what was shown once."""
        self.password, self.factor = password, parse_qs(urlsplit(address).query)["secret"][0]

    def code(self) -> str:
        """What the authenticator application shows."""
        return pyotp.TOTP(self.factor).at(self.world.now)

    async def sign_in(self, address: str = HERE, **other: object) -> httpx.Response:
        """Try it."""
        body = {"staff_id": "li", "password": self.password, "code": self.code(), **other}
        return await self.ask("POST", "/admin/v1/session", None, body, address)

    async def signed_in(self, address: str = HERE) -> Json:
        """Do it."""
        self.world.now += timedelta(seconds=30)
        answer = await self.sign_in(address)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def ask(
        self, method: str, path: str, token: str | None, body: object = None, address: str = HERE
    ) -> httpx.Response:
        """One request from an address, one after the other."""
        self._transport.client = (address, 1)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return await self._http.request(method, path, headers=headers | {"Idempotency-Key": "k"}, json=body)


@asynccontextmanager
async def desk(redis: str) -> AsyncIterator[Desk]:
    """A desk for an administrator."""
    world = World(redis=redis)
    made = Desk(world)
    await made.furnish()
    yield made
    await world.aclose()
