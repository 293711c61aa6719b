"""The gateway between callers with tokens and fake services that remember what reached them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import httpx
import jwt
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi import FastAPI

from chassis.memory_database import MemoryDatabase
from chassis.store import StoreUnavailable
from services.gateway.api import Door
from services.gateway.auth import Kind, Right, Tokens
from services.gateway.clients import Service, Services
from services.gateway.identity import Keys, identity
from services.gateway.limits import Limits, connect
from services.gateway.main import build
from services.gateway.tokens import OWN, SANDBOX, Signer
from services.gateway.vault import Vault
from services.gateway.watching import Watch
from services.gateway.wechat import Wechat

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAMES = ("order", "payment", "inventory", "notify", "analytics")
NOWHERE = "redis://127.0.0.1:1/0"

Json = dict[str, Any]
T = TypeVar("T")
OWN_KEY = Ed25519PrivateKey.generate()
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""The same algorithm with as little work as it takes."""

ORDER: Json = {
    "currency": "CNY",
    "lines": [{"product_id": "tea", "quantity": 2, "unit_price_minor": 1050}],
    "contact": {"name": "张三", "phone": "13800138000"},
}
CANCELLATION: Json = {"reason": {"family": "customer", "code": "changed-mind"}}
REFERENCE: Json = {"number": "536365", "occurred_at": "2010-12-01T08:26:00Z"}

BODIES: dict[str, Json] = {
    "/mp/v1/orders": ORDER,
    "/mp/v1/orders/{order_id}/cancellation": CANCELLATION,
    "/mp/v1/orders/{order_id}/cases/{case_id}/rating": {"questionnaire": 1, "stars": 5, "answers": {"again": "yes"}},
    "/mp/v1/orders/{order_id}/alternatives": {"kind": "later-delivery", "day": "2026-03-20"},
    "/mp/v1/subscriptions": {"answers": {"template-1": "accept"}},
    "/admin/v1/orders/{order_id}/cancellation": CANCELLATION,
    "/mp/v1/orders/{order_id}/cancellation-preview": CANCELLATION,
    "/admin/v1/orders/{order_id}/cancellation-preview": CANCELLATION,
    "/admin/v1/cases/{case_id}/decision": {"approve": True},
    "/admin/v1/policies": {"rules": [{"name": "anything", "way": "allow"}], "note": "no rules"},
    "/admin/v1/policies/{version}/preview": {"since": "2026-01-01T00:00:00Z", "until": "2026-02-01T00:00:00Z"},
    "/admin/v1/policies/{version}/activation": {"instead_of": 0},
    "/admin/v1/orders/{order_id}/ship": {"carrier": "SF", "tracking_number": "SF1"},
    "/admin/v1/coupons/{code}": {"amount_minor": 500, "minimum_minor": 2000},
    "/admin/v1/tasks/{task_id}/parcel": {"found": "delivered"},
    "/admin/v1/reasons": {
        "reasons": [{"family": "system", "code": "fault", "zh": "系统故障", "en": "system fault"}],
        "instead_of": 0,
        "note": "fewer reasons",
    },
    "/admin/v1/tasks/{task_id}/done": {"note": "called the customer"},
    "/admin/v1/tasks/{task_id}/resolution": {"choice": "transfer"},
    "/admin/v1/tasks/resolutions": {"command": "try-again", "task_ids": ["o1-c1-t1"], "digest": "a" * 64},
    "/admin/v1/session/password": {"password": "x", "code": "123456", "new_password": "a longer one, 4711"},
    "/admin/v1/cases/{case_id}/bank-card": {
        "bank_type": "CMB_DEBIT",
        "bank_account": "6225880000000000",
        "real_name": "张三",
    },
    "/admin/v1/reconciliations/{shop}/{day}/differences/{n}/close": {"remark": "paid by hand, see the bank's paper"},
    "/admin/v1/orders/{order_id}/deletion": {
        "export_id": "a" * 64,
        "reason": "kept long enough",
        "code": "123456",
    },
    "/admin/v1/exports": {"order_ids": ["o1"], "sha256": "a" * 64},
    "/admin/v1/exports/{export_id}/deletion": {"reason": "to see", "dry_run": True},
    "/admin/v1/restorations": {"lines": ["{}"]},
    "/admin/v1/staff/{staff_id}": {"name": "王五", "role": "warehouse", "phone": "13900001111"},
    "/admin/v1/staff/{staff_id}/secrets": {},
    "/admin/v1/session": {"staff_id": "nobody", "password": "x", "code": "123456"},
    "/admin/v1/session/refresh": {"refresh_token": "x.1.x"},
    "/mp/v1/session": {"code": "c1:1"},
    "/mp/v1/session/refresh": {"refresh_token": "x.1.x"},
    "/admin/v1/codes": {"action": "cancel-order", "order_id": "o1", "amount_minor": 2100},
    "/admin/v1/products": {"products": [{"product_id": "tea", "name": "茶", "offers_minor": [1050]}]},
    "/admin/v1/stock-receipts": {"receipts": [{"receipt_id": "r1", "product_id": "tea", "quantity": 5}]},
}
"""A good body for each route that wants one."""


