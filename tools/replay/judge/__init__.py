"""Do all books agree? Every comparison, line by line."""

from __future__ import annotations

from tools.replay.judge.figures import check_figures
from tools.replay.judge.money import check_payments, check_refunds
from tools.replay.judge.notices import check_notices
from tools.replay.judge.orders import check_cases, check_orders, check_summary
from tools.replay.judge.sides import Check, Sides
from tools.replay.judge.stock import check_recount, check_stock
from tools.replay.judge.totals import check_months, check_totals

__all__ = ["CHECKS", "Check", "Sides", "judge"]

CHECKS = (
    check_totals,
    check_months,
    check_orders,
    check_cases,
    check_summary,
    check_payments,
    check_refunds,
    check_stock,
    check_recount,
    check_figures,
    check_notices,
)


def judge(sides: Sides) -> list[Check]:
    """Make every comparison."""
    return [check(sides) for check in CHECKS]
