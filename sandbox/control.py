"""How tests drive the stand-in: faults, time, balance, blacklist, and waiting until all is delivered."""

from typing import Any, Literal, Self

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.clock import rfc3339_utc
from sandbox.control_signing import add_signing
from sandbox.faults import Rule, Shares, shares_of
from sandbox.sms_parts import normal_number
from sandbox.world import World


class Passing(BaseModel):
    """Time that passes, and how fast it runs from now on: business seconds in one real second."""

    model_config = ConfigDict(extra="forbid")
    advance_seconds: float | None = Field(default=None, ge=0, le=10 * 365 * 24 * 3600)
    speed: float | None = Field(default=None, ge=1, le=100_000)

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.advance_seconds is None and self.speed is None:
            raise ValueError("advance_seconds or speed is required")
        return self


class Balance(BaseModel):
    """A merchant's balance, fen; no ``mchid`` means the first merchant."""

    model_config = ConfigDict(extra="forbid")
    balance_minor: int = Field(ge=0)
    mchid: str | None = None


class Blacklist(BaseModel):
    """Phone numbers no SMS reaches; replaces the list."""

    model_config = ConfigDict(extra="forbid")
    numbers: list[str]


class RefundEnd(BaseModel):
    """Where a refund goes."""

    model_config = ConfigDict(extra="forbid")
    status: Literal["SUCCESS", "ABNORMAL", "CLOSED"]


def control_router(world: World) -> APIRouter:
    """``/_control``."""
    router = APIRouter(prefix="/_control")
    _add_faults(router, world)
    add_signing(router, world)
    _add_time(router, world)
    _add_state(router, world)
    return router


def _add_faults(router: APIRouter, world: World) -> None:
    def shown() -> dict[str, Any]:
        return {**world.faults.shares.model_dump(), "rules": [rule.model_dump() for rule in world.faults.rules]}

    @router.get("/faults")
    async def faults() -> dict[str, Any]:
        return shown()

    @router.put("/faults")
    async def set_faults(body: Shares) -> dict[str, Any]:
        world.faults.set_shares(body)
        return shown()

    @router.delete("/faults")
    async def clear_faults() -> dict[str, Any]:
        """Back to the shares of the settings, and no rules."""
        world.faults.set_shares(shares_of(world.settings))
        world.faults.clear_rules()
        return shown()

    @router.get("/faults/rules")
    async def rules() -> list[Rule]:
        return world.faults.rules

    @router.post("/faults/rules", status_code=201)
    async def add_rules(body: list[Rule]) -> list[Rule]:
        world.faults.add_rules(body)
        return world.faults.rules

    @router.delete("/faults/rules", status_code=204)
    async def clear_rules() -> Response:
        world.faults.clear_rules()
        return Response(status_code=204)


def _add_time(router: APIRouter, world: World) -> None:
    def shown() -> dict[str, Any]:
        clock = world.clock
        return {"now": rfc3339_utc(clock.now()), "offset_seconds": clock.offset, "speed": clock.speed}

    @router.get("/clock")
    async def clock() -> dict[str, Any]:
        return shown()

    @router.post("/clock")
    async def advance(body: Passing) -> dict[str, Any]:
        """Answers when everything that became due was done, in its order."""
        if body.speed is not None:
            world.clock.run_at(body.speed)
        if body.advance_seconds is not None:
            await world.courier.advance(body.advance_seconds)
        # How long it waits for the next thing depends on the speed.
        world.courier.kick()
        return shown()

    @router.post("/settle")
    async def settle() -> dict[str, Any]:
        """Answers when nothing that is due now is left to do."""
        await world.courier.drain()
        return shown()


def _add_state(router: APIRouter, world: World) -> None:
    @router.get("/callbacks")
    async def callbacks(limit: int = 100) -> list[dict[str, Any]]:
        return world.queue.lines(limit)

    @router.put("/balance")
    async def balance(body: Balance) -> dict[str, int]:
        world.ledger.set_balance(body.balance_minor, body.mchid)
        world.faults.topped_up(body.mchid or world.keys.mchid)
        return {"balance_minor": world.ledger.balance(body.mchid)}

    @router.put("/sms/blacklist")
    async def blacklist(body: Blacklist) -> dict[str, list[str]]:
        numbers = sorted({normal_number(number) or number for number in body.numbers})
        with world.store.transaction():
            world.store.run("DELETE FROM sms_blacklist")
            for number in numbers:
                world.store.run("INSERT INTO sms_blacklist VALUES (?)", number)
        return {"numbers": numbers}

    @router.put("/refunds/{out_refund_no}/status")
    async def end_refund(out_refund_no: str, body: RefundEnd) -> dict[str, Any]:
        """Move a refund by hand: PROCESSING to any end, ABNORMAL to SUCCESS."""
        row = world.refunds.row(out_refund_no)
        if row is None:
            raise HTTPException(404, {"reason": "unknown-refund"})
        if not world.refunds.end(out_refund_no, body.status, row["mchid"]):
            raise HTTPException(409, {"reason": "status", "status": row["status"]})
        world.courier.kick()
        return world.refunds.query(out_refund_no, mchid=row["mchid"])
