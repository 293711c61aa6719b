"""The orders' book against the file: every order, every case, and the book's own summary against its rows."""

from __future__ import annotations

from collections import Counter

from tools.replay.books import COMPLETED, UNDONE
from tools.replay.driver import UNPAID
from tools.replay.judge.sides import Check, Sides

NOT_GOING_ON = (UNPAID, "cancelled", "cancelling")


def check_orders(sides: Sides) -> Check:
    """Each invoice became exactly one order, with its total, its payment, its refunds and the state these lead to."""
    check = Check(("订单账与文件", "orders' book and the file"))
    back, pieces = _given_back(sides)
    for invoice, wanted in sides.expected.orders.items():
        rows = sides.by_invoice.get(invoice, [])
        if len(rows) != 1:
            check.wrong(f"order {invoice}: {len(rows)} orders in the book")
            continue
        row = rows[0]
        check.same(f"order {invoice}, total", file=wanted.total_minor, orders=row.total_minor)
        check.same(f"order {invoice}, paid", file=wanted.total_minor, orders=row.paid_minor)
        check.same(f"order {invoice}, refunded", file=back[row.order_id], orders=row.refunded_minor)
        nothing_left = pieces[row.order_id] == wanted.quantity
        if row.state != "cancelled" if nothing_left else row.state in NOT_GOING_ON:
            left = wanted.quantity - pieces[row.order_id]
            check.wrong(f"order {invoice}, state: {left} pieces are left, the book says {row.state}")
    return check


def check_cases(sides: Sides) -> Check:
    """Each cancellation became exactly one case with these pieces and this money; undone where the refund was refused,
    completed otherwise."""
    check = Check(("退单账与文件", "cases and the file"))
    for name, wanted in sides.expected.cases.items():
        rows = sides.by_name.get(name, [])
        title = f"cancellation {name[0]} of {name[1]}"
        if len(rows) != 1:
            check.wrong(f"{title}: {len(rows)} cases in the book")
            continue
        row = rows[0]
        lines = tuple((line.line_no, line.quantity) for line in row.lines)
        check.same(f"{title}, pieces by line", file=wanted.lines, orders=lines)
        check.same(f"{title}, amount", file=wanted.amount_minor, orders=row.amount_minor)
        check.same(f"{title}, ends", file=UNDONE if name in sides.refused else COMPLETED, orders=row.status)
    return check


def check_summary(sides: Sides) -> Check:
    """The summary says what the rows add up to."""
    check = Check(("订单汇总与明细", "the orders' summary and its rows"))
    orders, cases, summary = sides.books.orders, sides.books.cases, sides.books.summary
    done = [row for row in cases if row.status == COMPLETED]
    rows = {
        "orders": len(orders),
        "ordered": sum(row.total_minor for row in orders),
        "paid": sum(row.paid_minor for row in orders),
        "refunded": sum(row.refunded_minor for row in orders),
        "cases completed": len(done),
        "cases undone": sum(row.status == UNDONE for row in cases),
        "pieces cancelled": sum(row.quantity for row in done),
    }
    said = {
        "orders": summary["orders"]["count"],
        "ordered": summary["orders"]["total_minor"],
        "paid": summary["paid_minor"],
        "refunded": summary["refunded_minor"],
        "cases completed": summary["cases"]["completed"],
        "cases undone": summary["cases"]["undone"],
        "pieces cancelled": summary["cases"]["cancelled_quantity"],
    }
    for what, value in rows.items():
        check.same(what, rows=value, summary=said[what])
    return check


def _given_back(sides: Sides) -> tuple[Counter[str], Counter[str]]:
    """Money and pieces given back by order: what the file wants, and what others cancelled by hand."""
    money: Counter[str] = Counter()
    pieces: Counter[str] = Counter()
    for name, wanted in sides.expected.cases.items():
        if name in sides.refused:
            continue
        for row in sides.by_invoice.get(name[1], []):
            money[row.order_id] += wanted.amount_minor
            pieces[row.order_id] += wanted.quantity
    for case in sides.other_cases:
        if case.status == COMPLETED:
            money[case.order_id] += case.amount_minor
            pieces[case.order_id] += case.quantity
    return money, pieces
