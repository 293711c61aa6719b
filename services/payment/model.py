"""What is known about one payment and its refunds, and what the provider shows of them. Plain data, plain rules.

Amounts are integer minor units (fen), times UTC. One payment per order: its number at the provider (`out_trade_no`)
is the order's id, so a callback finds its record without a search. One refund per case: its number (`out_refund_no`)
is `<case id>-<n>`, and n grows only after the provider has confirmed that number n is closed. Where the original road
is shut for good the same money may go as a *payout*, a merchant transfer that the customer confirms.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime

from contracts.message import CaseId, Money, OrderId, RefundNumber, message_id
from contracts.payment import REASON_BYTES_MAX, RefusalReason, cut
from services.payment.shown import Fact, Trade

PaymentStatus = Literal["new", "opened", "closing", "closed", "paid"]
RefundStatus = Literal[
    "intended", "unknown", "parked", "accepted", "abnormal", "paying-out", "settled", "refused", "mismatch"
]
PayoutStatus = Literal["intended", "unknown", "parked", "taken", "waiting", "failed", "paid", "refused"]

# A prepay_id lives two hours (pay.weixin.qq.com/doc/v3/partner/4012523593); the customer needs some minutes to pay.
PREPAY_REUSED_FOR = timedelta(minutes=110)

# pay.weixin.qq.com/doc/v3/merchant/4012556457
REFUNDS_PER_ORDER_MAX = 50

# Unconfirmed after this time a transfer fails (pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill).
PAYOUT_CONFIRM_WITHIN = timedelta(hours=24)

PAID_OUTSIDE = "OUTSIDE"
"""The code of a refund whose money went outside this system, where else the provider's stands."""

_REFUND_NUMBER = re.compile(r"[0-9A-Za-z_\-|*@]{1,64}")


# ── what is stored ───────────────────────────────────────────────────────────────────────────────────────────────────
class Receipt(Fact):
    """The customer's money, as the provider has it. `payer_minor`: what of it was not a coupon, fen, where shown."""

    amount: Money
    payer_minor: int | None = None
    transaction_id: str
    paid_at: AwareDatetime


class Closing(Fact):
    """The provider is being asked to close. `case_ids` wait for the answer; at `retry_at` it is asked again, None while
    a call is under way."""

    case_ids: tuple[CaseId, ...]
    attempts: int = 0
    retry_at: AwareDatetime | None = None


class Payout(Fact):
    """The merchant transfer that stands in for a refund. `number` is the present one, made from the case and `n`, which
    grows only after the provider has confirmed that number n failed. `taken`: the provider has shown it, and promises
    nothing yet; `waiting`: for its customer. `package_info` is what the customer's phone needs to confirm it, until
    `confirm_by`."""

    number: RefundNumber
    n: int = 1
    status: PayoutStatus = "intended"
    tries: int = 0
    polls: int = 0
    package_info: str = ""
    confirm_by: AwareDatetime | None = None


class Refund(Fact):
    """Money on its way back for one case. `number` is the present one, `closed_numbers` are its dead predecessors.
    `attempts` counts calls that did not settle the matter, `tries` those in a row with the same outcome, `doubts` the
    same answers in a row that are not believed at once, `polls` the questions since the provider accepted. `wake_at`:
    when to go on, None while a call is under way or nothing is left to do. `sent_at`: when the call under this number
    was last wished for, `former_sent_at`: under the one before. `late_days`: the age that was last worried about.
    `looking`: a person has it looked for although it was refused, or its card takes no money. `rescued`: another card
    was named for it. `resumed`: how many decisions of people it has followed. `found`: made by hand on the merchant
    platform, not by us; the order is told so again at `tell_at`, and was `told` times. `matched`: found ones of which
    it was known what they were for when this one was asked for. `proof`: how it was paid outside this system.
    `returned`: the provider has paid it, to the merchant's own bank instead of the customer's."""

    case_id: CaseId
    number: RefundNumber
    n: int = 1
    amount: Money
    reason: str = ""
    status: RefundStatus = "intended"
    attempts: int = 0
    tries: int = 0
    doubts: int = 0
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
    sent_at: AwareDatetime | None = None
    former_sent_at: AwareDatetime | None = None
    looking: bool = False
    rescued: bool = False
    transfer_when: tuple[RefusalReason, ...] = ()
    payout: Payout | None = None
    late_days: int = 0
    resumed: int = 0
    found: bool = False
    tell_at: AwareDatetime | None = None
    told: int = 0
    matched: tuple[RefundNumber, ...] = ()
    proof: str = ""
    returned: bool = False

    @property
    def is_pending(self) -> bool:
        """Nobody knows yet whether the provider takes it."""
        return self.status in ("intended", "unknown", "parked")

    @property
    def is_promised(self) -> bool:
        """The provider has taken it and the money has not arrived."""
        return self.status in ("accepted", "abnormal")

    @property
    def is_paid_outside(self) -> bool:
        """A person said that its money went outside this system. `proof` may have been erased since."""
        return self.provider_code == PAID_OUTSIDE

    @property
    def went_another_way(self) -> bool:
        """Its money went, or goes, elsewhere: as a payout, or outside this system."""
        return self.live_payout is not None or self.is_paid_outside

    @property
    def live_payout(self) -> Payout | None:
        """The payout that has the money, is about to get it, or may have it."""
        return self.payout if self.payout is not None and self.payout.status not in ("failed", "refused") else None

    @property
    def live_number(self) -> RefundNumber:
        """The number the money goes under now."""
        return self.live_payout.number if self.live_payout else self.number


