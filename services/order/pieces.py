"""Which pieces of an order a cancellation would give back. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.order import CancelledLine, CancelLine
from services.order.model import Order


class NotCancellable(Exception):
    """These pieces cannot be cancelled; `reason` is one of `CancellationNotAccepted`'s."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def pieces_to_cancel(order: Order, wanted: Sequence[CancelLine]) -> tuple[CancelledLine, ...]:
    """What a case would give back: the wanted pieces, or everything that is left when none are named; of their money no
    more than is left of the payment. Raises NotCancellable for a line that does not exist or has fewer pieces left."""
    if not wanted:
        wanted = [CancelLine(line_no=line.line_no, quantity=line.left) for line in order.lines if line.left]
    pieces: dict[int, int] = {}
    for want in wanted:
        pieces[want.line_no] = pieces.get(want.line_no, 0) + want.quantity
    known = {line.line_no: line for line in order.lines}
    for line_no, quantity in pieces.items():
        if line_no not in known:
            raise NotCancellable("unknown-line", f"line {line_no}")
        if quantity > known[line_no].left:
            raise NotCancellable("more-than-was-bought", f"line {line_no}: {known[line_no].left} left")
    lines = tuple(
        CancelledLine(
            line_no=line_no,
            product_id=known[line_no].product_id,
            category=known[line_no].category,
            quantity=quantity,
            amount_minor=known[line_no].share(quantity),
        )
        for line_no, quantity in sorted(pieces.items())
    )
    return lines if order.paid is None else _within(lines, order.paid.amount_minor - order.refunded_minor)


def _within(lines: Sequence[CancelledLine], left_minor: int) -> tuple[CancelledLine, ...]:
    """These lines with no more money than is left of what was paid (fen): where a part went back by hand for goods that
    nobody named, whole shares would be refused, and the goods could never be had back (decision 0045)."""
    within = []
    for line in lines:
        amount = min(line.amount_minor, max(left_minor, 0))
        left_minor -= amount
        within.append(line.model_copy(update={"amount_minor": amount}))
    return tuple(within)


def covers_all_left(order: Order, lines: Sequence[CancelledLine]) -> bool:
    """Whether these pieces are everything that is left of the order."""
    return sum(line.quantity for line in lines) == sum(line.left for line in order.lines)
