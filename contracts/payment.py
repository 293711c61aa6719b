"""What the payment service understands and what it tells. A payment belongs to one order; a refund to one case."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import AwareDatetime, Field

from contracts.message import (
    CaseId,
    Command,
    CustomerId,
    Event,
    Money,
    OrderId,
    Private,
    RefundNumber,
    Topic,
    answered_by,
)

COMMANDS = Topic("payment.commands")
EVENTS = Topic("payment.events")

_TRADE_NUMBER = re.compile(r"[0-9A-Za-z_*-]{6,32}")

RefusalReason = Literal["not-paid", "more-than-was-paid", "account-abnormal", "too-old", "refused-by-provider"]

WITH_THE_SHOP = "RETURNED_TO_MERCHANT"
"""Stands where the provider's word would, for a refund whose money went to the shop's bank in the end."""

OUTSIDE_ROUTE = "线下退款"
"""The `route` of money that the shop paid back outside of this system, the way it agreed on with its customer."""

REASON_BYTES_MAX = 80
"""WeChat Pay: a refund's `reason` (pay.weixin.qq.com/doc/v3/merchant/4012556457), in bytes of UTF-8."""
DESCRIPTION_BYTES_MAX = 127
"""WeChat Pay: a payment's `description` (pay.weixin.qq.com/doc/v3/partner/4012523593), in bytes of UTF-8. A longer one
is refused, PARAM_ERROR, and the order could never be paid (developers.weixin.qq.com/community/pay/doc/
000ac2f693c4e881fc38cd5795b400, github.com/JeffreySu/WeiXinMPSDK/issues/3217)."""


def cut(text: str, bytes_max: int) -> str:
    """`text` cut to a number of UTF-8 bytes, never through a character."""
    return text.encode()[:bytes_max].decode(errors="ignore")


def trade_number(order_id: str) -> str:
    """The number of an order's payment at the provider: the order's id. Raises ValueError for an id the provider would
    not take (pay.weixin.qq.com/doc/v3/partner/4012523593: 6 to 32 of 0-9 A-Z a-z _ - *)."""
    if not _TRADE_NUMBER.fullmatch(order_id):
        raise ValueError(f"order id {order_id!r} cannot be a payment's number: 6 to 32 of 0-9 A-Z a-z _ - *")
    return order_id


@EVENTS.carries("payment-opened.v1")
class PaymentOpened(Event):
    """The order can be paid now."""

    order_id: OrderId


@answered_by(yes=PaymentOpened)
@COMMANDS.carries("open-payment.v1")
class OpenPayment(Command):
    """Expect this much money for an order. Nothing is said to the provider until the customer starts to pay. `shop`:
    whose merchant account it goes to; empty is the one of the house."""

    order_id: OrderId
    shop: str = Field("", max_length=32, pattern=r"^[0-9a-z-]*$")
    customer_id: CustomerId
    openid: Private[str]
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
    """Make sure that an unpaid order is never paid. `shop` and `due` are what `OpenPayment` said, which may never have
    been heard: should the provider show a payment all the same, it is known whether it is this order's."""

    order_id: OrderId
    case_id: CaseId
    shop: str = Field("", max_length=32, pattern=r"^[0-9a-z-]*$")
    due: Money | None = None


@EVENTS.carries("refund-accepted.v1")
class RefundAccepted(Event):
    """The provider has promised to pay the money back; `route` is where it goes, in the provider's words.
    `payer_refund`: what the customer gets of it in money, less than `amount` where a coupon of the provider had paid
    a part. `confirm_by`: until then the customer must confirm in the mini-program that they want it (a merchant
    transfer); None when nothing is asked of them."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    amount: Money
    route: str
    accepted_at: AwareDatetime
    payer_refund: Money | None = None
    confirm_by: AwareDatetime | None = None


@EVENTS.carries("refund-refused.v1")
class RefundRefused(Event):
    """The provider will never make this refund; no money moved. `provider_code` is its own word for it. `attempt`: the
    last decision of a person that it had followed (see `ResumeRefund`), 0 before the first; None: not known."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    reason: RefusalReason
    provider_code: str
    attempt: int | None = None


@answered_by(yes=RefundAccepted, no=RefundRefused)
@COMMANDS.carries("refund-payment.v1")
class RefundPayment(Command):
    """Give money back for one case. Safe to repeat: one refund per case. `transfer_when`: refusals after which the same
    money goes as a merchant transfer instead, which the customer has to confirm. `matched`: refunds that nobody
    had asked for (see `RefundFound`) of which it is known by now what they were for."""

    order_id: OrderId
    case_id: CaseId
    amount: Money
    reason: str = Field(max_length=80)
    transfer_when: tuple[RefusalReason, ...] = ()
    matched: tuple[RefundNumber, ...] = ()


