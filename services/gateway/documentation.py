"""`/openapi.json`: OpenAPI 3.1, made from the routes and the table of rights."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from chassis.problem import MEDIA_TYPE
from services.gateway.answers import CALLBACKS, good
from services.gateway.api import VERSIONED, GuardedRoute
from services.gateway.auth import ANYONE
from services.gateway.bodies import JsonBody
from services.gateway.model import KEY_PATTERN

Json = dict[str, Any]

VERSION = "1.0.0"
"""Of what the paths promise; /mp/v1 and /admin/v1 change their number when a promise is broken."""

_PROBLEM: Json = {
    "type": "object",
    "description": "RFC 9457. `code` is stable; `detail` says in Chinese and English what is wrong and what to do.",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri", "description": "urn:tuidan:problem:<code>, see docs/api/errors.md"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {
            "type": "object",
            "required": ["zh", "en"],
            "properties": {"zh": {"type": "string"}, "en": {"type": "string"}},
        },
        "errors": {
            "type": "array",
            "description": "with code invalid-request: the fields to correct",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "retry_after": {"type": "integer", "description": "seconds"},
    },
}

_TOKEN_PROBLEMS = {
    401: "token-missing, token-invalid, token-expired, session-ended, sign-in-refused, login-code-invalid",
    403: "not-allowed, scope-missing, code-wrong, customer-blocked",
    429: "too-many-requests, sign-in-locked, codes-too-often; the header Retry-After says when to try again",
}
_WORDS = {
    400: "idempotency-key-required, body-incomplete",
    404: "unknown-order or another unknown id",
    408: "body-too-slow",
    409: "refused as things stand",
    412: "version-changed: the order is not any more as If-Match says",
    413: "body-too-large",
    422: "invalid-request, or refused because of what the body says",
    503: "not-ready, or what is asked for is not available now; repeating the same request is safe",
}


_IF_MATCH: Json = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "the ETag of the order that was looked at: the change is made to that version, or not at all (412)",
    "schema": {"type": "string", "pattern": r'^(\*|(W/)?"[!#-~]*")$'},
    "example": '"7"',
}
_LIMITS: Json = {
    "RateLimit-Policy": {
        "description": 'requests (q) in seconds (w), as in "caller";q=400;w=2',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": 'requests left (r), seconds until all are there again (t), as in "caller";r=399;t=1',
        "schema": {"type": "string"},
    },
}
"""draft-ietf-httpapi-ratelimit-headers-11; absent while nobody is limited."""
_EVENT: Json = {
    "type": "object",
    "description": "each event: `order` carries the whole order as JSON and its version as id, `end` says why no more",
    "properties": {"event": {"enum": ["order", "end"]}, "id": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
_ETAG: Json = {"description": "the version of the order, for If-Match", "schema": {"type": "string"}}
_RETRY: Json = {"description": "seconds", "schema": {"type": "integer"}}
_ONE_ORDER = frozenset({"/mp/v1/orders/{order_id}", "/admin/v1/orders/{order_id}"})


def _headers(route: GuardedRoute) -> Json:
    """What comes with a good answer besides its body."""
    return {**(_LIMITS if route.right.may else {}), **({"ETag": _ETAG} if route.path in _ONE_ORDER else {})}


def serve_documentation(app: FastAPI) -> None:
    """Add the route `/openapi.json`; the document is made when it is first asked for."""
    made: list[JSONResponse] = []

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi() -> JSONResponse:
        if not made:
            made.append(JSONResponse(describe(app)))
        return made[0]


def describe(app: FastAPI) -> Json:
    """The OpenAPI document of the guarded routes."""
    routes = [route for route in app.routes if isinstance(route, GuardedRoute)]
    document: Json = get_openapi(title="Tuidan gateway", version=VERSION, openapi_version="3.1.0", routes=routes)
    wanted = {body.model for route in routes if (body := _body(route))}
    shown = {model for route in routes for model in _bodies(route).values() if model is not None}
    names, found = models_json_schema(
        [(model, "validation") for model in sorted(wanted, key=_name)]
        + [(model, "serialization") for model in sorted(shown, key=_name)],
        ref_template="#/components/schemas/{model}",
    )
    components = document.setdefault("components", {})
    # FastAPI describes its own form of a 422, which nobody here answers.
    own = {name: schema for name, schema in components.get("schemas", {}).items() if "ValidationError" not in name}
    components["schemas"] = own | {name: _closed(one) for name, one in found["$defs"].items()} | {"Problem": _PROBLEM}
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "EdDSA; aud tuidan"}
    }
    for route in routes:
        operation = document["paths"][route.path][route.right.method.lower()]
        body = _body(route)
        _complete(operation, route, names[body.model, "validation"] if body else None, body)
        _answered(
            operation, route, {model: names[model, "serialization"] for model in _bodies(route).values() if model}
        )
    return document


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _bodies(route: GuardedRoute) -> dict[int, type[BaseModel] | None]:
    """Status → body of the good answers that have one of our own form."""
    if not route.right.may:
        return {}
    answer = good(route.right.method, route.path)
    return {answer.status: answer.body, **dict(answer.other)}


def _on_the_wire(schema: Json) -> Json:
    """A parameter that may be left out: a text is never null."""
    kinds = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    rest = {name: value for name, value in schema.items() if name != "anyOf"}
    return {**rest, **kinds[0]} if len(kinds) == 1 else schema


def _closed(schema: Json) -> Json:
    """Where keys have a pattern no other key is taken; pydantic checks that, and does not say so."""
    for one in schema.get("properties", {}).values():
        if "patternProperties" in one:
            one.setdefault("additionalProperties", False)
    return schema


def _answered(operation: Json, route: GuardedRoute, schemas: dict[type[BaseModel], Json]) -> None:
    """Put the route's answers in place of what FastAPI guesses."""
    headers = _headers(route)
    made: Json = {}
    if not route.right.may:
        for status, media_type in CALLBACKS[route.path].items():
            content: Json = {"content": {media_type: {"schema": {}}}} if media_type else {}
            made[str(status)] = {"description": "as the provider wants it", **content}
    else:
        media_type = good(route.right.method, route.path).media_type
        for status, model in _bodies(route).items():
            described: Json = {"description": (model.__doc__ or "") if model else "", "headers": headers}
            if status != 204:
                described["content"] = {media_type: {"schema": schemas[model] if model else _EVENT}}
            made[str(status)] = described
    operation["responses"] = made | {
        status: answer for status, answer in operation["responses"].items() if not status.startswith("2")
    }


