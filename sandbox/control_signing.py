"""How tests drive keys and signatures: key mode, probes, and new certificates."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sandbox.certificates import OVERLAP_SECONDS
from sandbox.clock import rfc3339_utc
from sandbox.signing_plan import Mode, Signing
from sandbox.world import World


class SigningChange(BaseModel):
    """What shall be different; what is not named stays as it is."""

    model_config = ConfigDict(extra="forbid")
    mode: Mode | None = None
    probe_share: float | None = Field(default=None, ge=0, le=1)
    seed: int | None = None


def add_signing(router: APIRouter, world: World) -> None:
    """``/signing``, ``/probes`` and ``/certificates/rotate``."""

    @router.get("/signing")
    async def signing() -> Signing:
        return world.signing.chosen

    @router.put("/signing")
    async def sign(body: SigningChange) -> Signing:
        world.signing.choose(world.signing.chosen.model_copy(update=body.model_dump(exclude_none=True)))
        return world.signing.chosen

    @router.get("/probes")
    async def probes() -> dict[str, int]:
        """What receivers made of signature probes: ``refused`` is right, ``accepted`` is not."""
        return world.signing.probes

    @router.post("/certificates/rotate")
    async def rotate() -> dict[str, Any]:
        """A new certificate signs from now on; the one before stays listed for a day of business time."""
        newest = world.keys.platform.rotate()
        return {
            "signs": newest.key.serial,
            "listed": [listed.key.serial for listed in world.keys.platform.certificates()],
            "overlap_until": rfc3339_utc(world.clock.now() + OVERLAP_SECONDS),
        }
