"""The sums of all books side by side, in total and month by month: what the report shows first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tools.replay.books import COMPLETED, NOTICES, UNDONE, case_of, plain
from tools.replay.independent import Figure
from tools.replay.judge.sides import Check, Sides, name_of

Sum = tuple[int, int]
Tables = Mapping[tuple[str, str], Mapping[str, Figure]]


@dataclass(frozen=True, slots=True)
class Total:
    """One sum as each book that knows it says it. `others`: what did not come from the file. `money`: in fen."""

    name: tuple[str, str]
    file: int
    others: int
    books: dict[str, int]
    money: bool = False

    @property
    def agrees(self) -> bool:
        return all(value == self.file + self.others for value in self.books.values())


@dataclass(frozen=True, slots=True)
class Month:
    """One month: (count, fen) of orders and of completed cases as each book says; pieces given back by the file;
    notices as the stand-in's ledger has them."""

    month: str
    orders: dict[str, Sum]
    cases: dict[str, Sum]
    pieces: int
    undone: int
    notices: int


def totals(sides: Sides) -> list[Total]:
    """All sums, orders first."""
    return _order_totals(sides) + _case_totals(sides)


def check_totals(sides: Sides) -> Check:
    """Every sum is the file's and the others' together, in every book that knows it."""
    check = Check(("各账合计", "all books in total"))
    for total in totals(sides):
        for book, value in total.books.items():
            check.same(total.name[1], file_and_others=total.file + total.others, **{book: value})
    return check


def _order_totals(sides: Sides) -> list[Total]:
    books, summary, others = sides.books, sides.books.summary, sides.other_orders
    file, figures = _in_all(sides.expected.figures, "orders"), _in_all(books.figures, "orders")
    back, figures_back = _in_all(sides.expected.figures, "cancellations"), _in_all(books.figures, "cancellations")
    gone, figures_gone = file.quantity - back.quantity, figures.quantity - figures_back.quantity
    return [
        Total(
            ("订单", "orders"),
            file.number,
            len(others),
            {"orders": summary["orders"]["count"], "analytics": figures.number},
        ),
        Total(
            ("下单金额", "ordered"),
            file.amount_minor,
            sum(row.total_minor for row in others),
            {"orders": summary["orders"]["total_minor"], "analytics": figures.amount_minor},
            money=True,
        ),
        Total(
            ("实收金额", "paid"),
            file.amount_minor,
            sum(row.paid_minor for row in others),
            {"orders": summary["paid_minor"], "money": books.money.paid.total()},
            money=True,
        ),
        Total(
            ("离库件数", "pieces out"),
            gone,
            # The orders' list does not tell pieces; what others took is only known to analytics.
            0 if sides.alone else figures_gone - gone,
            {"stock": sum(row.out for row in books.stock.values()), "analytics": figures_gone},
        ),
    ]


def _case_totals(sides: Sides) -> list[Total]:
    books, summary = sides.books, sides.books.summary
    file, figures = _in_all(sides.expected.figures, "cancellations"), _in_all(books.figures, "cancellations")
    by_hand = [case for case in sides.other_cases if case.status == COMPLETED]
    refunds = {
        "orders": summary["refunded_minor"],
        "money": sum(refund.amount_minor for refund in books.money.arrived),
        "analytics": _in_all(books.figures, "refunds").amount_minor,
    }
    return [
        Total(
            ("退单完成", "cancelled"),
            file.number,
            len(by_hand),
            {"orders": summary["cases"]["completed"], "analytics": figures.number},
        ),
        Total(
            ("退单撤回", "undone"),
            len(sides.refused),
            sum(case.status == UNDONE for case in sides.other_cases),
            {"orders": summary["cases"]["undone"]},
        ),
        Total(
            ("退回件数", "pieces back"),
            file.quantity,
            sum(case.quantity for case in by_hand),
            {"orders": summary["cases"]["cancelled_quantity"], "analytics": figures.quantity},
        ),
        Total(("退款金额", "refunded"), file.amount_minor, sides.refunded_to_others, refunds, money=True),
    ]


