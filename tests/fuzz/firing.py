"""Requests made from the OpenAPI document, fired at a town by every kind of caller, and what was found."""

from __future__ import annotations

import contextlib
import json
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx
import schemathesis
from schemathesis.checks import CheckContext
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.core.transport import Response
from schemathesis.engine import events, from_schema
from schemathesis.generation.case import Case

from services.gateway.auth import RIGHTS, Right
from services.gateway.roles import WORDS
from tests.fuzz.furnishing import Known
from tests.fuzz.town import Town

Phase = Literal["coverage", "fuzzing", "stateful"]
PHASES: tuple[Phase, ...] = ("coverage", "stateful", "fuzzing")
Json = dict[str, Any]

REQUEST_SECONDS = 30
_IF_MATCH = re.compile(r'\*\Z|(W/)?"')
ACCEPTED = ("2xx", "3xx", "401", "403", "404", "409", "429")
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]


@dataclass(frozen=True, slots=True)
class Gunner:
    """Somebody who calls: `who` is nobody, customer, or a role of the staff."""

    who: str
    token: str = ""

    def may(self, right: Right) -> bool:
        """Whether the route is for them."""
        if self.who == "nobody":
            return not right.may or "anyone" in right.may
        if self.who == "customer":
            return "customer" in right.may
        return "staff" in right.may and self.who in right.roles


@dataclass
class Finding:
    """One thing that is wrong with one operation, however often it was met."""

    operation: str
    title: str
    message: str
    curl: str
    answer: str
    who: set[str] = field(default_factory=set)
    times: int = 0

    def __str__(self) -> str:
        seen = f"{self.operation}: {self.title} ({self.times} times, by {', '.join(sorted(self.who))})"
        return "\n".join(
            [seen, *(f"    {line}" for line in self.message.splitlines()), f"    {self.curl}", self.answer]
        )


@dataclass
class Report:
    """What came of a run. `answers`: operation, status → how many."""

    cases: int = 0
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    by_phase: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)

    @property
    def never_good(self) -> list[str]:
        """Operations that were never answered with a good status, and with which they were."""
        good = {operation for operation, status in self.answers if status < 300}
        found: dict[str, list[str]] = {}
        for (operation, status), times in sorted(self.answers.items()):
            if operation not in good:
                found.setdefault(operation, []).append(f"{status}: {times}")
        return [f"{operation} ({', '.join(statuses)})" for operation, statuses in found.items()]

    def note(self, gunner: Gunner, event: events.ScenarioFinished) -> int:
        """Take over what one scenario met; how many requests it made."""
        recorder, made = event.recorder, 0
        for id, interaction in recorder.interactions.items():
            if interaction.response is None:
                continue
            made += 1
            label = recorder.cases[id].value.operation.label if id in recorder.cases else recorder.label
            self.answers[label, interaction.response.status_code] += 1
            for check in recorder.checks.get(id, ()):
                self.checks[check.name] += 1
                if check.failure_info is not None:
                    self._find(gunner, label, check.failure_info.failure, check.failure_info.code_sample, interaction)
        self.cases += made
        self.by_phase[event.phase.value] += made
        return made

    def blame(self, gunner: Gunner, event: events.NonFatalError) -> None:
        """Note what cannot be fired at: a description that nothing can be made from."""
        key = (event.label, event.info.title, event.info.message or "")
        found = self.findings.setdefault(key, Finding(*key, "", ""))
        found.who.add(gunner.who)
        found.times += 1

    def _find(self, gunner: Gunner, label: str, failure: Failure, curl: str, interaction: Any) -> None:
        body = interaction.response.content[:600].decode("utf-8", "replace")
        answer = f"    → {interaction.response.status_code} {body}"
        key = (label, failure.title, failure.message.partition("\n")[0])
        found = self.findings.setdefault(key, Finding(label, failure.title, failure.message, curl, answer))
        found.who.add(gunner.who)
        found.times += 1


