"""What may help a customer more than cancelling. Said and heard by the order service."""

from __future__ import annotations

from datetime import date

from pydantic import AwareDatetime, Field

from contracts.message import Command, Event, OrderId, answered_by
from contracts.order import COMMANDS, EVENTS, Actor


@EVENTS.carries("alternative-taken.v1")
class AlternativeTaken(Event):
    """The customer keeps the order under other terms; no money has moved. `number` counts the order's alternatives from
    1. `kind` is an open list: later-delivery, exchange, … `deliver_after`: the parcel does not leave before.
    `occurred_at`: when the order was placed, as figures count it."""

    order_id: OrderId
    number: int = Field(ge=1)
    kind: str = Field(max_length=32)
    customer_group: str = ""
    deliver_after: AwareDatetime | None = None
    taken_at: AwareDatetime
    occurred_at: AwareDatetime


@EVENTS.carries("alternative-not-taken.v1")
class AlternativeNotTaken(Event):
    """Nothing was changed. `reason` is an open list: unknown-order, not-paid-yet, too-late-to-change,
    already-cancelled, cancellation-open, exchange-open, day-out-of-reach, too-many-alternatives,
    idempotency-key-reused. `earliest`, `latest`: the days that can be chosen."""

    order_id: OrderId
    reason: str = Field(max_length=32)
    earliest: date | None = None
    latest: date | None = None


@answered_by(yes=AlternativeTaken, no=AlternativeNotTaken)
@COMMANDS.carries("postpone-delivery.v1")
class PostponeDelivery(Command):
    """Keep the order and send it later: the parcel does not leave before `day` (in China). `request_id` names the
    request: heard again it changes nothing; `fingerprint` is the digest of its body."""

    order_id: OrderId
    request_id: str = Field(min_length=1, max_length=128)
    fingerprint: str = Field(max_length=64)
    day: date
    by: Actor
