"""What customers were told: each outcome of each of the replay's cases exactly once."""

from __future__ import annotations

from tools.replay.books import NOTICES, wanted_notices
from tools.replay.judge.sides import Check, Sides


def check_notices(sides: Sides) -> Check:
    """The stand-in's ledger of messages names orders, not cases, so an order's cases are counted together."""
    check = Check(("通知与退单账", "messages sent and cases"))
    wanted = wanted_notices(case for rows in sides.by_name.values() for case in rows)
    touched = {case.order_id for case in sides.other_cases}
    for invoice, orders in sides.by_invoice.items():
        for order in orders:
            if order.order_id in touched:
                continue
            for outcome in NOTICES:
                name = (order.order_id, outcome)
                if wanted[name] or sides.books.notices[name]:
                    title = f"order {invoice}, {outcome}"
                    check.same(title, cases=wanted[name], told=sides.books.notices[name])
    for stray in sides.books.strays:
        check.wrong(stray)
    return check
