"""What is known about one payment and its refunds, and what the provider shows of them. Plain data, plain rules.

Amounts are integer minor units (fen), times UTC. One payment per order: its number at the provider (`out_trade_no`)
is the order's id, so a callback finds its record without a search. One refund per case: its number (`out_refund_no`)
is `<case id>-<n>`, and n grows only after the provider has confirmed that number n is closed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, model_validator

from contracts.message import CaseId, Money, OrderId, RefundNumber

PaymentStatus = Literal["new", "opened", "closing", "closed", "paid"]
RefundStatus = Literal["intended", "unknown", "parked", "accepted", "abnormal", "settled", "refused", "mismatch"]
RefusalReason = Literal["not-paid", "more-than-was-paid", "account-abnormal", "too-old", "refused-by-provider"]

# A prepay_id lives two hours (pay.weixin.qq.com/doc/v3/partner/4012523593); the customer needs some minutes to pay.
PREPAY_REUSED_FOR = timedelta(minutes=110)

REASON_BYTES_MAX = 80

_TRADE_NUMBER = re.compile(r"[0-9A-Za-z_\-*]{6,32}")
_REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")


def _utc(at: datetime) -> datetime:
    """The provider writes +08:00, the database keeps milliseconds."""
    at = at.astimezone(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


UtcTime = Annotated[AwareDatetime, AfterValidator(_utc)]


class Fact(BaseModel):
    """Something known. Never changed, only replaced."""

    model_config = ConfigDict(frozen=True, extra="ignore")


# ── what the provider shows ──────────────────────────────────────────────────────────────────────────────────────────
class TradeAmount(Fact):
    """What the customer was asked for, fen."""

    total: int
    currency: str = "CNY"


class Trade(Fact):
    """A payment as query answers and `TRANSACTION.SUCCESS` callbacks show it
    (wechatpay-java service/payments/model/Transaction.java)."""

    appid: str = ""
    mchid: str = ""
    out_trade_no: str
    trade_state: str
    transaction_id: str | None = None
    success_time: UtcTime | None = None
    amount: TradeAmount | None = None

    @property
    def is_paid(self) -> bool:
        """REFUND means: paid, and a refund was accepted since."""
        return self.trade_state in ("SUCCESS", "REFUND")


class RefundAmount(Fact):
    """Fen. `refund` was asked for; `payer_refund` is what the customer gets back in money, less where a coupon had
    paid a part."""

    refund: int
    total: int
    payer_refund: int
    currency: str = "CNY"


class ProviderRefund(Fact):
    """A refund as answers and `REFUND.*` callbacks show it (wechatpay-go docs/refunddomestic/Refund.md). Callbacks call
    the status `refund_status`."""

    out_refund_no: str
    out_trade_no: str
    refund_id: str
    status: Literal["PROCESSING", "SUCCESS", "CLOSED", "ABNORMAL"]
    user_received_account: str = ""
    success_time: UtcTime | None = None
    amount: RefundAmount

    @model_validator(mode="before")
    @classmethod
    def _status_of_callbacks(cls, data: Any) -> Any:
        if isinstance(data, dict) and "status" not in data and "refund_status" in data:
            return {**data, "status": data["refund_status"]}
        return data


# ── what is stored ───────────────────────────────────────────────────────────────────────────────────────────────────
class Receipt(Fact):
    """The customer's money, as the provider has it."""

    amount: Money
    transaction_id: str
    paid_at: AwareDatetime


class Closing(Fact):
    """The provider is being asked to close. `case_ids` wait for the answer; at `retry_at` it is asked again, None while
    a call is under way."""

    case_ids: tuple[CaseId, ...]
    attempts: int = 0
    retry_at: AwareDatetime | None = None


