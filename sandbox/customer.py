"""What customers do on their phones, done over HTTP by tests: pay, and accept messages."""

from typing import Annotated, Any, Self

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.trades import PaymentRefusedError
from sandbox.world import World


class Payment(BaseModel):
    """Pay a prepaid order, named by either number. ``openid``, where given, must be the one that was to pay."""

    model_config = ConfigDict(extra="forbid")
    prepay_id: str | None = None
    out_trade_no: str | None = None
    openid: str | None = None
    force_late: bool = Field(default=False, description="pay although the order is closed or its time is over")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.prepay_id is None) == (self.out_trade_no is None):
            raise ValueError("name the payment by prepay_id or by out_trade_no")
        return self


class Accept(BaseModel):
    """Accept ``count`` messages of each template; of all the account's templates when none are named."""

    model_config = ConfigDict(extra="forbid")
    openid: str = Field(min_length=1)
    template_ids: Annotated[list[str], Field(max_length=20)] = []
    count: int = Field(default=1, ge=1, le=10_000)


def customer_router(world: World) -> APIRouter:
    """``/_customer``."""
    router = APIRouter(prefix="/_customer")

    @router.post("/pay")
    async def pay(body: Payment) -> dict[str, Any]:
        try:
            paid = world.trades.pay(**body.model_dump())
        except PaymentRefusedError as refused:
            http = 404 if refused.reason == "unknown" else 409
            raise HTTPException(http, {"reason": refused.reason}) from None
        world.courier.kick()
        return paid

    @router.post("/subscribe")
    async def subscribe(body: Accept) -> dict[str, dict[str, int]]:
        unknown = [name for name in body.template_ids if not world.subscriptions.knows_template(name)]
        if unknown:
            raise HTTPException(404, {"reason": "unknown-template", "template_ids": unknown})
        with world.store.transaction():
            remaining = {
                name: world.subscriptions.accept(body.openid, name, body.count)
                for name in body.template_ids or world.subscriptions.template_ids
            }
        return {"remaining": remaining}

    return router
