"""What is shown of goods, stock, messages, figures and the staff, for the OpenAPI document; see `shown_orders`."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.gateway.roles import Role
from services.gateway.shown_cases import InWords


class ProductShown(BaseModel):
    """What can be ordered, at which unit prices (minor units). `variant_of`: what all its variants name alike."""

    product_id: str
    name: str
    category: str
    offers_minor: list[int]
    currency: str
    variant_of: str


class ProductsPage(BaseModel):
    """There is more as long as there is a `next`."""

    products: list[ProductShown]
    next: str | None


class ListedCount(BaseModel):
    """How many products."""

    listed: int


class AcceptedCount(BaseModel):
    """How many receipts will be counted."""

    accepted: int


class Balance(BaseModel):
    """Pieces of one product by where they are."""

    product_id: str
    available: int
    reserved: int
    sold: int
    received: int


class StockPage(BaseModel):
    """There is more as long as there is a `next`."""

    stock: list[Balance]
    next: str | None


class Pieces(BaseModel):
    """Pieces of one product by where they are."""

    available: int
    reserved: int
    sold: int
    received: int


class StockDifference(BaseModel):
    """A product whose balance is not what its ledger adds up to."""

    product_id: str
    balance: Pieces
    ledger: Pieces


class Recounted(BaseModel):
    """How many products were compared, and those that differ."""

    products: int
    differences: list[StockDifference]


class Told(BaseModel):
    """What a customer was told."""

    notice_id: str
    order_id: str
    case_id: str
    outcome: str
    title: str
    text: str
    channel: str
    told_at: AwareDatetime | None


class Inbox(BaseModel):
    """Newest first."""

    notices: list[Told]


class Tried(BaseModel):
    """One call to a channel, or what was found out about it later."""

    channel: str
    what: Literal["call", "look", "receipt"]
    result: str
    code: str
    at: AwareDatetime


class NoticeShown(Told):
    """A notice with each call that was made for it; the phone masked."""

    customer_id: str
    phone: str
    asked_at: AwareDatetime
    next_call_at: AwareDatetime | None
    superseded_at: AwareDatetime | None
    tried: list[Tried]


class Notices(BaseModel):
    """Oldest first."""

    notices: list[NoticeShown]


class TemplateLeft(BaseModel):
    """How many messages of one template the customer still takes."""

    template_id: str
    left: int
    closed_by: str
    closed_at: AwareDatetime | None


class Subscriptions(BaseModel):
    """By template."""

    templates: list[TemplateLeft]


class Noted(BaseModel):
    """How many answers were noted."""

    noted: int


class Choice(InWords):
    """One answer."""

    word: str


class Question(InWords):
    """A question that may be left unanswered."""

    word: str
    choices: list[Choice]


class StarsRange(BaseModel):
    """From bad to good."""

    min: int
    max: int


class Questionnaire(BaseModel):
    """What to ask after a cancellation."""

    version: int
    stars: StarsRange
    remark_max: int
    questions: list[Question]


class BookOfOrders(BaseModel):
    """Orders by state, and their value."""

    by_state: dict[str, int]
    count: int
    total_minor: int


class BookOfCases(BaseModel):
    """Cancellations by status; pieces and money of the completed ones."""

    open: int
    completed: int
    undone: int
    cancelled_quantity: int
    refunded_minor: int


class Summary(BaseModel):
    """Counts and sums of the orders' book."""

    orders: BookOfOrders
    paid_minor: int
    refunded_minor: int
    cases: BookOfCases
    open_tasks: int


class FigureRow(BaseModel):
    """How many, how many pieces, how much money. Ratings have `stars` instead, saved orders only `count`."""

    key: str
    count: int
    quantity: int | None = None
    amount_minor: int | None = None
    stars: int | None = None


class Figures(BaseModel):
    """Rows by key; notices instead by outcome and channel."""

    by: str | None = None
    rows: list[FigureRow] | None = None
    by_outcome: dict[str, dict[str, int]] | None = None


class MemberShown(BaseModel):
    """An account of the staff, the phone masked."""

    staff_id: str
    name: str
    role: Role
    phone: str
    disabled: bool


class MembersPage(BaseModel):
    """There is more as long as there is a `next`."""

    staff: list[MemberShown]
    next: str | None


class PasswordChanged(BaseModel):
    """Whose it was."""

    staff_id: str


class Secrets(BaseModel):
    """Shown this once."""

    staff_id: str
    password: str
    otpauth: str


class TokensGiven(BaseModel):
    """RFC 6749, 5.1. `expires_in`: seconds."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    refresh_token: str


class StaffSignedIn(TokensGiven):
    """And who that is."""

    staff_id: str
    role: Role


class CustomerSignedIn(TokensGiven):
    """And who that is."""

    customer_id: str


class CodeSent(BaseModel):
    """Where to, masked, and until when it is good."""

    sent_to: str
    expires_at: AwareDatetime


class ProviderAnswer(BaseModel):
    """What a provider reads: its own form of yes and no."""

    model_config = ConfigDict(extra="allow")
    code: str | int = Field(description="FAIL where WeChat Pay shall repeat; 0 where Alibaba Cloud shall not")
