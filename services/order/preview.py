"""What would happen: to a customer who cancels now, or to a past period's cancellations under other rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from chassis.mongo import Collection
from chassis.problem import Problem
from contracts.order import Actor, CancelledLine, CancelOrder, Reason
from services.order.arrival import expected_by
from services.order.deciding import ask_of, comes_back
from services.order.model import Order
from services.order.policies import Ask, Policy, Rule

CASES_MAX = 20_000
SHOWN_MAX = 200
_NEEDED = [
    f"state.{field}"
    for field in (
        "order_id",
        "placed_at",
        "cases.case_id",
        "cases.by",
        "cases.requests.id",
        "cases.state_before",
        "cases.accepted_at",
        "cases.reference",
        "cases.lines",
        "cases.amount",
        "cases.status",
        "cases.reason",
        "cases.ruling",
    )
]


_AFTER_PARCEL = {
    "zh": "包裹已发出:仓库会设法拦截,或等待退回;商品回到仓库后退款,此前可随时撤回。",
    "en": "The parcel has left: the warehouse has it stopped or waits for it. The money follows the goods; until "
    "then you can take the cancellation back.",
}


def cancel_preview(
    order: Order,
    asked: CancelOrder,
    reason: Reason,
    lines: Sequence[CancelledLine],
    policy: Policy,
    at: datetime,
) -> dict[str, Any]:
    """What cancelling these pieces now would do: whether it may be, what comes back by which road and when, until when
    it can be taken back, until when it is free. `after_parcel`: the parcel has left; money moves once it is back,
    nobody knows when. `open_case_id`: the case that the same wish has opened and would only meet again. Amounts
    in fen."""
    ask = ask_of(order, asked, reason, lines, at)
    rule = policy.decide(ask)
    amount = comes_back(order, ask)
    undo_until = at + timedelta(seconds=rule.undo_seconds) if rule.undo_seconds else None
    parcel_out = order.state == "shipped"
    undo_until = None if parcel_out else undo_until
    free_until = order.placed_at + timedelta(minutes=rule.within_minutes) if rule.within_minutes is not None else None
    return {
        "order_id": order.order_id,
        "open_case_id": order.open_case.case_id if order.open_case else None,
        "way": rule.way,
        "code_needed": rule.code,
        "approve_by": list(rule.approve_by),
        "rule": rule.name,
        "policy_version": policy.version,
        "sentence": {"zh": rule.zh, "en": rule.en} if rule.zh or not parcel_out else _AFTER_PARCEL,
        "after_parcel": parcel_out,
        "amount_minor": amount,
        "currency": order.currency,
        "route": "original" if amount else "none",
        "expected_by": expected_by("", undo_until or at) if amount and not parcel_out else None,
        "undo_until": undo_until,
        "as_now_until": free_until,
        "coupon": order.coupon,
        "lines": [_line(order, line, paid=amount > 0) for line in lines],
    }


def _line(order: Order, given: CancelledLine, *, paid: bool) -> dict[str, Any]:
    """One line with what its price was made of; the parts are those of the whole line, `amount_minor` of the pieces."""
    line = next(one for one in order.lines if one.line_no == given.line_no)
    return {
        "line_no": line.line_no,
        "name": line.name,
        "quantity": given.quantity,
        "amount_minor": given.amount_minor if paid else 0,
        "of_line": {
            "quantity": line.quantity,
            "goods_minor": line.unit_price_minor * line.quantity,
            "discount_minor": line.discount_minor,
            "coupon_minor": line.coupon_minor,
            "freight_minor": line.freight_minor,
            "paid_minor": line.paid_minor,
        },
    }


class PastCases:
    """The cancellations of a past period, decided once more."""

    def __init__(self, orders: Collection) -> None:
        self._orders = orders

    async def prepare(self) -> None:
        """Make the index that finds them."""
        await self._orders.ensure_index(
            [("state.cases.accepted_at", 1)], partial={"state.cases.case_id": {"$exists": True}}
        )

    async def under(self, policy: Policy, since: datetime, until: datetime) -> dict[str, Any]:
        """What `policy` would have decided: `{"cases", "was", "would", "changed", "changes"}`; at most 200 changes are
        shown. Raises a 422 problem when there are too many orders to look at."""
        period = {"$gte": since, "$lt": until}
        wanted = {"state.cases.case_id": {"$exists": True}, "state.cases": {"$elemMatch": {"accepted_at": period}}}
        found = await self._orders.find(wanted, fields=_NEEDED, limit=CASES_MAX + 1)
        if len(found) > CASES_MAX:
            raise Problem(
                422,
                "period-too-long",
                f"该时间段内有超过 {CASES_MAX} 个订单,请缩短时间段。",
                f"More than {CASES_MAX} orders were cancelled in this period. Choose a shorter one.",
            )
        was: Counter[str] = Counter()
        would: Counter[str] = Counter()
        changes: list[dict[str, Any]] = []
        for document in found:
            for case in document["state"]["cases"]:
                if since <= case["accepted_at"] < until and _was_wished(case):
                    before = (case.get("ruling") or {}).get("way", "allow")
                    rule, ask = _decided_anew(policy, document["state"], case)
                    was[before] += 1
                    would[rule.way] += 1
                    if rule.way != before:
                        changes.append(_change(document["state"], case, before, rule, ask))
        changes.sort(key=lambda change: (change["accepted_at"], change["case_id"]))
        return {
            "policy_version": policy.version,
            "cases": was.total(),
            "was": dict(was),
            "would": dict(would),
            "changed": len(changes),
            "changes": changes[:SHOWN_MAX],
        }


def _was_wished(case: Mapping[str, Any]) -> bool:
    """Whether rules decided about it: not about one that a person's choice about a task, or the system, has opened."""
    asked = case.get("ruling") is not None or bool(case.get("requests"))
    return asked and case["by"]["kind"] != "system"


def _decided_anew(policy: Policy, order: Mapping[str, Any], case: Mapping[str, Any]) -> tuple[Rule, Ask]:
    ask = Ask.about(
        Actor.model_validate(case["by"]),
        (case.get("ruling") or {}).get("state") or case["state_before"],
        order["placed_at"],
        case["accepted_at"],
        [CancelledLine.model_validate(line) for line in case["lines"]],
        Reason.model_validate(case["reason"]),
        before_minor=sum(_cancelled_before(order, case)),
        imported=bool(case["reference"]),
    )
    return policy.decide(ask), ask


def _cancelled_before(order: Mapping[str, Any], case: Mapping[str, Any]) -> Iterator[int]:
    """The amounts (fen) that `Order.cancelled_minor` added up when this case was asked for: an order has one case open
    at a time, so those before it had ended, as they still stand."""
    for one in order["cases"]:
        if one["case_id"] == case["case_id"]:
            return
        if one["status"] == "completed":
            yield one["amount"]["amount_minor"]


def _change(order: Mapping[str, Any], case: Mapping[str, Any], was: str, rule: Rule, ask: Ask) -> dict[str, Any]:
    return {
        "order_id": order["order_id"],
        "case_id": case["case_id"],
        "accepted_at": case["accepted_at"],
        "role": ask.role,
        "amount_minor": ask.amount_minor,
        "was": was,
        "would": rule.way,
        "rule": rule.name,
    }
