"""What the drill under kills has to say besides: who was hit by what, how long recovery took, how long cases stood."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from sandbox.faults import Shares
from tools.drill.books import CaseEntry
from tools.drill.faults import KINDS, Kind
from tools.drill.judge import OPEN, UNDONE, Evidence
from tools.drill.report import new_table
from tools.drill.siege import Struck


def fault_table(struck: Sequence[Struck]) -> Table:
    """One row per kind of fault."""
    columns = ("次数\ntimes", "最长恢复\nlongest, s")
    table = new_table(("故障与恢复", "faults and recovery"), "", *columns)
    for kind, names in KINDS.items():
        if hit := [one for one in struck if one.fault.kind == kind and not one.left_alone]:
            table.add_row("\n".join((*names, _victims(hit))), str(len(hit)), _longest(hit))
    if alone := sum(one.left_alone for one in struck):
        table.add_row("目标尚未恢复，跳过\nvictim still down, left alone", str(alone), "")
    return table


def case_table(evidence: Evidence, shares: Shares) -> Table:
    """How cases ended and how long one stood still. `lost`: neither ended nor with a person; `doubled`: more than one
    refund that arrived or may arrive."""
    cases = list(evidence.cases.values())
    untroubled = [case for case in cases if not any(shares.of(number) for number in numbers_of(case, evidence))]
    lost = sum(case.status == OPEN and not case.waits for case in cases) + len(evidence.asked.keys() - evidence.cases)
    rows = {
        "开始 started": f"{len(evidence.asked):,}",
        "结束 ended": f"{sum(case.status != OPEN for case in cases):,}",
        "  其中撤回 of these undone": f"{sum(case.status == UNDONE for case in cases):,}",
        "等待人工 with a person": f"{sum(case.status == OPEN and case.waits for case in cases):,}",
        "丢失 lost": f"{lost:,}",
        "重复退款 doubled": f"{sum(evidence.live(case) > 1 for case in cases):,}",
        "最长停顿 longest a case stood still, s": _slowest(cases),
        "  渠道无故障的 without trouble at the provider": _slowest(untroubled),
    }
    table = new_table(("取消单", "cases"), "", "")
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def numbers_of(case: CaseEntry, evidence: Evidence) -> tuple[str, ...]:
    """Every number that a case's money was asked for under."""
    refund = evidence.refunds.get(case.case_id)
    return refund.numbers if refund else ()


def _slowest(cases: Sequence[CaseEntry]) -> str:
    slowest = max(cases, key=lambda case: case.stood, default=None)
    return f"{slowest.stood:,.1f} ({slowest.case_id})" if slowest else "-"


def slowest_recoveries(struck: Sequence[Struck], kind: Kind = "kill") -> Table:
    """The longest recovery from a kill, by victim."""
    table = new_table(
        ("kill -9 后恢复，按目标", "recovery from kill -9, by victim"), "", "次数 times", "最长 longest, s"
    )
    victims = sorted({one.fault.victim for one in struck if one.fault.kind == kind and not one.left_alone})
    for victim in victims:
        hit = [one for one in struck if one.fault.kind == kind and one.fault.victim == victim and not one.left_alone]
        table.add_row(victim, str(len(hit)), _longest(hit))
    return table


def _victims(hit: Sequence[Struck]) -> str:
    counts = Counter(one.fault.victim for one in hit)
    words = [f"{victim} {count}" for victim, count in sorted(counts.items())]
    return "\n".join("  " + ", ".join(words[start : start + 4]) for start in range(0, len(words), 4))


def _longest(hit: Sequence[Struck]) -> str:
    times = [one.recovered_in for one in hit if one.recovered_in is not None]
    never = len(hit) - len(times)
    return (f"{max(times):.1f}" if times else "-") + (f" ({never} 未恢复 never)" if never else "")
