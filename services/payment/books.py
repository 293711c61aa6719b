"""Our side of a day: which payments belong to it, read page by page, counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from pydantic import ValidationError

from chassis.mongo import Collection
from services.payment.bills import TradeLine, day_of
from services.payment.differences import Side, Sum, is_at_provider
from services.payment.model import Payment, Refund
from services.payment.reconciliation_record import Sums

PAID_AT = "state.receipt.paid_at"
ACCEPTED_AT = "state.refunds.accepted_at"
_SET = {"$gt": datetime(1970, 1, 1, tzinfo=UTC)}
"""A time that is there. The database reads a partial index only for a query that says the same as the index."""

log = structlog.get_logger()


class Books(Protocol):
    """Our payments, to be read page by page."""

    async def ids_of(self, shop: str, start: datetime, end: datetime) -> list[str]:
        """Payments of this shop paid, or with a refund accepted, at `start` or later and before `end`."""

    async def payments(self, ids: Sequence[str]) -> list[Payment]:
        """Those that exist among `ids` and can be read."""


class PaymentBooks:
    """Our payments in the database."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection

    async def prepare(self) -> None:
        """Make the two indexes a day is found by: only of payments that have such a time."""
        for field in (PAID_AT, ACCEPTED_AT):
            await self._collection.ensure_index([(field, 1)], partial={field: _SET})

    async def ids_of(self, shop: str, start: datetime, end: datetime) -> list[str]:
        times = {"$gte": start, "$lt": end}
        paid = {PAID_AT: {**_SET, **times}}
        # Asked plainly about a list, the database would read every refund since `start`.
        accepted = {ACCEPTED_AT: _SET, "state.refunds": {"$elemMatch": {"accepted_at": times}}}
        found: set[str] = set()
        for question in (paid, accepted):
            documents = await self._collection.find({**question, "state.shop": _shop(shop)}, fields=["_id"])
            found.update(document["_id"] for document in documents)
        return sorted(found)

    async def payments(self, ids: Sequence[str]) -> list[Payment]:
        documents = await self._collection.find({"_id": {"$in": list(ids)}, "state": {"$ne": None}}, fields=["state"])
        return [payment for document in documents if (payment := _payment(document)) is not None]


def _payment(document: Mapping[str, Any]) -> Payment | None:
    """None where it cannot be read: one damaged record must not hold up the day. Its lines in the bill belong to no
    payment then, which calls for a person."""
    try:
        return Payment.model_validate(document["state"])
    except ValidationError as problem:
        log.error("a stored record cannot be read", record=document["_id"], error=type(problem).__name__)
        return None


def _shop(shop: str) -> Any:
    # A payment stored before there were shops has no such field and belongs to the house.
    return shop or {"$in": ["", None]}


class Tally:
    """Counts both sides of a day. Ours is what the bill should hold: payments of the day, refunds that stand in it, and
    refunds we heard of on that day, less those the provider has confirmed as another day's."""

    def __init__(self, side: Side, lines: Sequence[TradeLine]) -> None:
        self._side = side
        self._lines = lines
        self._in_bill = {line.refund_number for line in lines if line.is_refund}
        self._payments = Sum()
        self._refunds = Sum()

    def add(self, payments: Iterable[Payment]) -> None:
        """What of these belongs to the day."""
        for payment in payments:
            if payment.shop != self._side.shop:
                continue
            receipt = payment.receipt
            if receipt is not None and day_of(receipt.paid_at) == self._side.day:
                self._payments = self._payments.plus(receipt.amount.amount_minor)
            for refund in payment.refunds:
                if is_at_provider(refund) and self._is_of_the_day(refund):
                    self._refunds = self._refunds.plus(refund.amount.amount_minor)

    def _is_of_the_day(self, refund: Refund) -> bool:
        if refund.number in self._in_bill:
            return True
        at = refund.accepted_at
        return at is not None and day_of(at) == self._side.day and refund.number not in self._side.confirmed

    def sums(self) -> Sums:
        """Ours beside the bill's."""
        payments, refunds = Sum(), Sum()
        for line in self._lines:
            if line.state == "SUCCESS":
                payments = payments.plus(line.amount_minor)
            elif line.is_refund and line.refund_state != "FAIL":
                refunds = refunds.plus(line.amount_minor)
        return Sums(
            bill_payments=payments, our_payments=self._payments, bill_refunds=refunds, our_refunds=self._refunds
        )
