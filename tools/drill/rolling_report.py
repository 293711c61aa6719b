"""What the drill of a rolling restart has to say besides: who was restarted how fast, what became of the cases, and the
longest time in which none came to its end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from rich.table import Table

from sandbox.faults import Shares
from tools.drill.books import CaseEntry
from tools.drill.judge import OPEN, Evidence
from tools.drill.kill_report import case_table, numbers_of
from tools.drill.report import new_table
from tools.drill.rolling import Restart


def restart_table(restarts: Sequence[Restart]) -> Table:
    """One row per service."""
    columns = ("次数\ntimes", "最长停止, s\nlongest stop", "最长恢复, s\nlongest until ready")
    table = new_table(("平滑重启", "graceful restarts"), "", *columns)
    for service in dict.fromkeys(_service(one) for one in restarts):
        mine = [one for one in restarts if _service(one) == service]
        table.add_row(
            service, str(len(mine)), _longest(one.stopped_in for one in mine), _longest(one.ready_in for one in mine)
        )
    table.add_row("合计 all", str(len(restarts)), "", "")
    return table


def passage_table(evidence: Evidence, shares: Shares) -> Table:
    """How cases went through: the table of the drill under kills, then how long they took."""
    table = case_table(evidence, shares)
    cases = [case for case in evidence.cases.values() if case.status != OPEN and case.ended]
    calm = [case for case in cases if not any(shares.of(number) for number in numbers_of(case, evidence))]
    table.add_row("最长无取消单结束 longest time no case ended, s", f"{longest_gap(cases):,.1f}")
    table.add_row("最慢的取消单 slowest case, s", _slowest(cases))
    table.add_row("  渠道无故障的 without trouble at the provider", _slowest(calm))
    for share in (0.5, 0.99):
        table.add_row(f"  其中 of these p{share:.0%}".replace("%", ""), _quantile(calm, share))
    return table


def longest_gap(cases: Sequence[CaseEntry]) -> float:
    """While cases kept coming: the longest time (s) between two that ended, from the first that was accepted on."""
    if not cases:
        return 0.0
    first, last = min(case.accepted for case in cases), max(case.accepted for case in cases)
    ends = sorted(case.ended for case in cases if case.ended < last)
    return max(after - before for before, after in pairwise([first, *ends, max(first, last)]))


def _service(one: Restart) -> str:
    return one.name.rstrip("0123456789").rstrip("-")


def _longest(times: Iterable[float | None]) -> str:
    every = list(times)
    known = [time for time in every if time is not None]
    never = len(every) - len(known)
    return (f"{max(known):.1f}" if known else "-") + (f" ({never} 从未 never)" if never else "")


def _slowest(cases: Sequence[CaseEntry]) -> str:
    slowest = max(cases, key=_took, default=None)
    return f"{_took(slowest):,.1f} ({slowest.case_id})" if slowest else "-"


def _quantile(cases: Sequence[CaseEntry], share: float) -> str:
    times = sorted(_took(case) for case in cases)
    return f"{times[min(len(times) - 1, int(len(times) * share))]:,.1f}" if times else "-"


def _took(case: CaseEntry) -> float:
    return case.ended - case.accepted
