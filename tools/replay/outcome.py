"""All that a report tells about one replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sandbox.faults import Shares
from tools.replay.books import UNDONE
from tools.replay.driver import Driven
from tools.replay.judge.totals import Month, Total, months, totals
from tools.replay.plan import Plan
from tools.replay.verdict import Verdict

Memory = Callable[[], Mapping[str, int]]
SAMPLED_AT = (10, 50, 100)


@dataclass(slots=True)
class Sampler:
    """Asks for the memory of the processes (bytes by name) when so many percent of the steps are done."""

    memory: Memory | None
    samples: dict[int, dict[str, int]] = field(default_factory=dict)

    def __call__(self, done: int, total: int) -> None:
        for percent in SAMPLED_AT:
            if self.memory and percent not in self.samples and done * 100 >= total * percent:
                self.samples[percent] = dict(self.memory())


@dataclass
class Outcome:
    """The plan, what was done, what came of it. `seconds`: from the first request to the last ended case."""

    plan: Plan
    driven: Driven
    verdict: Verdict
    shares: Shares
    seconds: float
    memory: dict[int, dict[str, int]] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Every step was taken and all books agree."""
        return self.verdict.agrees and not self.driven.failures

    @cached_property
    def totals(self) -> list[Total]:
        return totals(self.verdict.sides)

    @cached_property
    def months(self) -> list[Month]:
        return months(self.verdict.sides)

    @cached_property
    def unmatched(self) -> Counter[str]:
        """Cancelled rows that no purchase answers to, by reason."""
        return Counter(row.why for row in self.plan.unmatched)

    @property
    def rates(self) -> list[tuple[tuple[str, str], str]]:
        """How fast it went. Cancellations are counted until their money, stock and messages had arrived."""
        return [
            (("每秒订单", "orders per second"), _rate(len(self.driven.orders), self.driven.seconds)),
            (("每秒退单", "cancellations per second"), _rate(len(self.driven.cases), self.seconds)),
            (("提交用时", "requests took"), f"{self.driven.seconds:.1f} s"),
            (("全部完成用时", "everything took"), f"{self.seconds:.1f} s"),
        ]

    @property
    def troubles(self) -> list[tuple[tuple[str, str], int]]:
        """What went wrong on purpose, and what came of it."""
        money, books = self.verdict.sides.books.money, self.verdict.sides.books
        numbers = {refund.number for refund in (*money.accepted, *money.refused)}
        unknown = sum((self.shares.of(number) or "").startswith("unknown") for number in numbers)
        return [
            (("结果未知的退款", "refunds with an unknown outcome"), unknown),
            (("被拒绝的退款", "refunds refused for good"), len({refund.number for refund in money.refused})),
            (("已撤回的退单", "cases compensated"), sum(case.status == UNDONE for case in books.cases)),
            (("待人工处理", "open tasks for staff"), int(books.summary.get("open_tasks", 0))),
        ]


def _rate(count: int, seconds: float) -> str:
    return f"{count / seconds:.1f}" if seconds else "–"
