"""An order is taken in: priced, written down, and its stock and payment asked for. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.record import Refusal
from contracts.message import Message, Money
from contracts.order import OrderPlaced, PlaceOrder, PricedLine
from contracts.payment import trade_number
from services.order.model import Order
from services.order.offer import LookUpProducts, PriceRules, ReadyToPlace
from services.order.placing import PLACE_ORDER, Placement
from services.order.pricing import NotPriced, price

Decision = tuple[Order | None, Sequence[Message]]

PLACED_BYTES_MAX = 900_000
"""Of `OrderPlaced`, the longest that is ever said of an order. What is longer than a mebibyte no topic takes (Kafka's
max.message.bytes, aiokafka's max_request_size), so nobody would hear that it was placed; a tenth is left for what later
events say besides its lines."""


def look_up(order: Order | None, asked: PlaceOrder, at: datetime) -> Decision:
    """An order that came over a topic: its products have to be looked up first. One that is there is answered at once:
    a wish to look up is kept with the order, which a large one that is said again every night would outgrow. Raises
    ValueError for an id under which it could never be paid."""
    trade_number(asked.order_id)
    if order is not None:
        return take(
            order,
            ReadyToPlace(order_id=asked.order_id, asked=asked, products=(), rules=PriceRules(), from_topic=True),
            at,
        )
    return order, [LookUpProducts(order_id=asked.order_id, asked=asked)]


def take(order: Order | None, ready: ReadyToPlace, at: datetime) -> Decision:
    """A wish to order with all that is needed to price it: the order is placed, or nothing is stored. Raises Refusal
    for a wish that came over HTTP."""
    asked = ready.asked
    if order is not None:
        if order.fingerprint == asked.fingerprint:
            return order, [_placed(order)]
        return _not_placed(order, ready, NotPriced("idempotency-key-reused"))
    try:
        if asked.coupon and ready.coupon is None:
            raise NotPriced("unknown-coupon", asked.coupon)
        products = {str(product.product_id): product for product in ready.products}
        lines = price(asked.lines, asked.currency, products, ready.coupon, ready.rules)
    except NotPriced as problem:
        return _not_placed(order, ready, problem)
    fresh = Order(
        order_id=asked.order_id,
        shop=asked.shop,
        customer_id=asked.customer_id,
        customer_group=asked.customer_group,
        contact=asked.contact,
        currency=asked.currency,
        lines=tuple(lines),
        total_minor=sum(line.paid_minor for line in lines),
        placed_at=at,
        pay_until=at + timedelta(minutes=ready.unpaid_minutes) if ready.unpaid_minutes else None,
        occurred_at=asked.reference.occurred_at if asked.reference else at,
        reference=asked.reference.number if asked.reference else "",
        coupon=asked.coupon,
        fingerprint=asked.fingerprint,
    )
    placed = _placed(fresh)
    if len(placed.model_dump_json().encode()) > PLACED_BYTES_MAX:
        return _not_placed(order, ready, NotPriced("amount-too-large", because="order-too-long"))
    run, says = PLACE_ORDER.start(Placement.of(fresh), at)
    fresh = fresh.model_copy(update={"placing": run}).noting(at, "placed")
    return fresh, [placed, *says]


def _not_placed(order: Order | None, ready: ReadyToPlace, problem: NotPriced) -> Decision:
    refusal = problem.event(ready.order_id)
    if ready.from_topic:
        return order, [refusal]
    raise Refusal(refusal)


def _placed(order: Order) -> OrderPlaced:
    """What was placed, also after goods were exchanged since: a line that stands for others was never ordered beside
    them, and whoever adds up what was ordered would count both."""
    since = {one.new.line_no for one in order.exchanges}
    placed = [line for line in order.lines if line.line_no not in since]
    return OrderPlaced(
        order_id=order.order_id,
        customer_id=order.customer_id,
        customer_group=order.customer_group,
        lines=tuple(PricedLine.model_validate(line, from_attributes=True) for line in placed),
        total=Money(amount_minor=order.total_minor, currency=order.currency),
        placed_at=order.placed_at,
        occurred_at=order.occurred_at,
        reference=order.reference,
    )
