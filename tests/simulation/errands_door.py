"""More errands: orders found in every way there is, the accounts of the staff and their trail, the newer figures."""

from __future__ import annotations

from tests.simulation.errands import ERRANDS, Errand

CLERK = {"name": "王五", "role": "warehouse", "phone": "13900000077"}
BEGAN, SOON = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00Z"

MORE = (
    Errand("customer", "GET", "/mp/v1/orders?goods=tea&limit=2"),
    Errand("customer", "GET", "/mp/v1/orders?number={order}"),
    Errand("customer", "GET", f"/mp/v1/orders?from={BEGAN}&until={SOON}&limit=1"),
    Errand("customer", "GET", "/mp/v1/orders?after=nonsense"),
    Errand("customer", "GET", "/mp/v1/orders/{order}/alternatives"),
    Errand("customer-service", "GET", "/admin/v1/orders?name=%E5%BC%A0%E4%B8%89&limit=2"),
    Errand("customer-service", "GET", "/admin/v1/orders?phone=0003"),
    Errand("customer-service", "GET", "/admin/v1/orders?goods=tea&product_id=tea&limit=2"),
    Errand("customer-service", "GET", "/admin/v1/orders?number={order}"),
    Errand("customer-service", "GET", "/admin/v1/orders?reference=X-1"),
    Errand("customer-service", "GET", "/admin/v1/orders?case=waits-for-a-person"),
    Errand("customer-service", "GET", f"/admin/v1/orders?case=open&from={BEGAN}"),
    Errand("administrator", "GET", "/admin/v1/staff?limit=2"),
    Errand("administrator", "GET", "/admin/v1/staff/s-clerk"),
    Errand("administrator", "GET", "/admin/v1/staff/s-nobody"),
    Errand("administrator", "PUT", "/admin/v1/staff/s-clerk", CLERK),
    Errand("administrator", "PUT", "/admin/v1/staff/s-clerk", CLERK | {"disabled": True}),
    Errand(
        "administrator", "PUT", "/admin/v1/staff/s-administrator", CLERK | {"role": "administrator", "disabled": True}
    ),
    Errand("administrator", "POST", "/admin/v1/staff/s-clerk/secrets", {}),
    Errand("administrator", "GET", "/admin/v1/audit?limit=3"),
    Errand("administrator", "GET", "/admin/v1/audit?staff=s-finance"),
    Errand("administrator", "GET", "/admin/v1/audit?subject={order}"),
    Errand("administrator", "GET", "/admin/v1/orders/{order}/deletion"),
    Errand("administrator", "GET", f"/admin/v1/exports/orders?before={SOON}&limit=2"),
    Errand("finance", "GET", "/admin/v1/figures/ratings"),
    Errand("finance", "GET", "/admin/v1/figures/saved-orders?by=month"),
    Errand("finance", "GET", "/admin/v1/figures/orders?by=product"),
    Errand("finance", "GET", "/admin/v1/figures/cancellations?by=group"),
    Errand("finance", "GET", "/admin/v1/figures/cancellations?by=product"),
    Errand("finance", "GET", "/admin/v1/figures/refunds?by=product"),
    Errand("finance", "GET", "/admin/v1/figures/refunds?by=month"),
    Errand("finance", "GET", "/admin/v1/figures/refunds?by=reason"),
    Errand("finance", "GET", "/admin/v1/figures/ratings?by=answer"),
    Errand("finance", "GET", "/admin/v1/figures/no-such-figure"),
)

EVERY = (*ERRANDS, *MORE)
