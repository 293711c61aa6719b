"""What a caller may send, and the ids that are made from it. Shapes are strict: an unknown field, a number written as
a text or a quantity of 1.0 is refused. Amounts are minor units (CNY: fen), quantities are pieces."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b32encode
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from contracts.inventory import ListProduct, ReceiveStock
from contracts.message import Fen, OrderId, ProductId
from contracts.order import REASON_PATTERN, CancelLine, Reference, WantedLine, WishedReason

KEY_PATTERN = r"^[\x21-\x7e]{1,128}$"
ORDER_ID_PATTERN = r"^[A-Za-z0-9_-]{1,40}$"
NAME_PATTERN = r"^[^\x00-\x1f\x7f/\\]{1,64}$"
"""Ids of products, customers, tasks: no slash, no control character. `.` and `..` are refused apart."""

IMPORT_SCOPE = "orders:import"
"""Who has it may name another system's number and time for an order or a cancellation."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:")
_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)

Text64 = Annotated[str, StringConstraints(min_length=1, max_length=64)]
TemplateId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
SubscriptionAnswer = Annotated[str, StringConstraints(pattern=r"^(accept(With[A-Za-z]{1,20})?|reject|ban|filter)$")]


def _written(at: object) -> object:
    if isinstance(at, datetime) or (isinstance(at, str) and _RFC3339.match(at)):
        return at
    raise ValueError("give a time with its zone, as in 2026-03-01T08:00:00Z")


def _in_utc(at: datetime) -> datetime:
    try:
        at.astimezone(UTC)
    except OverflowError as wrong:
        raise ValueError("lies before the year 1 or after the year 9999") from wrong
    return at


Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_in_utc)]
"""A time as RFC 3339 writes it; pydantic alone also takes a number for seconds since 1970."""


class Line(WantedLine):
    """One line of an order: product, pieces, and the unit price the customer was shown."""

    model_config = _STRICT
    product_id: ProductId = Field(min_length=1, max_length=64)


class Someone(BaseModel):
    """How to reach the customer; the openid comes from the token."""

    model_config = _STRICT
    name: Text64
    phone: str = Field(pattern=r"^\+?[0-9]{5,17}$")
    language: Literal["zh", "en"] = "zh"


class Elsewhere(Reference):
    """Another system's number and time of the matter (RFC 3339, 1970 to 2199). Needs the scope `orders:import`."""

    model_config = _STRICT

    @field_validator("occurred_at")
    @classmethod
    def _in_reach(cls, at: datetime) -> datetime:
        if not _EARLIEST <= at < _LATEST:
            raise ValueError("must lie between 1970 and 2199")
        return at


class OrderWanted(BaseModel):
    """An order to place."""

    model_config = _STRICT
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    lines: tuple[Line, ...] = Field(min_length=1, max_length=2_000)
    contact: Someone
    coupon: str | None = Field(None, max_length=64)
    reference: Elsewhere | None = None


class Piece(CancelLine):
    """Some pieces of one line."""

    model_config = _STRICT


class AnyReason(WishedReason):
    """Why staff cancel."""

    model_config = _STRICT
    code: str = Field(pattern=REASON_PATTERN)


class CustomersReason(AnyReason):
    """Why a customer cancels: the family is always `customer`."""

    family: Literal["customer"]


class CancellationWanted(BaseModel):
    """Pieces to cancel; without lines the whole order."""

    model_config = _STRICT
    lines: tuple[Piece, ...] = Field((), max_length=2_000)
    reason: AnyReason
    reference: Elsewhere | None = None


class StaffCancellation(CancellationWanted):
    """Pieces that staff cancel. `code`: what came by short message for this order and `amount_minor` (fen), the amount
    that was shown to come back. `solution`: what the shop does
    about it, for the customer to read in place of what the reason says."""

    solution: str = Field("", max_length=200)
    code: str | None = Field(None, pattern=r"^[0-9]{6}$", repr=False)
    amount_minor: Fen | None = None

    @model_validator(mode="after")
    def _complete(self) -> StaffCancellation:
        if self.code is not None and self.amount_minor is None:
            raise ValueError("a code is for an amount: give amount_minor, too")
        return self

    @field_validator("amount_minor")
    @classmethod
    def _with_a_code(cls, amount: Fen | None, others: ValidationInfo) -> Fen | None:
        if amount is not None and others.data.get("code") is None:
            raise ValueError("given only with a code: the order service works out what comes back")
        return amount

    def wish(self) -> StaffCancellation:
        """What is wanted, without what confirms it: the same wish may come with another code."""
        return self.model_copy(update={"code": None, "amount_minor": None})


class CustomersCancellation(CancellationWanted):
    """Pieces that a customer cancels; without lines the whole order."""

    reason: CustomersReason


class SubscriptionAnswers(BaseModel):
    """What the customer answered to one `wx.requestSubscribeMessage`, as it came: template id → accept, reject, ban or
    filter, or an accept with more to it (acceptWithAudio, …)."""

    model_config = _STRICT
    answers: dict[TemplateId, SubscriptionAnswer] = Field(min_length=1, max_length=20)


