"""Three books about a few cases, all of them in order: a test changes one line and the judge has to find it."""

from __future__ import annotations

from typing import Any

from tools.drill.books import OrderEntry, entry
from tools.drill.judge import Evidence, Kill
from tools.drill.ledger import Ledger
from tools.replay.judge.sides import Check

Json = dict[str, Any]
PAID = 1_000
BACK = 400
CASES = {"done": "completed", "gone": "undone", "stuck": "open", "sent": "completed"}
"""Order ids and how their case ends; the money of `sent` went as a transfer."""


def at(second: int) -> str:
    """A time as the sandbox writes it."""
    return f"2026-11-01T00:00:{second:02d}Z"


def case_id(order_id: str) -> str:
    """The one case of an order."""
    return f"{order_id}-c1"


def order_page(order_id: str, status: str, *, timeline: tuple[Json, ...] = (), **case: Any) -> Json:
    """What the order service shows."""
    waiting = status == "open"
    refund = {"amount": {"amount_minor": BACK}, "confirm_by": None, "settled_at": None}
    task = {"case_id": case_id(order_id), "kind": "refund-stuck", "done_at": None}
    shown = {
        "case_id": case_id(order_id),
        "order_id": order_id,
        "status": status,
        "waits_for_a_person": waiting,
        "step": "see the refund arrive",
        "amount_minor": BACK,
        "refund": refund if status == "completed" else None,
    }
    return {
        "order_id": order_id,
        "state": "paid",
        "paid_minor": PAID,
        "cases": [shown | case],
        "tasks": [task] if waiting else [],
        "timeline": list(timeline),
    }


def payment_page(order_id: str, status: str, **refund: Any) -> Json:
    """What the payment service shows."""
    shown = {
        "case_id": case_id(order_id),
        "number": f"{case_id(order_id)}-1",
        "closed_numbers": [],
        "amount": {"amount_minor": BACK},
        "status": status,
        "attempts": 0,
        "payout": None,
    }
    return {"receipt": {"amount": {"amount_minor": PAID}}, "refunds": [shown | refund]}


def money(
    kind: str, order_id: str, n: int = 1, amount: int = BACK, *, bill: str = "", code: str = "", second: int = 0
) -> Json:
    """A line of the sandbox's ledger."""
    line: Json = {"kind": kind, "amount_minor": amount, "code": code, "out_trade_no": order_id, "time": at(second)}
    line["openid"] = f"openid-of-{order_id}"
    if bill:
        return line | {"out_bill_no": bill, "out_refund_no": None}
    return line | {"out_refund_no": f"{case_id(order_id)}-{n}", "out_bill_no": None}


def message(outcome: str, order_id: str, channel: str = "wechat") -> Json:
    """A line of the sandbox's ledger of messages."""
    field = "character_string1" if channel == "wechat" else "order"
    about = {"template_name": outcome, "channel": channel, "to": f"openid-of-{order_id}"}
    return {**about, "values": {field: order_id}}


def transfer_number(order_id: str) -> str:
    """The number payment gives to the first transfer of a case."""
    page = entry(order_page(order_id, "completed"), payment_page(order_id, "settled", payout={"n": 1}))
    return page.refunds[0].numbers[-1]


class Books:
    """The three books. `evidence` folds what stands in them now."""

    def __init__(self) -> None:
        self.asked = {case_id(order_id): BACK for order_id in CASES}
        self.orders = {order_id: order_page(order_id, status) for order_id, status in CASES.items()}
        self.payments = {
            "done": payment_page("done", "settled"),
            "gone": payment_page("gone", "refused"),
            "stuck": payment_page("stuck", "refused"),
            "sent": payment_page("sent", "settled", payout={"n": 1}),
        }
        bill = transfer_number("sent")
        self.money = [
            *(money("payment", order_id, amount=PAID) for order_id in CASES),
            money("refund-accepted", "done"),
            money("refund-success", "done"),
            money("refund-refused", "gone", code="USER_ACCOUNT_ABNORMAL"),
            money("refund-accepted", "stuck"),
            money("refund-closed", "stuck"),
            money("refund-refused", "sent", code="USER_ACCOUNT_ABNORMAL"),
            money("transfer-accepted", "sent", bill=bill),
            money("transfer-success", "sent", bill=bill),
        ]
        self.messages = [
            message("refund-on-its-way", "done"),
            message("refund-arrived", "done"),
            message("refund-failed", "gone", "sms-tencent"),
            message("refund-to-confirm", "sent"),
        ]
        self.inbox = {"sent": ["refund-arrived"]}
        self.kills = [Kill(1.0, "payment", 11), Kill(2.0, "payment", 12)]
        self.restarts = {"payment": 2, "order": 0}
        self.ready = {"payment": True, "order": True}
        self.violations: list[str] = []
        self.failures: list[str] = []

    def case(self, order_id: str) -> Json:
        """The one case of an order, to be changed."""
        case: Json = self.orders[order_id]["cases"][0]
        return case

    def refund(self, order_id: str) -> Json:
        """The refund of that case, to be changed."""
        refund: Json = self.payments[order_id]["refunds"][0]
        return refund

    def evidence(self) -> Evidence:
        """What the judge is shown."""
        ledger = Ledger(violations=self.violations)
        for line in self.money:
            ledger.add_money(line)
        for told in self.messages:
            ledger.add_message(told)
        orders: dict[str, OrderEntry] = {
            order_id: entry(page, self.payments.get(order_id, {})) for order_id, page in self.orders.items()
        }
        return Evidence(
            asked=self.asked,
            ledger=ledger,
            orders=orders,
            inbox=self.inbox,
            kills=self.kills,
            restarts=self.restarts,
            ready=self.ready,
            failures=self.failures,
        )


def violations(checks: list[Check]) -> dict[str, list[str]]:
    """What was found, by the English name of the line."""
    return {check.name[1]: check.differences for check in checks if check.differences}
