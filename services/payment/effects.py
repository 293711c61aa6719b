"""Performs the record's wishes at the provider and reports what came of them. Nothing is decided here, except what the
provider's rule for calls decides: after a refusal, look whether there is a refund all the same."""

from __future__ import annotations

import structlog
from prometheus_client import Counter

from chassis.engine import Engine
from services.payment.handlers import ALREADY_PAID_CODES
from services.payment.model import ProviderRefund, trade_number
from services.payment.outside import (
    AttentionCalled,
    CallAttention,
    CloseAnswered,
    CloseOrder,
    PaymentQueried,
    QueryPayment,
    QueryRefund,
    RefundRejected,
    RefundShown,
    RefundUnanswered,
    SendRefund,
)
from services.payment.wechatpay import NoAnswer, Refused, WechatPay

# The provider does not know the payment, or has closed it: either way nobody can pay it any more
# (pay.weixin.qq.com/docs/merchant/products/close-order/introduction.html).
CLOSED_CODES = frozenset({"ORDER_CLOSED", "ORDERCLOSED", "ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"})

ATTENTION = Counter("tuidan_payment_attention_total", "Payments and refunds a person should look at", ["what"])

log = structlog.get_logger()

RefundReport = RefundShown | RefundRejected | RefundUnanswered


class Effects:
    """Everything this service does to the outside world. The second argument of each is the attempt, from 1: above 1 an
    earlier one was made and nobody knows what came of it."""

    def __init__(self, provider: WechatPay) -> None:
        self._provider = provider

    def join(self, engine: Engine) -> None:
        """Become the performer of every wish of this service."""
        engine.perform(CloseOrder, self.close_order)
        engine.perform(QueryPayment, self.query_payment)
        engine.perform(SendRefund, self.send_refund)
        engine.perform(QueryRefund, self.query_refund)
        engine.perform(CallAttention, self.call_attention)

    async def close_order(self, wish: CloseOrder, _: int) -> CloseAnswered:
        """Close; paid already: bring the payment along."""
        number = trade_number(wish.order_id)
        try:
            await self._provider.close(number)
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
            trade = await self._provider.query_payment(number)
        except (NoAnswer, Refused) as trouble:
            return CloseAnswered(order_id=wish.order_id, outcome="unknown", code=trouble.code)
        if not trade.is_paid:
            return CloseAnswered(order_id=wish.order_id, outcome="unknown", code=trade.trade_state)
        return CloseAnswered(order_id=wish.order_id, outcome="paid", trade=trade)

    async def query_payment(self, wish: QueryPayment, _: int) -> PaymentQueried:
        """Ask for the payment."""
        try:
            trade = await self._provider.query_payment(trade_number(wish.order_id))
        except (NoAnswer, Refused) as trouble:
            return PaymentQueried(order_id=wish.order_id, code=trouble.code)
        return PaymentQueried(order_id=wish.order_id, trade=trade)

    async def send_refund(self, wish: SendRefund, attempt: int) -> RefundReport:
        """Ask for the refund, with a look at its number before (when an earlier call may have got through) and after
        (when the provider said no)."""
        try:
            if wish.resend or attempt > 1:
                there = await self._look(wish.number)
                if there is not None:
                    return _shown(wish, there)
            try:
                sent = await self._provider.refund(
                    wish.number, trade_number(wish.order_id), wish.amount, wish.total, wish.reason
                )
                return _shown(wish, sent)
            except Refused as refusal:
                log.warning("the provider refuses a refund", number=wish.number, code=refusal.code, http=refusal.http)
                there = await self._look(wish.number)
                if there is not None:
                    return _shown(wish, there)
                return RefundRejected(order_id=wish.order_id, number=wish.number, code=refusal.code)
        except NoAnswer as trouble:
            return RefundUnanswered(order_id=wish.order_id, number=wish.number, code=trouble.code)

    async def query_refund(self, wish: QueryRefund, _: int) -> RefundReport:
        """Ask where a refund is."""
        try:
            there = await self._look(wish.number)
        except NoAnswer as trouble:
            return RefundUnanswered(order_id=wish.order_id, number=wish.number, code=trouble.code)
        if there is None:
            log.error("the provider does not know a refund it has accepted", number=wish.number)
            return RefundUnanswered(order_id=wish.order_id, number=wish.number, code="RESOURCE_NOT_EXISTS")
        return _shown(wish, there)

    async def call_attention(self, wish: CallAttention, _: int) -> AttentionCalled:
        """Put it where people look: the error log, and a counter with an alert on it."""
        ATTENTION.labels(wish.what).inc()
        log.error("a person should look at this payment", what=wish.what, order=wish.order_id, detail=wish.detail)
        return AttentionCalled(order_id=wish.order_id)

    async def _look(self, number: str) -> ProviderRefund | None:
        """The refund under this number, or None when the provider has none. Raises NoAnswer, also for a refusal to
        answer: whoever may not look knows nothing."""
        try:
            return await self._provider.query_refund(number)
        except Refused as refusal:
            if refusal.http == 404 and refusal.code == "RESOURCE_NOT_EXISTS":
                return None
            raise NoAnswer(refusal.code) from refusal


def _shown(wish: SendRefund | QueryRefund, refund: ProviderRefund) -> RefundShown:
    return RefundShown(order_id=wish.order_id, number=wish.number, refund=refund, by="answer")
