"""Who is calling, and the one table of who may call what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from chassis.problem import Problem
from services.gateway.bodies import BODY_MAX, WHOLE_ORDERS_MAX
from services.gateway.roles import (
    ADMINISTRATORS,
    CANCELLING,
    CARDS,
    EVERYBODY,
    FIGURES,
    FINISHING,
    MONEY,
    NO_ROLE,
    SELLING,
    SHIPPING,
    Roles,
)
from services.gateway.tokens import REMEMBERED, Caller, Kind, Tokens, Unauthorized

__all__ = [
    "MONEY",
    "REMEMBERED",
    "RIGHTS",
    "Caller",
    "Kind",
    "Right",
    "Tokens",
    "Unauthorized",
    "allow",
    "allow_scope",
    "right_for",
]

May = Literal["customer", "staff", "anyone"]
Repeat = Literal["reads", "needs-key", "repeatable"]
"""What a second identical request does. `reads`: nothing ever changes. `needs-key`: only the Idempotency-Key tells a
repeat from a second wish. `repeatable`: a repeat changes nothing by itself, a key is welcome and not needed."""

CUSTOMER: frozenset[May] = frozenset({"customer"})
STAFF: frozenset[May] = frozenset({"staff"})
ANYONE_SIGNED_IN: frozenset[May] = CUSTOMER | STAFF
ANYONE: frozenset[May] = frozenset({"anyone"})
"""No token: this is where one gets it. Counted by address."""
PROVIDER: frozenset[May] = frozenset()
"""No token: the service behind checks the provider's signature, where the provider signs. Counted by address."""


TAKEN_ALONG: frozenset[str] = frozenset({"/admin/v1/orders/{order_id}/export", "/admin/v1/exports/orders"})
"""Reads that hand out whole orders by the hundred, with everything about their customers: no screen shows that, it is
taken along. Who did, and when, must be found."""


@dataclass(frozen=True, slots=True)
class Right:
    """One route, who may call it, and what a repeat does (`why` it does no harm). `roles`: which staff; a route for
    staff that names no role is for none of them. `body_max`: bytes of what it is sent."""

    method: str
    path: str
    may: frozenset[May]
    repeat: Repeat
    why: str = ""
    roles: Roles = NO_ROLE
    body_max: int = BODY_MAX

    @property
    def is_deed(self) -> bool:
        """Whether it stands in the audit trail who called it."""
        return "staff" in self.may and (self.method != "GET" or self.path in TAKEN_ALONG)