class Refund(Fact):
    """Money on its way back for one case. `number` is the present one, `closed_numbers` are its dead predecessors.
    `attempts` counts calls that did not settle the matter, `tries` those in a row with the same outcome, `polls` the
    questions since the provider accepted. `wake_at`: when to go on, None while a call is under way or nothing is
    left to do."""

    case_id: CaseId
    number: RefundNumber
    n: int = 1
    amount: Money
    reason: str = ""
    status: RefundStatus = "intended"
    attempts: int = 0
    tries: int = 0
    polls: int = 0
    wake_at: AwareDatetime | None = None
    provider_code: str = ""
    refused_because: RefusalReason | None = None
    closed_numbers: tuple[RefundNumber, ...] = ()
    refund_id: str | None = None
    route: str = ""
    accepted_at: AwareDatetime | None = None
    payer_refund: Money | None = None
    settled_at: AwareDatetime | None = None
    watched: bool = False

    @property
    def is_pending(self) -> bool:
        """Nobody knows yet whether the provider takes it."""
        return self.status in ("intended", "unknown", "parked")

    @property
    def is_promised(self) -> bool:
        """The provider has taken it and the money has not arrived."""
        return self.status in ("accepted", "abnormal")


class Payment(Fact):
    """One order's payment. `new`: something was heard before `OpenPayment`; `amount` and the three after it are None
    until then. `strange` is a payment the provider shows that is not what was asked for. `poll_at`: when to ask the
    provider whether the customer has paid."""

    order_id: OrderId
    status: PaymentStatus = "new"
    amount: Money | None = None
    openid: str | None = None
    description: str | None = None
    opened_at: AwareDatetime | None = None
    prepay_requested_at: AwareDatetime | None = None
    prepay_id: str | None = None
    prepay_at: AwareDatetime | None = None
    polls: int = 0
    poll_at: AwareDatetime | None = None
    closing: Closing | None = None
    closed_at: AwareDatetime | None = None
    receipt: Receipt | None = None
    strange: Trade | None = None
    refunds: tuple[Refund, ...] = ()

    @property
    def wake_at(self) -> datetime | None:
        """The earliest of everything that waits."""
        needs = [self.poll_at, self.closing.retry_at if self.closing else None, *(one.wake_at for one in self.refunds)]
        return min((need for need in needs if need is not None), default=None)

    def usable_prepay_id(self, at: datetime) -> str | None:
        """The prepay_id the customer can still pay with, if there is one."""
        if self.prepay_id is None or self.prepay_at is None or at - self.prepay_at >= PREPAY_REUSED_FOR:
            return None
        return self.prepay_id

    def refund_of(self, case_id: str) -> Refund | None:
        """The refund of a case."""
        return next((one for one in self.refunds if one.case_id == case_id), None)

    def refund_numbered(self, number: str) -> Refund | None:
        """The refund that has or had this number."""
        return next((one for one in self.refunds if number == one.number or number in one.closed_numbers), None)

    def with_refund(self, refund: Refund) -> Payment:
        """This payment with the refund of that case put in or replaced; itself when nothing differs."""
        known = self.refund_of(refund.case_id)
        if known == refund:
            return self
        if known is None:
            return self.model_copy(update={"refunds": (*self.refunds, refund)})
        return self.model_copy(update={"refunds": tuple(refund if one is known else one for one in self.refunds)})

    @property
    def promised_minor(self) -> int:
        """Fen that went back, are on their way back, or may be."""
        return sum(one.amount.amount_minor for one in self.refunds if one.status != "refused")


def trade_number(order_id: str) -> str:
    """The payment's number at the provider. Raises ValueError for an id the provider would not take
    (pay.weixin.qq.com/doc/v3/partner/4012523593: 6 to 32 of 0-9 A-Z a-z _ - *)."""
    if not _TRADE_NUMBER.fullmatch(order_id):
        raise ValueError(f"order id {order_id!r} cannot be a payment's number: 6 to 32 of 0-9 A-Z a-z _ - *")
    return order_id


def refund_number(case_id: str, n: int) -> RefundNumber:
    """The refund's number at the provider, its only protection against paying twice. Raises ValueError for an id the
    provider would not take (pay.weixin.qq.com/doc/v3/merchant/4012556457: up to 64 of 0-9 A-Z a-z _ - | * @)."""
    number = f"{case_id}-{n}"
    if not _REFUND_NUMBER.fullmatch(number):
        raise ValueError(f"case id {case_id!r} cannot be part of a refund's number: up to 60 of 0-9 A-Z a-z _ - | * @")
    return RefundNumber(number)


def reason_for_customer(text: str) -> str:
    """At most 80 bytes of UTF-8, cut between characters: WeChat shows it to the customer."""
    return text.encode()[:REASON_BYTES_MAX].decode(errors="ignore").strip()