def _body(route: GuardedRoute) -> JsonBody[Any] | None:
    return next((one.call for one in route.dependant.dependencies if isinstance(one.call, JsonBody)), None)


def _complete(operation: Json, route: GuardedRoute, schema: Json | None, body: JsonBody[Any] | None) -> None:
    right = route.right
    if body:
        operation["requestBody"] = {
            "required": not body.may_be_empty,
            "content": {"application/json": {"schema": schema}},
        }
    if right.repeat == "needs-key":
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": True,
                "description": "the same when you try again: nothing happens twice",
                "schema": {"type": "string", "pattern": KEY_PATTERN},
            }
        )
    if route.path in VERSIONED:
        operation.setdefault("parameters", []).append(_IF_MATCH)
    if right.may and right.may != ANYONE:
        operation["security"] = [{"bearer": []}]
    if right.roles:
        operation["x-roles"] = sorted(right.roles)
    if right.why:
        operation["description"] = f"{operation.get('description', '')} A repeat does no harm: {right.why}.".strip()
    operation["x-callers"] = sorted(right.may) or ["provider"]
    for status, words in _problems(route).items():
        operation["responses"][str(status)] = {
            "description": words,
            "headers": {**(_LIMITS if right.may else {}), **({"Retry-After": _RETRY} if status in (429, 503) else {})},
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }


def _problems(route: GuardedRoute) -> dict[int, str]:
    right = route.right
    if not right.may:
        return {status: _WORDS[status] for status in (408, 413, 422) if status != 422 or "{" in route.path}
    statuses = {422, 503, *good(right.method, route.path).problems}
    if "{" in route.path:
        statuses.add(404)
    if right.method == "DELETE":
        statuses.add(409)
    if right.method != "GET":
        statuses |= {400, 408, 409, 413}
    if route.path in VERSIONED:
        statuses.add(412)
    return dict(sorted((_TOKEN_PROBLEMS | {status: _WORDS[status] for status in statuses}).items()))
