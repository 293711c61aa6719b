"""What customers do on their phones, done over HTTP by tests: pay, and take transfers."""

from typing import Any, Literal, Self

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sandbox.trades import Means, PaymentRefusedError
from sandbox.transfers import TransferRefusedError
from sandbox.world import World


class Payment(BaseModel):
    """Pay a prepaid order, named by either number. ``openid``, where given, must be the one that was to pay.

    A coupon takes its part of the total, in fen: COUPON was prepaid and reaches the merchant, DISCOUNT is a rebate.
    """

    model_config = ConfigDict(extra="forbid")
    prepay_id: str | None = None
    out_trade_no: str | None = None
    mchid: str | None = Field(default=None, description="whose order it is, where two merchants use one number")
    openid: str | None = None
    coupon_minor: int = Field(default=0, ge=0)
    coupon_type: Literal["COUPON", "DISCOUNT"] = "COUPON"
    bank: str | None = Field(default=None, min_length=1, max_length=64, description="such as 招商银行信用卡0403")
    force_late: bool = Field(default=False, description="pay although the order is closed or its time is over")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.prepay_id is None) == (self.out_trade_no is None):
            raise ValueError("name the payment by prepay_id or by out_trade_no")
        return self


class Confirmation(BaseModel):
    """Take the money of a merchant transfer, named as the mini-program knows it or by the merchant's number."""

    model_config = ConfigDict(extra="forbid")
    package_info: str | None = None
    out_bill_no: str | None = None
    openid: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.package_info is None) == (self.out_bill_no is None):
            raise ValueError("name the transfer by package_info or by out_bill_no")
        return self


async def hurried(world: World, paid: dict[str, Any]) -> None:
    """Where a fault ``callback-before-answer`` strikes, the shop hears of the payment before the phone does."""
    numbers = {"out_trade_no": paid["out_trade_no"], "openid": paid["payer"]["openid"], "mchid": paid["mchid"]}
    if world.faults.draw("customer-pay", numbers) is not None:
        await world.courier.hurry("pay-callback", paid["mchid"], numbers)


def customer_router(world: World) -> APIRouter:
    """``/_customer``."""
    router = APIRouter(prefix="/_customer")

    @router.post("/pay")
    async def pay(body: Payment) -> dict[str, Any]:
        try:
            paid = world.trades.pay(
                out_trade_no=body.out_trade_no,
                prepay_id=body.prepay_id,
                openid=body.openid,
                force_late=body.force_late,
                means=Means(body.coupon_minor, body.coupon_type, body.bank),
                mchid=body.mchid,
            )
        except PaymentRefusedError as refused:
            http = 404 if refused.reason == "unknown" else 409
            raise HTTPException(http, {"reason": refused.reason}) from None
        await hurried(world, paid)
        world.courier.kick()
        return paid

    @router.post("/transfer/confirm")
    async def confirm(body: Confirmation) -> dict[str, Any]:
        try:
            taken = world.transfers.confirm(body.package_info, body.out_bill_no, body.openid)
        except TransferRefusedError as refused:
            http = 404 if refused.reason == "unknown" else 409
            raise HTTPException(http, {"reason": refused.reason}) from None
        finally:
            world.courier.kick()
        return taken

    return router
