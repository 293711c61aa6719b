"""How the gateway starts, and what it says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from chassis.settings import load
from sandbox.keyfiles import write_pair
from services.gateway.auth import ANYONE, RIGHTS
from services.gateway.main import build, wire
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import Unauthorized
from tests.unit.gateway.world import World

URLS = ("ORDER_URL", "PAYMENT_URL", "INVENTORY_URL", "NOTIFY_URL", "ANALYTICS_URL")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    for number, name in enumerate(URLS):
        monkeypatch.setenv(f"TUIDAN_{name}", f"http://127.0.0.1:{8101 + number}")
    monkeypatch.setenv("TUIDAN_HTTP_PORT", "8080")
    monkeypatch.setenv("TUIDAN_REDIS", "redis://127.0.0.1:6379/0")
    monkeypatch.setenv("TUIDAN_KEYS", str(tmp_path))
    monkeypatch.setenv("TUIDAN_MONGO", "mongodb://127.0.0.1:1")
    monkeypatch.setenv("TUIDAN_TRUST_SANDBOX_TOKENS", "true")
    for name in ("gateway", "login"):
        write_pair(tmp_path, name, Ed25519PrivateKey.generate)
    for name in ("gateway-secret.txt", "appid.txt", "appsecret.txt"):
        (tmp_path / name).write_text("x" * 32)
    return monkeypatch


@pytest.mark.parametrize("name", [*URLS, "REDIS", "KEYS", "MONGO"])
def test_a_missing_variable_is_named(
    environment: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.delenv(f"TUIDAN_{name}")
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    assert f"TUIDAN_{name}: " in capsys.readouterr().err


@pytest.mark.parametrize("url", ["", "127.0.0.1:8101", "ftp://order", "http://order/path", "http://order?x"])
def test_an_address_that_is_none_is_named(
    environment: pytest.MonkeyPatch, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("TUIDAN_ORDER_URL", url)
    with pytest.raises(SystemExit):
        load(GatewaySettings)
    assert "TUIDAN_ORDER_URL: " in capsys.readouterr().err


@pytest.mark.parametrize("pem", ["nonsense", "elliptic"])
@pytest.mark.usefixtures("environment")
def test_a_key_that_is_none_is_named(pem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    content = other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo) if pem == "elliptic" else b"nonsense"
    (tmp_path / "login-public.pem").write_bytes(content)
    with pytest.raises(SystemExit):
        wire(load(GatewaySettings))
    assert "login-public.pem" in capsys.readouterr().err


async def test_a_password_costs_what_the_settings_say(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TUIDAN_PASSWORD_MEMORY_KIB", "64")
    environment.setenv("TUIDAN_PASSWORD_PASSES", "2")
    door = wire(load(GatewaySettings))
    assert (await door.identity.passwords.hashed("secret")).startswith("$argon2id$v=19$m=64,t=2,")


@pytest.mark.usefixtures("environment")
async def test_customers_sign_in_with_the_mini_program_that_they_open(tmp_path: Path) -> None:
    """A service provider acts for a merchant with a mini-program of its own: codes of that one mean nothing to the
    provider's."""
    (tmp_path / "appid.txt").write_text("wx-provider")
    assert wire(load(GatewaySettings)).identity.wechat.appid == "wx-provider"
    (tmp_path / "sub-appid.txt").write_text("wx-shop")
    assert wire(load(GatewaySettings)).identity.wechat.appid == "wx-shop"


@pytest.mark.usefixtures("environment")
async def test_it_starts_is_ready_and_stops_without_anybody_there() -> None:
    app = build(wire(load(GatewaySettings)))
    ready: list[dict[str, Any]] = []
    async with app.router.lifespan_context(app):
        await app(http("/ready"), nothing, keep(ready))
    await app(http("/ready"), nothing, keep(ready))
    assert [message["status"] for message in ready if message["type"] == "http.response.start"] == [200, 503]


async def test_the_document_describes_every_route(world: World) -> None:
    document = (await world.http.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert described == {(right.method, right.path) for right in RIGHTS}
    for right in RIGHTS:
        operation = document["paths"][right.path][right.method.lower()]
        assert bool(operation.get("security")) == bool(right.may and right.may != ANYONE)
        assert operation.get("x-roles", []) == sorted(right.roles)
        problems = {status for status in operation["responses"] if status >= "400"}
        if right.may:
            assert {"401", "403", "422", "429", "503"} <= problems
        for status in problems if right.may else ():
            assert list(operation["responses"][status]["content"]) == ["application/problem+json"]
        headers = {
            found["name"]: found["required"] for found in operation.get("parameters", []) if found["in"] == "header"
        }
        assert [name for name, required in headers.items() if required] == (
            ["Idempotency-Key"] if right.repeat == "needs-key" else []
        )
        streams = right.path.endswith("/live")
        assert ("Last-Event-ID" in headers) == streams
        assert ("text/event-stream" in operation["responses"].get("200", {}).get("content", {})) == streams


async def test_every_reference_in_the_document_leads_somewhere(world: World) -> None:
    document = (await world.http.get("/openapi.json")).json()
    found = set(references(document))
    assert "#/components/schemas/OrderWanted" in found
    for reference in found:
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            assert part in place, reference
            place = place[part]


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in references(value)]
    if isinstance(node, list):
        return [found for value in node for found in references(value)]
    return []


async def test_answers_are_counted_by_route_and_status(world: World) -> None:
    await world.ask("GET", "/mp/v1/orders/o1", world.token())
    await world.ask("GET", "/mp/v1/orders/!", world.token())
    metrics = (await world.http.get("/metrics")).text
    for status in (200, 422):
        line = f'tuidan_gateway_answers_total{{method="GET",route="/mp/v1/orders/{{order_id}}",status="{status}"}}'
        assert line in metrics


def http(path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
        "client": ("client", 1),
        "server": ("gateway", 80),
    }


async def nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


def keep(messages: list[dict[str, Any]]) -> Any:
    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    return send


@pytest.mark.parametrize(
    ("name", "content"),
    [("gateway-private.pem", "nonsense"), ("gateway-secret.txt", "short"), ("appsecret.txt", None)],
)
@pytest.mark.usefixtures("environment")
def test_a_key_of_its_own_that_is_none_is_named(
    name: str, content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(SystemExit):
        wire(load(GatewaySettings))
    assert name in capsys.readouterr().err


async def test_tokens_of_the_stand_in_count_only_where_the_settings_say_so(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    claims = {"iss": "tuidan-sandbox", "aud": "tuidan", "sub": "s1", "kind": "staff", "role": "administrator"}
    key = (tmp_path / "login-private.pem").read_text()
    header = "Bearer " + jwt.encode({**claims, "exp": 2_000_000_000_000}, key, algorithm="EdDSA")
    trusting = wire(load(GatewaySettings))
    assert trusting.tokens.caller(header).role == "administrator"
    environment.delenv("TUIDAN_TRUST_SANDBOX_TOKENS")
    (tmp_path / "login-public.pem").unlink()
    strict = wire(load(GatewaySettings))
    with pytest.raises(Unauthorized, match="token-invalid"):
        strict.tokens.caller(header)
    for door in (trusting, strict):
        await door.identity.aclose()
