"""The report on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.table import Table

from tools.replay.matching import REASONS
from tools.replay.outcome import Outcome
from tools.replay.rows import KINDS

SHOWN = 40
BOOKS = {
    "file": ("文件", "file"),
    "others": ("其他", "others"),
    "orders": ("订单账", "orders"),
    "money": ("资金账", "money"),
    "stock": ("库存账", "stock"),
    "analytics": ("统计", "analytics"),
}


def yuan(fen: int) -> str:
    """Fen as yuan, exactly."""
    sign = "-" if fen < 0 else ""
    return f"{sign}{abs(fen) // 100:,}.{abs(fen) % 100:02d}"


def print_report(outcome: Outcome, console: Console) -> None:
    """Everything at a glance; differences line by line (the page has them all)."""
    for table in (_totals, _months, _no_goods, _unmatched, _troubles, _speed, _checks):
        console.print(table(outcome))
    for failure in outcome.driven.failures:
        console.print(f"[red]✗[/red] {failure}", highlight=False, markup=True)
    for check in outcome.verdict.checks:
        _differences(check.name, check.differences, console)
    if outcome.good:
        console.print("[bold green]✓ 各账一致 · all books agree[/bold green]")
    else:
        console.print("[bold red]✗ 账目不一致 · the books differ[/bold red]")


def _differences(name: tuple[str, str], lines: list[str], console: Console) -> None:
    for line in lines[:SHOWN]:
        console.print("✗", " · ".join(name), "—", line, style="red", highlight=False, markup=False)
    if len(lines) > SHOWN:
        console.print(f"  … {len(lines) - SHOWN} 更多 · more", style="red", highlight=False)


def _table(name: tuple[str, str], columns: Iterable[tuple[str, str]]) -> Table:
    """Numbers are never cut, however narrow the terminal; names are folded."""
    table = Table(
        title=" · ".join(name),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for place, column in enumerate(columns):
        if place:
            table.add_column("\n".join(column), justify="right", no_wrap=True)
        else:
            table.add_column("\n".join(column), overflow="fold")
    return table


def _totals(outcome: Outcome) -> Table:
    """`others` only where somebody else has used the stack."""
    books = [book for book in BOOKS if book != "others" or not outcome.verdict.sides.alone]
    table = _table(("各账合计", "the books side by side"), [("", ""), *(BOOKS[book] for book in books), ("", "")])
    for total in outcome.totals:
        show = yuan if total.money else "{:,}".format
        said = {"file": total.file, "others": total.others, **total.books}
        sides = [show(said[book]) if book in said else "" for book in books]
        table.add_row("\n".join(total.name), *sides, "[green]✓[/green]" if total.agrees else "[red]✗[/red]")
    return table


def _months(outcome: Outcome) -> Table:
    columns = [
        ("月份", "month"),
        ("订单", "orders"),
        ("实收", "paid"),
        ("退单", "cancellations"),
        ("件数", "pieces"),
        ("退款", "refunded"),
        ("撤回", "undone"),
        ("通知", "notices"),
    ]
    table = _table(("按月", "month by month"), columns)
    for month in outcome.months:
        (orders, paid), (cases, refunded) = month.orders["money"], month.cases["money"]
        counts = (f"{cases:,}", f"{month.pieces:,}", yuan(refunded), f"{month.undone:,}", f"{month.notices:,}")
        table.add_row(month.month, f"{orders:,}", yuan(paid), *counts)
    return table


def _no_goods(outcome: Outcome) -> Table:
    columns = [("种类", "kind"), ("销售行", "purchase rows"), ("退货行", "cancelled rows"), ("金额", "amount")]
    table = _table(("非商品行（全文件）", "rows that are no goods (whole file)"), columns)
    for tally in outcome.plan.no_goods:
        rows = (f"{tally.purchase_rows:,}", f"{tally.cancellation_rows:,}", yuan(tally.amount_minor))
        table.add_row(" ".join(KINDS[tally.kind]), *rows)
    return table


def _unmatched(outcome: Outcome) -> Table:
    name = ("无对应购买的退货行（全文件）", "cancelled rows that match no purchase (whole file)")
    table = _table(name, [("原因", "reason"), ("行数", "rows")])
    for why, count in sorted(outcome.unmatched.items()):
        table.add_row(" ".join(REASONS[why]), f"{count:,}")
    table.add_row("全部退货行 cancelled rows of goods", f"{outcome.plan.cancelled_rows:,}")
    return table


def _troubles(outcome: Outcome) -> Table:
    table = _table(("故障与补救", "troubles and what came of them"), [("", ""), ("数量", "count")])
    for name, count in outcome.troubles:
        table.add_row(" ".join(name), f"{count:,}")
    for channel, count in sorted(outcome.verdict.sides.books.channels.items()):
        table.add_row(f"通知渠道 told by {channel}", f"{count:,}")
    return table


def _speed(outcome: Outcome) -> Table:
    table = _table(("速度与内存", "speed and memory"), [("", ""), ("", "")])
    for name, value in outcome.rates:
        table.add_row(" ".join(name), value)
    for percent, sample in sorted(outcome.memory.items()):
        table.add_row(f"内存 memory at {percent} %", f"{sum(sample.values()) / 2**20:,.0f} MiB")
    return table


def _checks(outcome: Outcome) -> Table:
    columns = [("核对", "comparison"), ("项数", "compared"), ("差异", "differences")]
    table = _table(("核对结果", "comparisons"), columns)
    for check in outcome.verdict.checks:
        mark = "[green]0[/green]" if check.agrees else f"[red]{len(check.differences):,}[/red]"
        table.add_row(" ".join(check.name), f"{check.compared:,}", mark)
    return table