class ShipmentWanted(BaseModel):
    """The parcel that left. `early`: although the customer had chosen a later delivery."""

    model_config = _STRICT
    carrier: Text64
    tracking_number: Text64
    early: StrictBool = False


class TaskDone(BaseModel):
    """What was done about a task."""

    model_config = _STRICT
    note: str = Field(min_length=1, max_length=500)


class TaskResolution(BaseModel):
    """What is to be done about a task: one of its choices. `note`: the proof when money was paid outside, else a
    remark."""

    model_config = _STRICT
    choice: str = Field(pattern=r"^[a-z-]{1,32}$")
    note: str = Field("", max_length=500)


SEALED_BYTES_MAX = 200
"""What WeChat Pay's way of encrypting takes of one field (RSA-OAEP with a key of 2,048 bits: 214), in UTF-8."""


class BankCard(BaseModel):
    """A debit card that takes the money of an abnormal refund. `bank_type` is WeChat Pay's word for the bank. Number
    and name are encrypted at once for WeChat Pay and kept nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)
    bank_type: str = Field(pattern=r"^[A-Z]{2,16}_DEBIT$")
    bank_account: str = Field(pattern=r"^[0-9]{8,32}$")
    real_name: Text64

    @field_validator("real_name")
    @classmethod
    def _can_be_sealed(cls, name: str) -> str:
        if len(name.encode()) > SEALED_BYTES_MAX:
            raise ValueError(f"has more than {SEALED_BYTES_MAX} bytes")
        return name


class DifferenceClosed(BaseModel):
    """What was done about a difference of a reconciliation."""

    model_config = _STRICT
    remark: str = Field(min_length=1, max_length=500)


class CouponPut(BaseModel):
    """What a coupon takes off, and from which value of goods on (fen)."""

    model_config = _STRICT

    amount_minor: int = Field(ge=1, le=10**12, description="fen")
    minimum_minor: Fen = 0


class Nothing(BaseModel):
    """No body, or an empty object."""

    model_config = _STRICT


_PART_OF_ADDRESSES = r"[^\s\x00-\x1f\x7f\x85\ufeff$/\\][^\x00-\x1f\x7f$/\\]*"
"""No slash, no control character. What is white space is not the same everywhere (U+0085, U+FEFF)."""


class Listed(ListProduct):
    """One product with the unit prices it is sold at, list price first. Its id is part of addresses."""

    model_config = _STRICT
    product_id: ProductId = Field(min_length=1, max_length=64, pattern=f"^{_PART_OF_ADDRESSES}$")
    variant_of: str = Field("", max_length=64, pattern=f"^({_PART_OF_ADDRESSES})?$")


class ProductsListed(BaseModel):
    """Products to put on sale or to change."""

    model_config = _STRICT
    products: tuple[Listed, ...] = Field(min_length=1, max_length=500)


class Received(ReceiveStock):
    """Pieces that came in. The same receipt id counts once."""

    model_config = _STRICT
    product_id: ProductId = Field(min_length=1, max_length=64)


class StockReceived(BaseModel):
    """Receipts to book."""

    model_config = _STRICT
    receipts: tuple[Received, ...] = Field(min_length=1, max_length=500)


def order_id(customer_id: str, key: str) -> OrderId:
    """The id of the order that this customer's Idempotency-Key stands for: `o` and 25 lower-case base32 characters."""
    return OrderId("o" + _digest("order", customer_id, key))


def customer_id(appid: str, openid: str) -> str:
    """The id of the customer whom WeChat knows by this openid: `c` and 25 lower-case base32 characters."""
    return "c" + _digest("customer", appid, openid)


def request_id(kind: str, subject: str, order: str, key: str) -> str:
    """The id of a cancellation request: `r` and 25 lower-case base32 characters."""
    return "r" + _digest("cancellation", kind, subject, order, key)


def fingerprint(body: BaseModel) -> str:
    """SHA-256 (hex) of what a body means: white space, the order of fields and spelled-out defaults make no
    difference. Who guesses the body knows it by this: one with names and phones wants a mark of it instead."""
    return hashlib.sha256(body.model_dump_json(exclude_defaults=True).encode()).hexdigest()


def owner_of(view: bytes) -> str | None:
    """The customer of an order view (JSON), or None when it names none."""
    try:
        return _Owned.model_validate_json(view).customer_id
    except ValidationError:
        return None


def problem_of(answer: bytes) -> str | None:
    """The code of a problem document (JSON), or None when it is none."""
    try:
        return _Problem.model_validate_json(answer).code
    except ValidationError:
        return None


class _Owned(BaseModel):
    customer_id: str


class _Problem(BaseModel):
    code: str


def _digest(*parts: str) -> str:
    # As a JSON list, because ("a", "bc") and ("ab", "c") are not the same request.
    found = hashlib.sha256(json.dumps(parts).encode()).digest()
    return b32encode(found)[:25].decode().lower()