def months(sides: Sides) -> list[Month]:
    """The replay's orders and completed cases, month by month, in the file's months."""
    orders, cases = _orders_by_month(sides), _cases_by_month(sides)
    notices = _notices_by_month(sides)
    undone = Counter(case.month for name, case in sides.expected.cases.items() if name in sides.refused)
    given = sides.expected.figures["cancellations", "month"]
    found = {month for by_month in (*orders.values(), *cases.values()) for month in by_month}
    return [
        Month(
            month,
            {book: by_month.get(month, (0, 0)) for book, by_month in orders.items()},
            {book: by_month.get(month, (0, 0)) for book, by_month in cases.items()},
            given[month].quantity if month in given else 0,
            undone[month],
            notices[month],
        )
        for month in sorted(found)
    ]


def check_months(sides: Sides) -> Check:
    """Month by month, the file, the orders' book, the money book and (on a stack of our own) analytics say the same."""
    check = Check(("各账逐月", "all books month by month"))
    for month in months(sides):
        check.same(f"{month.month}, orders and fen paid", **month.orders)
        check.same(f"{month.month}, cancellations and fen refunded", **month.cases)
    return check


def _orders_by_month(sides: Sides) -> dict[str, dict[str, Sum]]:
    booked: dict[str, Sum] = {}
    paid: dict[str, Sum] = {}
    for invoice, rows in sides.by_invoice.items():
        month = sides.expected.orders[invoice].month
        for row in rows:
            _add(booked, month, row.total_minor)
            if amount := sides.books.money.paid[plain(row.order_id)]:
                _add(paid, month, amount)
    return {"file": _table(sides.expected.figures, "orders"), "orders": booked, "money": paid} | _analytics(
        sides, "orders"
    )


def _cases_by_month(sides: Sides) -> dict[str, dict[str, Sum]]:
    booked: dict[str, Sum] = {}
    arrived: dict[str, Sum] = {}
    for name, rows in sides.by_name.items():
        for case in rows:
            if case.status == COMPLETED:
                _add(booked, sides.expected.cases[name].month, case.amount_minor)
    for refund in sides.books.money.arrived:
        found = case_of(refund.number, sides.cases)
        wanted = sides.expected.cases.get(name_of(found, sides.orders)) if found else None
        if wanted:
            _add(arrived, wanted.month, refund.amount_minor)
    return {"file": _table(sides.expected.figures, "refunds"), "orders": booked, "money": arrived} | _analytics(
        sides, "refunds"
    )


def _notices_by_month(sides: Sides) -> Counter[str]:
    """A message names its order only; an order's messages are dealt out to its cases, oldest first."""
    left, found = Counter(sides.books.notices), Counter[str]()
    for name, rows in sorted(sides.by_name.items(), key=lambda item: sides.expected.cases[item[0]].month):
        for case in rows:
            for outcome in NOTICES:
                if left[case.order_id, outcome]:
                    left[case.order_id, outcome] -= 1
                    found[sides.expected.cases[name].month] += 1
    return found


def _analytics(sides: Sides, subject: str) -> dict[str, dict[str, Sum]]:
    """Analytics cannot tell the replay's orders from others."""
    return {"analytics": _table(sides.books.figures, subject)} if sides.alone else {}


def _table(figures: Tables, subject: str) -> dict[str, Sum]:
    return {key: (figure.number, figure.amount_minor) for key, figure in figures[subject, "month"].items()}


def _add(by_month: dict[str, Sum], month: str, amount: int) -> None:
    count, before = by_month.get(month, (0, 0))
    by_month[month] = (count + 1, before + amount)


def _in_all(figures: Tables, subject: str) -> Figure:
    rows = figures[subject, "month"].values()
    return Figure(
        sum(row.number for row in rows), sum(row.quantity for row in rows), sum(row.amount_minor for row in rows)
    )
