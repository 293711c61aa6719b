"""The figures of analytics against the file, for every way of counting them."""

from __future__ import annotations

from tools.replay.independent import Figure
from tools.replay.judge.sides import Check, Sides

NONE = Figure(0, 0, 0)


def check_figures(sides: Sides) -> Check:
    """Every row of every table. Where others have used the stack too, a row may be higher than the file's, and all
    rows together are higher by exactly what the orders' book says of others."""
    check = Check(("统计与文件", "analytics' figures and the file"))
    others = {"orders": sum(row.total_minor for row in sides.other_orders), "refunds": sides.refunded_to_others}
    for (subject, by), wanted in sides.expected.figures.items():
        found = sides.books.figures.get((subject, by), {})
        for key in sorted(wanted.keys() | found.keys()):
            file, said = wanted.get(key, NONE), found.get(key, NONE)
            more = all(there >= here for there, here in zip(said, file, strict=True))
            if sides.alone or not more:
                check.same(f"{subject} by {by}, {key}", file=tuple(file), analytics=tuple(said))
        if subject in others:
            total = sum(figure.amount_minor for figure in wanted.values()) + others[subject]
            there = sum(figure.amount_minor for figure in found.values())
            check.same(f"{subject} by {by}, amount in all", file_and_others=total, analytics=there)
    return check
