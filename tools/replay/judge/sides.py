"""What is laid side by side: the file's own sums on one side, the books on the other."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property

from tools.replay.books import COMPLETED, Books, CaseRow, OrderRow, case_of
from tools.replay.independent import Expected

CaseName = tuple[str, str]


@dataclass(slots=True)
class Check:
    """One comparison: its name (Chinese, English), how many things were compared, and every difference in words."""

    name: tuple[str, str]
    compared: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def agrees(self) -> bool:
        return not self.differences

    def same(self, what: str, **sides: object) -> bool:
        """Compare the sides' values of one thing; a difference is noted with what each side says."""
        self.compared += 1
        values = list(sides.values())
        if all(value == values[0] for value in values):
            return True
        self.differences.append(f"{what}: " + ", ".join(f"{side} {value}" for side, value in sides.items()))
        return False

    def wrong(self, what: str) -> None:
        """Note something that must not be."""
        self.compared += 1
        self.differences.append(what)


@dataclass
class Sides:
    """The books seen through the file: which orders and cases are the replay's, and which are `others` that somebody
    placed by hand on the same stack (or an earlier, longer replay). Others are never compared with the file, but the
    books must agree about them too."""

    expected: Expected
    books: Books

    @cached_property
    def by_invoice(self) -> dict[str, list[OrderRow]]:
        """The replay's orders; more than one for an invoice is a difference."""
        found: dict[str, list[OrderRow]] = defaultdict(list)
        for row in self.books.orders:
            if row.reference in self.expected.orders:
                found[row.reference].append(row)
        return found

    @cached_property
    def orders(self) -> dict[str, OrderRow]:
        return {row.order_id: row for row in self.books.orders}

    @cached_property
    def other_orders(self) -> list[OrderRow]:
        return [row for row in self.books.orders if row.reference not in self.expected.orders]

    @cached_property
    def by_name(self) -> dict[CaseName, list[CaseRow]]:
        """The replay's cases by (cancellation invoice, purchase invoice)."""
        found: dict[CaseName, list[CaseRow]] = defaultdict(list)
        for row in self.books.cases:
            if (name := name_of(row, self.orders)) in self.expected.cases:
                found[name].append(row)
        return found

    @cached_property
    def other_cases(self) -> list[CaseRow]:
        return [row for row in self.books.cases if name_of(row, self.orders) not in self.expected.cases]

    @cached_property
    def cases(self) -> dict[str, CaseRow]:
        return {row.case_id: row for row in self.books.cases}

    @cached_property
    def refused(self) -> frozenset[CaseName]:
        return refused_names(self.books)

    @property
    def refunded_to_others(self) -> int:
        """Fen given back for orders placed by hand, and for the replay's orders in cases opened by hand."""
        by_hand = {row.order_id for row in self.other_orders}
        return sum(row.refunded_minor for row in self.other_orders) + sum(
            case.amount_minor for case in self.other_cases if case.status == COMPLETED and case.order_id not in by_hand
        )

    @property
    def alone(self) -> bool:
        """Nobody else has used this stack."""
        return not self.other_orders and not self.other_cases


def name_of(case: CaseRow, orders: dict[str, OrderRow]) -> CaseName:
    """A case's name: its own number and its order's."""
    order = orders.get(case.order_id)
    return case.reference, order.reference if order else ""


def refused_names(books: Books) -> frozenset[CaseName]:
    """The cases whose refund the provider refused and never accepted, by the provider's own ledger."""
    cases = {row.case_id: row for row in books.cases}
    orders = {row.order_id: row for row in books.orders}
    accepted = {refund.number for refund in books.money.accepted}
    found = (case_of(refund.number, cases) for refund in books.money.refused if refund.number not in accepted)
    return frozenset(name_of(case, orders) for case in found if case)
