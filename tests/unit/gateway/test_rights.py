"""Who gets through which route: the whole table, walked by everybody."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter
from fastapi.responses import Response
from starlette.routing import Mount, Route

from services.gateway.api import GuardedRoute, check_rights
from services.gateway.auth import ANYONE, PROVIDER, REMEMBERED, RIGHTS, Kind, Right
from tests.unit.gateway.world import World, expect_problem, filled, is_own, role_for

IDS = [f"{right.method} {right.path}" for right in RIGHTS]
EVERY_ROUTE = pytest.mark.parametrize("right", RIGHTS, ids=IDS)
SEEN_TO_BY_ORDER = "/mp/v1/orders/{order_id}/cancellation"
"""Whose order it is the order service looks at, before anything else (`wishes.expect_own`)."""
STRANGER = Ed25519PrivateKey.generate()


@EVERY_ROUTE
@pytest.mark.parametrize("kind", ["customer", "staff"])
async def test_the_right_kind_gets_through_and_the_wrong_one_does_not(world: World, right: Right, kind: Kind) -> None:
    own = {"role": role_for(right)} if kind == "staff" else {}
    token = world.token("c1" if kind == "customer" else "s1", kind, **own)
    method, path, body = filled(right)
    answer = await world.ask(method, path, token, body)
    if is_own(right) and (kind in right.may or right.may == ANYONE):
        assert answer.status_code != 403
        assert not world.fake.seen, "who is who is the gateway's own business"
    elif kind in right.may or right.may == PROVIDER:
        assert answer.status_code == 200, answer.text
        assert world.fake.seen
    else:
        expect_problem(answer, 403, "not-allowed")
        assert not world.fake.seen


@EVERY_ROUTE
async def test_no_answer_is_kept_on_its_way(world: World, right: Right) -> None:
    """`/mp/v1/orders` is one address for everybody: a cache in front of the gateway, or a browser that several people
    use, would show one the orders of another."""
    method, path, body = filled(right)
    for kind in ("customer", "staff"):
        token = world.token("c1") if kind == "customer" else world.token("s1", "staff", role=role_for(right))
        answer = await world.ask(method, path, token, body)
        assert answer.headers["cache-control"] == "no-store"
    assert (await world.ask(method, path, None, body)).headers["cache-control"] == "no-store"


@EVERY_ROUTE
async def test_another_customer_reaches_no_order_that_is_not_hers(world: World, right: Right) -> None:
    method, path, body = filled(right)
    answer = await world.ask(method, path, world.token("c2"), body)
    if right.path == SEEN_TO_BY_ORDER:
        (seen,) = world.fake.seen
        assert seen.target == path.removeprefix("/mp/v1"), "nothing but the wish itself"
        assert seen.json["by"] == {"kind": "customer", "id": "c2", "role": ""}, "the order service refuses it"
    elif right.path.startswith("/mp/v1/orders/{order_id}"):
        document = expect_problem(answer, 404, "unknown-order")
        assert [(seen.method, seen.target) for seen in world.fake.seen] == [("GET", "/orders/o1?view=customer")]
        missing = await world.ask(method, path.replace("o1", "o2"), world.token("c2"), body)
        assert missing.json() == document, "an order that does not exist must look the same"
    elif right.may == ANYONE or right.path == "/mp/v1/session":
        assert answer.status_code in {401, 409, 503}
    elif "customer" in right.may:
        assert answer.status_code == 200
        assert all("c1" not in seen.target and b"c1" not in seen.body for seen in world.fake.seen)
    else:
        assert answer.status_code in {200, 403}


@EVERY_ROUTE
@pytest.mark.parametrize(
    ("who", "code"),
    [
        ("nobody", "token-missing"),
        ("expired", "token-expired"),
        ("forged", "token-invalid"),
        ("other-audience", "token-invalid"),
    ],
)
async def test_nobody_else_gets_through(world: World, right: Right, who: str, code: str) -> None:
    kind: Kind = "staff" if "staff" in right.may else "customer"
    past = int((world.now - timedelta(seconds=1)).timestamp())
    token = {
        "nobody": None,
        "expired": world.token("c1", kind, exp=past),
        "forged": world.token("c1", kind, key=STRANGER),
        "other-audience": world.token("c1", kind, aud="somebody-else"),
    }[who]
    method, path, body = filled(right)
    answer = await world.ask(method, path, token, body)
    if right.may == PROVIDER:
        assert answer.status_code == 200, "the provider has no token"
        return
    if right.may == ANYONE:
        assert answer.json()["code"] in {"login-code-invalid", "sign-in-not-available", "session-ended"}
        return
    expect_problem(answer, 401, code)
    assert answer.headers["www-authenticate"].startswith('Bearer realm="tuidan"')
    assert not world.fake.seen


@EVERY_ROUTE
async def test_the_guard_comes_before_the_body(world: World, right: Right) -> None:
    method, path, _ = filled(right)
    if method == "GET" or right.may in {PROVIDER, ANYONE}:
        assert right.repeat == "reads" or right.may in {PROVIDER, ANYONE}
        return
    answer = await world.ask(method, path, None, b"{" * 2_000_000)
    expect_problem(answer, 401, "token-missing")


def unsigned(world: World) -> str:
    _, payload, _ = world.token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{none}.{payload}."


def signed_with_the_public_key(world: World) -> str:
    public = world.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    claims = jwt.decode(world.token(), options={"verify_signature": False})
    return jwt.encode(claims, public, algorithm="HS256")


def deep(world: World) -> str:
    nested = base64.urlsafe_b64encode(b"[" * 2_500).rstrip(b"=").decode()
    return f"{nested}.{world.token().partition('.')[2]}"


def tampered(world: World) -> str:
    header, payload, signature = world.token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    other = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "c2"}).encode()).rstrip(b"=").decode()
    return f"{header}.{other}.{signature}"


@pytest.mark.parametrize(
    "make",
    [
        unsigned,
        signed_with_the_public_key,
        deep,
        tampered,
        lambda world: "x",
        lambda world: "..",
        lambda world: "a.b.c",
        lambda world: "x" * 60_000,
        lambda world: world.token(iss="somebody"),
        lambda world: world.token(exp=None),
        lambda world: world.token(exp="soon"),
        lambda world: world.token(aud=None),
        lambda world: world.token(kind=None),
        lambda world: world.token(kind="root"),
        lambda world: world.token(openid=None),
        lambda world: world.token(openid="x" * 65),
        lambda world: world.token(".."),
        lambda world: world.token("a/../b"),
        lambda world: world.token("a\x00b"),
        lambda world: world.token("x" * 65),
        lambda world: world.token("s1", "staff", role=None),
        lambda world: world.token(scope="orders:import"),
    ],
)
async def test_a_token_that_is_not_right_in_every_point_is_refused(world: World, make: Callable[[World], str]) -> None:
    expect_problem(await world.ask("GET", "/mp/v1/orders", make(world)), 401, "token-invalid")
    assert not world.fake.seen


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "bearer\u00e9 x", "令牌"])
async def test_what_is_no_bearer_token_is_none(world: World, header: str) -> None:
    answer = await world.http.get("/mp/v1/orders", headers=[(b"authorization", header.encode())])
    expect_problem(answer, 401, "token-missing")


async def test_a_token_is_refused_from_the_second_it_expires_even_when_it_was_good_before(world: World) -> None:
    token = world.token()
    assert (await world.ask("GET", "/mp/v1/orders", token)).status_code == 200
    world.now += timedelta(hours=1)
    for _ in range(2):
        expect_problem(await world.ask("GET", "/mp/v1/orders", token), 401, "token-expired")


async def test_remembered_tokens_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert REMEMBERED <= 100_000
    monkeypatch.setattr("services.gateway.tokens.REMEMBERED", 2)
    for name in ("a", "b", "c", "a"):
        assert (await world.ask("GET", "/mp/v1/orders", world.token(name))).status_code == 200
    assert len(world.app.state.door.tokens._known) == 2


async def nothing() -> Response:
    return Response()


def test_a_route_without_a_row_fails_at_start() -> None:
    router = APIRouter(prefix="/admin/v1", route_class=GuardedRoute)
    with pytest.raises(LookupError, match="GET /admin/v1/everything has no row"):
        router.get("/everything")(nothing)
    with pytest.raises(LookupError, match="has no row"):
        router.api_route("/orders", methods=["GET", "POST"])(nothing)


@pytest.mark.parametrize("route", [Route("/secret", nothing), Mount("/files", routes=[])])
def test_a_route_past_the_guard_fails_at_start(world: World, route: Route | Mount) -> None:
    world.app.router.routes.append(route)
    with pytest.raises(LookupError, match="without asking"):
        check_rights(world.app)


def test_a_row_without_a_route_fails_at_start(world: World) -> None:
    check_rights(world.app)
    kept = [route for route in world.app.router.routes if getattr(route, "path", "") != "/mp/v1/inbox"]
    world.app.router.routes[:] = kept
    with pytest.raises(LookupError, match="nobody answers"):
        check_rights(world.app)


def test_the_table_says_of_every_route_what_a_repeat_does() -> None:
    assert len({(right.method, right.path) for right in RIGHTS}) == len(RIGHTS)
    for right in RIGHTS:
        assert (right.repeat == "reads") == (right.method == "GET")
        assert bool(right.why) == (right.repeat == "repeatable")


async def test_what_says_nothing_about_anybody_is_open(world: World) -> None:
    for path in ("/live", "/metrics", "/openapi.json"):
        assert (await world.ask("GET", path)).status_code == 200
    assert (await world.ask("GET", "/ready")).status_code == 503, "not started here"
