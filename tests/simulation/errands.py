"""Everything else that people ask at the door: lists, figures, recounts, wishes that cannot be granted. One is picked
by chance now and then, so that worlds go through all rooms of the house."""

from __future__ import annotations

from typing import Any, NamedTuple

Json = dict[str, Any]


class Errand(NamedTuple):
    """One request. `who`: `customer` for the order's own, else a role of the staff. `{order}`, `{case}`, `{customer}`
    and `{day}` stand for those of some order; `key`: it needs an Idempotency-Key."""

    who: str
    method: str
    path: str
    body: Json | None = None
    key: bool = False


REASON = {"family": "customer", "code": "changed-mind"}
CONTACT = {"name": "张三", "phone": "13800000000"}


def _order(**change: Any) -> Json:
    line = {"product_id": "tea", "quantity": 1, "unit_price_minor": 300}
    return {"currency": "CNY", "lines": [line], "contact": CONTACT} | change


ERRANDS = (
    Errand("customer", "GET", "/mp/v1/products?limit=2"),
    Errand("customer", "GET", "/mp/v1/orders?state=cancelled&limit=1"),
    Errand("customer", "GET", "/mp/v1/orders/no-such-order"),
    Errand("customer", "GET", "/mp/v1/orders/{order}/cases/{case}/transfer"),
    Errand("customer", "GET", "/mp/v1/orders/{order}/cases/elsewhere-c1/transfer"),
    Errand("customer", "POST", "/mp/v1/orders/{order}/pay", {}),
    Errand("customer", "DELETE", "/mp/v1/orders/no-such-order"),
    Errand("customer", "POST", "/mp/v1/subscriptions", {"answers": {"some-template": "accept"}}, key=True),
    Errand("customer", "POST", "/mp/v1/orders", _order(lines=[]), key=True),
    Errand("customer", "POST", "/mp/v1/orders", _order(coupon="none-such"), key=True),
    Errand("customer", "POST", "/mp/v1/orders", _order(coupon="ten-off"), key=True),
    Errand("customer", "POST", "/mp/v1/orders", _order(currency="USD"), key=True),
    Errand(
        "customer",
        "POST",
        "/mp/v1/orders",
        _order(lines=[{"product_id": "gold", "quantity": 1, "unit_price_minor": 1}]),
        key=True,
    ),
    Errand(
        "customer",
        "POST",
        "/mp/v1/orders",
        _order(lines=[{"product_id": "tea", "quantity": 1, "unit_price_minor": 1}]),
        key=True,
    ),
    Errand(
        "customer",
        "POST",
        "/mp/v1/orders",
        _order(reference={"number": "X-1", "occurred_at": "2025-01-01T00:00:00Z"}),
        key=True,
    ),
    Errand("customer", "POST", "/mp/v1/orders/{order}/cancellation", {"reason": REASON | {"code": "other"}}, key=True),
    Errand(
        "customer",
        "POST",
        "/mp/v1/orders/{order}/cancellation",
        {"reason": REASON, "lines": [{"line_no": 9, "quantity": 1}]},
        key=True,
    ),
    Errand("customer", "GET", "/mp/v1/orders/{order}/alternatives"),
    Errand(
        "customer",
        "POST",
        "/mp/v1/orders/{order}/alternatives",
        {"kind": "exchange", "line_no": 9, "quantity": 1, "product_id": "tea"},
        key=True,
    ),
    Errand(
        "customer",
        "POST",
        "/mp/v1/orders/{order}/alternatives",
        {"kind": "exchange", "line_no": 1, "quantity": 1, "product_id": "pot"},
        key=True,
    ),
    Errand("customer", "POST", "/mp/v1/orders/{order}/cancellation-preview", {"reason": REASON}),
    Errand("customer", "POST", "/mp/v1/orders/{order}/cases/{case}/withdrawal", {}),
    Errand("customer-service", "POST", "/admin/v1/orders/{order}/cancellation", {"reason": REASON}, key=True),
    Errand("customer-service", "POST", "/admin/v1/orders/{order}/cancellation-preview", {"reason": REASON}),
    Errand("supervisor", "POST", "/admin/v1/cases/{case}/withdrawal", {}),
    Errand("finance", "POST", "/admin/v1/cases/{case}/decision", {"approve": False}),
    Errand("supervisor", "GET", "/admin/v1/cases?waits_for=approval"),
    Errand("supervisor", "GET", "/admin/v1/cases?waits_for=person"),
    Errand("supervisor", "GET", "/admin/v1/policies"),
    Errand("supervisor", "GET", "/admin/v1/policies/0"),
    Errand("supervisor", "GET", "/admin/v1/policies/9"),
    Errand("supervisor", "POST", "/admin/v1/policies", {"rules": [{"name": "x", "way": "allow"}], "note": "draft"}),
    Errand("customer-service", "POST", "/admin/v1/policies/1/activation", {"instead_of": 1}),
    Errand(
        "supervisor",
        "POST",
        "/admin/v1/policies/0/preview",
        {"since": "2026-01-01T00:00:00Z", "until": "2026-06-01T00:00:00Z"},
    ),
    Errand("customer", "GET", "/admin/v1/orders"),
    Errand("supervisor", "GET", "/admin/v1/orders/{order}/deletion"),
    Errand("supervisor", "GET", "/admin/v1/exports/orders?before=2035-01-01T00:00:00Z&limit=2"),
    Errand("supervisor", "GET", "/admin/v1/orders?state=paid&limit=3"),
    Errand("supervisor", "GET", "/admin/v1/orders?customer_id={customer}"),
    Errand("supervisor", "GET", "/admin/v1/orders/{order}"),
    Errand("supervisor", "GET", "/admin/v1/cases?limit=2"),
    Errand("supervisor", "GET", "/admin/v1/summary"),
    Errand("supervisor", "GET", "/admin/v1/stock?limit=3"),
    Errand("supervisor", "GET", "/admin/v1/stock/tea"),
    Errand("supervisor", "GET", "/admin/v1/stock/gold"),
    Errand("supervisor", "POST", "/admin/v1/stock/recount", {}),
    Errand("supervisor", "PUT", "/admin/v1/coupons/ten-off", {"amount_minor": 10, "minimum_minor": 100}),
    Errand("supervisor", "GET", "/admin/v1/notices?order_id={order}"),
    Errand("supervisor", "GET", "/admin/v1/figures/orders"),
    Errand("supervisor", "GET", "/admin/v1/figures/cancellations?by=reason"),
    Errand("supervisor", "GET", "/admin/v1/figures/cancellations?by=month"),
    Errand("supervisor", "GET", "/admin/v1/figures/refunds"),
    Errand("supervisor", "GET", "/admin/v1/figures/notices"),
    Errand("supervisor", "POST", "/admin/v1/orders/{order}/complete", {}),
    Errand("supervisor", "POST", "/admin/v1/tasks/{case}-t1/done", {"note": "looked at it"}),
    Errand("supervisor", "POST", "/admin/v1/tasks/{case}-t9/resolution", {"choice": "done"}),
    Errand("customer-service", "POST", "/admin/v1/tasks/{case}-t1/resolution", {"choice": "done"}),
    Errand("supervisor", "GET", "/admin/v1/cases?list=stuck&limit=1"),
    Errand("finance", "GET", "/admin/v1/cases?list=parked"),
    Errand("finance", "GET", "/admin/v1/cases?list=person&limit=2"),
    Errand(
        "finance",
        "POST",
        "/admin/v1/tasks/resolutions",
        {"command": "try-again", "list": "person", "dry_run": True},
        key=True,
    ),
    Errand("warehouse", "POST", "/admin/v1/tasks/{case}-t1/parcel", {"found": "delivered"}),
    Errand("customer", "GET", "/mp/v1/reasons"),
    Errand("supervisor", "GET", "/admin/v1/reasons"),
    Errand("supervisor", "POST", "/admin/v1/reasons", {"reasons": [], "instead_of": 0, "note": "none"}),
    Errand("finance", "GET", "/admin/v1/reconciliations"),
    Errand("finance", "POST", "/admin/v1/reconciliations/{day}", {}),
    Errand("finance", "GET", "/admin/v1/reconciliations/house/{day}"),
    Errand("finance", "POST", "/admin/v1/reconciliations/house/{day}/differences/1/close", {"remark": "a slip"}),
    Errand("supervisor", "GET", "/openapi.json"),
)
