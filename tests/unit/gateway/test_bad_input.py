"""Bad input: each is a problem document, and no service hears of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import pytest

from services.gateway.bodies import LINGER_BYTES
from tests.unit.gateway.world import BODIES, CANCELLATION, ORDER, World, expect_problem


def order(**changes: Any) -> dict[str, Any]:
    return {**ORDER, **changes}


def line(**changes: Any) -> dict[str, Any]:
    return order(lines=[{**ORDER["lines"][0], **changes}])


def contact(**changes: Any) -> dict[str, Any]:
    return order(contact={**ORDER["contact"], **changes})


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in ORDER.items() if key != name}


def reference(number: object = "1", at: object = "2010-12-01T08:26:00Z") -> dict[str, Any]:
    return order(reference={"number": number, "occurred_at": at})


BAD_ORDERS: list[tuple[object, str]] = [
    (b"", "body"),
    (b"{", "body"),
    (b"null", "body"),
    (b"[]", "body"),
    (b'"order"', "body"),
    (b"\xff\xfe", "body"),
    (b'{"currency":"\\ud800"}', "body"),
    (b"[" * 100_000, "body"),
    (b'{"lines":' * 50_000, "body"),
    (b"1" * 100_000, "body"),
    (b'{"currency": NaN}', "body.currency"),
    (without("lines"), "body.lines"),
    (without("contact"), "body.contact"),
    (without("currency"), "body.currency"),
    (order(extra=1), "body.extra"),
    (order(customer_id="c2"), "body.customer_id"),
    (order(lines=[]), "body.lines"),
    (order(lines={}), "body.lines"),
    (order(lines=[None]), "body.lines.0"),
    (order(lines=[ORDER["lines"][0]] * 2_001), "body.lines"),
    (order(currency="cny"), "body.currency"),
    (order(currency="CNY\n"), "body.currency"),
    (order(currency=156), "body.currency"),
    (order(coupon="x" * 65), "body.coupon"),
    (line(quantity=0), "body.lines.0.quantity"),
    (line(quantity=-1), "body.lines.0.quantity"),
    (line(quantity=1_000_001), "body.lines.0.quantity"),
    (line(quantity=10**30), "body.lines.0.quantity"),
    (line(quantity="2"), "body.lines.0.quantity"),
    (line(quantity=2.5), "body.lines.0.quantity"),
    (line(quantity=True), "body.lines.0.quantity"),
    (line(quantity=None), "body.lines.0.quantity"),
    (line(unit_price_minor=-1), "body.lines.0.unit_price_minor"),
    (line(unit_price_minor=10**12 + 1), "body.lines.0.unit_price_minor"),
    (line(unit_price_minor="10.50"), "body.lines.0.unit_price_minor"),
    (line(product_id=""), "body.lines.0.product_id"),
    (line(product_id="x" * 65), "body.lines.0.product_id"),
    (line(product_id=7), "body.lines.0.product_id"),
    (line(discount_minor=1), "body.lines.0.discount_minor"),
    (contact(name=""), "body.contact.name"),
    (contact(phone="138-0013"), "body.contact.phone"),
    (contact(phone="１３８００１３８０００"), "body.contact.phone"),
    (contact(openid="somebody-else"), "body.contact.openid"),
    (contact(language="fr"), "body.contact.language"),
    (reference(number=""), "body.reference.number"),
    (reference(at="yesterday"), "body.reference.occurred_at"),
    (reference(at="2010-12-01T08:26:00"), "body.reference.occurred_at"),
    (reference(at="0001-01-01T00:00:00+14:00"), "body.reference.occurred_at"),
    (reference(at="9999-12-31T23:59:59-14:00"), "body.reference.occurred_at"),
    (reference(at=1291191960), "body.reference.occurred_at"),
]

BAD_CANCELLATIONS: list[tuple[object, str]] = [
    (b"{", "body"),
    ({}, "body.reason"),
    ({"reason": {"family": "customer", "code": "In a mood"}}, "body.reason.code"),
    ({"reason": {"family": "nobody", "code": "other"}}, "body.reason.family"),
    ({"reason": {"family": "customer", "code": "other", "remark": "x" * 201}}, "body.reason.remark"),
    ({**CANCELLATION, "lines": [{"line_no": 0, "quantity": 1}]}, "body.lines.0.line_no"),
    ({**CANCELLATION, "lines": [{"line_no": 1, "quantity": 0}]}, "body.lines.0.quantity"),
    ({**CANCELLATION, "lines": [{"line_no": 1}]}, "body.lines.0.quantity"),
    ({**CANCELLATION, "lines": [{"line_no": 1, "quantity": 1}] * 2_001}, "body.lines"),
    ({**CANCELLATION, "by": {"kind": "staff"}}, "body.by"),
    ({**CANCELLATION, "amount_minor": 1}, "body.amount_minor"),
]

BAD_ADMIN: list[tuple[str, object, str]] = [
    ("/admin/v1/orders/o1/ship", {"carrier": "SF"}, "body.tracking_number"),
    ("/admin/v1/orders/o1/ship", {"carrier": "", "tracking_number": "1"}, "body.carrier"),
    ("/admin/v1/orders/o1/deliver", {"by": "me"}, "body.by"),
    ("/admin/v1/orders/o1/complete", b"x", "body"),
    ("/admin/v1/tasks/t1/done", {"note": ""}, "body.note"),
    ("/admin/v1/products", {"products": []}, "body.products"),
    ("/admin/v1/products", {"products": [{"product_id": "a$b", "name": "x", "offers_minor": [1]}]}, "product_id"),
    ("/admin/v1/products", {"products": [{"product_id": "a", "name": "x", "offers_minor": []}]}, "offers_minor"),
    ("/admin/v1/stock-receipts", {"receipts": [{"receipt_id": "r", "product_id": "a", "quantity": 0}]}, "quantity"),
    ("/admin/v1/stock-receipts", {"receipts": [{"receipt_id": "r", "product_id": "", "quantity": 1}]}, "product_id"),
    ("/admin/v1/stock/recount", [], "body"),
]


def names(table: list[Any]) -> list[str]:
    return [f"{index} {row[-1]}" for index, row in enumerate(table)]


def expect_field(document: dict[str, Any], field: str) -> None:
    found = [error["field"] for error in document["errors"]]
    assert any(one == field or one.endswith("." + field) for one in found), found
    assert all(error["message"] for error in document["errors"])


@pytest.mark.parametrize(("body", "field"), BAD_ORDERS, ids=names(BAD_ORDERS))
async def test_a_bad_order(world: World, body: object, field: str) -> None:
    answer = await world.place(body, token=world.token(scope=["orders:import"]))
    expect_field(expect_problem(answer, 422, "invalid-request"), field)
    assert not world.fake.seen


@pytest.mark.parametrize("path", ["/mp/v1/orders/o1/cancellation", "/admin/v1/orders/o1/cancellation"])
@pytest.mark.parametrize(("body", "field"), BAD_CANCELLATIONS, ids=names(BAD_CANCELLATIONS))
async def test_a_bad_cancellation(world: World, path: str, body: object, field: str) -> None:
    token = world.token() if path.startswith("/mp") else world.token("s1", "staff")
    answer = await world.ask("POST", path, token, body)
    expect_field(expect_problem(answer, 422, "invalid-request"), field)
    assert not world.fake.seen


@pytest.mark.parametrize("family", ["merchant", "system"])
async def test_a_customer_gives_a_customers_reasons_only(world: World, family: str) -> None:
    body = {"reason": {"family": family, "code": "out-of-stock"}}
    answer = await world.ask("POST", "/mp/v1/orders/o1/cancellation", world.token(), body)
    expect_field(expect_problem(answer, 422, "invalid-request"), "body.reason.family")


@pytest.mark.parametrize(("path", "body", "field"), BAD_ADMIN, ids=names(BAD_ADMIN))
async def test_bad_bodies_of_staff(world: World, path: str, body: object, field: str) -> None:
    answer = await world.ask("POST", path, world.token("s1", "staff"), body)
    expect_field(expect_problem(answer, 422, "invalid-request"), field)
    assert not world.fake.seen


SHIPMENT = {"carrier": "SF", "tracking_number": "SF1", "early": 0}
BOOLEANS: list[tuple[str, str, dict[str, Any], str]] = [
    ("POST", "/admin/v1/orders/o1/ship", SHIPMENT, "body.early"),
    ("POST", "/admin/v1/cases/o1-c1/decision", {"approve": "false"}, "body.approve"),
    ("POST", "/admin/v1/tasks/resolutions", {"command": "try-again", "dry_run": 0}, "body.dry_run"),
    ("POST", f"/admin/v1/exports/{'e' * 64}/deletion", {"reason": "kept long enough", "dry_run": 0}, "body.dry_run"),
    ("POST", "/admin/v1/restorations", {"lines": ["{}"], "dry_run": "no"}, "body.dry_run"),
    (
        "PUT",
        "/admin/v1/staff/li",
        {"name": "李四", "role": "finance", "phone": "1", "disabled": "off"},
        "body.disabled",
    ),
]


@pytest.mark.parametrize(("method", "path", "body", "field"), BOOLEANS, ids=names(BOOLEANS))
async def test_yes_and_no_are_said_plainly(
    world: World, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    """Whoever writes `"dry_run": 0` has not said that it is to be done."""
    boss = world.token("s1", "staff", role="administrator")
    answer = await world.ask(method, path, boss, body)
    expect_field(expect_problem(answer, 422, "invalid-request"), field)
    assert [one.method for one in world.fake.seen if one.method != "GET"] == [], "the image is looked at, no more"


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00%2B08:00", "9999-12-31T23:59:59-08:00"])
@pytest.mark.parametrize("query", ["/mp/v1/orders?from=", "/mp/v1/orders?until=", "/admin/v1/exports/orders?before="])
async def test_a_time_is_one_in_every_zone(world: World, query: str, at: str) -> None:
    """No database keeps another, so whoever asked for it would be told to come again, for ever."""
    token = world.token() if query.startswith("/mp") else world.token("s1", "staff", role="administrator")
    answer = await world.ask("GET", query + at, token)
    expect_field(expect_problem(answer, 422, "invalid-request"), query.rpartition("?")[2][:-1])
    assert not world.fake.seen


KEYED = ["/mp/v1/orders", "/mp/v1/orders/o1/cancellation", "/admin/v1/orders/o1/cancellation"]
KEYS = [None, "", "x" * 129, "a b", "a\tb", "schlüssel", "键"]


@pytest.mark.parametrize("path", KEYED)
@pytest.mark.parametrize("key", KEYS)
async def test_a_key_is_1_to_128_visible_characters(world: World, path: str, key: str | None) -> None:
    token = world.token("s1", "staff") if path.startswith("/admin") else world.token()
    headers = {} if key is None else {"Idempotency-Key": key.encode()}
    body = BODIES[path.replace("o1", "{order_id}")]
    expect_problem(
        await world.ask("POST", path, token, body, key=None, headers=headers), 400, "idempotency-key-required"
    )
    assert not world.fake.seen


async def test_the_longest_key_is_good_and_two_are_one_too_many(world: World) -> None:
    assert (await world.place(key="x" * 128)).status_code == 200
    headers = [("Authorization", f"Bearer {world.token()}"), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    answer = await world.http.post("/mp/v1/orders", json=ORDER, headers=headers)
    expect_problem(answer, 400, "idempotency-key-required")


async def test_a_mebibyte_is_the_end(world: World) -> None:
    filler = b" " * (1024 * 1024 - len(json.dumps(ORDER)))
    body = json.dumps(ORDER).encode() + filler
    assert (await world.place(body)).status_code == 200
    assert expect_problem(await world.place(body + b" "), 413, "body-too-large")["limit"] == 1024 * 1024


async def test_a_body_without_end_is_cut_off(world: World) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 65_536

    headers = {"Authorization": f"Bearer {world.token()}", "Idempotency-Key": "k"}
    answer = await world.http.post("/mp/v1/orders", content=endless(), headers=headers)
    expect_problem(answer, 413, "body-too-large")
    assert sent <= LINGER_BYTES // 65_536 + 2


TRICKS = [
    "/mp/v1/orders/..",
    "/mp/v1/orders/%2e%2e",
    "/mp/v1/orders/%2e%2e%2fproducts",
    "/mp/v1/orders/..%2f..%2fsummary",
    "/mp/v1/orders/o1%2fship",
    "/mp/v1/orders/o1%3Fcustomer_id=c1",
    "/mp/v1/orders/o1%23",
    "/mp/v1/orders/o1%00",
    "/mp/v1/orders/o1%0A",
    "/mp/v1/orders/" + "o" * 41,
    "/mp/v1/orders/%E8%AE%A2",
    "/mp/v1/orders/%ff",
    "/mp/v1/orders/",
    "/mp/v1//orders",
    "/MP/v1/orders",
    "/admin/v1/orders/%2e%2e",
    "/admin/v1/stock/%2e%2e",
    "/admin/v1/stock/.",
    "/admin/v1/stock/%2e%2e%2fproducts",
    "/admin/v1/stock/a%5Cb",
    "/admin/v1/stock/a%00b",
    "/admin/v1/stock/" + "x" * 65,
    "/admin/v1/figures/..",
    "/admin/v1/figures/secrets",
    "/admin/v1/figures/orders%2f..",
    "/summary",
    "/orders",
]


@pytest.mark.parametrize("path", TRICKS)
async def test_nobody_steers_an_internal_address(world: World, path: str) -> None:
    """Sent as they are, the way a hostile client does; httpx would straighten the path first."""
    token = world.token("s1", "staff") if path.startswith("/admin") else world.token()
    status, document = await raw(world, path, token)
    assert status in {404, 422}
    assert document["detail"]["zh"]
    assert document["code"] in {"not-found", "invalid-request"}
    assert not world.fake.seen


async def raw(world: World, path: str, token: str) -> tuple[int, dict[str, Any]]:
    """One GET with exactly this path, decoded as a server decodes it."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {token}".encode())],
        "client": ("client", 1),
        "server": ("gateway", 80),
    }
    await world.app(scope, receive, send)
    return sent[0]["status"], json.loads(sent[1]["body"])


