"""The customers' door: what reaches the services, and what comes back."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from contracts.order import CancelOrder, PlaceOrder
from services.gateway import model
from tests.unit.gateway.hostile import OPERATORS, TEXTS
from tests.unit.gateway.world import CANCELLATION, ORDER, REFERENCE, World, expect_problem, problem


async def test_an_order_is_placed_in_the_name_of_the_token(world: World) -> None:
    world.fake.answers["order", "POST", "/orders"] = httpx.Response(201, content=b'{"order_id" : "as it came"}')
    answer = await world.place({**ORDER, "coupon": "SPRING"})
    assert (answer.status_code, answer.content) == (201, b'{"order_id" : "as it came"}')
    (seen,) = world.fake.seen
    assert (seen.service, seen.method, seen.target) == ("order", "POST", "/orders")
    command = PlaceOrder.model_validate_json(seen.body)
    assert re.fullmatch(r"o[a-z2-7]{25}", command.order_id)
    assert (command.customer_id, command.customer_group) == ("c1", "GB")
    assert command.contact.model_dump() == {
        "name": "张三",
        "phone": "13800138000",
        "openid": "openid-c1",
        "language": "zh",
    }
    assert [line.model_dump() for line in command.lines] == ORDER["lines"]
    assert (command.currency, command.coupon, command.reference) == ("CNY", "SPRING", None)
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", command.fingerprint)
    plain = model.fingerprint(model.OrderWanted.model_validate_json(json.dumps({**ORDER, "coupon": "SPRING"})))
    assert command.fingerprint != plain, "who guesses name and phone does not know them by it"


async def test_the_shop_of_the_token_is_paid(world: World) -> None:
    await world.place(token=world.token("c1", shop="tea-house"))
    assert PlaceOrder.model_validate_json(world.fake.seen[-1].body).shop == "tea-house"
    expect_problem(await world.place(token=world.token("c1", shop="../etc")), 401, "token-invalid")


async def placed(world: World, **more: Any) -> tuple[str, str]:
    await world.place(**more)
    sent = world.fake.seen[-1].json
    return sent["order_id"], sent["fingerprint"]


async def test_a_repeat_means_the_same_order_whatever_its_body_looks_like(world: World) -> None:
    first = await placed(world)
    assert await placed(world) == first
    spelled = b"""{ "lines": [{"unit_price_minor":1050,"quantity":2,"product_id":"tea"}], "coupon": null,
      "currency":"CNY", "contact": {"phone":"13800138000","name":"\\u5f20\\u4e09","language":"zh"} }"""
    assert await placed(world, body=spelled) == first


async def test_another_key_another_customer_another_body(world: World) -> None:
    order_id, fingerprint = await placed(world)
    assert await placed(world, key="key-2") != (order_id, fingerprint)
    assert (await placed(world, key="key-2"))[1] == fingerprint
    assert (await placed(world, token=world.token("c2")))[0] != order_id
    assert (await placed(world, token=world.token("c1k"), key="ey-1"))[0] != order_id
    other = await placed(world, body={**ORDER, "lines": [{**ORDER["lines"][0], "quantity": 3}]})
    assert other[0] == order_id
    assert other[1] != fingerprint


@pytest.mark.parametrize("same", [True, False])
async def test_an_order_placed_with_a_plain_fingerprint_is_met_by_its_repeat(world: World, same: bool) -> None:
    wanted = model.OrderWanted.model_validate_json(json.dumps(ORDER))
    kept = model.fingerprint(wanted) if same else "of another body"

    def order(method: str, path: str, body: bytes) -> httpx.Response:
        if json.loads(body)["fingerprint"] == kept:
            return httpx.Response(201, json={"order_id": "o1"})
        return problem(409, "idempotency-key-reused")

    world.fake.answer_by["order"] = order
    answer = await world.place()
    if same:
        assert (answer.status_code, answer.json()) == (201, {"order_id": "o1"})
    else:
        expect_problem(answer, 409, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("status", "code"),
    [(422, "price-changed"), (422, "unknown-product"), (409, "idempotency-key-reused"), (503, "not-ready")],
)
async def test_problems_of_a_service_are_passed_on_unchanged(world: World, status: int, code: str) -> None:
    theirs = problem(status, code)
    world.fake.answers["order", "POST", "/orders"] = theirs
    answer = await world.place()
    expect_problem(answer, status, code)
    assert answer.content == theirs.content


async def test_a_reference_needs_the_scope(world: World) -> None:
    imported = {**ORDER, "reference": REFERENCE}
    assert expect_problem(await world.place(imported), 403, "scope-missing")["scope"] == "orders:import"
    cancelled = {**CANCELLATION, "reference": REFERENCE}
    path = "/mp/v1/orders/o1/cancellation"
    expect_problem(await world.ask("POST", path, world.token(), cancelled), 403, "scope-missing")
    assert not world.fake.seen
    importer = world.token(scope=["orders:import"])
    assert (await world.place(imported, token=importer)).status_code == 200
    assert world.fake.seen[-1].json["reference"] == REFERENCE
    assert (await world.ask("POST", path, importer, cancelled)).status_code == 200
    assert world.fake.seen[-1].json["reference"] == REFERENCE


async def test_two_thousand_lines_fit(world: World) -> None:
    line = {"product_id": "x" * 64, "quantity": 1_000_000, "unit_price_minor": 10**12}
    assert (await world.place({**ORDER, "lines": [line] * 2_000})).status_code == 200
    assert len(world.fake.seen[-1].json["lines"]) == 2_000


@pytest.mark.parametrize("body", [None, b"", {}])
async def test_paying_starts_at_the_payment_service_and_needs_no_key(world: World, body: object) -> None:
    world.fake.answers["payment", "POST", "/payments/o1/prepay"] = httpx.Response(200, json={"prepay_id": "wx1"})
    answer = await world.ask("POST", "/mp/v1/orders/o1/pay", world.token(), body, key=None)
    assert answer.json() == {"prepay_id": "wx1"}
    assert [(seen.service, seen.target) for seen in world.fake.seen] == [
        ("order", "/orders/o1?view=customer"),
        ("payment", "/payments/o1/prepay"),
    ]


async def test_paying_passes_on_that_it_is_too_early(world: World) -> None:
    world.fake.answers["payment", "POST", "/payments/o1/prepay"] = problem(409, "payment-not-ready")
    expect_problem(await world.ask("POST", "/mp/v1/orders/o1/pay", world.token()), 409, "payment-not-ready")


@pytest.mark.parametrize(
    "view", [b"", b"[]", b"{}", b'{"customer_id": null}', b'{"customer_id": ["c1"]}', b'{"customer_id": "c1" ']
)
async def test_an_order_whose_owner_cannot_be_read_is_nobodys(world: World, view: bytes) -> None:
    world.fake.answers["order", "GET", "/orders/o1"] = httpx.Response(200, content=view)
    expect_problem(await world.ask("GET", "/mp/v1/orders/o1", world.token()), 404, "unknown-order")


@pytest.mark.parametrize(("method", "action"), [("POST", "/pay"), ("DELETE", "")])
async def test_a_problem_while_looking_at_the_order_ends_it(world: World, method: str, action: str) -> None:
    world.fake.answers["order", "GET", "/orders/o1"] = problem(429, "too-busy")
    answer = await world.ask(method, f"/mp/v1/orders/o1{action}", world.token(), {} if action else None)
    expect_problem(answer, 429, "too-busy")
    assert len(world.fake.seen) == 1


async def test_a_customer_cancels(world: World) -> None:
    path = "/mp/v1/orders/o1/cancellation"
    world.fake.answers["order", "POST", "/orders/o1/cancellation"] = httpx.Response(202, json={"case_id": "k"})
    body = {"lines": [{"line_no": 1, "quantity": 2}], "reason": {"family": "customer", "code": "other", "remark": "x"}}
    answer = await world.ask("POST", path, world.token(), body)
    assert (answer.status_code, answer.json()) == (202, {"case_id": "k"})
    assert len(world.fake.seen) == 1, "the order service sees for itself whose order it is"
    command = CancelOrder.model_validate_json(world.fake.seen[-1].body)
    assert command.by.model_dump() == {"kind": "customer", "id": "c1", "role": ""}
    assert command.order_id == "o1"
    assert [line.model_dump() for line in command.lines] == body["lines"]
    assert command.reason.model_dump() == body["reason"]
    assert re.fullmatch(r"r[a-z2-7]{25}", command.request_id)


async def test_the_id_of_a_request_depends_on_who_which_and_key(world: World) -> None:
    world.fake.owners |= {"o2": "c1", "o3": "c2"}

    async def sent(token: str, path: str, key: str = "key-1") -> str:
        await world.ask("POST", path, token, CANCELLATION, key=key)
        return str(world.fake.seen[-1].json["request_id"])

    first = await sent(world.token(), "/mp/v1/orders/o1/cancellation")
    assert await sent(world.token(), "/mp/v1/orders/o1/cancellation") == first
    staff = world.token("c1", "staff")
    others = {
        await sent(world.token(), "/mp/v1/orders/o2/cancellation"),
        await sent(world.token(), "/mp/v1/orders/o1/cancellation", "key-2"),
        await sent(world.token("c2"), "/mp/v1/orders/o3/cancellation"),
        await sent(staff, "/admin/v1/orders/o1/cancellation"),
        await sent(world.token("s2", "staff"), "/admin/v1/orders/o1/cancellation"),
    }
    assert len(others) == 5
    assert first not in others


async def test_a_list_holds_own_orders_only(world: World) -> None:
    await world.ask("GET", "/mp/v1/orders?state=paid&limit=20&goods=a%26customer_id%3Dc2", world.token())
    wanted = "/orders?limit=20&state=paid&goods=a%26customer_id%3Dc2&customer_id=c1&hidden=false"
    assert world.fake.seen[-1].target == wanted
    for other in ("customer_id=c2", "reference=r1", "case=open", "after=a%26customer_id%3Dc2"):
        answer = await world.ask("GET", f"/mp/v1/orders?{other}", world.token())
        expect_problem(answer, 422, "invalid-request")


async def test_products_and_inbox(world: World) -> None:
    await world.ask("GET", "/mp/v1/products?limit=500", world.token())
    await world.ask("GET", "/mp/v1/inbox", world.token("客户 7?x=%2F"))
    assert [(seen.service, seen.target) for seen in world.fake.seen] == [
        ("order", "/products?limit=500"),
        ("notify", "/inbox/%E5%AE%A2%E6%88%B7%207%3Fx%3D%252F"),
    ]


async def test_accepts_reach_the_notify_service_under_the_customers_own_openid(world: World) -> None:
    answers = {"answers": {"template-1": "accept", "template-2": "reject"}}
    await world.ask("POST", "/mp/v1/subscriptions", world.token(), answers, key="tap-1")
    (seen,) = world.fake.seen
    assert (seen.service, seen.target) == ("notify", "/subscriptions")
    assert seen.json == {"openid": "openid-c1", "request_id": "tap-1", **answers}
    wrongs: list[object] = [{"answers": {"template-1": "perhaps"}}, {"answers": {}}, {**answers, "openid": "openid-c2"}]
    for wrong in wrongs:
        refused = await world.ask("POST", "/mp/v1/subscriptions", world.token(), wrong)
        expect_problem(refused, 422, "invalid-request")
    assert len(world.fake.seen) == 1


async def test_a_transfer_is_confirmed_by_the_orders_owner_only(world: World) -> None:
    answer = await world.ask("GET", "/mp/v1/orders/o1/cases/o1-c1/transfer", world.token())
    assert answer.status_code == 200
    assert [(seen.service, seen.target) for seen in world.fake.seen][-1] == ("payment", "/refunds/o1-c1/transfer")
    others = (("o1/cases/o2-c1", "nothing-to-confirm"), ("o1/cases/o1-2-c1", "nothing-to-confirm"))
    for path, code in (*others, ("o2/cases/o2-c1", "unknown-order")):
        refused = await world.ask("GET", f"/mp/v1/orders/{path}/transfer", world.token())
        expect_problem(refused, 404, code)
    asked = {seen.target for seen in world.fake.seen if seen.service == "payment"}
    assert asked == {"/refunds/o1-c1/transfer"}


async def test_no_token_and_no_header_of_the_caller_reaches_a_service(world: World) -> None:
    await world.place(headers={"Cookie": "a=b", "X-Forwarded-For": "1.2.3.4"})
    (seen,) = world.fake.seen
    assert set(seen.headers) == {"host", "content-type", "content-length"}


@pytest.mark.parametrize("answer", ["accept", "acceptWithAudio", "acceptWithAlert", "acceptWithForcePush", "filter"])
async def test_every_answer_of_wechat_is_taken(world: World, answer: str) -> None:
    sent = await world.ask("POST", "/mp/v1/subscriptions", world.token(), {"answers": {"tmpl-1_a": answer}})
    assert sent.status_code == 200
    assert world.fake.seen[-1].json["answers"] == {"tmpl-1_a": answer}


BAD_ANSWERS = [
    *({"answers": {"t": operator}} for operator in OPERATORS),
    *({"answers": {text: "accept"}} for text in TEXTS),
    *({"answers": {"t": text}} for text in (*TEXTS, "accepted", "acceptWith", "ACCEPT", "acceptWith1", "", "accept\n")),
    {"answers": {f"t{number}": "accept" for number in range(21)}},
]


@pytest.mark.parametrize("body", BAD_ANSWERS, ids=[json.dumps(body)[:60] for body in BAD_ANSWERS])
async def test_what_is_no_answer_of_wechat_reaches_nobody(world: World, body: object) -> None:
    expect_problem(await world.ask("POST", "/mp/v1/subscriptions", world.token(), body), 422, "invalid-request")
    assert not world.fake.seen


async def test_what_is_left_is_the_customers_own(world: World) -> None:
    await world.ask("GET", "/mp/v1/subscriptions", world.token("c2"))
    assert [(seen.service, seen.target) for seen in world.fake.seen] == [("notify", "/subscriptions?openid=openid-c2")]
