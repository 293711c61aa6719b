"""Payments, driven by a client the stand-in does not know."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sandbox.app import advance, settle
from tests.unit.sandbox.shop import OPENID, Shop

MakeShop = Callable[..., Awaitable[Shop]]


async def test_a_payment_from_prepay_to_callback(shop: Shop) -> None:
    code, ordered = await shop.prepay("order-0001", attach="附加")
    assert code == 200
    assert ordered["prepay_id"].startswith("wx")
    assert (await shop.trade_state("order-0001"))[1]["trade_state"] == "NOTPAY"

    paid = await shop.http.post("/_customer/pay", json={"prepay_id": ordered["prepay_id"], "openid": OPENID})
    assert paid.status_code == 200
    await settle(shop.app)

    code, state = await shop.trade_state("order-0001")
    assert (code, state["trade_state"], state["amount"]["payer_total"]) == (200, "SUCCESS", 100)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]
    resource = shop.receiver.heard[0]["resource"]
    assert resource == state
    assert (resource["attach"], resource["payer"]) == ("附加", {"openid": OPENID})


async def test_a_payment_is_found_by_its_transaction_id_too(shop: Shop) -> None:
    await shop.paid("order-0001")
    _, state = await shop.trade_state("order-0001")
    code, _ = await shop.pay.query(transaction_id=state["transaction_id"])
    assert code == 200


async def test_the_same_order_gives_a_prepay_id_again_and_another_order_does_not(shop: Shop) -> None:
    first = await shop.prepay("order-0001", 100)
    assert await shop.prepay("order-0001", 100) == first
    code, refused = await shop.prepay("order-0001", 101)
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")


async def test_texts_are_measured_in_bytes(shop: Shop) -> None:
    assert (await shop.prepay("order-0001", description="茶" * 42, attach="x" * 128))[0] == 200
    for name in ("description", "attach"):
        code, refused = await shop.prepay("order-0002", 100, **{name: "茶" * 43})
        assert (code, refused["code"], refused["detail"]["field"]) == (400, "PARAM_ERROR", f"/{name}")
        assert (await shop.prepay("order-0002", 100, **{name: "🍵"}))[0] == 400, "no characters of four bytes"


async def test_a_prepay_id_lives_two_hours(shop: Shop) -> None:
    _, first = await shop.prepay("order-0001")
    await advance(shop.app, 2 * 3600 + 1)
    late = await shop.http.post("/_customer/pay", json={"prepay_id": first["prepay_id"]})
    assert (late.status_code, late.json()["detail"]["reason"]) == (409, "expired")
    _, second = await shop.prepay("order-0001")
    assert second["prepay_id"] != first["prepay_id"]
    assert (await shop.http.post("/_customer/pay", json={"prepay_id": second["prepay_id"]})).status_code == 200


async def test_nobody_pays_after_the_last_moment(shop: Shop) -> None:
    last = (datetime.now(UTC) + timedelta(minutes=10)).isoformat(timespec="seconds")
    assert (await shop.prepay("order-0001", time_expire=last))[0] == 200
    await advance(shop.app, 601)
    late = await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001"})
    assert (late.status_code, late.json()["detail"]["reason"]) == (409, "expired")


async def test_closing_an_unpaid_order(shop: Shop) -> None:
    await shop.prepay("order-0001")
    code, body = await shop.pay.close("order-0001")
    assert (code, body) == (204, b"")
    assert (await shop.trade_state("order-0001"))[1]["trade_state"] == "CLOSED"
    assert (await shop.pay.close("order-0001"))[0] == 204
    code, refused = await shop.prepay("order-0001")
    assert (code, refused["code"]) == (400, "ORDER_CLOSED")
    late = await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001"})
    assert (late.status_code, late.json()["detail"]["reason"]) == (409, "closed")


async def test_a_payment_in_flight_arrives_after_the_close(shop: Shop) -> None:
    await shop.prepay("order-0001")
    await shop.pay.close("order-0001")
    late = await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001", "force_late": True})
    assert late.status_code == 200
    await settle(shop.app)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]
    assert (await shop.trade_state("order-0001"))[1]["trade_state"] == "SUCCESS"


async def test_a_paid_order_is_neither_closed_nor_ordered_nor_paid_again(shop: Shop) -> None:
    await shop.paid("order-0001")
    code, body = await shop.pay.close("order-0001")
    assert code == 400
    assert '"code":"ORDERPAID"' in body
    assert (await shop.prepay("order-0001"))[1]["code"] == "ORDERPAID"
    twice = await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001", "force_late": True})
    assert (twice.status_code, twice.json()["detail"]["reason"]) == (409, "paid")
    assert (await shop.get("/_ledger/summary"))["paid"] == {"count": 1, "amount_minor": 100}


async def test_somebody_else_cannot_pay(shop: Shop) -> None:
    await shop.prepay("order-0001")
    other = await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001", "openid": "oSomebodyElse"})
    assert (other.status_code, other.json()["detail"]["reason"]) == (409, "wrong-payer")
    unknown = await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0002"})
    assert unknown.status_code == 404


async def test_an_unknown_order(shop: Shop) -> None:
    code, refused = await shop.trade_state("order-0404")
    assert (code, refused["code"]) == (404, "ORDER_NOT_EXIST")
    assert (await shop.pay.close("order-0404"))[0] == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"out_trade_no": "short"}, "/out_trade_no"),
        ({"out_trade_no": "order 0001"}, "/out_trade_no"),
        ({"description": "长" * 128}, "/description"),
        ({"notify_url": "http://shop/callbacks?from=wechat"}, "/notify_url"),
        ({"notify_url": "shop/callbacks"}, "/notify_url"),
        ({"time_expire": "2030-01-01T00:00:00"}, "/time_expire"),
        ({"amount": {"total": 0, "currency": "CNY"}}, "/amount/total"),
        ({"amount": {"total": "100", "currency": "CNY"}}, "/amount/total"),
        ({"amount": {"total": 100, "currency": "USD"}}, "/amount/currency"),
        ({"payer": {"openid": OPENID, "nick": "x"}}, "/payer/nick"),
    ],
)
async def test_a_malformed_field_is_refused_by_name(shop: Shop, change: dict[str, Any], field: str) -> None:
    order: dict[str, Any] = {
        "description": "茶叶",
        "out_trade_no": "order-0001",
        "amount": {"total": 100, "currency": "CNY"},
        "payer": {"openid": OPENID},
    }
    code, body = await shop.pay.pay(**(order | change))
    assert code == 400
    assert '"code":"PARAM_ERROR"' in body
    assert f'"field":"{field}"' in body


async def test_a_stranger_to_the_account_is_refused(shop: Shop) -> None:
    assert (await shop.prepay("order-0001", mchid="1900000110"))[1]["code"] == "MCH_NOT_EXISTS"
    assert (await shop.prepay("order-0001", appid="wx0000000000000000"))[1]["code"] == "APPID_MCHID_NOT_MATCH"


async def test_signatures_stay_fresh_when_business_time_jumps(shop: Shop) -> None:
    await advance(shop.app, 8 * 24 * 3600)
    await shop.paid("order-0001")
    await settle(shop.app)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]
    answer = await shop.http.get("/_control/clock")
    assert answer.json()["offset_seconds"] == pytest.approx(8 * 24 * 3600, abs=1)
    _, state = await shop.trade_state("order-0001")
    assert datetime.fromisoformat(state["success_time"]).timestamp() > time.time() + 7 * 24 * 3600
