"""An order that does not know of a payment asks whether there was one. `PaymentReceived` answers no command, so nobody
would say it again if it were lost with the broker: the customer would have paid, and the order would wait for ever.
Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from contracts.message import Message
from contracts.payment import OpenPayment
from services.order.model import Case, Order
from services.order.placing import Placement

ASK_AFTER = (
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(hours=25),  # the payment service asks the provider about an unpaid payment for a day
    timedelta(days=4),
)
"""From one question to the next. A payment that is made after the last one is said again by the payment service itself:
it does so from the second day on."""
SOON = timedelta(minutes=1)
"""The first question of an order that is known to be paid."""

Decision = tuple[Order, list[Message]]


def wait(order: Order, at: datetime, first: timedelta = ASK_AFTER[0]) -> Order:
    """The payment is open: plan the first question."""
    if order.paid is not None:
        return order
    return order.model_copy(update={"payment_asked": 0, "ask_payment_at": at + first})


def ask_on(order: Order, case: Case, at: datetime) -> Order:
    """The case is over. Where it closed a payment, one that was on its way may still be made, and the order may never
    have heard that it was open, or have asked for the last time."""
    return wait(order, at) if case.road == "unpaid" and order.ask_payment_at is None else order


def was_paid_late(order: Order, case: Case) -> bool:
    """Whether the case is over of an order that was cancelled unpaid, and money has come for it meanwhile: its own, or
    the one that took over what somebody had given back of that money by hand."""
    if order.paid is None:
        return False
    by_hand = case.found is not None and case.state_before == "cancelled"
    # Not by what the order goes back to: the word of the payment may have come while it was being cancelled unpaid.
    cancelled_unpaid = any(known.road == "unpaid" and known.status == "completed" for known in order.cases)
    return case.road == "unpaid" or (by_hand and cancelled_unpaid)


def was_paid_in_time(case: Case) -> bool:
    """Whether the case, whose payment could not be closed because it was made, should not have begun: nobody had asked
    for it, and the customer has paid."""
    return case.nobody_paid


def ask(order: Order, at: datetime) -> Decision:
    """Say once more what opened the payment, if it is time: who heard that before answers what it knows."""
    if order.ask_payment_at is None or order.ask_payment_at > at:
        return order, []
    asked = order.payment_asked + 1
    due = at + ASK_AFTER[asked] if asked < len(ASK_AFTER) else None
    facts = Placement.of(order)
    again = OpenPayment(
        order_id=order.order_id,
        shop=order.shop,
        customer_id=order.customer_id,
        openid=facts.openid,
        amount=facts.amount,
        description=facts.description,
    )
    return order.model_copy(update={"payment_asked": asked, "ask_payment_at": due}), [again]
