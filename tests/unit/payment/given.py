"""What the stories about payments share: one payment that hears messages in order, and things it can hear."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from contracts.message import CaseId, CustomerId, Message, Money, OrderId, RefundNumber, Woke
from contracts.payment import ClosePayment, OpenPayment, RefundPayment, WatchRefund
from services.payment.handlers import PAYMENTS
from services.payment.model import Payment, Refund
from services.payment.outside import (
    PaymentNotified,
    PrepayAnswered,
    RefundRejected,
    RefundShown,
    RefundUnanswered,
    StartPrepay,
)
from services.payment.shown import ProviderRefund, Trade

NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
ORDER = OrderId("ORDER0000000000000001")
CASE = CaseId("CASE0000000000000001")
OTHER_CASE = CaseId("CASE0000000000000002")
PAID_FEN = 10_000
TRANSACTION = "4200000000000000000000000001"

M = TypeVar("M", bound=Message)


def fen(amount: int) -> Money:
    return Money(amount_minor=amount, currency="CNY")


def number(n: int = 1, case: str = CASE) -> RefundNumber:
    return RefundNumber(f"{case}-{n}")


def open_payment(**more: Any) -> OpenPayment:
    return OpenPayment(
        order_id=ORDER,
        customer_id=CustomerId("C1"),
        openid="openid-of-somebody",
        amount=more.pop("amount", fen(PAID_FEN)),
        description="茶叶",
        **more,
    )


def close_payment(case: CaseId = CASE, **more: Any) -> ClosePayment:
    return ClosePayment(order_id=ORDER, case_id=case, **more)


def refund_payment(
    amount: int = 4_000, case: CaseId = CASE, reason: str = "不想要了", matched: tuple[RefundNumber, ...] = ()
) -> RefundPayment:
    return RefundPayment(order_id=ORDER, case_id=case, amount=fen(amount), reason=reason, matched=matched)


def watch_refund(case: CaseId = CASE) -> WatchRefund:
    return WatchRefund(order_id=ORDER, case_id=case)


def trade(state: str = "SUCCESS", total: int = PAID_FEN, at: datetime = NOON, **more: Any) -> Trade:
    """A payment as the provider shows it."""
    paid = {"transaction_id": TRANSACTION, "success_time": at.isoformat()} if state in ("SUCCESS", "REFUND") else {}
    return Trade.model_validate(
        {"out_trade_no": ORDER, "trade_state": state, "amount": {"total": total, "currency": "CNY"}, **paid, **more}
    )


def notified(**more: Any) -> PaymentNotified:
    return PaymentNotified(order_id=ORDER, trade=trade(**more))


def refund_document(status: str = "PROCESSING", amount: int = 4_000, n: int = 1, **more: Any) -> dict[str, Any]:
    """A refund as the provider writes it."""
    payer = more.pop("payer_refund", amount)
    case = more.pop("case", CASE)
    done = {"success_time": "2026-11-01T20:30:00+08:00"} if status == "SUCCESS" else {}
    return {
        "refund_id": "50300000000000000000000000001",
        "out_refund_no": number(n, case),
        "out_trade_no": ORDER,
        "transaction_id": TRANSACTION,
        "channel": "ORIGINAL",
        "user_received_account": "支付用户零钱",
        "status": status,
        "amount": {"refund": amount, "total": PAID_FEN, "payer_refund": payer, "currency": "CNY"},
        **done,
        **more,
    }


def shown(status: str = "PROCESSING", *, by: str = "answer", asked: str | None = None, **more: Any) -> RefundShown:
    """What a call or a callback says about a refund."""
    refund = ProviderRefund.model_validate(refund_document(status, **more))
    return RefundShown.model_validate(
        {"order_id": ORDER, "number": asked or refund.out_refund_no, "refund": refund, "by": by}
    )


def rejected(code: str, n: int = 1) -> RefundRejected:
    return RefundRejected(order_id=ORDER, number=number(n), code=code)


def unanswered(code: str = "TIMEOUT", n: int = 1) -> RefundUnanswered:
    return RefundUnanswered(order_id=ORDER, number=number(n), code=code)


class Story:
    """One payment and the time, which moves only when told."""

    def __init__(self) -> None:
        self.now = NOON
        self.state: Payment | None = None
        self.said: list[Message] = []

    def hear(self, message: Message, *, after: timedelta = timedelta()) -> list[Message]:
        """What the payment says when it hears this."""
        self.now += after
        self.state, says = PAYMENTS.handlers[type(message)](self.state, message, self.now)
        self.said.extend(says)
        return list(says)

    def wake(self) -> list[Message]:
        """Wait until the timer rings; what is said then."""
        due = self.payment.wake_at
        assert due is not None, "no timer is set"
        self.now = max(self.now, due)
        return self.hear(Woke(record_id=ORDER, due=due))

    @property
    def payment(self) -> Payment:
        assert self.state is not None
        return self.state

    @property
    def refund(self) -> Refund:
        refund = self.payment.refund_of(CASE)
        assert refund is not None
        return refund

    @property
    def wait(self) -> timedelta | None:
        """How long until the timer rings."""
        return None if self.payment.wake_at is None else self.payment.wake_at - self.now


def opened() -> Story:
    story = Story()
    story.hear(open_payment())
    return story


def prepaid() -> Story:
    story = opened()
    story.hear(StartPrepay(order_id=ORDER))
    story.hear(PrepayAnswered(order_id=ORDER, prepay_id="wx-prepay-1"))
    return story


def paid() -> Story:
    story = prepaid()
    story.hear(notified())
    return story


def asked_to_refund() -> Story:
    story = paid()
    story.hear(refund_payment())
    return story


def accepted() -> Story:
    story = asked_to_refund()
    story.hear(shown("PROCESSING"))
    return story


def expect(says: list[Message], kind: type[M]) -> M:
    """The one message that was said, which must be of this kind."""
    assert [type(one) for one in says] == [kind], says
    one = says[0]
    assert isinstance(one, kind)
    return one


def kinds(says: list[Message]) -> list[str]:
    return [type(one).__name__ for one in says]
