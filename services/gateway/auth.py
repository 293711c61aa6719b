"""Who is calling, and the one table of who may call what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from fastapi.responses import JSONResponse
from jwt.types import Options
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.clock import Clock
from chassis.problem import Problem
from services.gateway.model import NAME_PATTERN

ISSUER = "tuidan-sandbox"
AUDIENCE = "tuidan"
TOKEN_MAX = 4_096
REMEMBERED = 10_000

Kind = Literal["customer", "staff"]
Repeat = Literal["reads", "needs-key", "repeatable"]
"""What a second identical request does. `reads`: nothing ever changes. `needs-key`: only the Idempotency-Key tells a
repeat from a second wish. `repeatable`: a repeat changes nothing by itself, a key is welcome and not needed."""

CUSTOMER: frozenset[Kind] = frozenset({"customer"})
STAFF: frozenset[Kind] = frozenset({"staff"})
ANYONE_SIGNED_IN: frozenset[Kind] = CUSTOMER | STAFF
PROVIDER: frozenset[Kind] = frozenset()
"""No token: the service behind checks the provider's signature, where the provider signs."""
MONEY: frozenset[str] = frozenset({"administrator", "finance", "supervisor"})
"""Staff who answer for money."""
RULERS: frozenset[str] = frozenset({"administrator", "supervisor"})
"""Staff who make the shop's rules."""
KEEPERS: frozenset[str] = frozenset({"administrator", "supervisor"})
"""Staff who answer for what is kept of customers, and for how long."""


@dataclass(frozen=True, slots=True)
class Right:
    """One route, who may call it, and what a repeat does (`why` it does no harm). `roles`: which staff; empty: all."""

    method: str
    path: str
    may: frozenset[Kind]
    repeat: Repeat
    why: str = ""
    roles: frozenset[str] = frozenset()


