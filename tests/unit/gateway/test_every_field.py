"""Words of the database, strange texts and strange numbers in every field of every body and every parameter of every
route, as the OpenAPI document lists them: whatever is new is tried by itself."""

from __future__ import annotations

import copy
import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.gateway.auth import ANYONE, PROVIDER, RIGHTS, Right
from services.gateway.documentation import describe
from tests.unit.gateway.hostile import OPERATORS, TEXTS
from tests.unit.gateway.world import Json, World, filled, role_for

Path = tuple[str | int, ...]

OURS = [right for right in RIGHTS if right.may != PROVIDER]
BY_ROUTE = pytest.mark.parametrize("right", OURS, ids=[f"{one.method} {one.path}" for one in OURS])
UNICODE = [
    "\u200b",
    "a\u200db",
    "\ufeffid",
    "\u202eevil\u202c",
    unicodedata.normalize("NFC", "é"),
    unicodedata.normalize("NFD", "é"),
    "\ud800\udc00",
    "\udfff",
    "\x7f",
    "\u2028",
]
NUMBERS = ["-1", "1e999", "-1e999", "NaN", "Infinity", "9" * 400, "0.1", "1E400", "-0"]
"""As they stand in JSON, or where a JSON writer would never put them."""


_MADE: list[Json] = []


def document_of(world: World) -> Json:
    """The OpenAPI document, made once."""
    if not _MADE:
        _MADE.append(describe(world.app))
    return _MADE[0]


def resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return resolved(kinds[0], document) if len(kinds) == 1 else schema


def fields(schema: Json, document: Json, here: Path = ()) -> Iterator[Path]:
    """Every place in a body."""
    schema = resolved(schema, document)
    if here:
        yield here
    for name, inner in schema.get("properties", {}).items():
        yield from fields(inner, document, (*here, name))
    if "items" in schema:
        yield from fields(schema["items"], document, (*here, 0))


def put(body: Any, path: Path, value: Any) -> Any:
    """The body with `value` at `path`; what is missing on the way is made."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(step, int):
        found = list(body) if isinstance(body, list) and body else [None]
        found[step] = put(found[step], rest, value)
        return found
    known = dict(body) if isinstance(body, dict) else {}
    known[step] = put(known.get(step), rest, value)
    return known


def body_schema(document: Json, right: Right) -> Json | None:
    operation = document["paths"][right.path][right.method.lower()]
    content = operation.get("requestBody", {}).get("content", {})
    found: Json | None = content.get("application/json", {}).get("schema")
    return found


async def send(world: World, right: Right, content: bytes) -> httpx.Response:
    kind = "staff" if "staff" in right.may else "customer"
    own: Json = {"role": role_for(right)} if kind == "staff" else {}
    token = None if right.may == ANYONE else world.token("c1" if kind == "customer" else "s1", kind, **own)  # type: ignore[arg-type]
    method, path, _ = filled(right)
    return await world.ask(method, path, token, content)


def judge(answer: httpx.Response, what: object) -> None:
    """No answer is a fault of ours, and every refusal is a whole problem document."""
    assert answer.status_code < 500 or answer.json()["code"] in AWAY, (answer.text, what)
    if answer.status_code >= 400:
        document = answer.json()
        assert document["code"] != "internal-error"
        assert document["detail"]["zh"]


AWAY = {"sign-in-not-available", "codes-not-available", "login-not-available"}
"""There is no Redis here: this is what that looks like."""


@BY_ROUTE
async def test_a_word_of_the_database_is_no_value_of_any_field(world: World, right: Right) -> None:
    document = document_of(world)
    schema = body_schema(document, right)
    good = filled(right)[2] or {}
    for path in fields(schema, document) if schema else ():
        dotted = ".".join(["body", *map(str, path)])
        for value in OPERATORS:
            if isinstance(value, list) and "items" in resolved_at(schema, document, path):
                continue
            answer = await send(world, right, json.dumps(put(copy.deepcopy(good), path, value)).encode())
            judge(answer, (path, value))
            assert answer.status_code == 422, (path, value, answer.text)
            blamed = [error["field"] for error in answer.json()["errors"]]
            assert any(f"{one}.".startswith(f"{dotted}.") for one in blamed), (path, value, blamed)
    asked = [seen for seen in world.fake.seen if b"$" in seen.body]
    assert not asked


def resolved_at(schema: Json | None, document: Json, path: Path) -> Json:
    found = resolved(schema or {}, document)
    for step in path:
        found = resolved(found["items"] if isinstance(step, int) else found["properties"][step], document)
    return found


@BY_ROUTE
async def test_strange_text_and_numbers_in_every_field_are_taken_as_they_are_or_refused(
    world: World, right: Right
) -> None:
    document = document_of(world)
    schema = body_schema(document, right)
    good = filled(right)[2] or {}
    for path in fields(schema, document) if schema else ():
        for text in (*TEXTS, *UNICODE):
            judge(await send(world, right, json.dumps(put(copy.deepcopy(good), path, text)).encode()), (path, text))
        marked = json.dumps(put(copy.deepcopy(good), path, "<here>"))
        for number in NUMBERS:
            answer = await send(world, right, marked.replace('"<here>"', number).encode())
            judge(answer, (path, number))
            if number in {"1e999", "-1e999", "NaN", "Infinity", "9" * 400, "1E400"}:
                assert answer.status_code in {422, 401}, (path, number, answer.text)
    for seen in world.fake.seen:
        if seen.body:
            json.loads(seen.body.decode(), parse_constant=lambda word: pytest.fail(f"{word} reached a service"))


@BY_ROUTE
async def test_nothing_strange_gets_through_any_parameter(world: World, right: Right) -> None:
    operation = document_of(world)["paths"][right.path][right.method.lower()]
    names = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"]
    method, path, body = filled(right)
    kind = "staff" if "staff" in right.may else "customer"
    own: Json = {"role": role_for(right)} if kind == "staff" else {}
    token = world.token("c1" if kind == "customer" else "s1", kind, **own)  # type: ignore[arg-type]
    for name in names:
        bare = path.partition("?")[0]
        for value in (
            '{"$gt": ""}',
            '{"$where": "1"}',
            "$ne",
            "x" * 5_000,
            "a\x00b",
            "1e999",
            "-1",
            "NaN",
            *UNICODE[:6],
        ):
            judge(await world.ask(method, bare, token, body, params={name: value}), (name, value))
        for trick in (f"{name}[$gt]", f"{name}[$where]", f"{name}.$ne"):
            answer = await world.ask(method, bare, token, body, params={trick: ""})
            assert answer.status_code == 422, (trick, answer.text)
    assert not [seen for seen in world.fake.seen if "%5B%24" in seen.target or "\x00" in seen.target]


def test_the_walk_sees_every_field(world: World) -> None:
    document = document_of(world)
    (place,) = [right for right in OURS if (right.method, right.path) == ("POST", "/mp/v1/orders")]
    found = set(fields(body_schema(document, place) or {}, document))
    assert {("lines",), ("lines", 0), ("lines", 0, "quantity"), ("contact", "phone"), ("reference", "number")} <= found
    asked = [right for right in OURS if body_schema(document, right)]
    assert len(asked) >= 35