RIGHTS: tuple[Right, ...] = (
    Right("GET", "/mp/v1/products", ANYONE_SIGNED_IN, "reads", roles=EVERYBODY),
    Right("POST", "/mp/v1/orders", CUSTOMER, "needs-key"),
    Right("GET", "/mp/v1/orders", CUSTOMER, "reads"),
    Right("GET", "/mp/v1/orders/{order_id}", CUSTOMER, "reads"),
    Right("POST", "/mp/v1/orders/{order_id}/pay", CUSTOMER, "repeatable", "an order has one payment"),
    Right("POST", "/mp/v1/orders/{order_id}/cancellation", CUSTOMER, "needs-key"),
    Right("GET", "/mp/v1/orders/{order_id}/cases/{case_id}/transfer", CUSTOMER, "reads"),
    Right("GET", "/mp/v1/inbox", CUSTOMER, "reads"),
    Right("POST", "/mp/v1/subscriptions", CUSTOMER, "needs-key"),
    Right("DELETE", "/mp/v1/orders/{order_id}", CUSTOMER, "repeatable", "an order is hidden once"),
    Right("POST", "/mp/v1/orders/{order_id}/cancellation-preview", CUSTOMER, "repeatable", "it changes nothing"),
    Right("POST", "/mp/v1/orders/{order_id}/cases/{case_id}/withdrawal", CUSTOMER, "repeatable", "it is undone once"),
    Right("GET", "/mp/v1/orders/{order_id}/alternatives", CUSTOMER, "reads"),
    Right("POST", "/mp/v1/orders/{order_id}/alternatives", CUSTOMER, "needs-key"),
    Right("GET", "/mp/v1/orders/{order_id}/live", CUSTOMER, "reads"),
    Right("GET", "/mp/v1/questionnaire", CUSTOMER, "reads"),
    Right("POST", "/mp/v1/orders/{order_id}/cases/{case_id}/rating", CUSTOMER, "repeatable", "a case is rated once"),
    Right("GET", "/mp/v1/subscriptions", CUSTOMER, "reads"),
    Right("GET", "/admin/v1/orders", STAFF, "reads", roles=EVERYBODY),
    Right("GET", "/admin/v1/orders/{order_id}", STAFF, "reads", roles=EVERYBODY),
    Right("POST", "/admin/v1/orders/{order_id}/cancellation", STAFF, "needs-key", roles=CANCELLING),
    Right("POST", "/admin/v1/orders/{order_id}/ship", STAFF, "repeatable", "an order is shipped once", SHIPPING),
    Right("POST", "/admin/v1/orders/{order_id}/deliver", STAFF, "repeatable", "an order is delivered once", SHIPPING),
    Right("POST", "/admin/v1/orders/{order_id}/complete", STAFF, "repeatable", "an order is completed once", FINISHING),
    Right("GET", "/admin/v1/cases", STAFF, "reads", roles=EVERYBODY),
    Right("GET", "/admin/v1/tasks", STAFF, "reads", roles=EVERYBODY),
    Right("POST", "/admin/v1/tasks/{task_id}/done", STAFF, "repeatable", "a task is done once", EVERYBODY),
    Right("POST", "/admin/v1/tasks/{task_id}/resolution", STAFF, "repeatable", "a task is resolved once", MONEY),
    Right("POST", "/admin/v1/tasks/resolutions", STAFF, "needs-key", roles=MONEY),
    Right("POST", "/admin/v1/cases/{case_id}/bank-card", STAFF, "repeatable", "the refund stays the same one", CARDS),
    Right("PUT", "/admin/v1/coupons/{code}", STAFF, "repeatable", "a coupon is put, whole, under its code", SELLING),
    Right("GET", "/admin/v1/summary", STAFF, "reads", roles=EVERYBODY),
    Right("POST", "/admin/v1/products", STAFF, "repeatable", "a product is put, whole, under its id", SELLING),
    Right("POST", "/admin/v1/stock-receipts", STAFF, "repeatable", "a receipt id counts once", SHIPPING),
    Right("GET", "/admin/v1/stock", STAFF, "reads", roles=EVERYBODY),
    Right("GET", "/admin/v1/stock/{product_id}", STAFF, "reads", roles=EVERYBODY),
    Right("POST", "/admin/v1/stock/recount", STAFF, "repeatable", "a recount compares and changes no stock", SHIPPING),
    Right("GET", "/admin/v1/figures/{subject}", STAFF, "reads", roles=FIGURES),
    Right("GET", "/admin/v1/notices", STAFF, "reads", roles=EVERYBODY),
    Right("GET", "/admin/v1/reconciliations", STAFF, "reads", roles=MONEY),
    Right("POST", "/admin/v1/reconciliations/{day}", STAFF, "repeatable", "one under way goes on", MONEY),
    Right("GET", "/admin/v1/reconciliations/{shop}/{day}", STAFF, "reads", roles=MONEY),
    Right(
        "POST",
        "/admin/v1/reconciliations/{shop}/{day}/differences/{n}/close",
        STAFF,
        "repeatable",
        "a difference is closed once",
        MONEY,
    ),
    Right("POST", "/mp/v1/session", ANYONE, "repeatable", "WeChat takes a login code once"),
    Right("POST", "/mp/v1/session/refresh", ANYONE, "repeatable", "a refresh token works once"),
    Right("DELETE", "/mp/v1/session", CUSTOMER, "repeatable", "a session ends once"),
    Right("POST", "/admin/v1/session", ANYONE, "repeatable", "a code of the second factor works once"),
    Right("POST", "/admin/v1/session/refresh", ANYONE, "repeatable", "a refresh token works once"),
    Right("DELETE", "/admin/v1/session", STAFF, "repeatable", "a session ends once", EVERYBODY),
    Right(
        "POST",
        "/admin/v1/session/password",
        STAFF,
        "repeatable",
        "a code of the second factor works once",
        EVERYBODY,
    ),
    Right("GET", "/admin/v1/staff", STAFF, "reads", roles=ADMINISTRATORS),
    Right("GET", "/admin/v1/staff/{staff_id}", STAFF, "reads", roles=ADMINISTRATORS),
    Right("PUT", "/admin/v1/staff/{staff_id}", STAFF, "repeatable", "an account is put, whole", ADMINISTRATORS),
    Right("POST", "/admin/v1/staff/{staff_id}/secrets", STAFF, "repeatable", "the last ones count", ADMINISTRATORS),
    Right("GET", "/admin/v1/audit", STAFF, "reads", roles=ADMINISTRATORS),
    Right("POST", "/admin/v1/codes", STAFF, "repeatable", "the newest code counts", EVERYBODY),
    Right("GET", "/admin/v1/orders/{order_id}/live", STAFF, "reads", roles=EVERYBODY),
    Right(
        "POST",
        "/admin/v1/orders/{order_id}/cancellation-preview",
        STAFF,
        "repeatable",
        "it changes nothing",
        roles=CANCELLING,
    ),
    Right("GET", "/admin/v1/orders/{order_id}/deletion", STAFF, "reads", roles=ADMINISTRATORS),
    Right(
        "POST",
        "/admin/v1/orders/{order_id}/deletion",
        STAFF,
        "repeatable",
        "an order is erased once",
        roles=ADMINISTRATORS,
    ),
    Right("GET", "/admin/v1/orders/{order_id}/export", STAFF, "reads", roles=ADMINISTRATORS),
    Right("GET", "/admin/v1/exports/orders", STAFF, "reads", roles=ADMINISTRATORS),
    Right("POST", "/admin/v1/exports", STAFF, "repeatable", "an export is known under its checksum", ADMINISTRATORS),
    Right("GET", "/admin/v1/exports/{export_id}/deletion", STAFF, "reads", roles=ADMINISTRATORS),
    Right(
        "POST",
        "/admin/v1/exports/{export_id}/deletion",
        STAFF,
        "repeatable",
        "an order is erased once",
        roles=ADMINISTRATORS,
    ),
    Right(
        "POST",
        "/admin/v1/restorations",
        STAFF,
        "repeatable",
        "what is there already stays",
        roles=ADMINISTRATORS,
        body_max=WHOLE_ORDERS_MAX,
    ),
    Right("POST", "/admin/v1/cases/{case_id}/withdrawal", STAFF, "repeatable", "it is undone once", roles=CANCELLING),
    Right("POST", "/admin/v1/cases/{case_id}/decision", STAFF, "repeatable", "a case is decided once", roles=CARDS),
    Right("GET", "/admin/v1/policies", STAFF, "reads", roles=EVERYBODY),
    Right("GET", "/admin/v1/policies/{version}", STAFF, "reads", roles=EVERYBODY),
    Right("POST", "/admin/v1/policies", STAFF, "repeatable", "the same rules are the same version", roles=SELLING),
    Right("POST", "/admin/v1/policies/{version}/preview", STAFF, "repeatable", "it changes nothing", roles=MONEY),
    Right("POST", "/admin/v1/policies/{version}/activation", STAFF, "repeatable", "it is switched once", roles=SELLING),
    Right("POST", "/admin/v1/tasks/{task_id}/parcel", STAFF, "repeatable", "a task is resolved once", SHIPPING),
    Right("GET", "/mp/v1/reasons", CUSTOMER, "reads"),
    Right("GET", "/admin/v1/reasons", STAFF, "reads", roles=EVERYBODY),
    Right("GET", "/admin/v1/reasons/{version}", STAFF, "reads", roles=EVERYBODY),
    Right("POST", "/admin/v1/reasons", STAFF, "repeatable", "the same reasons are the same version", roles=SELLING),
    Right("POST", "/callbacks/wechat/pay", PROVIDER, "repeatable", "a notification id is heard once"),
    Right("POST", "/callbacks/wechat/refund", PROVIDER, "repeatable", "a notification id is heard once"),
    Right("POST", "/callbacks/wechat/transfer", PROVIDER, "repeatable", "a notification id is heard once"),
    Right("POST", "/callbacks/wechat/{family}/{shop}", PROVIDER, "repeatable", "a notification id is heard once"),
    Right("GET", "/callbacks/wechat/events", PROVIDER, "reads"),
    Right("POST", "/callbacks/wechat/events", PROVIDER, "repeatable", "an event is noted once, under its own id"),
    Right("POST", "/callbacks/sms/receipts", PROVIDER, "repeatable", "a receipt decides once"),
)


def right_for(method: str, path: str) -> Right:
    """The row of a route. Raises LookupError when nobody said who may call it."""
    for right in RIGHTS:
        if (right.method, right.path) == (method, path):
            return right
    raise LookupError(f"{method} {path} has no row in the table of rights (services/gateway/auth.py)")


def allow(right: Right, caller: Caller) -> None:
    """Raises a 403 problem when this kind of caller, or this role, may not use the route."""
    if caller.kind not in right.may or (caller.kind == "staff" and caller.role not in right.roles):
        raise Problem(
            403,
            "not-allowed",
            "当前账号无权使用这个接口。",
            "This account may not use this address.",
        )


def allow_scope(caller: Caller, scope: str, field: str) -> None:
    """Raises a 403 problem when the token lacks the scope that `field` of the body needs."""
    if scope not in caller.scope:
        raise Problem(
            403,
            "scope-missing",
            f"当前账号无权填写 {field},需要权限 {scope}。",
            f"{field} may be given only with the scope {scope}.",
            scope=scope,
        )
