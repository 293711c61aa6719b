"""The file of a real shop, row by row: which rows are goods, and what the others are. Nothing is dropped unnamed."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from pathlib import Path
from typing import TextIO

from contracts.zone import CHINA

FILE = Path(__file__).parents[2] / "data" / "online_retail.csv.xz"

KINDS = {
    "bad-debt": ("坏账", "bad debt"),
    "postage": ("邮费", "postage"),
    "carriage": ("运费", "carriage"),
    "manual": ("手工录入", "manual entry"),
    "discount": ("折扣", "discount"),
    "samples": ("样品", "samples"),
    "bank-charges": ("银行手续费", "bank charges"),
    "marketplace-fee": ("平台费", "marketplace fee"),
    "commission": ("佣金", "commission"),
    "gift-voucher": ("礼品券", "gift voucher"),
    "adjustment": ("调整", "adjustment"),
    "test": ("测试", "test"),
    "stock-correction": ("库存更正", "quantity not above zero on a purchase"),
    "wrong-sign": ("数量符号错误", "quantity not below zero on a cancellation"),
    "negative-price": ("负价格", "negative price"),
    "zero-price": ("零价格", "price below half a fen"),
}
"""Rows that are no goods: kind, and what people call it (Chinese, English)."""

_BY_CODE = {
    "B": "bad-debt",
    "POST": "postage",
    "DOT": "postage",
    "C2": "carriage",
    "M": "manual",
    "D": "discount",
    "S": "samples",
    "BANK CHARGES": "bank-charges",
    "AMAZONFEE": "marketplace-fee",
    "CRUK": "commission",
}
_BY_START = {"GIFT": "gift-voucher", "ADJUST": "adjustment", "TEST": "test"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of goods. `number` is its line in the file (the header is line 1); the file names no time zone, so its
    times are taken as China's, which keeps every row in the month that the file puts it in."""

    number: int
    invoice: str
    product_id: str
    description: str
    quantity: int
    time: datetime
    price_minor: int
    customer: str
    country: str

    @property
    def cancels(self) -> bool:
        return self.invoice.startswith("C")


@dataclass(slots=True)
class Tally:
    """How many rows of one kind of no goods there are, and what they would have come to."""

    kind: str
    purchase_rows: int = 0
    cancellation_rows: int = 0
    quantity: int = 0
    amount_minor: int = 0


@dataclass(slots=True)
class Sorted:
    """The whole file: goods in the file's order, everything else counted by kind."""

    goods: list[Row] = field(default_factory=list)
    no_goods: dict[str, Tally] = field(default_factory=dict)
    rows: int = 0


@lru_cache(maxsize=65536)
def fen(price: str) -> int:
    """1.00 in the file is 100 fen; half a fen goes away from zero."""
    return int((Decimal(price) * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))


@lru_cache(maxsize=65536)
def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def kind_of(row: Row) -> str | None:
    """What a row is when it is no goods; the first rule that fits names it."""
    named = _BY_CODE.get(row.product_id) or next(
        (kind for start, kind in _BY_START.items() if row.product_id.startswith(start)), None
    )
    if named:
        return named
    if row.invoice.startswith("A"):
        return "bad-debt"
    if row.cancels and row.quantity >= 0:
        return "wrong-sign"
    if not row.cancels and row.quantity <= 0:
        return "stock-correction"
    if row.price_minor <= 0:
        return "negative-price" if row.price_minor < 0 else "zero-price"
    return None


def read(path: Path = FILE) -> Iterator[Row]:
    """Every row of the file. Raises ValueError naming the line that cannot be read."""
    shared: dict[str, str] = {}
    with _opened(path) as text:
        for number, found in enumerate(csv.DictReader(text), start=2):
            try:
                yield Row(
                    number=number,
                    invoice=_one(shared, found["InvoiceNo"].strip().upper()),
                    product_id=_one(shared, found["StockCode"].strip().upper()),
                    description=_one(shared, " ".join(found["Description"].split())),
                    quantity=int(found["Quantity"]),
                    time=_time(found["InvoiceDate"]),
                    price_minor=fen(found["UnitPrice"]),
                    customer=_one(shared, found["CustomerID"].strip()),
                    country=_one(shared, found["Country"].strip()),
                )
            except (ArithmeticError, AttributeError, KeyError, ValueError) as broken:
                raise ValueError(f"{path.name}, line {number}: {broken!r}") from broken


def sort(path: Path = FILE) -> Sorted:
    """Read the file and part goods from everything else."""
    found = Sorted()
    for row in read(path):
        found.rows += 1
        kind = kind_of(row)
        if kind is None:
            found.goods.append(row)
            continue
        tally = found.no_goods.setdefault(kind, Tally(kind))
        if row.cancels:
            tally.cancellation_rows += 1
        else:
            tally.purchase_rows += 1
        tally.quantity += row.quantity
        tally.amount_minor += row.quantity * row.price_minor
    return found


def _opened(path: Path) -> TextIO:
    if path.suffix == ".xz":
        return lzma.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _one(shared: dict[str, str], text: str) -> str:
    """The same object for the same text: half a million rows repeat a few thousand strings."""
    return shared.setdefault(text, text)
