"""What every door of the gateway has in common: the guard before each route, reading a body, handing on an answer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, ConfigDict, Field

from chassis import clock
from chassis.problem import Problem, invalid_request, unavailable
from chassis.store import StoreUnavailable
from contracts.order import Actor
from services.gateway.auth import ANYONE, RIGHTS, Caller, Right, Tokens, allow, right_for
from services.gateway.bodies import read
from services.gateway.clients import JSON_TYPE, Answer, Header, Service, Services
from services.gateway.identity import Identity
from services.gateway.images import About, Seen, image, seen
from services.gateway.limits import Headers, Limits, TooMany, network_of
from services.gateway.model import KEY_PATTERN, NAME_PATTERN, ORDER_ID_PATTERN
from services.gateway.sessions import ended
from services.gateway.trail import Deed, readable, shown_in_trail

VERSIONED = frozenset(
    {
        *(f"/admin/v1/orders/{{order_id}}/{change}" for change in ("cancellation", "ship", "deliver", "complete")),
        *(f"/admin/v1/tasks/{{task_id}}/{change}" for change in ("done", "resolution", "parcel")),
        *(f"/admin/v1/cases/{{case_id}}/{change}" for change in ("withdrawal", "decision")),
    }
)
"""Changes that honour `If-Match`: they are made to the version that was looked at, or not at all (412)."""

OPEN = frozenset({"/live", "/ready", "/metrics", "/openapi.json"})
"""What answers without a row in the table of rights: it says nothing about anybody."""

ANSWERS = Counter("tuidan_gateway_answers_total", "Answers given, by route and status", ["method", "route", "status"])
SECONDS = Histogram("tuidan_gateway_request_seconds", "From request to answer, by route", ["method", "route"])

_KEY = re.compile(KEY_PATTERN.replace("$", r"\Z"))
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}\Z")

log = structlog.get_logger()

OrderId = Annotated[str, Path(pattern=ORDER_ID_PATTERN, description="id of an order")]
TaskId = Annotated[str, Path(pattern=NAME_PATTERN, description="id of a task")]
CaseId = Annotated[str, Path(pattern=NAME_PATTERN, description="id of a cancellation case")]
Code = Annotated[str, Path(pattern=NAME_PATTERN, description="code of a coupon")]
ProductId = Annotated[str, Path(pattern=NAME_PATTERN, description="id of a product")]

Word = Annotated[str, Field(pattern=r"^[a-z][a-z-]{0,31}$")]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class Page(BaseModel):
    """Which part of a list: what follows `after` (the `next` of the page before), at most `limit` rows."""

    model_config = ConfigDict(extra="forbid")
    after: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{0,64}$")] | None = None
    limit: int = Field(50, ge=1, le=500)


@dataclass(frozen=True, slots=True)
class Door:
    """What the routes work with."""

    services: Services
    tokens: Tokens
    limits: Limits
    identity: Identity


@dataclass(frozen=True, slots=True)
class Call:
    """One request of somebody who may make it. `key`: its Idempotency-Key, empty where the route needs none;
    `given_key`: the same, wherever one was sent. `address`: where it came from. `if_match`: the version it is meant
    for, as it came."""

    services: Services
    caller: Caller
    key: str
    identity: Identity
    address: str
    if_match: str | None = None
    given_key: str = ""

    @property
    def actor(self) -> Actor:
        """Who is acting, as the services are told."""
        return Actor(kind=self.caller.kind, id=self.caller.sub, role=self.caller.role)

    @property
    def conditions(self) -> list[Header]:
        """Headers of a change that a service makes only when nothing has changed meanwhile; see `VERSIONED`."""
        return [JSON_TYPE] if self.if_match is None else [JSON_TYPE, (b"if-match", self.if_match.encode("latin-1"))]


def door(request: Request) -> Door:
    """The door this request came through."""
    found: Door = request.app.state.door
    return found


async def _call(request: Request) -> Call:
    found: Call = request.state.call
    return found


async def _services(request: Request) -> Services:
    return door(request).services


Calling = Annotated[Call, Depends(_call)]
Behind = Annotated[Services, Depends(_services)]
"""For routes that nobody signs in for."""


class GuardedRoute(APIRoute):
    """A route that is in the table of rights, and keeps to it: who is calling, may they, not too often, with a key
    where one is needed. All of it before a byte of the body is read. Raises LookupError when it has no row."""

    right: Right

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with the guard before it."""
        # A route for two methods is no row of the table and fails here, too.
        right = self.right = right_for(",".join(sorted(self.methods or ())), self.path)
        handle = super().get_route_handler()
        seconds = SECONDS.labels(right.method, right.path)

        async def guarded(request: Request) -> Response:
            began, status, word = clock.monotonic(), 500, "internal-error"
            limits: Headers = {}
            try:
                limits = await _admit(right, request)
                if right.is_deed:
                    await _intend(right, request)
                response = await handle(request)
                status, word = response.status_code, ""
            except (Problem, StoreUnavailable) as trouble:
                problem = trouble if isinstance(trouble, Problem) else unavailable()
                response, status, word = problem.response(), problem.status, problem.code
                limits = problem.headers if isinstance(problem, TooMany) else limits
            except RequestValidationError as wrong:
                response, status, word = invalid_request(wrong.errors()).response(), 422, "invalid-request"
            finally:
                ANSWERS.labels(right.method, right.path, status).inc()
                seconds.observe(clock.monotonic() - began)
                if right.is_deed:
                    await _note_outcome(right, request, status, word)
            # Many are one address for everybody: who keeps them on the way shows one caller's to another.
            response.headers.update({"Cache-Control": "no-store", **limits})
            return response

        return guarded


