"""What must come out, computed straight from the file with SQL. It shares no code with the services, and none with the
plan of the replay either: it reads, filters, prices and matches by itself, so a mistake would have to be made twice."""

from __future__ import annotations

import csv
import io
import lzma
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

_REASONS = ("changed-mind", "wrong-item", "found-better", "out-of-stock", "quality", "delivery", "fault", "duplicate")

_TABLES = """
CREATE TABLE raw (n INTEGER PRIMARY KEY, inv TEXT, code TEXT, qty INTEGER, at TEXT, price INTEGER, cust TEXT,
                  country TEXT);
CREATE TABLE refused (cancel TEXT, inv TEXT, PRIMARY KEY (cancel, inv));
CREATE TABLE reasons (cancel TEXT PRIMARY KEY, reason TEXT);
CREATE TABLE taken (cancel TEXT, at TEXT, inv TEXT, line INTEGER, code TEXT, qty INTEGER, price INTEGER);
"""

_GOODS = """
CREATE TABLE goods AS SELECT * FROM raw
WHERE code NOT IN ('POST', 'DOT', 'C2', 'M', 'D', 'S', 'B', 'BANK CHARGES', 'AMAZONFEE', 'CRUK')
  AND code NOT LIKE 'GIFT%' AND code NOT LIKE 'ADJUST%' AND code NOT LIKE 'TEST%'
  AND inv NOT LIKE 'A%' AND price > 0 AND (inv LIKE 'C%') = (qty < 0) AND qty <> 0;
CREATE TABLE lines AS SELECT n, inv, code, qty, price, cust, country, qty AS remaining,
  MIN(at) OVER (PARTITION BY inv) AS at, ROW_NUMBER() OVER (PARTITION BY inv ORDER BY n) AS line
  FROM goods WHERE inv NOT LIKE 'C%';
CREATE UNIQUE INDEX lines_by_row ON lines (n);
CREATE INDEX lines_by_buyer ON lines (cust, code);
CREATE TABLE orders AS SELECT inv, at, SUM(qty) AS qty, SUM(qty * price) AS total,
  MAX(CASE line WHEN 1 THEN country END) AS country FROM lines GROUP BY inv;
"""

_CHOSEN = """
CREATE TABLE chosen AS SELECT * FROM orders ORDER BY at, inv LIMIT ?
"""

_FIGURES = {
    ("orders", "month"): """
        SELECT SUBSTR(at, 1, 7), COUNT(*), SUM(qty), SUM(total) FROM chosen GROUP BY 1""",
    ("orders", "group"): """
        SELECT country, COUNT(*), SUM(qty), SUM(total) FROM chosen GROUP BY 1""",
    ("orders", "product"): """
        SELECT code, COUNT(DISTINCT inv), SUM(qty), SUM(qty * price) FROM lines
        WHERE inv IN (SELECT inv FROM chosen) GROUP BY 1""",
    ("cancellations", "month"): """
        SELECT SUBSTR(at, 1, 7), COUNT(DISTINCT cancel || inv), SUM(qty), SUM(qty * price) FROM given GROUP BY 1""",
    ("cancellations", "group"): """
        SELECT country, COUNT(DISTINCT cancel || inv), SUM(qty), SUM(qty * price) FROM given GROUP BY 1""",
    ("cancellations", "product"): """
        SELECT code, COUNT(DISTINCT cancel || inv), SUM(qty), SUM(qty * price) FROM given GROUP BY 1""",
    ("cancellations", "reason"): """
        SELECT reason, COUNT(DISTINCT cancel || inv), SUM(qty), SUM(qty * price) FROM given GROUP BY 1""",
}

_GIVEN = """
CREATE TABLE given AS SELECT t.*, o.country, r.reason FROM taken t JOIN chosen o ON o.inv = t.inv
  JOIN reasons r ON r.cancel = t.cancel
WHERE NOT EXISTS (SELECT 1 FROM refused x WHERE x.cancel = t.cancel AND x.inv = t.inv)
"""


class Figure(NamedTuple):
    """How many orders or cases, how many pieces, how much money in fen."""

    number: int
    quantity: int
    amount_minor: int


class ExpectedOrder(NamedTuple):
    month: str
    quantity: int
    total_minor: int


class ExpectedCase(NamedTuple):
    """`lines`: (line number, pieces), in order; `amount_minor`: what they cost."""

    month: str
    lines: tuple[tuple[int, int], ...]
    quantity: int
    amount_minor: int


@dataclass(slots=True)
class Expected:
    """What the books must say. Cases are named by (cancellation invoice, purchase invoice) and contain the refused
    ones; figures and stock (bought, given back) leave the refused ones out."""

    orders: dict[str, ExpectedOrder] = field(default_factory=dict)
    cases: dict[tuple[str, str], ExpectedCase] = field(default_factory=dict)
    figures: dict[tuple[str, str], dict[str, Figure]] = field(default_factory=dict)
    stock: dict[str, tuple[int, int]] = field(default_factory=dict)
    goods_rows: int = 0
    unmatched: int = 0