@dataclass
class Line:
    """The way to the gateway's database. `away`: operations that are not answered, such as "write audit";
    `crossed`: all that were asked for."""

    away: set[str] = field(default_factory=set)
    crossed: list[str] = field(default_factory=list)

    async def through(self, what: str, work: Callable[[], T]) -> T:
        self.crossed.append(what)
        if what in self.away:
            raise StoreUnavailable("away")
        return work()


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it reached a service. `target`: path and query, undecoded."""

    service: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        found: Json = json.loads(self.body)
        return found


@dataclass
class FakeServices:
    """Answer 200 `{"from": …}` to everything; orders belong to whom `owners` says; `answers` replace all that, by
    service, method and path, as `answer_by` does for a service where it answers anything. What the audit trail looks at
    around a deed is `looked` at, not `seen`."""

    owners: dict[str, str] = field(default_factory=lambda: {"o1": "c1"})
    answers: dict[tuple[str, str, str], httpx.Response | Exception] = field(default_factory=dict)
    away: set[str] = field(default_factory=set)
    seen: list[Seen] = field(default_factory=list)
    looked: list[Seen] = field(default_factory=list)
    in_deed: bool = False
    answer_by: dict[str, Callable[[str, str, bytes], httpx.Response | None]] = field(default_factory=dict)

    def transport(self, name: str) -> httpx.MockTransport:
        def answer(request: httpx.Request) -> httpx.Response:
            if name in self.away:
                raise httpx.ConnectError("refused")
            target = request.url.raw_path.decode()
            path = target.partition("?")[0]
            looks = self.in_deed and is_look(request.method, path, request.read())
            arrived = Seen(name, request.method, target, request.headers, request.read())
            (self.looked if looks else self.seen).append(arrived)
            own = self.answer_by.get(name)
            made = (
                own(request.method, path, request.read())
                if own and (name, request.method, path) not in self.answers
                else None
            )
            return made or self._answer(name, request.method, path)

        return httpx.MockTransport(answer)

    def _answer(self, name: str, method: str, path: str) -> httpx.Response:
        found = self.answers.get((name, method, path))
        if isinstance(found, Exception):
            raise found
        if found is not None:
            return found
        if (name, method) == ("order", "GET") and path.endswith("/deletion"):
            shown = {"erased_at": "2026-01-01T00:00:00Z", "confirmation": {"amount_minor": 1900}, "amount_minor": 1900}
            return httpx.Response(200, json=shown)
        if (name, method) == ("order", "GET") and path.endswith("/export"):
            return httpx.Response(200, json={"from": name})
        if (name, method) == ("order", "GET") and path.startswith("/orders/"):
            order_id, _, part = path.removeprefix("/orders/").partition("/")
            if part:
                return httpx.Response(200, json={"from": name})
            if order_id not in self.owners:
                return problem(404, "unknown-order")
            return httpx.Response(200, json={"order_id": order_id, "customer_id": self.owners[order_id]})
        return httpx.Response(200, json={"from": name})


def is_look(method: str, path: str, body: bytes) -> bool:
    """Whether a request that comes in the course of a deed changes nothing and is made for the audit trail."""
    if method == "POST":
        return path == "/orders/images" or (path == "/tasks/resolutions" and b'"request_id": "image"' in body)
    return method == "GET" and path.startswith(("/coupons/", "/stock/", "/policies", "/reasons", "/reconciliations/"))


def problem(status: int, code: str) -> httpx.Response:
    """A problem document as services write them."""
    document = {"type": f"urn:tuidan:problem:{code}", "title": code, "status": status, "code": code}
    document["detail"] = {"zh": "不行", "en": "no"}
    return httpx.Response(
        status, content=json.dumps(document).encode(), headers={"content-type": "application/problem+json"}
    )


class World:
    """One gateway and all it speaks with. `now` is what its clock says."""

    def __init__(self, *, rate: float = 0, redis: str = NOWHERE, patience: float = 5.0) -> None:
        self.now = NOW
        self.key = Ed25519PrivateKey.generate()
        self.fake = FakeServices()
        public = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        private = OWN_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        signer = Signer(private, self._clock)
        self.line = Line()
        self.database = MemoryDatabase(self.line)
        self.wechat: dict[str, Json | Exception] = {}
        account = Wechat(httpx.AsyncClient(transport=httpx.MockTransport(self._code2session)), "wx1", "appsecret")
        self.people = identity(
            Keys(signer, Vault("s" * 64)),
            cast(Any, self.database),
            connect(redis, patience),
            account,
            self._clock,
            CHEAP,
        )
        services = {name: Service(name, f"http://{name}", self.fake.transport(name)) for name in NAMES}
        self.limits = Limits(connect(redis, patience), rate, self._seconds)
        tokens = Tokens({SANDBOX: public, OWN: signer.public_pem}, self._clock)
        door = Door(Services(**services), tokens, self.limits, self.people)
        # Nobody looks by itself: a test says when.
        self.watch = Watch(door.services.order, lambda: self.now, self._seconds, seconds=1e9)
        self.app: FastAPI = build(door, self.watch)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://gateway")

    def _clock(self) -> datetime:
        return self.now

    def _code2session(self, request: httpx.Request) -> httpx.Response:
        found = self.wechat.get(request.url.params["js_code"], {"errcode": 40029, "errmsg": "invalid code"})
        if isinstance(found, Exception):
            raise found
        return httpx.Response(200, json=found)

    def _seconds(self) -> float:
        return self.now.timestamp()

    def token(self, sub: str = "c1", kind: Kind = "customer", *, key: Any = None, **claims: Any) -> str:
        """A token good for an hour. A claim that is None is left out."""
        own = {"openid": f"openid-{sub}", "group": "GB"} if kind == "customer" else {"role": "supervisor"}
        until = int((self.now + timedelta(hours=1)).timestamp())
        every = {"iss": "tuidan-sandbox", "aud": "tuidan", "sub": sub, "kind": kind, "exp": until, **own, **claims}
        given = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(given, key or self.key, algorithm="EdDSA")

    async def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: object = None,
        *,
        key: str | None = "key-1",
        **more: Any,
    ) -> httpx.Response:
        """One request. `body`: JSON, or bytes as they are. A stream that would not end ends after its first event."""
        self.watch.closed = path.endswith("/live")
        self.fake.in_deed = method != "GET"
        headers = {**more.pop("headers", {})}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return await self.http.request(method, path, headers=headers, content=content, **more)

    async def place(self, body: object = None, **more: Any) -> httpx.Response:
        """Place an order, as customer c1 where nothing else is said."""
        token = more.pop("token", None) or self.token()
        return await self.ask("POST", "/mp/v1/orders", token, ORDER if body is None else body, **more)

    async def aclose(self) -> None:
        await self.http.aclose()
        await self.limits.aclose()
        await self.people.aclose()


def filled(right: Right) -> tuple[str, str, Json | None]:
    """Method, path and body of a good request for a row of the table of rights."""
    ids = {"{order_id}": "o1", "{task_id}": "t1", "{case_id}": "o1-c1", "{product_id}": "tea", "{subject}": "orders"}
    ids |= {"{shop}": "house", "{day}": "2026-02-27", "{n}": "1", "{version}": "1", "{family}": "pay"}
    ids |= {"{export_id}": "a" * 64}
    ids |= {"{staff_id}": "wang"}
    path = right.path
    for name, value in ids.items():
        path = path.replace(name, value)
    path += {"/admin/v1/notices": "?order_id=o1", "/admin/v1/exports/orders": "?before=2026-01-01T00:00:00Z"}.get(
        right.path, ""
    )
    if right.method == "DELETE":
        return right.method, path, {}
    return right.method, path, BODIES.get(right.path, {} if right.method == "POST" else None)


def is_own(right: Right) -> bool:
    """Whether the gateway answers a route itself, and asks no service."""
    return right.path.startswith(
        ("/admin/v1/session", "/admin/v1/staff", "/admin/v1/audit", "/admin/v1/codes", "/mp/v1/session")
    )


def role_for(right: Right) -> str:
    """A role that may call the route, where staff may."""
    return min(right.roles, default="supervisor")


def expect_problem(answer: httpx.Response, status: int, code: str) -> Json:
    """The answer is this problem, complete, in both languages."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")
    document: Json = answer.json()
    assert document["code"] == code
    assert document["status"] == status
    assert document["type"] == f"urn:tuidan:problem:{code}"
    assert document["detail"]["zh"]
    assert document["detail"]["en"]
    return document
