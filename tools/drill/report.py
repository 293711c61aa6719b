"""The drill's report on the terminal, Chinese and English."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table

from sandbox.faults import Shares
from tools.drill.figures import retries, roads, trouble
from tools.drill.judge import Evidence, sums
from tools.drill.lag import Lag
from tools.replay.judge.sides import Check
from tools.replay.report import yuan

SHOWN = 40
SUMS = {"paid": ("实收", "paid"), "refunded": ("已退到账", "refunded")}


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything the report speaks of. `seconds`: of the load; `ended`: cases that had ended when it was over;
    `calm_at`: when the faults stopped, RFC 3339; `settled_in`: seconds from there until everything was still."""

    seed: int
    count: int
    shares: Shares
    calm_at: str
    evidence: Evidence
    checks: list[Check]
    seconds: float
    ended: int
    settled_in: float
    lags: Mapping[str, Lag]

    @property
    def good(self) -> bool:
        """Whether no violation was found."""
        return all(check.agrees for check in self.checks)


def print_report(outcome: Outcome, console: Console, *more: Table) -> None:
    """Everything at a glance, `more` before the verdict, violations line by line."""
    for table in (_run, _roads, _trouble, _sums):
        console.print(table(outcome))
    for found in (*([_lags(outcome)] if outcome.lags else []), *more):
        console.print(found)
    print_verdict(outcome.checks, console)


def print_verdict(checks: Sequence[Check], console: Console) -> None:
    """Every line of a verdict, violations line by line, and the result."""
    console.print(_verdict(checks))
    for check in checks:
        for line in check.differences[:SHOWN]:
            console.print("✗", " · ".join(check.name), "—", line, style="red", highlight=False, markup=False)
        if len(check.differences) > SHOWN:
            console.print(f"  … {len(check.differences) - SHOWN} 更多 · more", style="red", highlight=False)
    if all(check.agrees for check in checks):
        console.print("[bold green]✓ 演练通过 · the drill has passed[/bold green]")
    else:
        console.print("[bold red]✗ 演练未通过 · the drill has failed[/bold red]")


def new_table(name: tuple[str, str], *columns: str) -> Table:
    title = " · ".join(name)
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place else "left", no_wrap=bool(place))
    return table


def _run(outcome: Outcome) -> Table:
    table = new_table(("演练", "the drill"), "", "")
    kills = Counter(kill.service for kill in outcome.evidence.kills)
    by_service = ", ".join(f"{service} {count}" for service, count in sorted(kills.items()))
    rate = outcome.ended / outcome.seconds if outcome.seconds else 0.0
    rows = {
        "种子 seed": str(outcome.seed),
        "订单 orders": f"{outcome.count:,}",
        "受理的取消单 cases accepted": f"{len(outcome.evidence.asked):,}",
        "压测时长 load, s": f"{outcome.seconds:,.1f}",
        "压测期间结束 cases ended during the load": f"{outcome.ended:,}",
        "每秒结束 cases ended per second": f"{rate:,.1f}",
        "此后全部静止 until all was still, s": f"{outcome.settled_in:,.1f}",
        f"kill -9 ({by_service or '无 none'})": f"{sum(kills.values()):,}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _roads(outcome: Outcome) -> Table:
    table = new_table(("取消单走过的路", "what cases met and how they ended"), "", "取消单 cases")
    for name, count in roads(outcome.evidence).items():
        table.add_row(" ".join(name), f"{count:,}")
    return table


def _trouble(outcome: Outcome) -> Table:
    found = trouble(outcome.evidence, outcome.shares, outcome.calm_at)
    table = new_table(("故障", "trouble"), "", "退款单号 refund numbers")
    table.add_row("沙箱见过的退款单号 seen by the sandbox", f"{found.numbers:,}")
    table.add_row("遇到故障 in trouble", f"{found.troubled:,} ({found.share:.1%})")
    for kind, count in sorted(found.kinds.items()):
        table.add_row(f"  {kind}", f"{count:,}")
    table.add_row("未了结的调用 calls that settled nothing", f"{retries(outcome.evidence):,}")
    return table


def _sums(outcome: Outcome) -> Table:
    columns = ("沙箱资金账\nledger", "支付账\npayment", "订单账\norder")
    table = new_table(("三本账（元）", "the three books, yuan"), "", *columns)
    for name, sides in sums(outcome.evidence).items():
        table.add_row(" ".join(SUMS[name]), *(yuan(sides[side]) for side in ("ledger", "payment", "order")))
    return table


def _lags(outcome: Outcome) -> Table:
    table = new_table(("事件循环延迟", "event loop lag during the load"), "", "p50 ms", "p99 ms")
    for service, lag in sorted(outcome.lags.items()):
        table.add_row(service, *(_milliseconds(lag.quantile(share)) for share in (0.5, 0.99)))
    return table


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:,.1f}"


def _verdict(checks: Sequence[Check]) -> Table:
    table = new_table(("判定", "verdict"), "", "项数\ncompared", "违反\nviolations", "")
    for check in checks:
        mark = "[green]✓[/green]" if check.agrees else "[red]✗[/red]"
        table.add_row("\n".join(check.name), f"{check.compared:,}", f"{len(check.differences):,}", mark)
    return table
