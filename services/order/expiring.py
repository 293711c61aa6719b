"""An order that nobody pays ends by itself: its goods are not set aside for ever. It takes the unpaid road like any
other cancellation, so the payment is closed first; one that was made in time keeps its order. Pure."""

from __future__ import annotations

from datetime import datetime

from contracts.message import Message
from contracts.order import Reason
from services.order import cases
from services.order.model import NOBODY_PAID, Order
from services.order.pieces import pieces_to_cancel
from services.order.reason import ReasonWords

REASON = Reason(family="customer", code="other", word="not-paid-in-time")
"""No code of the closed list says it, and a reader of events that is older than a new one could not read them."""
WORDS = ReasonWords(
    zh="超时未付款",
    en="not paid in time",
    solution_zh="商品不再为您保留,如仍需要请重新下单。",
    solution_en="The goods are no longer kept for you. Order again if you still want them.",
)


def expire(order: Order, at: datetime) -> tuple[Order, list[Message]]:
    """Cancel the order if it was not paid in time."""
    due = order.expires_at
    if due is None or due > at:
        return order, []
    lines = pieces_to_cancel(order, ())
    after, says = cases.open_case(
        order.model_copy(update={"pay_until": None}),
        at,
        road="unpaid",
        lines=lines,
        amount_minor=sum(line.amount_minor for line in lines),
        whole=True,
        reason=REASON,
        words=WORDS,
        solution=WORDS.solution_zh if order.contact.language == "zh" else WORDS.solution_en,
        by=NOBODY_PAID,
        occurred_at=at,
    )
    return after.model_copy(update={"state": "cancelling"}), says
