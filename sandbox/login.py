"""Development stand-in for signing in: hands out tokens for customers and staff to whoever asks."""

from typing import Any

import jwt
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sandbox.subscribe import openid_of
from sandbox.world import World

ISSUER = "tuidan-sandbox"
AUDIENCE = "tuidan"
LIFE_SECONDS = 24 * 3600


class Customer(BaseModel):
    """Who signs in; the openid is made from the customer id where none is given."""

    model_config = ConfigDict(extra="forbid")
    customer_id: str = Field(min_length=1, max_length=64)
    name: str = ""
    phone: str = ""
    openid: str | None = None
    group: str | None = None
    shop: str | None = None
    scope: list[str] = Field(default_factory=list)


class Staff(BaseModel):
    """Who signs in, and as what."""

    model_config = ConfigDict(extra="forbid")
    staff_id: str = Field(min_length=1, max_length=64)
    name: str = ""
    phone: str = ""
    role: str = Field(min_length=1, max_length=64)
    scope: list[str] = Field(default_factory=list)


def token(world: World, claims: dict[str, Any]) -> dict[str, str]:
    """``{"token"}``: a JWT signed with EdDSA, good for 24 hours; claims that are None are left out."""
    now = int(world.clock.wall())
    stamped = {"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + LIFE_SECONDS}
    given = {name: value for name, value in claims.items() if value is not None}
    return {"token": jwt.encode({**given, **stamped}, world.keys.login_private, algorithm="EdDSA")}


def login_router(world: World) -> APIRouter:
    """``/_login``."""
    router = APIRouter(prefix="/_login")

    @router.post("/customer")
    async def customer(body: Customer) -> dict[str, str]:
        claims = body.model_dump(exclude={"customer_id", "openid"})
        openid = body.openid or openid_of(body.customer_id)
        return token(world, {"sub": body.customer_id, "kind": "customer", "openid": openid, **claims})

    @router.post("/staff")
    async def staff(body: Staff) -> dict[str, str]:
        claims = body.model_dump(exclude={"staff_id"})
        return token(world, {"sub": body.staff_id, "kind": "staff", **claims})

    return router