QUERIES = [
    "limit=0",
    "limit=501",
    "limit=-1",
    "limit=ten",
    "limit=1e3",
    "limit=" + "9" * 5_000,
    "after=%00",
    "after=" + "x" * 129,
    "after=a.b",
    "state=Paid",
    "state=lost",
    "state[$ne]=paid",
    "case=closed",
    "from=yesterday",
    "from=2026-01-05T09:00:00",
    "until=%7B%22%24gt%22%3A%22%22%7D",
    "goods=",
    "phone=13800001111",
    "phone=12a4",
    "name=" + "x" * 65,
    "goods=" + "x" * 65,
    "number=a%00b",
    "state=paid%26customer_id%3Dc2",
    "reference=a%2Fb",
    "sort=asc",
    "$where=1",
    "limit[$gt]=1",
]


@pytest.mark.parametrize("query", QUERIES)
async def test_parameters_come_from_a_closed_list(world: World, query: str) -> None:
    answer = await world.ask("GET", f"/admin/v1/orders?{query}", world.token("s1", "staff"))
    expect_problem(answer, 422, "invalid-request")
    assert not world.fake.seen


async def test_notices_are_those_of_one_order(world: World) -> None:
    for query in ("", "?order_id=", "?order_id=a/b", "?order_id=o1&customer_id=c1"):
        answer = await world.ask("GET", f"/admin/v1/notices{query}", world.token("s1", "staff"))
        expect_problem(answer, 422, "invalid-request")
    assert not world.fake.seen


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/mp/v1/orders/o1"),
        ("PUT", "/mp/v1/orders"),
        ("POST", "/mp/v1/inbox"),
        ("GET", "/callbacks/wechat/pay"),
    ],
)
async def test_other_methods_are_not_there(world: World, method: str, path: str) -> None:
    expect_problem(await world.ask(method, path, world.token()), 405, "method-not-allowed")
    assert not world.fake.seen
