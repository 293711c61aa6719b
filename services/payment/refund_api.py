"""HTTP in about refunds that need somebody: the customer confirms a transfer, another bank card is named."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from chassis.engine import Engine
from chassis.problem import Problem
from chassis.record import Heard
from contracts.message import CaseId, OrderId, message_id
from services.payment.handlers import PAYMENTS
from services.payment.merchants import Merchants
from services.payment.model import Payment, Refund
from services.payment.outside import CardGiven
from services.payment.payouts import is_owed
from services.payment.problems import provider_away
from services.payment.shown import SealedCard
from services.payment.wechatpay import NoAnswer


class Card(BaseModel):
    """A debit card as the customer says it. Never stored, never logged: see `SealedCard`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    bank_type: str = Field(max_length=32)
    bank_account: str = Field(max_length=32)
    real_name: str = Field(max_length=64)


def refund_routes(engine: Engine, merchants: Merchants) -> APIRouter:
    """The routes under /refunds; a case's id begins with its order's."""
    router = APIRouter()

    async def find(case_id: str) -> tuple[Payment, Refund]:
        record = await engine.read(PAYMENTS, case_id.rpartition("-")[0])
        payment = record.state if record else None
        refund = payment.refund_of(case_id) if payment else None
        if payment is None or refund is None:
            raise Problem(404, "refund-unknown", "没有这笔退款。", "There is no such refund: check the case id.")
        return payment, refund

    @router.get("/refunds/{case_id}/transfer")
    async def transfer(case_id: str) -> dict[str, Any]:
        """What `wx.requestMerchantTransfer` wants (pay.weixin.qq.com/doc/v3/merchant/4012716430)."""
        payment, refund = await find(case_id)
        payout = refund.live_payout
        if payout is None or payout.status != "waiting" or not is_owed(payment, refund):
            raise Problem(404, "nothing-to-confirm", "没有需要确认的收款。", "There is no transfer to confirm.")
        if not payout.package_info:
            # Only the making shows it, which may take its time or be forgotten: then it is asked for again.
            raise Problem(
                409,
                "transfer-not-ready",
                "微信支付正在准备这笔收款,请一分钟后再试。",
                "WeChat Pay is still preparing this transfer. Try again in a minute.",
                retry_after=60,
            )
        merchant = merchants.at_the_door(payment.shop).merchant
        return {
            "mchId": merchant.mchid,
            "appId": merchant.appid,
            "package": payout.package_info,
            "confirm_by": payout.confirm_by,
        }

    @router.post("/refunds/{case_id}/bank-card", status_code=202)
    async def bank_card(case_id: str, card: Card) -> dict[str, Any]:
        payment, refund = await find(case_id)
        if refund.status != "abnormal":
            raise Problem(
                409,
                "refund-not-abnormal",
                "该退款不是异常状态,不需要银行卡。",
                "This refund is not abnormal: it needs no bank card.",
                refund_status=refund.status,
            )
        sealed = _seal(merchants, payment, card)
        cause = message_id(f"{case_id}/bank-card/{refund.attempts}", engine.clock().isoformat())
        given = CardGiven(order_id=OrderId(payment.order_id), case_id=CaseId(case_id), card=sealed)
        await engine.hear(Heard(given, cause, engine.clock(), answers_travel=False))
        return {"case_id": case_id, "status": refund.status}

    return router


def _seal(merchants: Merchants, payment: Payment, card: Card) -> SealedCard:
    """Only the provider can read it from here on. Raises payment-provider-away while no key of its is known."""
    provider = merchants.at_the_door(payment.shop)
    try:
        account, name = provider.encrypt(card.bank_account), provider.encrypt(card.real_name)
    except NoAnswer as trouble:
        raise provider_away(trouble.code) from None
    return SealedCard(
        serial=account.serial, bank_type=card.bank_type, bank_account=account.ciphertext, real_name=name.ciphertext
    )
