"""What the report counts: roads, trouble, speed. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sandbox.faults import Shares
from tools.drill.books import MET, Met
from tools.drill.judge import COMPLETED, OPEN, UNDONE, Evidence
from tools.drill.ledger import Movement

ROADS: dict[Met, tuple[str, str]] = {
    "unknown": ("结果未知，查询后重发", "outcome unknown for a while"),
    "parked": ("余额不足，挂起", "parked, the balance was short"),
    "closed": ("退款关闭，换下一单号", "closed, next number"),
    "abnormal": ("退款异常，改退银行卡", "abnormal, another bank card"),
    "transfer": ("改走商家转账", "by merchant transfer"),
    "given-back": ("受理后失败，恢复订单", "failed after acceptance, order given back"),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Refund numbers the sandbox has seen, and those of them that met trouble: a seeded fault, or a short balance."""

    numbers: int
    troubled: int
    kinds: Counter[str]

    @property
    def share(self) -> float:
        """Of all numbers, 0 to 1."""
        return self.troubled / self.numbers if self.numbers else 0.0


def roads(evidence: Evidence) -> dict[tuple[str, str], int]:
    """Cases by what they met and how they ended. One case may have met several things."""
    cases = evidence.cases.values()
    met = Counter(what for case in cases for what in case.met)
    at_once = sum(case.status == COMPLETED and not case.met for case in cases)
    counted = {("一次受理", "accepted at once"): at_once}
    counted |= {ROADS[what]: met[what] for what in MET}
    counted["完成", "completed"] = sum(case.status == COMPLETED for case in cases)
    counted["撤回", "undone"] = sum(case.status == UNDONE for case in cases)
    counted["等待人工", "waiting for a person"] = sum(case.status == OPEN and case.waits for case in cases)
    return counted


def trouble(evidence: Evidence, shares: Shares, until: str) -> Trouble:
    """Which refund numbers met trouble. What the seed holds for a number is the sandbox's own rule; a number that the
    sandbox first heard of after `until` (RFC 3339), when the faults had stopped, met none."""
    kinds: Counter[str] = Counter()
    refunds = [moved for moved in evidence.ledger.movements.values() if not moved.is_transfer]
    troubled = 0
    for moved in refunds:
        found = _trouble_of(moved, shares if moved.first_at < until else Shares())
        kinds.update(found)
        troubled += bool(found)
    return Trouble(len(refunds), troubled, kinds)


def _trouble_of(moved: Movement, shares: Shares) -> list[str]:
    kind = shares.of(moved.number)
    return [*([kind] if kind else []), *(["short-balance"] if moved.short else [])]


def retries(evidence: Evidence) -> int:
    """Calls that did not settle the matter, as payment counted them."""
    return sum(refund.attempts for refund in evidence.refunds.values())
