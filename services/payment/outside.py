"""Between the record and the outside world: wishes (intents, performed by `effects`) and reports (what came of them, or
reached us by itself). None of them travels on a topic.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from contracts.message import CaseId, Intent, Money, OrderId, RefundNumber, Report
from services.payment.model import ProviderRefund, Trade

Worry = Literal[
    "strange-payment",
    "strange-refund",
    "foreign-refund",
    "closed-refund-moved",
    "refused-refund-moved",
    "refund-refused-after-acceptance",
    "refund-keeps-closing",
    "refund-stays-unknown",
    "balance-short",
]


# ── wishes: what the record wants done outside ───────────────────────────────────────────────────────────────────────
class CloseOrder(Intent):
    """Close the payment at the provider."""

    wire: ClassVar[str] = "close-order"
    order_id: OrderId


class QueryPayment(Intent):
    """Ask whether the customer has paid."""

    wire: ClassVar[str] = "query-payment"
    order_id: OrderId


class SendRefund(Intent):
    """Ask the provider to pay back `amount` of `total`. `resend`: an earlier call may have got through, so look
    first."""

    wire: ClassVar[str] = "send-refund"
    order_id: OrderId
    case_id: CaseId
    number: RefundNumber
    n: int
    amount: Money
    total: Money
    reason: str = ""
    resend: bool = False


class QueryRefund(Intent):
    """Ask where a refund is."""

    wire: ClassVar[str] = "query-refund"
    order_id: OrderId
    case_id: CaseId
    number: RefundNumber


class CallAttention(Intent):
    """A person should look: an error in the log and a metric an alert watches."""

    wire: ClassVar[str] = "call-attention"
    order_id: OrderId
    case_id: CaseId | None = None
    what: Worry
    detail: str


# ── reports: what came of it, or reached us ──────────────────────────────────────────────────────────────────────────
class PaymentReport(Report):
    """Anything one payment hears from outside."""

    order_id: OrderId


class StartPrepay(PaymentReport):
    """The customer wants to pay: from now on the provider may know this payment."""

    wire: ClassVar[str] = "start-prepay"


class PrepayAnswered(PaymentReport):
    """The provider's ticket for the customer's phone."""

    wire: ClassVar[str] = "prepay-answered"
    prepay_id: str


class PrepayRefused(PaymentReport):
    """The provider gives no ticket; `code` is its word for why."""

    wire: ClassVar[str] = "prepay-refused"
    code: str


class PaymentNotified(PaymentReport):
    """A verified `TRANSACTION.SUCCESS` callback."""

    wire: ClassVar[str] = "payment-notified"
    trade: Trade


class PaymentQueried(PaymentReport):
    """The answer to `QueryPayment`; `trade` is None when there was none, then `code` says why."""

    wire: ClassVar[str] = "payment-queried"
    trade: Trade | None = None
    code: str = ""


class CloseAnswered(PaymentReport):
    """The answer to `CloseOrder`. paid: `trade` is the payment; unknown: nobody knows, `code` says why."""

    wire: ClassVar[str] = "close-answered"
    outcome: Literal["closed", "paid", "unknown"]
    trade: Trade | None = None
    code: str = ""


class RefundShown(PaymentReport):
    """The provider shows a refund; `number` is the one asked about. `by` callback: it came to us, unasked."""

    wire: ClassVar[str] = "refund-shown"
    number: str
    refund: ProviderRefund
    by: Literal["answer", "callback"]


class RefundRejected(PaymentReport):
    """The provider said no with `code`, and a query found no refund under this number: nothing was accepted."""

    wire: ClassVar[str] = "refund-rejected"
    number: str
    code: str = Field(min_length=1)


class RefundUnanswered(PaymentReport):
    """Nobody knows whether the provider has accepted; `code` says what was seen instead of an answer."""

    wire: ClassVar[str] = "refund-unanswered"
    number: str
    code: str = Field(min_length=1)


class AttentionCalled(PaymentReport):
    """The call for attention is in the log."""

    wire: ClassVar[str] = "attention-called"