@EVENTS.carries("refund-rerouted.v1")
class RefundRerouted(Event):
    """The original road is shut for good (`reason`, in the provider's word `provider_code`): the money of
    `refund_number` goes as merchant transfer `transfer_number`."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    transfer_number: RefundNumber
    reason: RefusalReason
    provider_code: str


@EVENTS.carries("refund-delayed.v1")
class RefundDelayed(Event):
    """The provider accepted the refund this many days ago and the money is still on its way."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    days: int = Field(ge=1)


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
    """The money has arrived at the customer. `amount` is what the customer received (`payer_refund`), `route` where, in
    the provider's words: another card, perhaps, than `RefundAccepted` named. Empty in older ones."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber
    amount: Money
    settled_at: AwareDatetime
    route: str = ""


@answered_by(yes=RefundSettled)
@COMMANDS.carries("watch-refund.v1")
class WatchRefund(Command):
    """Tell when the money of a case has arrived."""

    order_id: OrderId
    case_id: CaseId


# ── what a person decides ────────────────────────────────────────────────────────────────────────────────────────────
@EVENTS.carries("refund-resumed.v1")
class RefundResumed(Event):
    """The refund goes on the way that was chosen."""

    order_id: OrderId
    case_id: CaseId
    attempt: int


@EVENTS.carries("refund-not-resumed.v1")
class RefundNotResumed(Event):
    """Nothing was changed: in its present state (`status`) the refund cannot go this way without the risk of paying
    twice."""

    order_id: OrderId
    case_id: CaseId
    attempt: int
    status: str


@answered_by(yes=RefundResumed, no=RefundNotResumed, same=("order_id", "case_id", "attempt"))
@COMMANDS.carries("resume-refund.v1")
class ResumeRefund(Command):
    """A person has decided how a refund goes on that cannot go on by itself. `attempt` counts such decisions of a case
    from 1. look-again: ask the provider now. send-again: the same number again. transfer: the money goes as a merchant
    transfer. settled-outside: it was paid outside this system, `proof` says how."""

    order_id: OrderId
    case_id: CaseId
    attempt: int = Field(ge=1)
    how: Literal["look-again", "send-again", "transfer", "settled-outside"]
    proof: str = Field("", max_length=500)
    by: str = Field(max_length=64)


# ── refunds made elsewhere ───────────────────────────────────────────────────────────────────────────────────────────
@EVENTS.carries("refund-found.v1")
class RefundFound(Event):
    """The provider has a refund that this system did not ask for: somebody made it by hand on the merchant platform."""

    order_id: OrderId
    refund_number: RefundNumber
    amount: Money
    found_at: AwareDatetime


@answered_by(yes=RefundAccepted)
@COMMANDS.carries("adopt-refund.v1")
class AdoptRefund(Command):
    """From now on the refund found under this number belongs to this case."""

    order_id: OrderId
    case_id: CaseId
    refund_number: RefundNumber


# ── WeChat's shipping record ─────────────────────────────────────────────────────────────────────────────────────────
@EVENTS.carries("shipping-recorded.v1")
class ShippingRecorded(Event):
    """What became of the shipping record that WeChat wants before it pays the merchant out. recorded: it has it.
    cancelled: all money goes back, so nothing may be recorded as shipped. refused: WeChat does not take it, in its own
    word `code`. not-managed: this shop keeps no such records."""

    order_id: OrderId
    outcome: Literal["recorded", "cancelled", "refused", "not-managed"]
    code: str = ""


@answered_by(yes=ShippingRecorded)
@COMMANDS.carries("record-shipping.v1")
class RecordShipping(Command):
    """The parcel has left: tell WeChat, which keeps the money back until then
    (developers.weixin.qq.com/miniprogram/dev/server/API/order_shipping/api_uploadshippinginfo)."""

    order_id: OrderId
    carrier: str = Field(max_length=64)
    tracking_number: str = Field(max_length=64)
    item: str = Field(max_length=120)
    receiver: str = Field("", max_length=32, description="masked phone of who gets it; some carriers ask for it")


@EVENTS.carries("shipping-record-strange.v1")
class ShippingRecordStrange(Event):
    """The order was cancelled and all its money went back, but WeChat's shipping record says otherwise: `state` is its
    number (1 to be shipped, 2 shipped, 3 received, 4 done, 6 settling)."""

    order_id: OrderId
    state: int
