"""The verdict: do the three books say the same, and is what they say right? One function per line of the verdict; each
finds every violation and names the case. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tools.drill.books import CaseEntry, OrderEntry, RefundEntry
from tools.drill.ledger import Ledger, Movement
from tools.replay.judge.sides import Check

COMPLETED, UNDONE, OPEN = "completed", "undone", "open"
FINAL_OF = {COMPLETED: "refund-arrived", UNDONE: "refund-failed"}
SETTLED_AS = {COMPLETED: "settled", UNDONE: "refused"}


@dataclass(frozen=True, slots=True)
class Kill:
    """One `kill -9`: seconds after the load began, which service, which process."""

    at: float
    service: str
    pid: int


@dataclass
class Evidence:
    """Everything the judge is shown. `asked`: fen by case, for every case that the gateway has accepted. `others`:
    final outcomes by order that lie in the mini-program's inbox, which no outside channel knows of. `restarts` and
    `ready`: by service, after the load. `failures`: orders that could not be driven to their cancellation."""

    asked: Mapping[str, int]
    ledger: Ledger
    orders: Mapping[str, OrderEntry]
    inbox: Mapping[str, list[str]] = field(default_factory=dict)
    kills: list[Kill] = field(default_factory=list)
    restarts: Mapping[str, int] = field(default_factory=dict)
    ready: Mapping[str, bool] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    @cached_property
    def cases(self) -> dict[str, CaseEntry]:
        return {case.case_id: case for order in self.orders.values() for case in order.cases}

    @cached_property
    def refunds(self) -> dict[str, RefundEntry]:
        return {refund.case_id: refund for order in self.orders.values() for refund in order.refunds}

    @cached_property
    def moved(self) -> dict[str, list[Movement]]:
        """What the ledger has under the numbers of each case; what belongs to none stands under ""."""
        owners = {number: refund.case_id for refund in self.refunds.values() for number in refund.numbers}
        found: dict[str, list[Movement]] = defaultdict(list)
        for number, movement in self.ledger.movements.items():
            # A number that payment does not know of is still the case's it is made from.
            named = "" if movement.is_transfer else number.rpartition("-")[0]
            owner = owners.get(number, named)
            found[owner if owner in self.cases else ""].append(movement)
        return found

    def arrived(self, case: CaseEntry) -> list[int]:
        """Each amount that has arrived for a case, fen."""
        return [moved.amount_minor for moved in self.moved.get(case.case_id, ()) for _ in range(moved.arrived)]

    def live(self, case: CaseEntry) -> int:
        """How many refunds and transfers of a case have arrived or may still arrive."""
        return sum(moved.arrived + max(0, moved.on_its_way) for moved in self.moved.get(case.case_id, ()))


def judge(evidence: Evidence) -> list[Check]:
    """Every line of the verdict."""
    return [line(evidence) for line in LINES]


def _refunded_once(evidence: Evidence) -> Check:
    check = Check(("每张完成的取消单恰好退款一次", "every completed case refunded exactly once, exactly its amount"))
    for case in _in_state(evidence, COMPLETED):
        arrived = evidence.arrived(case)
        check.same(case.case_id, case=[case.amount_minor], arrived=arrived)
    return check


def _none_twice(evidence: Evidence) -> Check:
    check = Check(("没有重复退款", "no case refunded twice, none with two refunds under way"))
    for case in evidence.cases.values():
        check.compared += 1
        if (live := evidence.live(case)) > 1:
            numbers = ", ".join(moved.number for moved in evidence.moved[case.case_id] if moved.accepted)
            check.differences.append(f"{case.case_id}: {live} refunds arrived or on their way ({numbers})")
    return check


def _undone_untouched(evidence: Evidence) -> Check:
    check = Check(("撤回的取消单分文未退", "no money left for an undone case"))
    for case in _in_state(evidence, UNDONE):
        check.same(case.case_id, expected=0, refunds=evidence.live(case))
    return check


def _all_ended(evidence: Evidence) -> Check:
    check = Check(("每张取消单都已结束或明确等待人工", "every case has ended or visibly waits for a person, unpaid"))
    for case in _in_state(evidence, OPEN):
        check.compared += 1
        if not case.waits:
            check.differences.append(f"{case.case_id}: open at '{case.step}', and nobody is asked to look")
        elif arrived := evidence.arrived(case):
            check.differences.append(f"{case.case_id}: waits for a person although {sum(arrived)} fen have arrived")
    check.compared += sum(case.status != OPEN for case in evidence.cases.values())
    return check


def _as_asked(evidence: Evidence) -> Check:
    check = Check(("受理的取消单都在账上", "the accepted cases are those in the order book"))
    for case_id, amount in evidence.asked.items():
        case = evidence.cases.get(case_id)
        check.same(case_id, accepted=amount, booked=case.amount_minor if case else None)
    for case_id in evidence.cases.keys() - evidence.asked.keys():
        check.wrong(f"{case_id}: in the order book, but nobody was told that it was accepted")
    return check


def _none_without_case(evidence: Evidence) -> Check:
    check = Check(("没有无取消单的退款", "no money left without a case"), compared=len(evidence.ledger.movements))
    check.differences += [f"{moved.number}: {moved.amount_minor} fen" for moved in evidence.moved.get("", ())]
    return check


def _accepted_once(evidence: Evidence) -> Check:
    check = Check(("没有退款单号被受理两次", "no refund number accepted twice"))
    for moved in evidence.ledger.movements.values():
        check.compared += 1
        if max(moved.accepted, moved.arrived, moved.came_back) > 1:
            counts = f"accepted {moved.accepted}, arrived {moved.arrived}, came back {moved.came_back} times"
            check.differences.append(f"{moved.number}: {counts}")
    return check


def _payment_agrees(evidence: Evidence) -> Check:
    check = Check(("支付账与订单账一致", "payment's books and the order book agree"))
    for case in evidence.cases.values():
        refund = evidence.refunds.get(case.case_id)
        if refund is None:
            check.wrong(f"{case.case_id}: payment has no refund for it")
            continue
        check.same(f"{case.case_id}, amount", order=case.amount_minor, payment=refund.amount_minor)
        if case.status in SETTLED_AS:
            check.same(f"{case.case_id}, {case.status}", order=SETTLED_AS[case.status], payment=refund.status)
    for case_id in evidence.refunds.keys() - evidence.cases.keys():
        check.wrong(f"{case_id}: payment has a refund for it, but there is no such case")
    return check


def _told_once(evidence: Evidence) -> Check:
    check = Check(("每位客户恰好得知一个最终结果", "customers told exactly one final outcome per case"))
    for order in evidence.orders.values():
        wanted = Counter(FINAL_OF[case.status] for case in order.cases if case.status in FINAL_OF)
        told = evidence.ledger.told.get(order.order_id, [])
        outcomes = {one.outcome for one in told} | set(evidence.inbox.get(order.order_id, ()))
        check.same(order.order_id, wanted=sorted(wanted), told=sorted(outcomes))
        # After a crash in the middle of a call another channel may repeat the same words; the same one must not.
        for repeated, times in Counter(told).items():
            if times > wanted[repeated.outcome]:
                check.wrong(f"{order.order_id}: {repeated.channel} carried {repeated.outcome} {times} times")
    for order_id in evidence.ledger.told.keys() - evidence.orders.keys():
        check.wrong(f"{order_id or '?'}: a message names this order, which nobody knows")
    check.differences += evidence.ledger.strangers
    return check


def _kills_survived(evidence: Evidence) -> Check:
    check = Check(("每次 kill -9 后都恢复", "every kill -9 survived"))
    for service, kills in Counter(kill.service for kill in evidence.kills).items():
        check.compared += kills
        if evidence.restarts.get(service, 0) < kills:
            check.differences.append(f"{service}: killed {kills} times, started again {evidence.restarts.get(service)}")
    check.differences += [f"{service} is not ready" for service, ready in evidence.ready.items() if not ready]
    return check


def _sandbox_agrees(evidence: Evidence) -> Check:
    check = Check(("沙箱自查", "the sandbox's own check of its ledger"), compared=1)
    check.differences += evidence.ledger.violations
    return check


def _to_the_fen(evidence: Evidence) -> Check:
    check = Check(("三本账合计分毫不差", "the three books agree to the fen"))
    for name, sides in sums(evidence).items():
        check.same(name, **sides)
    for order in evidence.orders.values():
        paid = evidence.ledger.paid[order.order_id]
        check.same(f"{order.order_id}, paid", ledger=paid, payment=order.received_minor, order=order.paid_minor)
    return check


def _all_driven(evidence: Evidence) -> Check:
    check = Check(("每张订单都走到取消", "every order was driven to its cancellation"), compared=len(evidence.asked))
    check.differences += evidence.failures
    return check


def sums(evidence: Evidence) -> dict[str, dict[str, int]]:
    """What was paid and what has arrived at customers, fen, as each of the three books has it."""
    orders = evidence.orders.values()
    return {
        "paid": {
            "ledger": sum(evidence.ledger.paid.values()),
            "payment": sum(order.received_minor for order in orders),
            "order": sum(order.paid_minor for order in orders),
        },
        "refunded": {
            "ledger": evidence.ledger.arrived_minor,
            "payment": sum(one.amount_minor for one in evidence.refunds.values() if one.status == "settled"),
            "order": sum(case.received_minor for case in evidence.cases.values()),
        },
    }


def _in_state(evidence: Evidence, status: str) -> Iterable[CaseEntry]:
    return (case for case in evidence.cases.values() if case.status == status)


LINES = (
    _all_driven,
    _as_asked,
    _all_ended,
    _refunded_once,
    _none_twice,
    _undone_untouched,
    _none_without_case,
    _accepted_once,
    _payment_agrees,
    _told_once,
    _kills_survived,
    _sandbox_agrees,
    _to_the_fen,
)
