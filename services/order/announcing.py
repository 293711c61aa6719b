"""The customer hears first: what the shop or the system cancels is told before anything moves, with reason, solution
and when the money should be there. Pure."""

from __future__ import annotations

from datetime import datetime

from contracts.message import Message
from contracts.notify import TellCustomer
from services.order.arrival import expected_by
from services.order.cancellation import Cancellation
from services.order.model import Case, Order

ROADS = ("paid", "returned")


def announce(order: Order, case: Case, at: datetime) -> list[Message]:
    """The notice that a cancellation nobody at the customer's side asked for begins; nothing for others, and for what
    has happened already in another system.

    It goes by a WeChat message of its own template, where the customer takes one, else into the inbox: never by short
    message, for the refund's own notices follow at once. Nobody waits for it."""
    theirs = case.reason.family == "customer" or case.by.kind == "customer"
    if theirs or case.reference or case.road not in ROADS:
        return []
    known, back_first = Cancellation.of(order, case), case.road == "returned"
    return [
        TellCustomer(
            order_id=order.order_id,
            case_id=case.case_id,
            outcome="cancellation-begun",
            to=known.to.model_copy(update={"phone": ""}),
            amount_minor=0 if back_first else case.amount.amount_minor,
            currency=order.currency,
            reason=known.reason,
            solution=known.solution,
            expected_by=None if back_first else expected_by("", at),
            part=not case.whole,
        )
    ]
