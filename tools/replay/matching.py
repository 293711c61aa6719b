"""Which purchase a cancellation takes back. The file does not say, so a rule does: the same customer, the same product,
the latest purchase before it with enough left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

NO_CUSTOMER = "no-customer"
NO_EARLIER_PURCHASE = "no-earlier-purchase"
NOT_ENOUGH_LEFT = "not-enough-left"

REASONS = {
    NO_CUSTOMER: ("没有客户编号", "no customer in the row"),
    NO_EARLIER_PURCHASE: ("此前没有购买", "no earlier purchase"),
    NOT_ENOUGH_LEFT: ("剩余数量不足", "not enough left"),
}


@dataclass(slots=True)
class Bought:
    """One line of a purchase, and how much of it nobody has cancelled yet."""

    time: datetime
    invoice: str
    line_no: int
    left: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Some pieces that a cancellation takes from one line of a purchase."""

    invoice: str
    line_no: int
    quantity: int


class Shelf:
    """Everything that was bought, by customer and product, oldest first."""

    def __init__(self) -> None:
        self._bought: dict[tuple[str, str], list[Bought]] = {}

    def put(self, customer: str, product_id: str, bought: Bought) -> None:
        """Must be called in the order of time."""
        self._bought.setdefault((customer, product_id), []).append(bought)

    def take(self, customer: str, product_id: str, quantity: int, at: datetime) -> tuple[Taken, ...] | str:
        """Take pieces from the latest purchase line that has them all; else from several, latest first; else say why
        not, and leave everything as it is. A purchase in the same minute counts as earlier: the file has no seconds."""
        if not customer:
            return NO_CUSTOMER
        earlier = [line for line in self._bought.get((customer, product_id), ()) if line.time <= at]
        if not earlier:
            return NO_EARLIER_PURCHASE
        earlier.reverse()
        whole = next((line for line in earlier if line.left >= quantity), None)
        if whole is not None:
            return tuple(_draw([whole], quantity))
        if sum(line.left for line in earlier) < quantity:
            return NOT_ENOUGH_LEFT
        return tuple(_draw(earlier, quantity))


def _draw(lines: Iterable[Bought], quantity: int) -> Iterator[Taken]:
    for line in lines:
        part = min(line.left, quantity)
        if part:
            line.left -= part
            quantity -= part
            yield Taken(line.invoice, line.line_no, part)
