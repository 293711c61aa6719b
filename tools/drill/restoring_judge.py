"""Who is right after the restore: the provider's ledger, order by order, against what customers wanted. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.drill.ledger import Movement
from tools.drill.restoring import FATES, Fate, Story
from tools.replay.judge.sides import Check
from tools.replay.knock import Json


@dataclass(slots=True)
class Found:
    """What the judge is shown. `movements`: of the ledger, by order. `forgotten`: refund numbers that the provider took
    between the backup and the loss. `orders`, `payments`: the services' pages, by order. `days`: reconciliations."""

    stories: Sequence[Story]
    movements: Mapping[str, Sequence[Movement]]
    forgotten: Mapping[str, str]
    orders: Mapping[str, Json]
    payments: Mapping[str, Json]
    days: Sequence[Json]
    held: int = 0
    violations: list[str] = field(default_factory=list)
    open_cases: list[str] = field(default_factory=list)
    stock: list[str] = field(default_factory=list)

    def got(self, story: Story) -> int:
        """What has arrived at the customer or may still arrive, fen."""
        return sum(
            moved.amount_minor * (moved.arrived + max(0, moved.on_its_way))
            for moved in self.movements.get(story.order_id, ())
        )


def judge(found: Found) -> list[Check]:
    """Every line of the verdict."""
    return [
        _wished(found),
        _once(found),
        _listed(found),
        _in_the_books(found),
        _ended(found),
        _compared(found),
        *_others(found),
    ]


def figures(found: Found) -> dict[Fate, tuple[int, int, int, int]]:
    """By fate: orders, wishes that were refused, fen that were wanted, fen that went back."""
    sums: defaultdict[Fate, Counter[str]] = defaultdict(Counter)
    for story in found.stories:
        sums[story.fate].update(orders=1, refused=len(story.refused), wanted=story.wanted, got=found.got(story))
    names = ("orders", "refused", "wanted", "got")
    return {fate: tuple(sums[fate][name] for name in names) for fate in FATES}  # type: ignore[misc]


def _wished(found: Found) -> Check:
    """Who is refused everything gets nothing, and nothing would be right then: no wish is refused for which there is no
    reason, and some refunds were made that the backup does not know."""
    check = Check(("无故不拒,确有遗忘", "no wish was refused without a reason, and refunds were forgotten"))
    for story in found.stories:
        counts = ("again",) if story.fate == "new" else ("first", "second")
        check.compared += 1
        check.differences += [
            f"{story.fate} {story.order_id}: {one}" for one in story.refused if one.startswith(counts)
        ]
    if not found.forgotten:
        check.wrong("no refund was made between the backup and the loss")
    return check


def _once(found: Found) -> Check:
    check = Check(("每笔只退一次,一分不差", "everything wanted went back exactly once, to the fen"))
    for story in found.stories:
        check.same(f"{story.fate} {story.order_id}", wanted=story.wanted, ledger=found.got(story))
    return check


def _listed(found: Found) -> Check:
    """Every refund that was forgotten is known again: in payment's books, or in the list of what needs a person."""
    check = Check(("备份后的退款都已找回或列出", "every refund since the backup is known again, or listed"))
    listed = {str(one["subject"]) for day in found.days for one in day["differences"]}
    for number, order_id in found.forgotten.items():
        check.compared += 1
        if number not in _numbers(found.payments.get(order_id, {})) and number not in listed:
            check.differences.append(f"{number} of {order_id}: nobody knows of it")
    return check


def _in_the_books(found: Found) -> Check:
    """The order, too: a case that has the number, or a task that names it. An order that is lost itself is listed."""
    check = Check(("订单也已更正或有待办", "its order is corrected, or somebody has the task"))
    for number, order_id in found.forgotten.items():
        order = found.orders.get(order_id)
        if order is None:
            continue
        check.compared += 1
        cases = {str((case["refund"] or {}).get("number")) for case in order["cases"]}
        tasks = {str(task["facts"].get("refund_number")) for task in order["tasks"]}
        if number not in cases | tasks:
            check.differences.append(f"{number}: {order_id} shows neither a case nor a task")
    return check


def _numbers(payment: Json) -> set[str]:
    refunds: Iterable[Json] = payment.get("refunds", ())
    return {str(number) for one in refunds for number in (one["number"], *one["closed_numbers"])}


def _ended(found: Found) -> Check:
    check = Check(("每张取消单都已结束或等待人工", "every case has ended or waits for a person"))
    check.compared = sum(len(order["cases"]) for order in found.orders.values())
    check.differences += found.open_cases
    return check


def _compared(found: Found) -> Check:
    check = Check(("恢复后的账单都已核对", "every day since the backup is compared"), compared=len(found.days))
    check.differences += [f"{day['day']}: {day['status']}" for day in found.days if day["status"] != "done"]
    return check


def _others(found: Found) -> list[Check]:
    stock = Check(("库存余额等于流水", "every stock balance is what its ledger says"), compared=1)
    stock.differences += found.stock
    sandbox = Check(("沙箱自查", "the sandbox's own check of its ledger"), compared=1)
    sandbox.differences += found.violations
    return [stock, sandbox]
