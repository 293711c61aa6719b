"""The orders' book against the stand-in's ledger: what was paid and what came back, order by order, case by case."""

from __future__ import annotations

from collections import Counter, defaultdict

from tools.replay.books import COMPLETED, Refund, case_of, plain
from tools.replay.judge.sides import Check, Sides


def check_payments(sides: Sides) -> Check:
    """Each order's paid amount is in the ledger, and the ledger knows no payment of an unknown order."""
    check = Check(("订单账与资金账：收款", "orders' book and money book: payments"))
    money = sides.books.money
    known = {plain(row.order_id): row for row in sides.books.orders}
    for number, row in known.items():
        check.same(f"order {row.reference or row.order_id}, paid", orders=row.paid_minor, money=money.paid[number])
    for trade in money.paid.keys() - known.keys():
        check.wrong(f"the money book has a payment of {money.paid[trade]} for {trade}, which is no order")
    for violation in money.violations:
        check.wrong(f"the money book breaks its own rule: {violation}")
    return check


def check_refunds(sides: Sides) -> Check:
    """A completed case of a paid order has exactly one refund that arrived, of its amount; any other case has none."""
    check = Check(("退单账与资金账：退款", "cases and money book: refunds"))
    arrived = _by_case(sides, sides.books.money.arrived, check)
    accepted = _by_case(sides, sides.books.money.accepted, check)
    for case in sides.books.cases:
        order = sides.orders.get(case.order_id)
        title = f"case {case.case_id} ({case.reference or 'by hand'})"
        if order is None:
            check.wrong(f"{title}: its order {case.order_id} is not in the book")
            continue
        wanted = [case.amount_minor] if case.status == COMPLETED and order.paid_minor else []
        check.same(f"{title}, {case.status}, refunds arrived", orders=wanted, money=arrived[case.case_id])
        if not wanted:
            check.same(f"{title}, {case.status}, refunds accepted", orders=[], money=accepted[case.case_id])
    by_trade: Counter[str] = Counter()
    for refund in sides.books.money.arrived:
        by_trade[refund.trade] += refund.amount_minor
    for row in sides.books.orders:
        back = by_trade[plain(row.order_id)]
        check.same(f"order {row.reference or row.order_id}, refunded", orders=row.refunded_minor, money=back)
    return check


def _by_case(sides: Sides, refunds: list[Refund], check: Check) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for refund in refunds:
        case = case_of(refund.number, sides.cases)
        if case is None:
            check.wrong(f"refund {refund.number} of {refund.amount_minor} belongs to no case")
        else:
            found[case.case_id].append(refund.amount_minor)
    return found