async def _admit(right: Right, request: Request) -> Headers:
    """Let the caller in, or raise a problem; what they are told about their limits."""
    here = door(request)
    if not right.may:
        return {}
    if right.may == ANYONE:
        return await here.limits.spend("address", network_of(address_of(request)))
    caller = request.state.caller = here.tokens.caller(request.headers.get("authorization"))
    # A customer who signed out is let in until the token ends; a member of staff is not.
    if caller.kind == "staff" and caller.session and not await here.identity.sessions.is_alive(caller.session):
        raise ended()
    limits = await here.limits.spend(caller.kind, caller.sub)
    allow(right, caller)
    key = _key(request) if right.repeat == "needs-key" else ""
    if_match = request.headers.get("if-match")
    address, given = address_of(request), _given_key(request)
    request.state.call = Call(here.services, caller, key, here.identity, address, if_match, given)
    return limits


def address_of(request: Request) -> str:
    """The network address a request came from. Behind a proxy it is the one the proxy names, if uvicorn was told to
    believe it (FORWARDED_ALLOW_IPS)."""
    address, state = request.client.host if request.client else "", request.app.state
    named = request.headers.get("x-forwarded-for")
    if named is not None and address not in named and not getattr(state, "proxy_told", False):
        state.proxy_told = True
        log.warning(
            "callers are not told apart: X-Forwarded-For comes from where it is not believed, see FORWARDED_ALLOW_IPS",
            peer=address,
        )
    return address


async def _intend(right: Right, request: Request) -> None:
    """Put into the audit trail what is about to be done, and how things stand. Raises StoreUnavailable: then it is not
    done."""
    here, content = door(request), await read(request, right.body_max)
    request.state.content = content
    about = About(
        here.services, here.identity.staff, request.state.caller, request.path_params, request.url.query, content
    )
    what = await seen((right.method, right.path), about)
    before = shown_in_trail(await image(what, about))
    deed = _deed(right, request, request.state.caller, readable(content), what, before)
    request.state.entry = await here.identity.trail.intend(deed)
    request.state.look = lambda: image(what, about)


async def _note_outcome(right: Right, request: Request, status: int, word: str) -> None:
    """Complete the entry of the audit trail, or make one for what was refused before it could be done. What is refused
    because it comes too often is not written down: that would do what the limit is there against."""
    trail, entry = door(request).identity.trail, getattr(request.state, "entry", None)
    if entry is not None:
        after = ""
        if status < 400:
            try:
                after = shown_in_trail(await request.state.look())
            except StoreUnavailable:
                log.warning("the audit trail has no image after a deed", entry=entry)
        await trail.done(entry, status, word, after)
        return
    caller = getattr(request.state, "caller", None)
    if caller is None or status in {429, 503}:
        return
    try:
        await trail.intend(_deed(right, request, caller, ""), status, word)
    except StoreUnavailable:
        log.error("the audit trail misses a refusal", route=right.path, status=status)


_NOT_LOOKED = Seen(None, ())


def _deed(
    right: Right, request: Request, caller: Caller, body: str, what: Seen = _NOT_LOOKED, before: str = ""
) -> Deed:
    subjects = [*(str(one) for one in request.path_params.values()), *what.subjects]
    return Deed(
        staff=caller.sub,
        role=caller.role or caller.kind,
        method=right.method,
        route=right.path,
        path=request.url.path,
        query=request.url.query,
        subjects=tuple(dict.fromkeys(subjects)),
        address=address_of(request),
        request_id=_request_id(request),
        body=body,
        before=before,
    )


def _request_id(request: Request) -> str:
    """The caller's own name for this request, where it has one, else one that nobody else has."""
    given = request.headers.get("x-request-id", "")
    return given if _REQUEST_ID.match(given) else secrets.token_hex(8)


def _given_key(request: Request) -> str:
    """Empty where there is none, or what is there is none."""
    keys = request.headers.getlist("idempotency-key")
    return keys[0] if len(keys) == 1 and _KEY.match(keys[0]) else ""


def _key(request: Request) -> str:
    key = _given_key(request)
    if not key:
        raise Problem(
            400,
            "idempotency-key-required",
            "请求头 Idempotency-Key 必填:1 到 128 个可见 ASCII 字符,重试时保持不变。",
            "The header Idempotency-Key is required: 1 to 128 visible ASCII characters, the same when you try again.",
        )
    return key


def check_rights(app: FastAPI) -> None:
    """Raises LookupError when a route is not guarded, or a row of the table has no route."""
    guarded = {(route.right.method, route.right.path) for route in app.routes if isinstance(route, GuardedRoute)}
    for route in app.routes:
        if not isinstance(route, GuardedRoute) and getattr(route, "path", None) not in OPEN:
            raise LookupError(f"{route!r} answers without asking the table of rights")
    for right in RIGHTS:
        if (right.method, right.path) not in guarded:
            raise LookupError(f"{right.method} {right.path} is in the table of rights and nobody answers it")


def passed_on(answer: Answer) -> Response:
    """A service's answer, unchanged."""
    return Response(answer.body, answer.status, dict(answer.headers))


async def fetched(service: Service, path: str, query: BaseModel) -> Response:
    """What a service shows at `path`, for the parameters in `query` that are set."""
    return passed_on(await service.ask("GET", path, query=query.model_dump(exclude_none=True)))


def told(model: BaseModel) -> bytes:
    """A model as the JSON body of a request to a service; what is not set is left out."""
    return model.model_dump_json(exclude_none=True).encode()


Listing = Annotated[Page, Query()]
