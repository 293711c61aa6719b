"""Performs a payment's wishes at the provider and reports what came of them. Nothing is decided here. Those about
refunds and transfers are in `refund_effects`."""

from __future__ import annotations

import structlog
from prometheus_client import Counter

from chassis.engine import Engine
from contracts.payment import trade_number
from services.payment.merchants import Merchants
from services.payment.outside import (
    AttentionCalled,
    CallAttention,
    CloseAnswered,
    CloseOrder,
    PaymentQueried,
    QueryPayment,
)
from services.payment.roads import ALREADY_PAID_CODES, NO_PAYMENT_CODES
from services.payment.wechatpay import NoAnswer, Refused

# The provider does not know the payment, or has closed it: either way nobody can pay it any more, unless it was ordered
# a moment ago (pay.weixin.qq.com/docs/merchant/products/close-order/introduction.html; see `paying.close_answered`).
CLOSED_CODES = frozenset({"ORDER_CLOSED", "ORDERCLOSED", *NO_PAYMENT_CODES})

ATTENTION = Counter("tuidan_payment_attention_total", "Payments and refunds a person should look at", ["what"])

log = structlog.get_logger()


class Effects:
    """What a payment wants of the provider. The second argument of each is the attempt, from 1: above 1 an earlier one
    was made and nobody knows what came of it."""

    def __init__(self, merchants: Merchants) -> None:
        self._merchants = merchants

    def join(self, engine: Engine) -> None:
        """Become the performer of every wish of this service."""
        engine.perform(CloseOrder, self.close_order)
        engine.perform(QueryPayment, self.query_payment)
        engine.perform(CallAttention, self.call_attention)

    async def close_order(self, wish: CloseOrder, _: int) -> CloseAnswered:
        """Close; paid already: bring the payment along."""
        number = trade_number(wish.order_id)
        provider = self._merchants.of(wish.shop)
        try:
            await provider.close(number)
            return CloseAnswered(order_id=wish.order_id, outcome="closed")
        except NoAnswer as trouble:
            return CloseAnswered(order_id=wish.order_id, outcome="unknown", code=trouble.code)
        except Refused as refusal:
            if refusal.code in CLOSED_CODES:
                return CloseAnswered(order_id=wish.order_id, outcome="closed", code=refusal.code)
            if refusal.code not in ALREADY_PAID_CODES:
                log.error("the provider does not close a payment", code=refusal.code)
                return CloseAnswered(order_id=wish.order_id, outcome="unknown", code=refusal.code)
        try:
            trade = await provider.query_payment(number)
        except (NoAnswer, Refused) as trouble:
            return CloseAnswered(order_id=wish.order_id, outcome="unknown", code=trouble.code)
        if not trade.is_paid:
            return CloseAnswered(order_id=wish.order_id, outcome="unknown", code=trade.trade_state)
        return CloseAnswered(order_id=wish.order_id, outcome="paid", trade=trade)

    async def query_payment(self, wish: QueryPayment, _: int) -> PaymentQueried:
        """Ask for the payment."""
        try:
            trade = await self._merchants.of(wish.shop).query_payment(trade_number(wish.order_id))
        except (NoAnswer, Refused) as trouble:
            return PaymentQueried(order_id=wish.order_id, code=trouble.code)
        return PaymentQueried(order_id=wish.order_id, trade=trade)

    async def call_attention(self, wish: CallAttention, _: int) -> AttentionCalled:
        """Put it where people look: the error log, and a counter with an alert on it."""
        ATTENTION.labels(wish.what).inc()
        log.error("a person should look at this payment", what=wish.what, order=wish.order_id, detail=wish.detail)
        return AttentionCalled(order_id=wish.order_id)