class Shipping(Fact):
    """The order's shipping record at WeChat. `status` wanted: it is being told; recorded, refused: told, with WeChat's
    answer `code`. `managed`: not so where WeChat keeps none for this shop. `checks`: how often it was asked what the
    record of a cancelled order says."""

    carrier: str = ""
    tracking_number: str = ""
    item: str = ""
    receiver: str = ""
    status: Literal["none", "wanted", "recorded", "refused"] = "none"
    managed: bool = True
    tries: int = 0
    code: str = ""
    checks: int = 0
    wake_at: AwareDatetime | None = None


class Payment(Fact):
    """One order's payment. `new`: something was heard before `OpenPayment`; `amount` and the three after it are None
    until then. `strange` is a payment the provider shows that is not what was asked for. `poll_at`: when to ask the
    provider whether the customer has paid. `tell_at`: when the order is told once more that it was paid, `told`: how
    often it was. `erased_at`: since when it does not know any more who paid; `erasures`: each that was asked for (see
    `EraseContact`)."""

    order_id: OrderId
    shop: str = ""
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
    tell_at: AwareDatetime | None = None
    told: int = 0
    strange: Trade | None = None
    refunds: tuple[Refund, ...] = ()
    shipping: Shipping = Shipping()
    erased_at: AwareDatetime | None = None
    erasures: tuple[str, ...] = ()

    @property
    def wake_at(self) -> datetime | None:
        """The earliest of everything that waits."""
        needs = [
            self.poll_at,
            self.tell_at,
            self.closing.retry_at if self.closing else None,
            self.shipping.wake_at,
            *(one.wake_at for one in self.refunds),
            *(one.tell_at for one in self.refunds),
        ]
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

    def free_n(self, case_id: str, n: int) -> int:
        """`n`, or the first above it whose number no other refund has: one that was found may have the number that a
        case would get, when the order has forgotten the case it was made for."""
        while self.refund_numbered(refund_number(case_id, n)) is not None:
            n += 1
        return n

    def with_refund(self, refund: Refund) -> Payment:
        """This payment with the refund of that case put in or replaced; itself when nothing differs."""
        known = self.refund_of(refund.case_id)
        if known == refund:
            return self
        if known is None:
            return self.model_copy(update={"refunds": (*self.refunds, refund)})
        return self.model_copy(update={"refunds": tuple(refund if one is known else one for one in self.refunds)})

    def paid_out_as(self, number: str) -> Refund | None:
        """The refund whose payout has this number now."""
        return next((one for one in self.refunds if one.payout is not None and one.payout.number == number), None)

    def last_sent(self, other_than: Refund) -> datetime | None:
        """When a refund of this payment was last sent under another number than this one's."""
        others = [one.sent_at for one in self.refunds if one.case_id != other_than.case_id]
        return max((at for at in (*others, other_than.former_sent_at) if at is not None), default=None)

    @property
    def took_a_coupon(self) -> bool:
        """Whether the provider shows that a coupon of its own paid a part."""
        receipt = self.receipt
        return receipt is not None and receipt.payer_minor not in (None, receipt.amount.amount_minor)

    def can_return(self, amount: Money) -> bool:
        """Whether this much more may go back: paid, not promised already, in the same currency."""
        if self.receipt is None or amount.currency != self.receipt.amount.currency:
            return False
        return self.promised_minor + amount.amount_minor <= self.receipt.amount.amount_minor

    @property
    def goes_back(self) -> bool:
        """All that was paid went back, is on its way back, or may be."""
        return self.receipt is not None and self.promised_minor >= self.receipt.amount.amount_minor

    @property
    def is_given_back(self) -> bool:
        """All that was paid has arrived at the customer again, by whatever road."""
        back = sum(one.amount.amount_minor for one in self.refunds if one.status == "settled")
        return self.receipt is not None and back >= self.receipt.amount.amount_minor

    @property
    def numbers_used(self) -> int:
        """Refund numbers that the provider may have counted."""
        return sum(len(one.closed_numbers) + (one.status != "refused") for one in self.refunds)

    @property
    def promised_minor(self) -> int:
        """Fen that went back, are on their way back, or may be."""
        return sum(one.amount.amount_minor for one in self.refunds if one.status != "refused")


def refund_number(case_id: str, n: int) -> RefundNumber:
    """The refund's number at the provider, its only protection against paying twice. Raises ValueError for an id the
    provider would not take (pay.weixin.qq.com/doc/v3/merchant/4012556457: up to 64 of 0-9 A-Z a-z _ - | * @)."""
    number = f"{case_id}-{n}"
    if not _REFUND_NUMBER.fullmatch(number):
        raise ValueError(f"case id {case_id!r} cannot be part of a refund's number: up to 60 of 0-9 A-Z a-z _ - | * @")
    return RefundNumber(number)


def payout_number(case_id: str, n: int) -> RefundNumber:
    """The transfer's number at the provider: up to 32 letters and digits, which a case id is not
    (pay.weixin.qq.com/docs/merchant/apis/mch-trans/transfer-bill)."""
    return RefundNumber(message_id(case_id, f"payout/{n}").replace("-", ""))


def reason_for_customer(text: str) -> str:
    """At most 80 bytes of UTF-8, cut between characters: WeChat shows it to the customer."""
    return cut(text, REASON_BYTES_MAX).strip()
