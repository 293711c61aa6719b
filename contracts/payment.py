"""What the payment service understands and what it tells. A payment belongs to one order; a refund to one case."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from contracts.message import CaseId, Command, CustomerId, Event, Money, OrderId, RefundNumber, Topic, answered_by

COMMANDS = Topic("payment.commands")
EVENTS = Topic("payment.events")


@EVENTS.carries("payment-opened.v1")
class PaymentOpened(Event):
    """The order can be paid now."""

    order_id: OrderId


@answered_by(yes=PaymentOpened)
@COMMANDS.carries("open-payment.v1")
class OpenPayment(Command):
    """Expect this much money for an order. Nothing is said to the provider until the customer starts to pay."""

    order_id: OrderId
    customer_id: CustomerId
    openid: str
    amount: Money
    description: str = Field(max_length=127)


@EVENTS.carries("payment-received.v1")
class PaymentReceived(Event):
    """The provider has the customer's money. May come after the order was cancelled: that is a late payment."""

    order_id: OrderId
    amount: Money
    transaction_id: str
    paid_at: AwareDatetime


@EVENTS.carries("payment-closed.v1")
class PaymentClosed(Event):
    """The order can no longer be paid."""

    order_id: OrderId
    case_id: CaseId


@EVENTS.carries("payment-close-refused.v1")
class PaymentCloseRefused(Event):
    """The customer has paid already; `PaymentReceived` was said before this."""

    order_id: OrderId
    case_id: CaseId
    reason: Literal["already-paid"]


@answered_by(yes=PaymentClosed, no=PaymentCloseRefused)
@COMMANDS.carries("close-payment.v1")
class ClosePayment(Command):
    """Make sure that an unpaid order is never paid."""

    order_id: OrderId
    case_id: CaseId


@EVENTS.carries("refund-accepted.v1")
class RefundAccepted(Event):
    """The provider has promised to pay the money back; `route` is where it goes, in the provider's words."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    amount: Money
    route: str
    accepted_at: AwareDatetime


@EVENTS.carries("refund-refused.v1")
class RefundRefused(Event):
    """The provider will never make this refund; no money moved. `provider_code` is its own word for it."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    reason: Literal["not-paid", "more-than-was-paid", "account-abnormal", "too-old", "refused-by-provider"]
    provider_code: str


@answered_by(yes=RefundAccepted, no=RefundRefused)
@COMMANDS.carries("refund-payment.v1")
class RefundPayment(Command):
    """Give money back for one case. Safe to repeat: one refund per case."""

    order_id: OrderId
    case_id: CaseId
    amount: Money
    reason: str = Field(max_length=80)


@EVENTS.carries("refund-attempted.v1")
class RefundAttempted(Event):
    """For the timeline: a call that did not settle the matter. `outcome` unknown: nobody knows yet whether the
    provider accepted; parked: the merchant's balance is short; abnormal: the money is in between."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    outcome: Literal["unknown", "parked", "abnormal", "closed"]
    provider_code: str
    attempt: int = Field(ge=1)
    next_try_at: AwareDatetime | None = None


@EVENTS.carries("refund-settled.v1")
class RefundSettled(Event):
    """The money has arrived at the customer. `amount` is what the customer received (`payer_refund`)."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    amount: Money
    settled_at: AwareDatetime


@answered_by(yes=RefundSettled)
@COMMANDS.carries("watch-refund.v1")
class WatchRefund(Command):
    """Tell when the money of a case has arrived."""

    order_id: OrderId
    case_id: CaseId
