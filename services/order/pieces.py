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
    """What a case would give back: the wanted pieces, or everything that is left when none are named. Raises
    NotCancellable for a line that does not exist or has fewer pieces left."""
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
    return tuple(
        CancelledLine(
            line_no=line_no,
            product_id=known[line_no].product_id,
            category=known[line_no].category,
            quantity=quantity,
            amount_minor=known[line_no].share(quantity),
        )
        for line_no, quantity in sorted(pieces.items())
    )


def covers_all_left(order: Order, lines: Sequence[CancelledLine]) -> bool:
    """Whether these pieces are everything that is left of the order."""
    return sum(line.quantity for line in lines) == sum(line.left for line in order.lines)
