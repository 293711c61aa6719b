"""The verdict on a day: what people were told against what the sandbox's ledgers say really happened. Pure. Amounts are
fen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.gateway.auth import PROVIDER, RIGHTS
from tools.drill.ledger import WECHAT
from tools.replay.judge.sides import Check
from tools.replay.knock import Json

Deed = tuple[str, str, int]
Route = tuple[str, str]
ARRIVED = ("refund-success", "transfer-success")
LEFT = ("refund-accepted", "transfer-accepted")
CAME_BACK = ("refund-closed", "refund-returned", "transfer-returned")


@dataclass(frozen=True, slots=True)
class Promised:
    """What the people of an order were told, and what its page says in the end (`paid_shown`, `back_shown`)."""

    openid: str
    paid_minor: int
    back_minor: int
    outcomes: Counter[str]
    paid_shown: int
    back_shown: int


@dataclass
class Evidence:
    """Everything the judge is shown. `shelf`: pieces by product, as they should be and as they are. `deeds`: what each
    member of staff did; `trail`: what the audit trail says they did. `asked`: every route that was used; `left_out`:
    those that could not be."""

    orders: Mapping[str, Promised]
    money: Sequence[Json]
    messages: Sequence[Json]
    codes: Mapping[str, int]
    violations: Sequence[str] = ()
    shelf: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    stock_differences: Sequence[Json] = ()
    deeds: Mapping[str, Counter[Deed]] = field(default_factory=dict)
    trail: Mapping[str, Counter[Deed]] = field(default_factory=dict)
    asked: frozenset[Route] = frozenset()
    left_out: frozenset[Route] = frozenset()

    def sum(self, openid: str, kinds: Iterable[str]) -> int:
        """What the ledger says moved for a customer."""
        return sum(int(one["amount_minor"]) for one in self.money if one["openid"] == openid and one["kind"] in kinds)


def judge(evidence: Evidence) -> list[Check]:
    """Every line of the verdict."""
    return [line(evidence) for line in LINES]


def _paid(evidence: Evidence) -> Check:
    check = Check(("每单实收与资金账一致", "every order was paid what its customer was told"))
    for order_id, order in evidence.orders.items():
        lines = [one for one in evidence.money if one["out_trade_no"] == order_id and one["kind"] == "payment"]
        ledger = sum(int(one["amount_minor"]) for one in lines)
        check.same(order_id, told=order.paid_minor, screen=order.paid_shown, ledger=ledger)
    return check


def _back(evidence: Evidence) -> Check:
    check = Check(("每位顾客的退款与资金账一致", "every customer got back what was promised, and nothing else"))
    for openid in dict.fromkeys(order.openid for order in evidence.orders.values()):
        promised = sum(order.back_minor for order in evidence.orders.values() if order.openid == openid)
        left = evidence.sum(openid, LEFT) - evidence.sum(openid, CAME_BACK)
        check.same(openid, told=promised, arrived=evidence.sum(openid, ARRIVED), left_the_shop=left)
    for order_id, order in evidence.orders.items():
        check.same(order_id, told=order.back_minor, screen=order.back_shown)
    return check


def _undone_untouched(evidence: Evidence) -> Check:
    check = Check(("撤回、被拒的取消分文未动", "no money moved for what was taken back or refused"))
    for order_id, order in evidence.orders.items():
        if order.back_minor == 0:
            moved = [one for one in evidence.money if one["out_trade_no"] == order_id and one["kind"] in LEFT]
            check.same(order_id, expected=0, refunds=len(moved))
    return check


def _told(evidence: Evidence) -> Check:
    check = Check(("每条通知恰好送出一次", "every message reached a phone exactly once"))
    for order_id, order in evidence.orders.items():
        mine = [one for one in evidence.messages if order_id in map(str, one["values"].values())]
        sent = Counter(str(one["template_name"]) for one in mine)
        for one in mine:
            if one["channel"] == WECHAT and one["to"] != order.openid:
                check.wrong(f"{order_id}: {one['template_name']} went to {one['to']}, whose order it is not")
        check.same(order_id, wanted=sorted(order.outcomes.elements()), ledger=sorted(sent.elements()))
    return check


def _codes(evidence: Evidence) -> Check:
    check = Check(("每个确认码恰好发出一条短信", "every confirmation code went out in one short message"))
    for phone, asked in evidence.codes.items():
        sent = [one for one in evidence.messages if "code" in one["values"] and str(one["to"]).endswith(phone)]
        check.same(phone, asked=asked, ledger=len(sent))
    return check


def _stock(evidence: Evidence) -> Check:
    check = Check(("库存与卖出一致", "the shelf agrees with what was sold"))
    for product_id, (wanted, there) in evidence.shelf.items():
        check.same(product_id, sold=wanted, shelf=there)
    for one in evidence.stock_differences:
        check.wrong(f"recount: {one}")
    return check


def _trail(evidence: Evidence) -> Check:
    check = Check(("每个操作都在操作审计中", "every deed of the staff stands in the audit trail"))
    for staff_id, deeds in evidence.deeds.items():
        check.compared += deeds.total()
        missing = deeds - evidence.trail.get(staff_id, Counter())
        check.differences += [f"{staff_id}: {' '.join(map(str, deed))}" for deed in missing]
    return check


def _routes(evidence: Evidence) -> Check:
    check = Check(("每个接口都有人用过", "every route was used by somebody"))
    for right in RIGHTS:
        route = (right.method, right.path)
        if right.may == PROVIDER or route in evidence.left_out:
            continue
        check.compared += 1
        if route not in evidence.asked:
            check.differences.append(f"{right.method} {right.path}: nobody used it; give it a scene in tools/drill/day")
    return check


def _sandbox(evidence: Evidence) -> Check:
    check = Check(("沙箱自查", "the sandbox's own check of its ledger"), compared=1)
    check.differences += evidence.violations
    return check


LINES = (_paid, _back, _undone_untouched, _told, _codes, _stock, _trail, _routes, _sandbox)
