"""The staff's door: what reaches which service."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.analytics.model import BREAKDOWNS
from tests.unit.gateway.world import BODIES, CANCELLATION, REFERENCE, World, expect_problem

BY = {"kind": "staff", "id": "s1", "role": "supervisor"}

READS = [
    (
        "/admin/v1/orders?state=paid&customer_id=c1&reference=536365&after=x&limit=5&from=2026-01-05T09:00:00%2B08:00",
        "order",
        "/orders?after=x&limit=5&state=paid&from=2026-01-05T09%3A00%3A00%2B08%3A00&customer_id=c1&reference=536365&contacts=true",
    ),
    (
        "/admin/v1/orders?number=o1&goods=%E7%BB%BF%E8%8C%B6&product_id=tea&case=open&until=2026-01-05T09:00:00Z",
        "order",
        "/orders?limit=50&number=o1&goods=%E7%BB%BF%E8%8C%B6&until=2026-01-05T09%3A00%3A00Z&product_id=tea&case=open&contacts=true",
    ),
    ("/admin/v1/orders", "order", "/orders?limit=50&contacts=true"),
    (
        "/admin/v1/orders?name=%E5%BC%A0%E4%B8%89&phone=1111",
        "order",
        "/orders?limit=50&name=%E5%BC%A0%E4%B8%89&phone=1111&contacts=true",
    ),
    ("/admin/v1/orders/o1", "order", "/orders/o1"),
    ("/admin/v1/cases?status=open&after=a&limit=500", "order", "/cases?after=a&limit=500&status=open"),
    ("/admin/v1/cases?list=stuck", "order", "/work-lists/stuck?limit=50"),
    ("/admin/v1/cases?list=person&after=MS4x&limit=7", "order", "/work-lists/person?after=MS4x&limit=7"),
    ("/admin/v1/cases?waits_for=approval", "order", "/cases?limit=50&waits_for=approval"),
    ("/admin/v1/tasks?limit=1", "order", "/tasks?limit=1"),
    ("/admin/v1/summary", "order", "/summary"),
    ("/admin/v1/stock?after=茶", "inventory", "/stock?after=%E8%8C%B6&limit=50"),
    ("/admin/v1/stock/85123A", "inventory", "/stock/85123A"),
    ("/admin/v1/stock/a%20b%3Fc%25", "inventory", "/stock/a%20b%3Fc%25"),
    ("/admin/v1/figures/refunds?by=month", "analytics", "/figures/refunds?by=month"),
    ("/admin/v1/figures/orders", "analytics", "/figures/orders"),
    ("/admin/v1/notices?order_id=o1", "notify", "/notices?order_id=o1"),
]

PARCEL = {"carrier": "SF", "tracking_number": "SF1", "early": False}
WRITES = [
    ("/admin/v1/orders/{order_id}/ship", "order", "/orders/o1/ship", PARCEL),
    ("/admin/v1/orders/{order_id}/deliver", "order", "/orders/o1/deliver", {}),
    ("/admin/v1/orders/{order_id}/complete", "order", "/orders/o1/complete", {}),
    ("/admin/v1/tasks/{task_id}/done", "order", "/tasks/t1/done", {"note": "called the customer"}),
]


@pytest.mark.parametrize(("path", "service", "target"), READS, ids=[path for path, _, _ in READS])
async def test_what_staff_look_at(world: World, path: str, service: str, target: str) -> None:
    answer = await world.ask("GET", path, world.token("s1", "staff"))
    assert answer.status_code == 200, answer.text
    assert [(seen.service, seen.method, seen.target) for seen in world.fake.seen] == [(service, "GET", target)]


@pytest.mark.parametrize(
    ("path", "service", "seconds"),
    [
        ("/admin/v1/summary", "order", 60),
        ("/admin/v1/figures/orders", "analytics", 60),
        ("/admin/v1/orders/o1", "order", 10),
    ],
)
async def test_what_reads_a_whole_book_may_take_a_minute(world: World, path: str, service: str, seconds: float) -> None:
    waits: list[float] = []

    class Asked(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            waits.append(request.extensions["timeout"]["read"])
            return httpx.Response(200, json={})

    getattr(world.app.state.door.services, service)._transport = Asked()
    assert (await world.ask("GET", path, world.token("s1", "staff"))).status_code == 200
    assert waits == [seconds]


@pytest.mark.parametrize(("figure", "by"), [(figure, by) for figure, keys in BREAKDOWNS.items() for by in keys])
async def test_staff_see_every_figure_there_is(world: World, figure: str, by: str) -> None:
    path = f"/figures/{figure}?by={by}"
    answer = await world.ask("GET", f"/admin/v1{path}", world.token("s1", "staff"))
    assert answer.status_code == 200, answer.text
    assert [(seen.service, seen.target) for seen in world.fake.seen] == [("analytics", path)]


@pytest.mark.parametrize(("row", "service", "target", "sent"), WRITES, ids=[row for row, _, _, _ in WRITES])
async def test_what_staff_do_bears_their_name(
    world: World, row: str, service: str, target: str, sent: dict[str, Any]
) -> None:
    path = row.replace("{order_id}", "o1").replace("{task_id}", "t1")
    answer = await world.ask("POST", path, world.token("s1", "staff"), BODIES.get(row), key=None)
    assert answer.status_code == 200, answer.text
    (seen,) = world.fake.seen
    assert (seen.service, seen.method, seen.target) == (service, "POST", target)
    assert seen.json == {**sent, **({} if "task" in row else {"order_id": "o1"}), "by": BY}


async def test_a_choice_about_a_task_is_a_command_in_the_name_of_who_answers_for_money(world: World) -> None:
    body = {"choice": "settled-outside", "note": "bank slip 4711"}
    path = "/admin/v1/tasks/o1-c1-t2/resolution"
    refused = await world.ask("POST", path, world.token("s1", "staff", role="customer-service"), body)
    expect_problem(refused, 403, "not-allowed")
    answer = await world.ask("POST", path, world.token("s1", "staff"), body)
    assert answer.status_code == 200
    (seen,) = world.fake.seen
    assert seen.target == "/tasks/o1-c1-t2/resolve"
    assert seen.json == {"order_id": "o1", "task_id": "o1-c1-t2", **body, "by": BY, "goods": []}


async def test_a_bank_card_goes_to_the_payment_service_and_no_problem_repeats_it(world: World) -> None:
    card = BODIES["/admin/v1/cases/{case_id}/bank-card"]
    answer = await world.ask("POST", "/admin/v1/cases/o1-c1/bank-card", world.token("s1", "staff"), card)
    assert answer.status_code == 200
    (seen,) = world.fake.seen
    assert (seen.service, seen.target, seen.json) == ("payment", "/refunds/o1-c1/bank-card", card)
    cannot_be_encrypted = {**card, "real_name": "𠮷" * 51}  # four bytes each
    for wrong in (cannot_be_encrypted, {**card, "bank_account": "6225-8800-0000-0001"}):
        refused = await world.ask("POST", "/admin/v1/cases/o1-c1/bank-card", world.token("s1", "staff"), wrong)
        expect_problem(refused, 422, "invalid-request")
        assert "6225" not in refused.text


@pytest.mark.parametrize("family", ["customer", "merchant", "system"])
async def test_staff_cancel_for_any_family_of_reasons(world: World, family: str) -> None:
    body = {"reason": {"family": family, "code": "other", "remark": "x"}, "reference": REFERENCE}
    token = world.token("s1", "staff", scope=["orders:import"])
    answer = await world.ask("POST", "/admin/v1/orders/o1/cancellation", token, body)
    assert answer.status_code == 200, answer.text
    (seen,) = world.fake.seen
    assert seen.json["by"] == BY
    assert seen.json["reason"]["family"] == family
    assert seen.json["reference"] == REFERENCE


async def test_staff_need_the_scope_for_a_reference(world: World) -> None:
    body = {**CANCELLATION, "reference": REFERENCE}
    answer = await world.ask("POST", "/admin/v1/orders/o1/cancellation", world.token("s1", "staff"), body)
    expect_problem(answer, 403, "scope-missing")
    assert not world.fake.seen


async def test_products_and_receipts_reach_the_inventory(world: World) -> None:
    for path, target in (("/admin/v1/products", "/products"), ("/admin/v1/stock-receipts", "/stock-receipts")):
        answer = await world.ask("POST", path, world.token("s1", "staff"), BODIES[path], key=None)
        assert answer.status_code == 200, answer.text
        seen = world.fake.seen[-1]
        assert (seen.service, seen.target) == ("inventory", target)
        name = next(iter(BODIES[path]))
        assert BODIES[path][name][0].items() <= seen.json[name][0].items()


async def test_a_recount_needs_neither_key_nor_body(world: World) -> None:
    answer = await world.ask("POST", "/admin/v1/stock/recount", world.token("s1", "staff"), key=None)
    assert answer.status_code == 200
    assert world.fake.seen[-1].target == "/stock/recount"
