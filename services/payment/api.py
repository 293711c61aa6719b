"""HTTP in: the customer starts to pay, operators look. Only the gateway reaches this. Where the provider calls back is
in `callbacks`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import structlog
from fastapi import APIRouter

from chassis.engine import Engine
from chassis.problem import Problem
from chassis.record import Heard
from contracts.message import OrderId, Report, message_id
from contracts.payment import trade_number
from services.payment.handlers import PAYMENTS
from services.payment.merchants import Merchants
from services.payment.model import Payment
from services.payment.outside import PrepayAnswered, PrepayRefused, StartPrepay
from services.payment.problems import provider_away
from services.payment.roads import ALREADY_PAID_CODES
from services.payment.wechatpay import NoAnswer, Refused

log = structlog.get_logger()


class Summing(Protocol):
    """Where sums come from: the records' collection."""

    async def aggregate(self, pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The result of an aggregation pipeline."""


def routes(engine: Engine, merchants: Merchants, records: Summing) -> APIRouter:
    """The routes under /payments."""
    router = APIRouter()
    till = Till(engine, merchants)

    @router.post("/payments/{order_id}/prepay")
    async def prepay(order_id: OrderId) -> dict[str, str]:
        return await till.prepay(order_id)

    @router.get("/payments/summary")
    async def summary() -> list[dict[str, Any]]:
        """Per currency, minor units: what was paid, what the provider promised back, what has arrived, what is open."""
        return await records.aggregate(SUMS)

    @router.get("/payments/{order_id}")
    async def show(order_id: str) -> dict[str, Any]:
        record = await engine.read(PAYMENTS, order_id)
        if record is None or record.state is None:
            raise Problem(404, "payment-unknown", "没有这笔支付。", "There is no such payment: check the order id.")
        shown: dict[str, Any] = record.state.model_dump(mode="json", exclude={"openid", "prepay_id"})
        return {**shown, "wake_at": record.wake_at, "version": record.version}

    return router


# ── paying ───────────────────────────────────────────────────────────────────────────────────────────────────────────
class Till:
    """Where the customer starts to pay. The customer waits, so the provider is called here, outside any save: before
    the call it is stored that there may be a payment, after it what came of it."""

    def __init__(self, engine: Engine, merchants: Merchants) -> None:
        self._engine = engine
        self._merchants = merchants

    async def prepay(self, order_id: OrderId) -> dict[str, str]:
        """Everything `wx.requestPayment` needs. Raises Problem."""
        at = self._engine.clock()
        payment = _payable(await self._hear(StartPrepay(order_id=order_id), f"prepay/{order_id}", at.isoformat()))
        prepay_id = payment.usable_prepay_id(at)
        if prepay_id is None:
            prepay_id = await self._order(payment)
            answered = PrepayAnswered(order_id=order_id, prepay_id=prepay_id)
            # Closed or paid while the provider was asked: the ticket must not reach the customer.
            _payable(await self._hear(answered, f"prepay/{order_id}", prepay_id))
        ticket = self._merchants.at_the_door(payment.shop).ticket(prepay_id)
        return {"prepay_id": prepay_id, "out_trade_no": trade_number(order_id), **ticket}

    async def _order(self, payment: Payment) -> str:
        assert payment.amount is not None
        number = trade_number(payment.order_id)
        try:
            return await self._merchants.at_the_door(payment.shop).prepay(
                number, payment.openid or "", payment.amount, payment.description or number
            )
        except NoAnswer as trouble:
            log.warning("no answer to a prepay", order=payment.order_id, code=trouble.code)
            raise provider_away(trouble.code) from trouble
        except Refused as refusal:
            at = self._engine.clock()
            refused = PrepayRefused(order_id=payment.order_id, code=refusal.code)
            await self._hear(refused, f"prepay/{payment.order_id}/{refusal.code}", at.isoformat())
            if refusal.code in ALREADY_PAID_CODES:
                raise _already_paid() from refusal
            if refusal.code in ("ORDER_CLOSED", "ORDERCLOSED"):
                raise _closed() from refusal
            log.error("the provider refuses a prepay", order=payment.order_id, code=refusal.code, why=str(refusal))
            raise _refused(refusal.code) from refusal

    async def _hear(self, report: Report, cause: str, position: str) -> Payment | None:
        heard = Heard(report, message_id(cause, position), self._engine.clock(), answers_travel=False)
        decided = await self._engine.hear(heard)
        return decided.record.state if decided else None


def _payable(payment: Payment | None) -> Payment:
    if payment is None or payment.status == "new":
        raise Problem(
            409,
            "payment-not-ready",
            "订单正在准备支付,请稍候再试。",
            "The payment is not ready yet: try again in a second.",
            retry_after=1,
        )
    if payment.status == "paid":
        raise _already_paid()
    if payment.status != "opened":
        raise _closed()
    return payment


def _already_paid() -> Problem:
    return Problem(
        409, "already-paid", "订单已支付,无需重复付款。", "The order is paid already: nothing is left to pay."
    )


def _closed() -> Problem:
    return Problem(
        409, "payment-closed", "订单已取消,不能再支付。", "The order is cancelled and cannot be paid: place a new one."
    )


def _refused(code: str) -> Problem:
    """WeChat Pay has understood and says no: its account, its product or the request itself is not in order, which the
    same request a second later does not mend."""
    return Problem(
        503,
        "payment-refused",
        "微信支付未受理这笔付款,请稍后再试或联系商家,不会重复扣款。",
        "WeChat Pay does not take this payment. Try again later, or ask the shop; nobody is charged twice.",
        retry_after=60,
        provider_code=code,
    )


# ── the books ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _sum_of(*statuses: str) -> dict[str, Any]:
    chosen = {"$filter": {"input": "$state.refunds", "cond": {"$in": ["$$this.status", list(statuses)]}}}
    return {"$sum": {"$map": {"input": chosen, "in": "$$this.amount.amount_minor"}}}


_FIGURES = ("paid_minor", "refunds_accepted_minor", "refunds_settled_minor", "refunds_open_minor")

SUMS: list[dict[str, Any]] = [
    {"$match": {"state.receipt": {"$ne": None}}},
    {
        "$project": {
            "currency": "$state.receipt.amount.currency",
            "paid_minor": "$state.receipt.amount.amount_minor",
            "refunds_accepted_minor": _sum_of("accepted", "abnormal", "settled"),
            "refunds_settled_minor": _sum_of("settled"),
            "refunds_open_minor": _sum_of("intended", "unknown", "parked", "paying-out", "mismatch"),
        }
    },
    {
        "$group": {
            "_id": "$currency",
            "payments": {"$sum": 1},
            **{figure: {"$sum": f"${figure}"} for figure in _FIGURES},
        }
    },
    {"$project": {"_id": 0, "currency": "$_id", "payments": 1, **dict.fromkeys(_FIGURES, 1)}},
    {"$sort": {"currency": 1}},
]