def compute(path: Path, invoices: int | None, refused: Collection[tuple[str, str]] = ()) -> Expected:
    """Add the file up for its first `invoices` purchases (None: all). `refused`: the (cancellation, purchase) pairs
    whose refund the provider refused for good, so that nothing was given back."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(_TABLES)
        db.executemany("INSERT INTO raw VALUES (?, ?, ?, ?, ?, ?, ?, ?)", _rows(path))
        db.executescript(_GOODS)
        db.execute("DROP TABLE raw")
        unmatched = _match(db)
        db.execute(_CHOSEN, (-1 if invoices is None else invoices,))
        db.executemany("INSERT INTO refused VALUES (?, ?)", refused)
        db.execute(_GIVEN)
        return _collect(db, unmatched)


def _rows(path: Path) -> Iterator[tuple[int, str, str, int, str, int, str, str]]:
    with (
        path.open("rb") as raw,
        io.TextIOWrapper(
            lzma.LZMAFile(raw) if path.suffix == ".xz" else raw, encoding="utf-8-sig", newline=""
        ) as lines,
    ):
        rows = csv.reader(lines)
        place = {name: position for position, name in enumerate(next(rows))}
        wanted = ("InvoiceNo", "StockCode", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")
        at = [place[name] for name in wanted]
        for n, row in enumerate(rows):
            inv, code, qty, when, price, cust, country = (row[position].strip() for position in at)
            yield n, inv.upper(), code.upper(), int(qty), when, _minor(price), cust, country


def _minor(price: str) -> int:
    """Hundredths, half a hundredth rounded away from zero, with whole numbers only."""
    whole, _, part = price.lstrip("-").partition(".")
    digits = (part + "000")[:3]
    amount = int(whole or "0") * 100 + int(digits[:2]) + (digits[2] >= "5")
    return -amount if price.startswith("-") else amount


def _match(db: sqlite3.Connection) -> int:
    """Fill `taken`; return how many cancelled rows no purchase answers to."""
    lost = 0
    cancelled = db.execute(
        "SELECT inv, MIN(at) OVER (PARTITION BY inv) AS first, code, -qty, cust FROM goods WHERE inv LIKE 'C%'"
        " ORDER BY first, inv, n"
    ).fetchall()
    for cancel, at, code, qty, cust in cancelled:
        found = db.execute(
            "SELECT n, inv, line, price, remaining FROM lines WHERE cust = ? AND cust <> '' AND code = ? AND at <= ?"
            " AND remaining > 0 ORDER BY at DESC, inv DESC, line DESC",
            (cust, code, at),
        ).fetchall()
        enough = [line for line in found if line[4] >= qty][:1] or found
        if sum(line[4] for line in enough) < qty:
            lost += 1
            continue
        wanted = qty
        for n, inv, line, price, remaining in enough:
            part = min(wanted, remaining)
            wanted -= part
            if part:
                db.execute("UPDATE lines SET remaining = remaining - ? WHERE n = ?", (part, n))
                db.execute("INSERT INTO taken VALUES (?, ?, ?, ?, ?, ?, ?)", (cancel, at, inv, line, code, part, price))
    names = {(cancel, _REASONS[crc32(cancel.encode()) % len(_REASONS)]) for cancel, *_ in cancelled}
    db.executemany("INSERT INTO reasons VALUES (?, ?)", names)
    return lost


def _collect(db: sqlite3.Connection, unmatched: int) -> Expected:
    expected = Expected(unmatched=unmatched)
    (expected.goods_rows,) = db.execute("SELECT COUNT(*) FROM goods").fetchone()
    for inv, at, qty, total in db.execute("SELECT inv, at, qty, total FROM chosen"):
        expected.orders[inv] = ExpectedOrder(at[:7], qty, total)
    lines: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for cancel, inv, line, qty in db.execute(
        "SELECT cancel, inv, line, SUM(qty) FROM taken GROUP BY cancel, inv, line ORDER BY cancel, inv, line"
    ):
        lines.setdefault((cancel, inv), []).append((line, qty))
    for cancel, inv, at, qty, amount in db.execute(
        "SELECT cancel, inv, MIN(at), SUM(qty), SUM(qty * price) FROM taken WHERE inv IN (SELECT inv FROM chosen)"
        " GROUP BY cancel, inv"
    ):
        expected.cases[cancel, inv] = ExpectedCase(at[:7], tuple(lines[cancel, inv]), qty, amount)
    for name, sql in _FIGURES.items():
        expected.figures[name] = {key: Figure(*rest) for key, *rest in db.execute(sql)}
    for by in ("month", "group", "product", "reason"):
        expected.figures["refunds", by] = expected.figures["cancellations", by]
    given = {key: figure.quantity for key, figure in expected.figures["cancellations", "product"].items()}
    for code, figure in expected.figures["orders", "product"].items():
        expected.stock[code] = (figure.quantity, given.get(code, 0))
    return expected