RIGHTS: tuple[Right, ...] = (
    Right("GET", "/mp/v1/products", ANYONE_SIGNED_IN, "reads"),
    Right("POST", "/mp/v1/orders", CUSTOMER, "needs-key"),
    Right("GET", "/mp/v1/orders", CUSTOMER, "reads"),
    Right("GET", "/mp/v1/orders/{order_id}", CUSTOMER, "reads"),
    Right("DELETE", "/mp/v1/orders/{order_id}", CUSTOMER, "repeatable", "an order is hidden once"),
    Right("POST", "/mp/v1/orders/{order_id}/pay", CUSTOMER, "repeatable", "an order has one payment"),
    Right("POST", "/mp/v1/orders/{order_id}/cancellation", CUSTOMER, "needs-key"),
    Right("POST", "/mp/v1/orders/{order_id}/cancellation-preview", CUSTOMER, "repeatable", "it changes nothing"),
    Right("POST", "/mp/v1/orders/{order_id}/cases/{case_id}/withdrawal", CUSTOMER, "repeatable", "it is undone once"),
    Right("GET", "/mp/v1/orders/{order_id}/cases/{case_id}/transfer", CUSTOMER, "reads"),
    Right("GET", "/mp/v1/orders/{order_id}/alternatives", CUSTOMER, "reads"),
    Right("POST", "/mp/v1/orders/{order_id}/alternatives", CUSTOMER, "needs-key"),
    Right("GET", "/mp/v1/orders/{order_id}/live", CUSTOMER, "reads"),
    Right("GET", "/mp/v1/questionnaire", CUSTOMER, "reads"),
    Right("POST", "/mp/v1/orders/{order_id}/cases/{case_id}/rating", CUSTOMER, "repeatable", "a case is rated once"),
    Right("GET", "/mp/v1/inbox", CUSTOMER, "reads"),
    Right("GET", "/mp/v1/subscriptions", CUSTOMER, "reads"),
    Right("POST", "/mp/v1/subscriptions", CUSTOMER, "needs-key"),
    Right("GET", "/admin/v1/orders", STAFF, "reads"),
    Right("GET", "/admin/v1/orders/{order_id}", STAFF, "reads"),
    Right("GET", "/admin/v1/orders/{order_id}/live", STAFF, "reads"),
    Right("POST", "/admin/v1/orders/{order_id}/cancellation", STAFF, "needs-key"),
    Right("POST", "/admin/v1/orders/{order_id}/ship", STAFF, "repeatable", "an order is shipped once"),
    Right("POST", "/admin/v1/orders/{order_id}/deliver", STAFF, "repeatable", "an order is delivered once"),
    Right("POST", "/admin/v1/orders/{order_id}/complete", STAFF, "repeatable", "an order is completed once"),
    Right("POST", "/admin/v1/orders/{order_id}/cancellation-preview", STAFF, "repeatable", "it changes nothing"),
    Right("GET", "/admin/v1/orders/{order_id}/deletion", STAFF, "reads", roles=KEEPERS),
    Right("POST", "/admin/v1/orders/{order_id}/deletion", STAFF, "repeatable", "an order is erased once", KEEPERS),
    Right("GET", "/admin/v1/orders/{order_id}/export", STAFF, "reads", roles=KEEPERS),
    Right("GET", "/admin/v1/exports/orders", STAFF, "reads", roles=KEEPERS),
    Right("POST", "/admin/v1/exports", STAFF, "repeatable", "an export is known under its checksum", KEEPERS),
    Right("GET", "/admin/v1/exports/{export_id}/deletion", STAFF, "reads", roles=KEEPERS),
    Right("POST", "/admin/v1/exports/{export_id}/deletion", STAFF, "repeatable", "an order is erased once", KEEPERS),
    Right("POST", "/admin/v1/restorations", STAFF, "repeatable", "what is there already stays", KEEPERS),
    Right("GET", "/admin/v1/cases", STAFF, "reads"),
    Right("POST", "/admin/v1/cases/{case_id}/withdrawal", STAFF, "repeatable", "it is undone once"),
    Right("POST", "/admin/v1/cases/{case_id}/decision", STAFF, "repeatable", "a case is decided once"),
    Right("GET", "/admin/v1/policies", STAFF, "reads"),
    Right("GET", "/admin/v1/policies/{version}", STAFF, "reads"),
    Right("POST", "/admin/v1/policies", STAFF, "repeatable", "the same rules are the same version", RULERS),
    Right("POST", "/admin/v1/policies/{version}/preview", STAFF, "repeatable", "it changes nothing"),
    Right("POST", "/admin/v1/policies/{version}/activation", STAFF, "repeatable", "it is switched once", RULERS),
    Right("GET", "/admin/v1/tasks", STAFF, "reads"),
    Right("POST", "/admin/v1/tasks/{task_id}/done", STAFF, "repeatable", "a task is done once"),
    Right("POST", "/admin/v1/tasks/{task_id}/resolution", STAFF, "repeatable", "a task is resolved once", MONEY),
    Right("POST", "/admin/v1/cases/{case_id}/bank-card", STAFF, "repeatable", "the refund stays the same one"),
    Right("PUT", "/admin/v1/coupons/{code}", STAFF, "repeatable", "a coupon is put, whole, under its code"),
    Right("GET", "/admin/v1/summary", STAFF, "reads"),
    Right("POST", "/admin/v1/products", STAFF, "repeatable", "a product is put, whole, under its id"),
    Right("POST", "/admin/v1/stock-receipts", STAFF, "repeatable", "a receipt id counts once"),
    Right("GET", "/admin/v1/stock", STAFF, "reads"),
    Right("GET", "/admin/v1/stock/{product_id}", STAFF, "reads"),
    Right("POST", "/admin/v1/stock/recount", STAFF, "repeatable", "a recount compares and changes no stock"),
    Right("GET", "/admin/v1/figures/{subject}", STAFF, "reads"),
    Right("GET", "/admin/v1/notices", STAFF, "reads"),
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


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose token it is. `openid`, `group` and `shop` (whose merchant account they pay to) belong to customers, `role`
    to staff; `until` is a Unix time (s)."""

    kind: Kind
    sub: str
    openid: str
    group: str
    shop: str
    role: str
    scope: frozenset[str]
    until: float


class _Claims(BaseModel):
    model_config = ConfigDict(extra="ignore")
    kind: Kind
    sub: str = Field(pattern=NAME_PATTERN)
    openid: str = Field("", max_length=64)
    group: str = Field("", max_length=64)
    shop: str = Field("", pattern=r"^[0-9a-z-]{0,32}$")
    role: str = Field("", max_length=32)
    scope: tuple[str, ...] = ()
    exp: float = Field(allow_inf_nan=False)

    @model_validator(mode="after")
    def _complete(self) -> _Claims:
        if self.sub in {".", ".."}:
            raise ValueError("sub is a path")
        if not (self.openid if self.kind == "customer" else self.role):
            raise ValueError("a customer has an openid, a member of staff a role")
        return self


class Unauthorized(Problem):
    """Nobody is signed in."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(401, code, zh, en)

    def response(self) -> JSONResponse:
        """The problem with the challenge that RFC 9110 asks for."""
        answer = super().response()
        hint = "" if self.code == "token-missing" else ', error="invalid_token"'
        answer.headers["WWW-Authenticate"] = f'Bearer realm="tuidan"{hint}'
        return answer


class Tokens:
    """Verifies tokens: JWT, EdDSA with one Ed25519 key. A token that was good once is remembered until it expires,
    because a verification costs 0.1 ms."""

    def __init__(self, public_pem: str, clock: Clock) -> None:
        """Raises ValueError when the PEM holds no Ed25519 public key."""
        key = load_pem_public_key(public_pem.encode())
        if not isinstance(key, Ed25519PublicKey):
            raise ValueError("not an Ed25519 public key")
        self._key = key
        self._clock = clock
        self._known: dict[str, Caller] = {}

    def caller(self, authorization: str | None) -> Caller:
        """Who sent this Authorization header. Raises a 401 problem: token-missing, token-invalid, token-expired."""
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthorized(
                "token-missing", "请先登录:缺少 Authorization: Bearer 令牌。", "Sign in: the bearer token is missing."
            )
        caller = self._known.get(token) or self._verified(token)
        if caller.until <= self._clock().timestamp():
            self._known.pop(token, None)
            raise Unauthorized("token-expired", "登录已过期,请重新登录。", "The token has expired. Sign in again.")
        return caller

    def _verified(self, token: str) -> Caller:
        try:
            if len(token) > TOKEN_MAX:
                raise ValueError("longer than any token")
            claims = _Claims.model_validate(self._decoded(token))
        except (jwt.PyJWTError, ValueError) as wrong:
            raise Unauthorized(
                "token-invalid", "登录令牌无效,请重新登录。", "The token is not valid. Sign in again."
            ) from wrong
        caller = Caller(
            kind=claims.kind,
            sub=claims.sub,
            openid=claims.openid,
            group=claims.group,
            shop=claims.shop,
            role=claims.role,
            scope=frozenset(claims.scope),
            until=claims.exp,
        )
        if len(self._known) >= REMEMBERED:
            self._known.pop(next(iter(self._known)))
        self._known[token] = caller
        return caller

    def _decoded(self, token: str) -> object:
        # The expiry is judged in `caller`, by our clock. `iat` says nothing we rely on.
        checks: Options = {"require": ["exp", "sub", "aud", "iss"], "verify_exp": False, "verify_iat": False}
        return jwt.decode(token, self._key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER, options=checks)


def allow(right: Right, caller: Caller) -> None:
    """Raises a 403 problem when this kind of caller, or this role, may not use the route."""
    if caller.kind not in right.may or (right.roles and caller.role not in right.roles):
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
