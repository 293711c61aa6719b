"""What requests made from the OpenAPI document have found, each once more by itself."""

from __future__ import annotations

import json
import re

import pytest

from tests.unit.gateway.world import World, expect_problem


@pytest.mark.parametrize("when", ["0.5", "384", "1767225600", "2026-01-01"])
async def test_a_time_is_written_as_a_time(world: World, when: str) -> None:
    for path in ("/mp/v1/orders?until=", "/mp/v1/orders?from="):
        expect_problem(await world.ask("GET", path + when, world.token()), 422, "invalid-request")
    good = "/mp/v1/orders?until=2026-01-01T00:00:00Z"
    assert (await world.ask("GET", good, world.token())).status_code == 200


async def test_allow_names_every_method(world: World) -> None:
    for path, methods in (("/mp/v1/subscriptions", "GET, POST"), ("/admin/v1/session", "DELETE, POST")):
        answer = await world.ask("PATCH", path, world.token())
        expect_problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"] == methods


@pytest.mark.parametrize("id", ["a\x0fb", "a\\b", "\x7f", "a/b", " a", "\x85a"])
@pytest.mark.parametrize("field", ["product_id", "variant_of"])
async def test_a_product_has_an_id_that_an_address_can_name(world: World, field: str, id: str) -> None:
    body = {"products": [{"product_id": "tea", "name": "x", "offers_minor": [1], field: id}]}
    answer = await world.ask("POST", "/admin/v1/products", world.token("s1", "staff"), body)
    expect_problem(answer, 422, "invalid-request")


async def test_what_the_document_says_of_white_space_is_so_everywhere(world: World) -> None:
    """JSON Schema's and pydantic's `\\s` differ: no pattern in the document may leave them a choice."""
    document = (await world.http.get("/openapi.json")).text
    patterns = set(re.findall(r'"pattern":"((?:[^"\\\\]|\\\\.)*)"', document))
    assert len(patterns) > 5
    for pattern in patterns:
        plain = json.loads(f'"{pattern}"')
        assert "\\s" not in plain or all(one in plain for one in ("\\x85", "\\ufeff")), plain


async def test_no_more_at_once_than_the_service_behind_takes(world: World) -> None:
    one = {"product_id": "tea", "name": "x", "offers_minor": [1]}
    token = world.token("s1", "staff")
    assert (await world.ask("POST", "/admin/v1/products", token, {"products": [one] * 500})).status_code == 200
    answer = await world.ask("POST", "/admin/v1/products", token, {"products": [one] * 501})
    expect_problem(answer, 422, "invalid-request")


async def test_a_policy_may_speak_of_parcels_and_of_the_shops_own_reasons(world: World) -> None:
    rule = {"name": "late", "way": "allow", "states": ["shipped"], "codes": ["moved-house"]}
    body = {"rules": [rule], "note": "parcels"}
    answer = await world.ask("POST", "/admin/v1/policies", world.token("s1", "staff"), body)
    assert answer.status_code == 200, answer.text
    assert world.fake.seen[-1].json["rules"] == [rule]
    wrong = {**body, "rules": [{**rule, "codes": ["Moved House"]}]}
    refused = await world.ask("POST", "/admin/v1/policies", world.token("s1", "staff"), wrong)
    expect_problem(refused, 422, "invalid-request")


@pytest.mark.parametrize(
    "change",
    [
        {"family": "nobody"},
        {"code": "Moved House"},
        {"zh": ""},
        {"en": "x" * 31},
        {"solution_zh": "x" * 101},
        {"retired": 1},
        {"use": "Other"},
        {"counts_as": "moved-house"},
        {"about": {"$gt": ""}},
        {"en": None},
    ],
)
async def test_reasons_are_looked_at_at_the_door(world: World, change: dict[str, object]) -> None:
    reason = {"family": "customer", "code": "moved-house", "zh": "搬家", "en": "moved house"}
    token, body = world.token("s1", "staff"), {"reasons": [reason], "instead_of": 0, "note": "more"}
    assert (await world.ask("POST", "/admin/v1/reasons", token, body)).status_code == 200
    assert world.fake.seen[-1].json["reasons"] == [reason], "what was not said is not said"
    wrong = {**body, "reasons": [{**reason, **change}]}
    expect_problem(await world.ask("POST", "/admin/v1/reasons", token, wrong), 422, "invalid-request")


@pytest.mark.parametrize("id", ["x" * 100_000, "\ud800"])
async def test_what_no_id_can_be_is_not_looked_for(world: World, id: str) -> None:
    token, product = world.token("s1", "staff"), {"product_id": id, "name": "x", "offers_minor": [1]}
    body = {"products": [{**product, "product_id": "tea"}, product]}
    answer = await world.ask("POST", "/admin/v1/products", token, body)
    expect_problem(answer, 422, "invalid-request")
    assert not [seen for seen in world.fake.looked if "/stock/" in seen.target]
    day = f"/admin/v1/reconciliations/2026-02-27?shop={'%25' * 20_000}"
    expect_problem(await world.ask("POST", day, world.token("s1", "staff"), {}), 422, "invalid-request")
