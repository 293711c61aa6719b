"""How tests drive the two SMS accounts."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from sandbox.sms_book import Accounts
from sandbox.sms_parts import normal_number
from sandbox.world import World


class Undeliverable(BaseModel):
    """Numbers whose messages are accepted and never arrive, with the carrier's code; replaces the list."""

    model_config = ConfigDict(extra="forbid")
    numbers: list[str]
    err_code: str = Field(default="MK:0001", min_length=1, max_length=32)


def control_sms_router(world: World) -> APIRouter:
    """``/_control/sms`` but for the blacklist."""
    router = APIRouter(prefix="/_control/sms")

    @router.get("")
    async def accounts() -> Accounts:
        return world.sms.accounts()

    @router.put("")
    async def set_accounts(body: Accounts) -> Accounts:
        """Replaces the accounts that are named, with the defaults for what is left out."""
        kept = world.sms.accounts()
        named = {name: getattr(body, name) for name in body.model_fields_set}
        world.sms.set_accounts(kept.model_copy(update=named))
        return world.sms.accounts()

    @router.get("/undeliverable")
    async def undeliverable() -> dict[str, str]:
        return world.sms.undeliverable()

    @router.put("/undeliverable")
    async def set_undeliverable(body: Undeliverable) -> dict[str, str]:
        world.sms.set_undeliverable({normal_number(one) or one: body.err_code for one in body.numbers})
        return world.sms.undeliverable()

    return router
