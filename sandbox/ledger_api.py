"""The ledger over HTTP, for reading only."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from sandbox.world import World

After = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=1, le=10_000)]


def page(lines: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """``{"lines", "next_after"}``; ``next_after`` is None behind the last page."""
    return {"lines": lines, "next_after": lines[-1]["id"] if len(lines) == limit else None}


def ledger_router(world: World) -> APIRouter:
    """``/_ledger``; what is due now is written before it is read."""

    async def up_to_date() -> None:
        world.settle_due()

    router = APIRouter(prefix="/_ledger", dependencies=[Depends(up_to_date)])

    @router.get("/money")
    async def money(after: After = 0, limit: Limit = 1000) -> dict[str, Any]:
        return page(world.ledger.money_lines(after, limit), limit)

    @router.get("/messages")
    async def messages(after: After = 0, limit: Limit = 1000) -> dict[str, Any]:
        return page(world.ledger.message_lines(after, limit), limit)

    @router.get("/customers/{openid}")
    async def customer(openid: str) -> dict[str, Any]:
        return world.ledger.customer(openid)

    @router.get("/summary")
    async def summary() -> dict[str, Any]:
        return world.ledger.summary()

    @router.get("/check")
    async def check() -> dict[str, Any]:
        return world.ledger.check()

    return router
