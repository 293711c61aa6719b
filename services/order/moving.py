"""A parcel leaves, arrives, and an order comes to its end. Pure. Raises Refusal for what the order's state does not
allow."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chassis.record import Refusal
from contracts.message import Message
from contracts.order import (
    CompleteOrder,
    DeliverOrder,
    OrderCompleted,
    OrderDelivered,
    OrderNotMoved,
    OrderShipped,
    ShipOrder,
)
from services.order import instead
from services.order.model import Order
from services.order.placing import DISPATCH_ORDER, Placement

Decision = tuple[Order | None, Sequence[Message]]


def ship(order: Order | None, asked: ShipOrder, at: datetime) -> Decision:
    """The parcel leaves. Refused while a cancellation is open or goods are being exchanged, while the payment is not
    confirmed, and before the customer wants it. Another parcel than the one that has left is no repeat: who corrects a
    number must not read that it was done."""
    if order is not None and order.state == "shipped" and _parcel(order) == _parcel(asked):
        return order, [_shipped(asked, at)]
    order = _in_state(order, asked, "paid")
    if order.open_exchange is not None:
        raise _not_yet(order, "exchange-open")
    if order.paid is None:
        # Closing its payment was refused because it had been paid: that word itself is still under way.
        raise _not_yet(order, "payment-not-confirmed")
    if instead.too_early(order, asked.early, at):
        raise _not_yet(order, "deliver-later", order.deliver_after)
    parcel = {"carrier": asked.carrier, "tracking_number": asked.tracking_number}
    order = order.model_copy(update=parcel)
    run, says = DISPATCH_ORDER.start(Placement.of(order), at)
    shipped = order.model_copy(update={"state": "shipped", "dispatching": run})
    shipped = shipped.noting(at, "shipped", carrier=asked.carrier, tracking_number=asked.tracking_number)
    return shipped, [_shipped(asked, at), *says]


def _not_yet(order: Order, because: str, not_before: datetime | None = None) -> Refusal:
    return Refusal(
        OrderNotMoved(
            order_id=order.order_id,
            reason="wrong-state",
            state=order.state,
            because=because,
            not_before=not_before,
        )
    )


def _parcel(of: Order | ShipOrder) -> tuple[str, str]:
    return of.carrier, of.tracking_number


def _shipped(asked: ShipOrder, at: datetime) -> OrderShipped:
    return OrderShipped(
        order_id=asked.order_id, carrier=asked.carrier, tracking_number=asked.tracking_number, shipped_at=at
    )


def deliver(order: Order | None, asked: DeliverOrder, at: datetime) -> Decision:
    delivered = OrderDelivered(order_id=asked.order_id, delivered_at=at)
    if order is not None and order.state == "delivered":
        return order, [delivered]
    order = _in_state(order, asked, "shipped")
    return order.model_copy(update={"state": "delivered"}).noting(at, "delivered"), [delivered]


def complete(order: Order | None, asked: CompleteOrder, at: datetime) -> Decision:
    completed = OrderCompleted(order_id=asked.order_id, completed_at=at)
    if order is not None and order.state == "completed":
        return order, [completed]
    order = _in_state(order, asked, "delivered")
    return order.model_copy(update={"state": "completed"}).noting(at, "completed"), [completed]


def _in_state(order: Order | None, asked: ShipOrder | DeliverOrder | CompleteOrder, wanted: str) -> Order:
    if order is None:
        raise Refusal(OrderNotMoved(order_id=asked.order_id, reason="unknown-order"))
    if order.open_case is not None:
        raise Refusal(OrderNotMoved(order_id=asked.order_id, reason="cancellation-open", state=order.state))
    if order.state != wanted:
        raise Refusal(OrderNotMoved(order_id=asked.order_id, reason="wrong-state", state=order.state))
    return order
