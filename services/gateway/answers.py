"""What each route answers with: the one table behind the `responses` of the OpenAPI document. The bodies are made by
the services and handed on as they are; `make fuzz` holds every answer against this. A route that is missing here fails
when the document is made."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from services.gateway import shown_cases as cases
from services.gateway import shown_decisions as decisions
from services.gateway import shown_orders as orders
from services.gateway import shown_policies as policies
from services.gateway import shown_reasons as reasons
from services.gateway import shown_shop as shop
from services.gateway import shown_trail as trail
from services.gateway import shown_work as work


@dataclass(frozen=True, slots=True)
class Good:
    """A good answer: its status, its body (None: empty), and which problems besides those that its kind of route may
    always meet. `other`: further good answers by status."""

    body: type[BaseModel] | None
    status: int = 200
    problems: frozenset[int] = frozenset()
    media_type: str = "application/json"
    other: tuple[tuple[int, type[BaseModel] | None], ...] = ()


def _some(*statuses: int) -> frozenset[int]:
    return frozenset(statuses)


_STREAM = "text/event-stream"

GOOD: dict[tuple[str, str], Good] = {
    ("GET", "/mp/v1/products"): Good(shop.ProductsPage),
    ("POST", "/mp/v1/orders"): Good(orders.CustomersOrder, 201),
    ("GET", "/mp/v1/orders"): Good(orders.OwnOrdersPage),
    ("GET", "/mp/v1/orders/{order_id}"): Good(orders.CustomersOrder),
    ("POST", "/mp/v1/orders/{order_id}/pay"): Good(decisions.PaymentTicket),
    ("POST", "/mp/v1/orders/{order_id}/cancellation"): Good(cases.CustomersCase, 202),
    ("GET", "/mp/v1/orders/{order_id}/cases/{case_id}/transfer"): Good(decisions.TransferTicket),
    ("GET", "/mp/v1/inbox"): Good(shop.Inbox),
    ("POST", "/mp/v1/subscriptions"): Good(shop.Noted),
    ("DELETE", "/mp/v1/orders/{order_id}"): Good(orders.Hidden),
    ("POST", "/mp/v1/orders/{order_id}/cancellation-preview"): Good(cases.CancelPreview),
    ("POST", "/mp/v1/orders/{order_id}/cases/{case_id}/withdrawal"): Good(cases.CustomersCase),
    ("GET", "/mp/v1/orders/{order_id}/alternatives"): Good(orders.Alternatives),
    ("POST", "/mp/v1/orders/{order_id}/alternatives"): Good(
        orders.CustomersOrder, other=((202, orders.CustomersOrder),)
    ),
    ("GET", "/mp/v1/orders/{order_id}/live"): Good(None, media_type=_STREAM),
    ("GET", "/mp/v1/questionnaire"): Good(shop.Questionnaire),
    ("POST", "/mp/v1/orders/{order_id}/cases/{case_id}/rating"): Good(cases.RatingNoted),
    ("GET", "/mp/v1/subscriptions"): Good(shop.Subscriptions),
    ("GET", "/admin/v1/orders"): Good(orders.OrdersPage),
    ("GET", "/admin/v1/orders/{order_id}"): Good(orders.StaffsOrder),
    ("POST", "/admin/v1/orders/{order_id}/cancellation"): Good(cases.StaffsCase, 202),
    ("POST", "/admin/v1/orders/{order_id}/ship"): Good(orders.StaffsOrder),
    ("POST", "/admin/v1/orders/{order_id}/deliver"): Good(orders.StaffsOrder),
    ("POST", "/admin/v1/orders/{order_id}/complete"): Good(orders.StaffsOrder),
    ("GET", "/admin/v1/cases"): Good(work.CasesPage),
    ("GET", "/admin/v1/tasks"): Good(cases.TasksPage),
    ("POST", "/admin/v1/tasks/{task_id}/done"): Good(cases.TaskFinished),
    ("POST", "/admin/v1/tasks/{task_id}/resolution"): Good(orders.StaffsOrder),
    ("POST", "/admin/v1/tasks/{task_id}/parcel"): Good(orders.StaffsOrder),
    ("POST", "/admin/v1/tasks/resolutions"): Good(work.BulkShown),
    ("POST", "/admin/v1/cases/{case_id}/bank-card"): Good(decisions.CardTaken, 202),
    ("PUT", "/admin/v1/coupons/{code}"): Good(None, 204),
    ("GET", "/admin/v1/summary"): Good(shop.Summary),
    ("POST", "/admin/v1/products"): Good(shop.ListedCount),
    ("POST", "/admin/v1/stock-receipts"): Good(shop.AcceptedCount, 202, _some(404)),
    ("GET", "/admin/v1/stock"): Good(shop.StockPage),
    ("GET", "/admin/v1/stock/{product_id}"): Good(shop.Balance),
    ("POST", "/admin/v1/stock/recount"): Good(shop.Recounted),
    ("GET", "/admin/v1/figures/{subject}"): Good(shop.Figures),
    ("GET", "/admin/v1/notices"): Good(shop.Notices),
    ("GET", "/admin/v1/reconciliations"): Good(decisions.ReconciliationsPage),
    ("POST", "/admin/v1/reconciliations/{day}"): Good(decisions.Reconciliation, 202),
    ("GET", "/admin/v1/reconciliations/{shop}/{day}"): Good(decisions.Reconciliation),
    ("POST", "/admin/v1/reconciliations/{shop}/{day}/differences/{n}/close"): Good(decisions.Reconciliation),
    ("POST", "/mp/v1/session"): Good(shop.CustomerSignedIn),
    ("POST", "/mp/v1/session/refresh"): Good(shop.TokensGiven),
    ("DELETE", "/mp/v1/session"): Good(None, 204),
    ("POST", "/admin/v1/session"): Good(shop.StaffSignedIn),
    ("POST", "/admin/v1/session/refresh"): Good(shop.TokensGiven),
    ("DELETE", "/admin/v1/session"): Good(None, 204),
    ("POST", "/admin/v1/session/password"): Good(shop.PasswordChanged),
    ("GET", "/admin/v1/staff"): Good(shop.MembersPage),
    ("GET", "/admin/v1/staff/{staff_id}"): Good(shop.MemberShown),
    ("PUT", "/admin/v1/staff/{staff_id}"): Good(shop.MemberShown, other=((201, shop.Secrets),)),
    ("POST", "/admin/v1/staff/{staff_id}/secrets"): Good(shop.Secrets),
    ("GET", "/admin/v1/audit"): Good(trail.Trail),
    ("POST", "/admin/v1/codes"): Good(shop.CodeSent, 202),
    ("GET", "/admin/v1/orders/{order_id}/live"): Good(None, media_type=_STREAM),
    ("POST", "/admin/v1/orders/{order_id}/cancellation-preview"): Good(cases.CancelPreview),
    ("GET", "/admin/v1/orders/{order_id}/deletion"): Good(decisions.DeletionShown),
    ("POST", "/admin/v1/orders/{order_id}/deletion"): Good(decisions.Erased),
    ("GET", "/admin/v1/orders/{order_id}/export"): Good(decisions.ExportLines, problems=_some(409)),
    ("GET", "/admin/v1/exports/orders"): Good(decisions.ExportPage),
    ("POST", "/admin/v1/exports"): Good(decisions.ExportKnown, problems=_some(404)),
    ("GET", "/admin/v1/exports/{export_id}/deletion"): Good(decisions.BulkDeletionShown),
    ("POST", "/admin/v1/exports/{export_id}/deletion"): Good(decisions.BulkDeletion),
    ("POST", "/admin/v1/restorations"): Good(decisions.Restoration),
    ("POST", "/admin/v1/cases/{case_id}/withdrawal"): Good(cases.StaffsCase),
    ("POST", "/admin/v1/cases/{case_id}/decision"): Good(cases.StaffsCase),
    ("GET", "/admin/v1/policies"): Good(policies.Policies),
    ("GET", "/admin/v1/policies/{version}"): Good(policies.PolicyShown),
    ("POST", "/admin/v1/policies"): Good(policies.PolicySaved, 201),
    ("POST", "/admin/v1/policies/{version}/preview"): Good(policies.PolicyPreview),
    ("POST", "/admin/v1/policies/{version}/activation"): Good(policies.PolicyActive),
    ("GET", "/mp/v1/reasons"): Good(reasons.OwnReasons),
    ("GET", "/admin/v1/reasons"): Good(reasons.Reasons),
    ("GET", "/admin/v1/reasons/{version}"): Good(reasons.ReasonsShown),
    ("POST", "/admin/v1/reasons"): Good(reasons.ReasonsPublished, 201, _some(404)),
}
"""All routes but the callbacks."""

_TO_WECHATPAY: dict[int, str | None] = {204: None, **dict.fromkeys((400, 401, 404, 409, 503), "application/json")}
_TO_PUSHES: dict[int, str | None] = dict.fromkeys((200, 400, 401, 503), "text/plain")

CALLBACKS: dict[str, dict[int, str | None]] = {
    "/callbacks/wechat/pay": _TO_WECHATPAY,
    "/callbacks/wechat/refund": _TO_WECHATPAY,
    "/callbacks/wechat/transfer": _TO_WECHATPAY,
    "/callbacks/wechat/{family}/{shop}": _TO_WECHATPAY,
    "/callbacks/wechat/events": _TO_PUSHES,
    "/callbacks/sms/receipts": {200: "application/json", **dict.fromkeys((400, 503), "text/plain")},
}
"""What providers are answered, in the form each of them chose: status → media type (None: no body)."""


def good(method: str, path: str) -> Good:
    """What a route answers when all is well. Raises LookupError when nobody said."""
    found = GOOD.get((method, path))
    if found is None:
        raise LookupError(f"{method} {path}: say in services/gateway/answers.py what it answers")
    return found