@schemathesis.check
def a_valid_request_is_not_invalid(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What the document says is a good request is never refused for its shape. That it may be refused as things stand
    (an unknown product, a cursor of nobody, a period too long) is what 404, 409 and 422 are for, and the document
    says so; `positive_data_acceptance` alone cannot tell the two apart."""
    if case.meta is None or not case.meta.generation.mode.is_positive or response.status_code not in {400, 422}:
        return
    if case.method.upper() != case.operation.method.upper():
        return
    with contextlib.suppress(ValueError):
        document = response.json()
        # A rule of ours over several fields, which no schema can say, is refused with a sentence of ours.
        if all(error["message"].startswith("Value error") for error in document.get("errors", ({"message": ""},))):
            return
        if [error["field"] for error in document.get("errors", ())] == ["header.If-Match"] and not _IF_MATCH.match(
            str(dict(case.headers or {}).get("If-Match"))
        ):
            return  # schemathesis fills a header that it has a format of its own for with 0, whatever its pattern says
        if all(_is_pattern_of_parameter(error) for error in document.get("errors", ({},))):
            return
        if document.get("code") in {"invalid-request", "idempotency-key-required"}:
            raise AssertionError(f"refused as invalid: {response.text[:1_000]}")


def _is_pattern_of_parameter(error: Json) -> bool:
    """In a story a value is taken over from an answer (an id that is null, say) and put into the next request unseen;
    the pattern it breaks there is the one that the document has."""
    place = str(error.get("field", "")).partition(".")[0]
    return place in {"path", "query", "header"} and "should match pattern" in error["message"]


@schemathesis.hook
def map_body(ctx: Any, body: Any) -> Any:
    """JSON Schema takes 16.0 for an integer and cannot say otherwise; we take no number with a point for one, so that
    nobody's rounding goes unseen. To the document both are the same value."""
    return _whole(body)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def closed(document: Json) -> Json:
    """The document with every answer closed: a field that is not described is a finding. In the document itself they
    are open, because readers ignore what they do not know."""
    copy: Json = json.loads(json.dumps(document))
    schemas = copy["components"]["schemas"]
    reached: set[str] = set()
    todo: list[Any] = [operation["responses"] for path in copy["paths"].values() for operation in path.values()]
    while todo:
        place = todo.pop()
        if isinstance(place, list):
            todo.extend(place)
        elif isinstance(place, dict):
            todo.extend(place.values())
            name = str(place.get("$ref", "")).rpartition("/")[2]
            if name and name not in reached | {"Problem"}:
                reached.add(name)
                schemas[name].setdefault("additionalProperties", False)
                todo.append(schemas[name])
    return copy


def knowing(document: Json, known: Known) -> Json:
    """The document with the town's own ids among those that are made up: with random ones alone a route that needs one
    would only ever answer that there is no such thing."""
    copy: Json = json.loads(json.dumps(document))
    operations = [operation for path in copy["paths"].values() for operation in path.values()]
    for operation in operations:
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path" and (ids := known.get(parameter["name"])):
                parameter["schema"] = {"anyOf": [{"enum": ids}, parameter["schema"]]}
    schemas = copy["components"]["schemas"]
    for operation in operations:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        _know(body, schemas, known, set())
    return copy


def _know(place: Any, schemas: Json, known: Known, seen: set[str]) -> None:
    """Put ids into the fields of a body that are called by their name."""
    if isinstance(place, list):
        for one in place:
            _know(one, schemas, known, seen)
        return
    if not isinstance(place, dict):
        return
    name = str(place.get("$ref", "")).rpartition("/")[2]
    if name and name not in seen:
        seen.add(name)
        _know(schemas[name], schemas, known, seen)
    fields = place.get("properties")
    if isinstance(fields, dict):
        for field_name, schema in fields.items():
            if (ids := known.get(field_name)) and schema.get("type") == "string" and "enum" not in schema:
                fields[field_name] = {"anyOf": [{"enum": ids}, schema]}
    for inner in place.values():
        _know(inner, schemas, known, seen)


def gunners(town: Town, customer: str) -> list[Gunner]:
    """One of each kind, signed in."""
    with httpx.Client(base_url=town.sandbox, trust_env=False) as sandbox:

        def token(kind: str, **who: str) -> str:
            answer = sandbox.post(f"/_login/{kind}", json=who)
            return str(answer.raise_for_status().json()["token"])

        staff = [Gunner(role, token("staff", staff_id=f"fuzz-{role}", role=role)) for role in sorted(WORDS)]
        return [Gunner("nobody"), Gunner("customer", token("customer", customer_id=customer)), *staff]


def fire(town: Town, document: Json, gunner: Gunner, phase: Phase, budget: int, seed: int, report: Report) -> None:
    """Let one caller fire about `budget` requests, chosen by `seed`."""
    mine = [right for right in RIGHTS if gunner.may(right)]
    random.Random(f"{seed}/{gunner.who}/{phase}").shuffle(mine)
    if phase != "stateful":
        mine = mine[: max(1, min(len(mine), budget // 3))]
    config = _config(town, gunner, phase, budget, len(mine), seed)
    chosen = {(right.method, right.path) for right in mine}
    schema = schemathesis.openapi.from_dict(closed(document), config=config).include(
        lambda ctx: (ctx.operation.method.upper(), ctx.operation.path) in chosen
    )
    stream = from_schema(schema).execute()
    made = 0
    for event in stream:
        if isinstance(event, events.FatalError):
            raise event.exception
        if isinstance(event, events.NonFatalError):
            report.blame(gunner, event)
        if isinstance(event, events.ScenarioFinished):
            made += report.note(gunner, event)
            if made >= budget:
                stream.stop()


def _config(town: Town, gunner: Gunner, phase: Phase, budget: int, operations: int, seed: int) -> SchemathesisConfig:
    examples = max(1, -(-budget // max(1, operations)))
    settings: Json = {
        "seed": seed,
        "base-url": town.gateway,
        "continue-on-failure": True,
        "request-timeout": REQUEST_SECONDS,
        # A stream of live status does not end by itself.
        "max-stream-events": 1,
        "warnings": False,
        # See `a_valid_request_is_not_invalid`; 412: If-Match names a version that is gone; 400: a provider's own form.
        # 413: whatever is in it, a body that is too long is not read.
        "checks": {
            "positive_data_acceptance": {"expected-statuses": [*ACCEPTED, "400", "412", "413", "422"]},
            "negative_data_rejection": {"expected-statuses": REFUSED},
        },
        # The address is also that of a product named recount, which GET shows: the union is true.
        "operations": [
            {"include-path": "/admin/v1/stock/recount", "checks": {"allow_header_conformance": {"enabled": False}}}
        ],
        "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
        "phases": {
            "examples": {"enabled": False},
            **{one: {"enabled": one == phase} for one in PHASES},
        },
    }
    if gunner.token:
        settings["headers"] = {"Authorization": f"Bearer {gunner.token}"}
    return SchemathesisConfig.from_dict(settings)
