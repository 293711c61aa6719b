"""What may help more than cancelling: a later delivery, other goods of the same kind and price. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from chassis.record import Refusal
from contracts.alternative import AlternativeNotTaken, AlternativeTaken, PostponeDelivery
from contracts.message import Message
from contracts.zone import CHINA
from services.order.model import Line, Order
from services.order.offer import Product
from services.order.taken import Taken

Decision = tuple[Order, list[Message]]

LATEST_DAYS = 60
TAKEN_MAX = 20
BAND_PERCENT = 20

_STANDS_IN_THE_WAY = {
    "pending-payment": "not-paid-yet",
    "shipped": "too-late-to-change",
    "delivered": "too-late-to-change",
    "completed": "too-late-to-change",
    "cancelled": "already-cancelled",
}


def days_to_choose(at: datetime) -> tuple[date, date]:
    """The first and the last day to which a delivery can be put off."""
    today = at.astimezone(CHINA).date()
    return today + timedelta(days=1), today + timedelta(days=LATEST_DAYS)


def in_the_way(order: Order) -> str:
    """Why nothing but a cancellation can be had now; empty when something can."""
    if order.open_case is not None:
        return "cancellation-open"
    if order.open_exchange is not None:
        return "exchange-open"
    return _STANDS_IN_THE_WAY.get(order.state, "" if order.state == "paid" else "cancellation-open")


def postpone(order: Order | None, asked: PostponeDelivery, at: datetime) -> Decision:
    """Keep the order, send it later. Raises Refusal."""
    if order is None or (asked.by.kind == "customer" and asked.by.id != order.customer_id):
        raise _refusal(asked, "unknown-order")
    for number, known in enumerate(order.alternatives, start=1):
        if known.request == asked.request_id:
            if known.fingerprint != asked.fingerprint:
                raise _refusal(asked, "idempotency-key-reused")
            return order, [told(order, known, number)]
    if any(known.request == asked.request_id for known in order.exchanges):
        raise _refusal(asked, "idempotency-key-reused")
    hindrance = in_the_way(order)
    if hindrance:
        raise _refusal(asked, hindrance)
    if len(order.alternatives) >= TAKEN_MAX:
        raise _refusal(asked, "too-many-alternatives")
    earliest, latest = days_to_choose(at)
    if not earliest <= asked.day <= latest:
        raise Refusal(
            AlternativeNotTaken(order_id=asked.order_id, reason="day-out-of-reach", earliest=earliest, latest=latest)
        )
    begins = datetime.combine(asked.day, time(), CHINA).astimezone(UTC)
    taken = Taken(
        request=asked.request_id,
        fingerprint=asked.fingerprint,
        kind="later-delivery",
        deliver_after=begins,
        taken_at=at,
    )
    after = order.model_copy(update={"deliver_after": begins, "alternatives": (*order.alternatives, taken)})
    after = after.noting(at, "alternative-taken", None, kind=taken.kind, day=asked.day.isoformat())
    return after, [told(after, taken, len(after.alternatives))]


def postponed(order: Order) -> date | None:
    """The day, in China, before which the parcel does not leave."""
    return None if order.deliver_after is None else order.deliver_after.astimezone(CHINA).date()


def too_early(order: Order, early: bool, at: datetime) -> bool:
    """Whether the parcel must stay: the customer wants it later, and nobody in the warehouse decided otherwise."""
    return order.deliver_after is not None and at < order.deliver_after and not early


def band(price_minor: int) -> tuple[int, int]:
    """The lowest and the highest price that is near this one."""
    return -(-price_minor * (100 - BAND_PERCENT) // 100), price_minor * (100 + BAND_PERCENT) // 100


def similar(line: Line, products: Iterable[Product]) -> list[dict[str, Any]]:
    """Goods in place of a line, each at its offer nearest to the line's price; nearest first, then by id."""
    low, high = band(line.unit_price_minor)
    found: list[tuple[int, dict[str, Any]]] = []
    for product in products:
        offers = [offer for offer in product.offers_minor if low <= offer <= high]
        if product.product_id == line.product_id or not offers:
            continue
        price = min(offers, key=lambda offer: (abs(offer - line.unit_price_minor), offer))
        row = {
            "line_no": line.line_no,
            "quantity": line.left,
            "product_id": product.product_id,
            "name": product.name,
            "category": product.category,
            "unit_price_minor": price,
            "currency": product.currency,
        }
        found.append((abs(price - line.unit_price_minor), row))
    return [row for _, row in sorted(found, key=lambda one: (one[0], one[1]["product_id"]))]


def told(order: Order, taken: Taken, number: int) -> AlternativeTaken:
    """The event that tells of the order's nth alternative."""
    return AlternativeTaken(
        order_id=order.order_id,
        number=number,
        kind=taken.kind,
        customer_group=order.customer_group,
        deliver_after=taken.deliver_after,
        taken_at=taken.taken_at,
        occurred_at=order.occurred_at,
    )


def _refusal(asked: PostponeDelivery, reason: str) -> Refusal:
    return Refusal(AlternativeNotTaken(order_id=asked.order_id, reason=reason))
