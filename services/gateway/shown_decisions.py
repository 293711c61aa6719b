"""What is shown of deletions and reconciliations, for the OpenAPI document; see `shown_orders`."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from services.gateway.shown_cases import CaseStatus, InWords


class RuleHolds(BaseModel):
    """One rule about deleting."""

    rule: str
    holds: bool


class RuleBroken(InWords):
    """One rule that does not hold, and what to do."""

    rule: str


class CaseKept(BaseModel):
    """A case that stays."""

    case_id: str
    status: CaseStatus


class Kept(BaseModel):
    """What stays when personal data goes."""

    state: str
    placed_at: AwareDatetime
    lines: int
    total_minor: int
    paid_minor: int
    refunded_minor: int
    currency: str
    cases: list[CaseKept]


class ExportCovering(BaseModel):
    """The export that holds the order as it stands, if any."""

    export_id: str | None
    contains: InWords


class ConfirmationNeeded(InWords):
    """What the code is bound to."""

    amount_minor: int


class DeletionShown(BaseModel):
    """What deleting the order would do."""

    order_id: str
    allowed: bool
    erased_at: AwareDatetime | None
    kept_until: AwareDatetime | None
    rules: list[RuleHolds]
    denied: list[RuleBroken]
    erases: list[str]
    keeps: Kept
    export: ExportCovering
    confirmation: ConfirmationNeeded


class Erased(BaseModel):
    """Nobody knows any more whose order it was."""

    order_id: str
    erased_at: AwareDatetime
    export_id: str


class ExportLines(BaseModel):
    """An export: its lines; its id is their SHA-256."""

    export_id: str
    lines: list[str]


class ExportedOrder(BaseModel):
    """An order's state as text, with its SHA-256."""

    order_id: str
    sha256: str
    state: str


class ExportPage(BaseModel):
    """There is more as long as there is a `next`."""

    orders: list[ExportedOrder]
    next: str | None


class ExportKnown(BaseModel):
    """Registered."""

    export_id: str
    orders: int


class BulkDeletionShown(BaseModel):
    """How many orders, and what the code is bound to."""

    export_id: str
    orders: int
    amount_minor: int


class DeletionOutcome(BaseModel):
    """What came of one order."""

    order_id: str
    outcome: Literal["erased", "erased-already", "refused", "would-be-erased"]
    rules: list[RuleBroken]


class BulkDeletion(BaseModel):
    """Order by order."""

    export_id: str
    orders: list[DeletionOutcome]


class RestorationOutcome(BaseModel):
    """What came of one line. `reason`: why it was refused; `zh`, `en`: what is wrong with a damaged one."""

    order_id: str
    outcome: Literal["restored", "would-be-restored", "there-already", "refused", "damaged"]
    reason: str | None = None
    zh: str | None = None
    en: str | None = None


class Restoration(BaseModel):
    """Line by line."""

    orders: list[RestorationOutcome]


ReconciliationStatus = Literal["fetching", "compared", "healing", "done", "unreadable", "failed"]


class _Reconciliation(BaseModel):
    reconciliation_id: str
    shop: str = Field(description="empty for the house")
    day: str
    status: ReconciliationStatus
    run: int
    started_by: str
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    wake_at: AwareDatetime | None
    problem: str
    found: int
    open: int


class ListedReconciliation(_Reconciliation):
    """Without its differences."""

    healed: int
    closed: int


class ReconciliationsPage(BaseModel):
    """There is more as long as there is a `next`."""

    reconciliations: list[ListedReconciliation]
    next: str | None


class Sum(BaseModel):
    """How many lines, and what they add up to (fen)."""

    count: int
    amount_minor: int


class OtherSum(Sum):
    """Movements of the account that belong to no line of the trade bill."""

    word: str


class Sums(BaseModel):
    """Both sides of a day."""

    bill_payments: Sum
    our_payments: Sum
    bill_refunds: Sum
    our_refunds: Sum
    has_account: bool
    others: list[OtherSum]
    at_border: int


class MoneyDifference(BaseModel):
    """One thing that does not agree (fen)."""

    n: int
    kind: str
    subject: str
    order_id: str
    bill_minor: int | None
    our_minor: int | None
    happened_at: AwareDatetime | None
    detail: str
    state: Literal["open", "healed", "closed"]
    by: str
    remark: str
    changed_at: AwareDatetime | None
    meaning: InWords
    loud: bool


class Reconciliation(_Reconciliation):
    """With both sides' sums and what differs."""

    tries: int
    rounds: int
    sums: Sums | None
    differences: list[MoneyDifference]


class PaymentTicket(BaseModel):
    """Everything `wx.requestPayment` needs."""

    prepay_id: str
    out_trade_no: str
    timeStamp: str  # noqa: N815 - WeChat's own name
    nonceStr: str  # noqa: N815 - WeChat's own name
    package: str
    signType: Literal["RSA"]  # noqa: N815 - WeChat's own name
    paySign: str  # noqa: N815 - WeChat's own name


class TransferTicket(BaseModel):
    """What `wx.requestMerchantTransfer` needs."""

    mchId: str  # noqa: N815 - WeChat's own name
    appId: str  # noqa: N815 - WeChat's own name
    package: str
    confirm_by: AwareDatetime | None


class CardTaken(BaseModel):
    """The refund is the same one."""

    case_id: str
    status: str
