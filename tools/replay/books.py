"""The books as they are kept: orders and cases by the order service, money and messages by the stand-in, stock by the
inventory, figures by analytics. Only collected here; `compare` judges them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tools.replay.client import Outside, Shop
from tools.replay.independent import Figure
from tools.replay.knock import Json

FIGURES = {
    "orders": ("month", "product", "group"),
    "cancellations": ("month", "product", "reason", "group"),
    "refunds": ("month", "product", "reason", "group"),
}
COMPLETED = "completed"
UNDONE = "undone"
TOLD = {
    COMPLETED: ("refund-on-its-way", "refund-arrived"),
    UNDONE: ("refund-failed",),
}
"""What a customer is told about a case of a paid order that has ended so."""
NOTICES = ("refund-on-its-way", "refund-arrived", "refund-failed", "order-cancelled")
ORDER_FIELDS = ("character_string1", "order")


class OrderRow(NamedTuple):
    """`reference`: the purchase invoice, or nothing for an order that somebody placed by hand. Money in fen."""

    order_id: str
    reference: str
    state: str
    total_minor: int
    paid_minor: int
    refunded_minor: int


class CaseLine(NamedTuple):
    line_no: int
    product_id: str
    quantity: int
    amount_minor: int


class CaseRow(NamedTuple):
    case_id: str
    order_id: str
    reference: str
    status: str
    lines: tuple[CaseLine, ...]
    amount_minor: int

    @property
    def quantity(self) -> int:
        return sum(line.quantity for line in self.lines)


class StockRow(NamedTuple):
    received: int
    available: int
    reserved: int
    sold: int

    @property
    def out(self) -> int:
        """Pieces that are not on the shelf any more."""
        return self.received - self.available


class Refund(NamedTuple):
    number: str
    trade: str
    amount_minor: int


@dataclass(slots=True)
class Money:
    """The stand-in's ledger. `paid`: amounts by trade number; refunds as often as the ledger names them."""

    paid: Counter[str] = field(default_factory=Counter)
    payments: int = 0
    accepted: list[Refund] = field(default_factory=list)
    arrived: list[Refund] = field(default_factory=list)
    refused: list[Refund] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Books:
    """Everything that somebody wrote down about the replay, at one moment."""

    orders: list[OrderRow] = field(default_factory=list)
    cases: list[CaseRow] = field(default_factory=list)
    summary: Json = field(default_factory=dict)
    money: Money = field(default_factory=Money)
    stock: dict[str, StockRow] = field(default_factory=dict)
    recount: list[str] = field(default_factory=list)
    figures: dict[tuple[str, str], dict[str, Figure]] = field(default_factory=dict)
    notices: Counter[tuple[str, str]] = field(default_factory=Counter)
    channels: Counter[str] = field(default_factory=Counter)
    strays: list[str] = field(default_factory=list)


def plain(number: str) -> str:
    """An id without its hyphens: providers allow fewer characters than a UUID has."""
    return number.replace("-", "").lower()


async def collect(shop: Shop, outside: Outside) -> Books:
    """Read every book."""
    books = Books(
        orders=[_order(row) async for row in shop.orders()],
        cases=[_case(row) async for row in shop.cases()],
        summary=await shop.summary(),
        money=await _money(outside),
        stock={str(row["product_id"]): _stock(row) async for row in shop.stock()},
        recount=[str(line) for line in (await shop.recount())["differences"]],
    )
    for subject, ways in FIGURES.items():
        for by in ways:
            books.figures[subject, by] = _figures(await shop.figures(subject, by))
    await _notices(books, outside)
    await _inbox(books, shop)
    return books


def case_of(refund_number: str, cases: Mapping[str, CaseRow]) -> CaseRow | None:
    """The case that a refund number was made from: the case's id, and behind it a sign that is no letter or digit (so
    that case 1 is not taken for case 11). `cases`: by id."""
    ends = (end for end in range(len(refund_number), 0, -1) if not refund_number[end : end + 1].isalnum())
    return next((cases[refund_number[:end]] for end in ends if refund_number[:end] in cases), None)


def _order(row: Json) -> OrderRow:
    return OrderRow(
        str(row["order_id"]),
        _number(row.get("reference")),
        str(row["state"]),
        int(row["total_minor"]),
        int(row["paid_minor"]),
        int(row["refunded_minor"]),
    )


def _case(row: Json) -> CaseRow:
    lines = (
        CaseLine(int(line["line_no"]), str(line["product_id"]), int(line["quantity"]), int(line["amount_minor"]))
        for line in row["lines"]
    )
    return CaseRow(
        str(row["case_id"]),
        str(row["order_id"]),
        _number(row.get("reference")),
        str(row["status"]),
        tuple(sorted(lines)),
        int(row["amount_minor"]),
    )


def _number(reference: object) -> str:
    """The number in a reference, written as a text or as an object."""
    if isinstance(reference, dict):
        return str(reference.get("number", ""))
    return str(reference or "")


def _stock(row: Json) -> StockRow:
    return StockRow(int(row["received"]), int(row["available"]), int(row["reserved"]), int(row["sold"]))


def _figures(rows: Iterable[Json]) -> dict[str, Figure]:
    return {str(row["key"]): Figure(int(row["count"]), int(row["quantity"]), int(row["amount_minor"])) for row in rows}


async def _money(outside: Outside) -> Money:
    money = Money()
    lists = {"refund-accepted": money.accepted, "refund-success": money.arrived, "refund-refused": money.refused}
    async for line in outside.money():
        kind, amount = line["kind"], int(line["amount_minor"])
        if kind == "payment":
            money.payments += 1
            money.paid[plain(str(line["out_trade_no"]))] += amount
        elif kind in lists:
            lists[kind].append(Refund(str(line["out_refund_no"]), plain(str(line["out_trade_no"])), amount))
    violations = (await outside.check())["violations"]
    money.violations = [f"{found['rule']}: {found['subject']} ({found['found']})" for found in violations]
    return money


async def _notices(books: Books, outside: Outside) -> None:
    """Count what customers were told, by order and outcome. A message names its order, not its case."""
    by_name = {plain(order.order_id): order.order_id for order in books.orders}
    by_name |= {order.reference: order.order_id for order in books.orders if order.reference}
    async for line in outside.messages():
        values, outcome = line["values"], str(line["template_name"])
        if outcome not in NOTICES:
            continue
        books.channels[str(line["channel"])] += 1
        named = next((str(values[name]) for name in ORDER_FIELDS if name in values), "")
        order_id = by_name.get(plain(named)) or by_name.get(named)
        if order_id is None:
            books.strays.append(f"message {line['id']} ({outcome}) names the order {named!r}, which nobody knows")
        else:
            books.notices[order_id, outcome] += 1


async def _inbox(books: Books, shop: Shop) -> None:
    """A notice that no outside channel took waits in the mini-program's inbox, which the stand-in cannot know of. Only
    orders whose customers seem to have been told too little are asked for."""
    wanted = wanted_notices(books.cases)
    for order_id in sorted({order_id for order_id, outcome in wanted - books.notices}):
        for notice in await shop.notices(order_id):
            if notice["channel"] == "inbox" and notice["told_at"] and notice["outcome"] in NOTICES:
                books.notices[order_id, str(notice["outcome"])] += 1
                books.channels["inbox"] += 1


def wanted_notices(cases: Iterable[CaseRow]) -> Counter[tuple[str, str]]:
    """What customers have to be told about these cases, by order and outcome."""
    return Counter((case.order_id, outcome) for case in cases for outcome in TOLD.get(case.status, ()))
