"""What the replay will do: which products there are, which orders are placed, which cancellations follow."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from zlib import crc32

from tools.replay.matching import Bought, Shelf
from tools.replay.rows import FILE, Row, Tally, sort

REASON_CODES = (
    ("customer", "changed-mind"),
    ("customer", "wrong-item"),
    ("customer", "found-better"),
    ("merchant", "out-of-stock"),
    ("merchant", "quality"),
    ("merchant", "delivery"),
    ("system", "fault"),
    ("system", "duplicate"),
)
MOST_OFFERS = 500


@dataclass(frozen=True, slots=True)
class Product:
    """What is sold. The prices are those of the whole file, highest first, so that a longer replay on the same stack
    finds the same product; `opening` is what the chosen orders will buy."""

    product_id: str
    name: str
    category: str
    offers_minor: tuple[int, ...]
    opening: int


@dataclass(frozen=True, slots=True)
class OrderLine:
    line_no: int
    product_id: str
    quantity: int
    unit_price_minor: int


@dataclass(frozen=True, slots=True)
class Order:
    """One purchase invoice. A row without a customer belongs to a guest of this invoice alone."""

    invoice: str
    customer_id: str
    group: str
    occurred_at: datetime
    lines: tuple[OrderLine, ...]

    @property
    def total_minor(self) -> int:
        return sum(line.quantity * line.unit_price_minor for line in self.lines)

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """What one cancellation invoice takes back from one order: `lines` are (line number, pieces)."""

    number: str
    invoice: str
    occurred_at: datetime
    lines: tuple[tuple[int, int], ...]
    family: str
    code: str

    @property
    def quantity(self) -> int:
        return sum(quantity for _, quantity in self.lines)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A cancelled row that no purchase answers to, and why."""

    row: int
    number: str
    product_id: str
    quantity: int
    customer: str
    why: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to do, oldest first. `no_goods` and `unmatched` speak of the whole file."""

    products: tuple[Product, ...]
    orders: tuple[Order, ...]
    cancellations: tuple[Cancellation, ...]
    no_goods: tuple[Tally, ...]
    unmatched: tuple[Unmatched, ...]
    rows: int
    cancelled_rows: int
    whole: bool

    def steps(self) -> Iterator[Order | Cancellation]:
        """Orders and cancellations in the order of time; an order comes before its cancellation."""
        return heapq.merge(self.orders, self.cancellations, key=_when)


def orders_alone(products: Sequence[Product], orders: Sequence[Order]) -> Plan:
    """A plan that cancels nothing."""
    return Plan(tuple(products), tuple(orders), (), (), (), rows=0, cancelled_rows=0, whole=False)


def _when(step: Order | Cancellation) -> tuple[datetime, bool]:
    return step.occurred_at, isinstance(step, Cancellation)


def make(path: Path = FILE, invoices: int | None = 2000) -> Plan:
    """Plan the first `invoices` purchases of the file (None: all of them) with every cancellation that meets them.
    Cancellations are matched over the whole file first, so a shorter replay is a part of the longer one."""
    found = sort(path)
    orders = _orders([row for row in found.goods if not row.cancels])
    cancelled = [row for row in found.goods if row.cancels]
    cancellations, unmatched = _cancellations(orders, cancelled)
    chosen = orders if invoices is None else orders[:invoices]
    numbers = {order.invoice for order in chosen}
    return Plan(
        products=_products(found.goods, chosen),
        orders=tuple(chosen),
        cancellations=tuple(case for case in cancellations if case.invoice in numbers),
        no_goods=tuple(sorted(found.no_goods.values(), key=lambda tally: tally.kind)),
        unmatched=tuple(unmatched),
        rows=found.rows,
        cancelled_rows=len(cancelled),
        whole=len(chosen) == len(orders),
    )


def _orders(rows: list[Row]) -> list[Order]:
    by_invoice: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_invoice[row.invoice].append(row)
    orders = [
        Order(
            invoice=invoice,
            customer_id=rows[0].customer or f"guest-{invoice}",
            group=rows[0].country,
            # A few invoices run over the turn of a minute; the first row says when the order was placed.
            occurred_at=min(row.time for row in rows),
            lines=tuple(OrderLine(no, row.product_id, row.quantity, row.price_minor) for no, row in enumerate(rows, 1)),
        )
        for invoice, rows in by_invoice.items()
    ]
    return sorted(orders, key=lambda order: (order.occurred_at, order.invoice))


def _cancellations(orders: list[Order], cancelled: list[Row]) -> tuple[list[Cancellation], list[Unmatched]]:
    shelf = Shelf()
    for order in orders:
        for line in order.lines:
            bought = Bought(order.occurred_at, order.invoice, line.line_no, line.quantity)
            shelf.put(order.customer_id, line.product_id, bought)
    taken: dict[tuple[datetime, str, str], Counter[int]] = defaultdict(Counter)
    unmatched = []
    for number, rows in _by_number(cancelled):
        at = min(row.time for row in rows)
        for row in rows:
            met = shelf.take(row.customer, row.product_id, -row.quantity, at)
            if isinstance(met, str):
                unmatched.append(Unmatched(row.number, number, row.product_id, -row.quantity, row.customer, met))
                continue
            for part in met:
                taken[at, number, part.invoice][part.line_no] += part.quantity
    cases = [
        Cancellation(number, invoice, at, tuple(sorted(lines.items())), *REASON_CODES[crc32(number.encode()) % 8])
        for (at, number, invoice), lines in taken.items()
    ]
    return sorted(cases, key=lambda case: (case.occurred_at, case.number, case.invoice)), unmatched


def _by_number(cancelled: list[Row]) -> list[tuple[str, list[Row]]]:
    """Cancellation invoices, oldest first, their rows in the order of the file."""
    ordered = sorted(cancelled, key=lambda row: (row.invoice, row.number))
    invoices = [(number, list(rows)) for number, rows in groupby(ordered, key=lambda row: row.invoice)]
    return sorted(invoices, key=lambda invoice: (min(row.time for row in invoice[1]), invoice[0]))


def _products(goods: list[Row], chosen: list[Order]) -> tuple[Product, ...]:
    names: dict[str, Counter[str]] = defaultdict(Counter)
    prices: dict[str, set[int]] = defaultdict(set)
    for row in goods:
        if not row.cancels:
            names[row.product_id][row.description] += 1
            prices[row.product_id].add(row.price_minor)
    opening: Counter[str] = Counter()
    for order in chosen:
        for line in order.lines:
            opening[line.product_id] += line.quantity
    return tuple(
        Product(code, _name(code, names[code]), _category(code), _offers(code, prices[code]), opening[code])
        for code in sorted(opening)
    )


def _name(code: str, found: Counter[str]) -> str:
    """The description used most often; of equals the first in the alphabet."""
    best = min(((-count, name) for name, count in found.items() if name), default=(0, code))
    return best[1][:200]


def _category(code: str) -> str:
    """Numbered articles are the shop's goods; codes that start with a letter are its special lines."""
    return "goods" if code[0].isdigit() else "special"


def _offers(code: str, prices: set[int]) -> tuple[int, ...]:
    if len(prices) > MOST_OFFERS:
        raise ValueError(f"product {code} was sold at {len(prices)} prices; a product can have {MOST_OFFERS} offers")
    return tuple(sorted(prices, reverse=True))
