"""When staff may delete an order: one table. Every rule must hold; each that does not says what to do. Pure.

E-Commerce Law of the PRC, article 31: information on goods, services and transactions is kept for at least three years
from the day the transaction is completed. What a customer can still claim (a complaint, say) gets a row here when the
system knows of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.order.model import Order

FINISHED = ("completed", "cancelled")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules look at. `retention`: how long an order is kept after the last thing that happened to it;
    `unsaid`: how many messages its record still has to say."""

    order: Order
    at: datetime
    retention: timedelta
    unsaid: int = 0

    @property
    def until(self) -> datetime:
        """Until then it must be kept (UTC)."""
        return last_moment(self.order) + self.retention


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` is stable. `zh` and `en` say why it denies and what to do; `{until}` is the day the retention ends."""

    name: str
    holds: Callable[[Facts], bool]
    zh: str
    en: str

    def in_words(self, facts: Facts) -> dict[str, str]:
        """Why it denies, and what to do."""
        until = f"{facts.until:%Y-%m-%d}"
        return {"zh": self.zh.format(until=until), "en": self.en.format(until=until)}


def last_moment(order: Order) -> datetime:
    """When the last thing happened to the order (UTC): from then on it is kept for the retention."""
    times = [order.placed_at, *(moment.at for moment in order.timeline)]
    return max(*times, *(case.ended_at for case in order.cases if case.ended_at is not None), order.placed_at)


def _refunds_are_settled(facts: Facts) -> bool:
    refunds = [case.refund for case in facts.order.cases if case.status == "completed"]
    return all(refund is None or refund.settled_at is not None for refund in refunds)


def _nothing_under_way(facts: Facts) -> bool:
    return facts.order.wake_at is None and all(run.ended for run in facts.order.runs)


RULES: tuple[Rule, ...] = (
    Rule(
        "finished",
        lambda facts: facts.order.state in FINISHED,
        "订单尚未完成或取消;请等它结束。",
        "The order is neither completed nor cancelled. Wait until it is.",
    ),
    Rule(
        "retention",
        lambda facts: facts.at >= facts.until,
        "交易信息须保存至 {until}(《电子商务法》第三十一条);请在此之后再删除。",
        "It must be kept until {until} (E-Commerce Law, article 31). Delete it after that day.",
    ),
    Rule(
        "no-open-case",
        lambda facts: facts.order.open_case is None,
        "有取消正在处理;请等它结束。",
        "A cancellation of it is open. Wait until it has ended.",
    ),
    Rule(
        "no-unsettled-refund",
        _refunds_are_settled,
        "有退款尚未到账;请等它到账,或处理相应待办。",
        "A refund has not arrived. Wait for it, or deal with its task.",
    ),
    Rule(
        "no-open-task",
        lambda facts: all(task.done_at is not None for task in facts.order.tasks),
        "有待办未处理;请先处理待办。",
        "A task about it is open. Deal with the task first.",
    ),
    Rule(
        "nothing-under-way",
        _nothing_under_way,
        "系统仍在处理该订单;请稍后再试。",
        "The system still works on it. Try again later.",
    ),
    Rule(
        "nothing-unsaid",
        lambda facts: facts.unsaid == 0,
        "该订单还有消息未发出;请稍后再试。",
        "Its record has messages that have not left yet. Try again in a minute.",
    ),
)


def denying(facts: Facts) -> tuple[Rule, ...]:
    """The rules that do not hold, in the order of the table; none when the order may be deleted."""
    return tuple(rule for rule in RULES if not rule.holds(facts))
