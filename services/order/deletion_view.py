"""What deleting an order would do, shown before it is done."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chassis.record import Record
from services.order.deleting import RULES, Facts, denying
from services.order.model import Order

ERASED = (
    "customer_id",
    "contact.name",
    "contact.phone",
    "contact.openid",
    "tracking_number",
    "cases.reason.remark",
    "cases.solution",
    "cases.verdict.note",
    "cases.rating.remark",
    "cases.refund.route",
    "cases.proof",
    "tasks.note",
    "tasks.facts",
    "timeline.detail",
    "payment.openid",
    "notices.to",
)
"""What is erased, here and in the services that hold it too."""


def deletion_view(record: Record[Order], at: datetime, retention_days: int, export_id: str | None) -> dict[str, Any]:
    """`erases` and `keeps`: what goes and what stays (amounts in fen). `rules`: the whole table with what holds;
    `denied`: those that do not, with what to do. `export`: the one that holds the order as it stands, if any."""
    order = record.state
    assert order is not None
    facts = Facts(order, at, timedelta(days=retention_days), len(record.unsaid))
    denied = () if order.erased is not None else denying(facts)
    return {
        "order_id": order.order_id,
        "allowed": order.erased is None and not denied,
        "erased_at": order.erased_at,
        "kept_until": facts.until,
        "rules": [{"rule": rule.name, "holds": rule not in denied} for rule in RULES],
        "denied": [{"rule": rule.name, **rule.in_words(facts)} for rule in denied],
        "erases": list(ERASED),
        "keeps": {
            "state": order.state,
            "placed_at": order.placed_at,
            "lines": len(order.lines),
            "total_minor": order.total_minor,
            "paid_minor": order.paid.amount_minor if order.paid else 0,
            "refunded_minor": order.refunded_minor,
            "currency": order.currency,
            "cases": [{"case_id": case.case_id, "status": case.status} for case in order.cases],
        },
        "export": {
            "export_id": export_id,
            "contains": {
                "zh": "订单服务中该订单的全部内容,含个人信息;不含通知与支付服务的记录",
                "en": "everything the order service knows of the order, personal data included; not what notify and "
                "payment know",
            },
        },
        "confirmation": {
            "amount_minor": order.total_minor,
            "zh": "需要确认码:与此操作、此订单、此金额绑定",
            "en": "needs a code for this action, this order and this amount",
        },
    }
