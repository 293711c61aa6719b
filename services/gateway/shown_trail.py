"""What is shown of the audit trail, for the OpenAPI document; see `shown_orders`. Each kind of image is what a row of
`images` looks at; what is not so is left out of it."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from services.gateway.finding import State
from services.gateway.roles import Role
from services.gateway.shown_cases import Amount, CaseStatus, Road, TaskKind
from services.gateway.shown_decisions import ReconciliationStatus
from services.gateway.shown_shop import Balance


class CaseImage(BaseModel):
    """A cancellation. `run`: its step and how that stands; `wish`: the last decision about its refund."""

    case_id: str
    status: CaseStatus
    road: Road
    run: str
    amount: Amount
    decisions: int | None = None
    wish: str | None = None


class TaskImage(BaseModel):
    """A task."""

    task_id: str
    kind: TaskKind
    choice: str | None = None
    done_by: str | None = None
    done_at: AwareDatetime | None = None


class OrderImage(BaseModel):
    """An order, with its newest ten cases and tasks."""

    order_id: str
    version: int
    state: State
    carrier: str | None = None
    deliver_after: AwareDatetime | None = None
    hidden_at: AwareDatetime | None = None
    paid_minor: int | None = None
    erased_at: AwareDatetime | None = None
    cases: list[CaseImage] | None = None
    tasks: list[TaskImage] | None = None


class OrdersImage(BaseModel):
    """The orders that a deed is about, as far as there are any."""

    orders: list[OrderImage]


class CouponKept(BaseModel):
    """A coupon (fen)."""

    code: str = Field(alias="_id")
    amount_minor: int
    minimum_minor: int


class CouponImage(BaseModel):
    """A coupon, null where there is none."""

    coupon: CouponKept | None


class PoliciesImage(BaseModel):
    """Which version decides, and how many are shown."""

    active: int
    versions: int


class ReasonsImage(BaseModel):
    """Which version counts, and how many reasons it has."""

    version: int
    reasons: int


class StockImage(BaseModel):
    """The balances of the products that a deed is about, as far as they are known."""

    stock: list[Balance]


class DifferenceImage(BaseModel):
    """A difference of a reconciliation."""

    n: int
    kind: str
    subject: str
    state: Literal["open", "healed", "closed"]
    by: str
    remark: str


class ReconciliationImage(BaseModel):
    """A reconciliation, with the difference that a deed is about."""

    reconciliation_id: str
    status: ReconciliationStatus
    run: int
    started_at: AwareDatetime
    finished_at: AwareDatetime | None
    problem: str
    open: int
    difference: DifferenceImage | None = None


class AccountKept(BaseModel):
    """An account of the staff, name and phone masked."""

    staff_id: str
    name: str
    role: Role
    phone: str
    disabled: bool
    version: int


class AccountImage(BaseModel):
    """An account, null where there is none."""

    account: AccountKept | None


Image = (
    OrdersImage
    | CouponImage
    | PoliciesImage
    | ReasonsImage
    | StockImage
    | ReconciliationImage
    | AccountImage
    | str
    | None
)


class Entry(BaseModel):
    """One line of the audit trail. `before` and `after`: how what it is about stood, null where there is nothing to see
    or nobody could look, a text where it was too long. `outcome`: unknown where the `status` is of a fault or missing:
    begun, and what came of it was not written down."""

    id: str
    at: AwareDatetime
    staff: str
    role: str
    method: str
    route: str
    path: str
    query: str
    subjects: list[str]
    body: str
    before: Image
    after: Image
    address: str
    request_id: str
    status: int | None
    problem: str
    done_at: AwareDatetime | None
    outcome: Literal["done", "refused", "unknown"]


class Trail(BaseModel):
    """Newest first."""

    entries: list[Entry]
    next: str | None
