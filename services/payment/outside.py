"""Between the record and the outside world: wishes (intents, performed by `effects`) and reports (what came of them, or
reached us by itself). None of them travels on a topic.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from contracts.message import CaseId, Intent, Money, OrderId, RefundNumber, Report
from services.payment.shown import ProviderRefund, ProviderTransfer, SealedCard, Trade

Worry = Literal[
    "strange-payment",
    "strange-refund",
    "strange-transfer",
    "closed-refund-moved",
    "refused-refund-moved",
    "refund-refused-after-acceptance",
    "refund-keeps-closing",
    "refund-stays-unknown",
    "refund-takes-long",
    "refund-of-erased-order",
    "transfer-paid-unowed",
    "transfer-stays-parked",
    "shipping-refused",
    "shipping-record-strange",
]
HeldBack = Literal["BALANCE_SHORT", "ORDER_SPACING", "CUSTOMER_BUSY", "RATE", "RESTORED"]


# ── wishes: what the record wants done outside ───────────────────────────────────────────────────────────────────────
class ShopIntent(Intent):
    """Anything that is asked of the provider in the name of one shop."""

    order_id: OrderId
    shop: str = ""


class CloseOrder(ShopIntent):
    """Close the payment at the provider."""

    wire: ClassVar[str] = "close-order"


class QueryPayment(ShopIntent):
    """Ask whether the customer has paid."""

    wire: ClassVar[str] = "query-payment"


class SendRefund(ShopIntent):
    """Ask the provider to pay back `amount` of `total`. `resend`: an earlier call may have got through, so look
    first. `previous_at`: when another refund of this order was last sent."""

    wire: ClassVar[str] = "send-refund"
    case_id: CaseId
    number: RefundNumber
    n: int
    openid: str = ""
    amount: Money
    total: Money
    reason: str = ""
    resend: bool = False
    previous_at: AwareDatetime | None = None


class QueryRefund(ShopIntent):
    """Ask where a refund is. `case_id` is None for one that was made by hand."""

    wire: ClassVar[str] = "query-refund"
    case_id: CaseId | None = None
    number: RefundNumber


class RescueRefund(ShopIntent):
    """Ask the provider to pay an abnormal refund to another bank card."""

    wire: ClassVar[str] = "rescue-refund"
    case_id: CaseId
    number: RefundNumber
    refund_id: str
    card: SealedCard


class SendTransfer(ShopIntent):
    """Ask the provider to pay `amount` to the customer, who has to confirm it. `resend` as above."""

    wire: ClassVar[str] = "send-transfer"
    case_id: CaseId
    number: RefundNumber
    openid: str
    amount: Money
    reason: str = ""
    resend: bool = False


class QueryTransfer(ShopIntent):
    """Ask where a transfer is."""

    wire: ClassVar[str] = "query-transfer"
    case_id: CaseId
    number: RefundNumber


class CancelTransfer(ShopIntent):
    """Take a transfer back that its customer has not confirmed: the money has meanwhile gone another way."""

    wire: ClassVar[str] = "cancel-transfer"
    case_id: CaseId
    number: RefundNumber


class UploadShipping(ShopIntent):
    """Tell WeChat that the parcel has left. `resend`: an earlier call may have got through, so look first: only one
    correction is ever taken."""

    wire: ClassVar[str] = "upload-shipping"
    transaction_id: str
    openid: str
    carrier: str
    tracking_number: str
    item: str
    receiver: str = ""
    resend: bool = False


class QueryShipping(ShopIntent):
    """Ask what WeChat's shipping record says."""

    wire: ClassVar[str] = "query-shipping"
    transaction_id: str


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
    """The provider shows a refund; `number` is the one asked about. `by` callback: it came to us, unasked. `forgotten`:
    it was there before we sent ours, made in a time that was lost with the database."""

    wire: ClassVar[str] = "refund-shown"
    number: str
    refund: ProviderRefund
    by: Literal["answer", "callback"]
    forgotten: bool = False


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


class RefundHeld(PaymentReport):
    """The call was not made: a limit of the provider would have been broken, or the database was restored and nobody
    knows yet what was refunded since. May be tried from `until` on."""

    wire: ClassVar[str] = "refund-held"
    number: str
    code: HeldBack
    until: AwareDatetime


class BalanceIsBack(PaymentReport):
    """The merchant's balance is no longer short: what was parked goes on."""

    wire: ClassVar[str] = "balance-is-back"


class CardGiven(PaymentReport):
    """The customer has named another bank card for an abnormal refund."""

    wire: ClassVar[str] = "card-given"
    case_id: CaseId
    card: SealedCard


class RescueRejected(PaymentReport):
    """The provider does not pay the abnormal refund to that card; `code` is its word for why."""

    wire: ClassVar[str] = "rescue-rejected"
    number: str
    code: str = Field(min_length=1)


class TransferShown(PaymentReport):
    """The provider shows a transfer; `number` is the one asked about. `by` callback: it came to us, unasked."""

    wire: ClassVar[str] = "transfer-shown"
    number: str
    transfer: ProviderTransfer
    by: Literal["answer", "callback"]


class PayoutRemembered(PaymentReport):
    """Before refund `number` was sent the provider showed that its money goes, or went, as transfer `n` of its case:
    made in a time that was lost with the database."""

    wire: ClassVar[str] = "payout-remembered"
    number: str
    n: int
    transfer: ProviderTransfer


class TransferRejected(PaymentReport):
    """The provider said no with `code`, and a query found no transfer under this number: nothing was accepted."""

    wire: ClassVar[str] = "transfer-rejected"
    number: str
    code: str = Field(min_length=1)


class TransferUnanswered(PaymentReport):
    """Nobody knows whether the provider has accepted the transfer."""

    wire: ClassVar[str] = "transfer-unanswered"
    number: str
    code: str = Field(min_length=1)


class ShippingAnswered(PaymentReport):
    """The answer to `UploadShipping`. `code` is WeChat's error code, empty when it has the record. unknown: nobody
    knows. off: this shop keeps no such records."""

    wire: ClassVar[str] = "shipping-answered"
    outcome: Literal["recorded", "later", "refused", "unknown", "off"]
    code: str = ""


class ShippingShown(PaymentReport):
    """The answer to `QueryShipping`: WeChat's order_state, None when it could not be had."""

    wire: ClassVar[str] = "shipping-shown"
    state: int | None = None


class AttentionCalled(PaymentReport):
    """The call for attention is in the log."""

    wire: ClassVar[str] = "attention-called"
