"""What people do on the merchant platform, and how bills are spoiled: driven by tests."""

from typing import Any

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from sandbox.banks import MERCHANT_ACCOUNT
from sandbox.bills import Disturbance
from sandbox.errors import WechatPayError
from sandbox.world import World


class HandRefund(BaseModel):
    """A refund made by hand on the merchant platform; ``amount_minor`` is fen. ``from_available``: not from the money
    of payments, as an account of the old fund flow refunds, but from what was topped up."""

    model_config = ConfigDict(extra="forbid")
    out_trade_no: str = Field(min_length=1)
    amount_minor: int = Field(ge=1)
    reason: str | None = Field(default=None, min_length=1, max_length=26)
    mchid: str | None = None
    from_available: bool = False


def control_money_router(world: World) -> APIRouter:
    """``/_control/platform`` and ``/_control/bills``."""
    router = APIRouter(prefix="/_control")

    @router.post("/platform/refunds", status_code=201)
    async def refund(body: HandRefund) -> dict[str, Any]:
        """The refund, under a number of the platform's own making."""
        trade = world.trades.row(body.out_trade_no, body.mchid)
        if trade is None:
            raise HTTPException(404, {"reason": "unknown-trade"})
        try:
            made = world.refunds.ask_by_hand(trade, body.amount_minor, body.reason, from_available=body.from_available)
        except WechatPayError as refusal:
            raise HTTPException(409, {"reason": "refused", "code": refusal.code}) from None
        finally:
            world.courier.kick()
        return made

    @router.post("/platform/refunds/{out_refund_no}/to-merchant")
    async def to_merchant(out_refund_no: str) -> dict[str, Any]:
        """The money of an abnormal refund goes to the merchant's bank: who pays the customer is not WeChat Pay."""
        row = world.refunds.row(out_refund_no)
        if row is None:
            raise HTTPException(404, {"reason": "unknown-refund"})
        if row["status"] != "ABNORMAL":
            raise HTTPException(409, {"reason": "status", "status": row["status"]})
        sent = world.refunds.redirect(row, MERCHANT_ACCOUNT)
        world.courier.kick()
        return world.refunds.shown(sent)

    @router.get("/bills")
    async def disturbance() -> Disturbance:
        return world.bills.disturbance

    @router.put("/bills")
    async def disturb(body: Disturbance) -> Disturbance:
        """Replaces all: an empty body makes bills whole again."""
        world.bills.disturb(body)
        return world.bills.disturbance

    return router
