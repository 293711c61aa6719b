"""What is shown of cancellations, for the OpenAPI document; see `shown_orders`. Amounts are fen, times UTC."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel

from contracts.order import Actor, CancelledLine, ReasonCode, ReasonFamily
from services.gateway.roles import Role

CaseStatus = Literal["open", "completed", "undone"]
Way = Literal["allow", "approve", "deny"]
Road = Literal[
    "unpaid",
    "paid",
    "no-money",
    "late-payment",
    "resumed",
    "given-back",
    "made-outside",
    "made-outside-in-part",
    "rejected",
    "returned",
    "refund-returned",
    "returned-free",
]


class InWords(BaseModel):
    """The same in Chinese and English."""

    zh: str
    en: str


class Amount(BaseModel):
    """Money."""

    amount_minor: int
    currency: str


TaskKind = Literal[
    "refund-refused",
    "refund-stuck",
    "refund-abnormal",
    "cannot-give-back",
    "refund-made-outside",
    "shipping-record",
    "no-answer",
    "intercept-parcel",
]


class ReasonShown(BaseModel):
    """Why, in the shop's words of then. `code`: of the closed list; `word`: the shop's own code in version `version` of
    its reasons, empty where it is the `code` itself."""

    family: ReasonFamily
    code: ReasonCode
    remark: str
    word: str
    version: int
    in_words: InWords


class RatingShown(BaseModel):
    """What the customer said about a case that had ended so."""

    questionnaire: int
    stars: int
    answers: dict[str, str]
    remark: str
    rated_at: AwareDatetime
    outcome: Literal["completed", "undone"]


class LineBack(BaseModel):
    """Pieces of one line that are in the warehouse again."""

    line_no: int
    good: int
    damaged: int


class ParcelShown(BaseModel):
    """What the warehouse reported of the parcel, and what of it is in the house again."""

    found: Literal["intercepted", "returned", "delivered", "not-intercepted"]
    goods: list[LineBack]
    at: AwareDatetime


class _Case(BaseModel):
    case_id: str
    order_id: str
    status: CaseStatus
    waits_for: Literal["", "approval", "undo-window", "parcel"]
    undo_until: AwareDatetime | None
    reason: ReasonShown
    lines: list[CancelledLine]
    amount_minor: int
    currency: str
    reference: str
    accepted_at: AwareDatetime
    ended_at: AwareDatetime | None
    refund_number: str | None
    rating: RatingShown | None
    parcel: ParcelShown | None


class Kind(BaseModel):
    """Who asked, as customers see it."""

    kind: Literal["customer", "staff", "system"]


class CustomersRefund(BaseModel):
    """What comes back, by which way, until when."""

    amount_minor: int
    route: str
    accepted_at: AwareDatetime | None
    expected_by: AwareDatetime | None
    confirm_by: AwareDatetime | None
    settled_at: AwareDatetime | None
    received_minor: int | None


class CustomersCase(_Case):
    """A cancellation as the order's customer sees it."""

    by: Kind
    note: str
    refusal: InWords
    refund: CustomersRefund | None


class StaffsRefund(BaseModel):
    """The refund with its number; `former`: those it went under before. `payer_minor`: what of it the customer gets in
    money."""

    number: str
    former: list[str]
    amount: Amount
    route: str
    accepted_at: AwareDatetime | None
    payer_minor: int | None
    confirm_by: AwareDatetime | None
    settled_at: AwareDatetime | None
    received_minor: int | None
    expected_by: AwareDatetime | None


class VerdictShown(BaseModel):
    """What somebody decided about it."""

    approved: bool
    by: Actor
    at: AwareDatetime
    note: str


class StaffsCase(_Case):
    """A cancellation as staff see it."""

    road: Road
    waits_for_a_person: bool
    step: str
    approve_by: list[Role]
    rule: str
    policy_version: int
    verdict: VerdictShown | None
    attempts: int
    next_try_at: AwareDatetime | None
    last_provider_code: str
    by: Actor
    occurred_at: AwareDatetime
    refusal: str
    refund: StaffsRefund | None


class OfLine(BaseModel):
    """What a whole line's price is made of."""

    quantity: int
    goods_minor: int
    discount_minor: int
    coupon_minor: int
    freight_minor: int
    paid_minor: int


class PreviewedLine(BaseModel):
    """Pieces that would be cancelled."""

    line_no: int
    name: str
    quantity: int
    amount_minor: int
    of_line: OfLine


class CancelPreview(BaseModel):
    """What cancelling would do now. `after_parcel`: the parcel has left, money moves once it is back, nobody knows
    when."""

    order_id: str
    open_case_id: str | None
    way: Way
    code_needed: bool
    approve_by: list[Role]
    rule: str
    policy_version: int
    sentence: InWords
    after_parcel: bool
    amount_minor: int
    currency: str
    route: Literal["original", "none"]
    expected_by: AwareDatetime | None
    undo_until: AwareDatetime | None
    as_now_until: AwareDatetime | None
    coupon: str
    lines: list[PreviewedLine]


class RatingNoted(BaseModel):
    """The rating as it is noted."""

    case_id: str
    questionnaire: int
    stars: int
    answers: dict[str, str]
    remark: str
    rated_at: AwareDatetime


class TaskShown(BaseModel):
    """Something a person has to do; `choices` are the commands for it."""

    task_id: str
    case_id: str
    kind: TaskKind
    zh: str
    en: str
    choices: list[str]
    raised_at: AwareDatetime
    done_at: AwareDatetime | None
    done_by: str
    note: str
    choice: str
    facts: dict[str, str]


class OpenTask(TaskShown):
    """A task and whose it is."""

    order_id: str


class TasksPage(BaseModel):
    """There is more as long as there is a `next`."""

    tasks: list[OpenTask]
    next: str | None


class TaskFinished(BaseModel):
    """The task as it is now."""

    task: TaskShown
