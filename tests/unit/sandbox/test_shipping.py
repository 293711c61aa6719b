"""Shipping information: what may be uploaded, and in which state a payment is."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.app import advance, settle, world_of
from sandbox.clock import CHINA
from tests.unit.sandbox.miniprogram import token
from tests.unit.sandbox.shop import OPENID, Shop, text

MakeShop = Callable[..., Awaitable[Shop]]
NUMBER = "order-0001"
PARCEL = {"tracking_no": "YT1234567890", "express_company": "YTO", "item_desc": "红茶*1盒"}
START = datetime(2026, 11, 23, 12, tzinfo=CHINA)


async def call(shop: Shop, name: str, body: Any, access_token: str | None = None) -> dict[str, Any]:
    good = (await token(shop))["access_token"] if access_token is None else access_token
    answer = await shop.http.post(f"/wxa/sec/order/{name}", params={"access_token": good}, json=body)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def upload(shop: Shop, minute: int = 0, number: str = NUMBER, **change: Any) -> int:
    """Upload at so many minutes behind the start; the errcode."""
    key = {"order_number_type": 1, "mchid": text(shop.keys, "mchid.txt"), "out_trade_no": number}
    body = {
        "order_key": key,
        "logistics_type": 1,
        "delivery_mode": 1,
        "shipping_list": [PARCEL],
        "upload_time": (START + timedelta(minutes=minute)).isoformat(timespec="milliseconds"),
        "payer": {"openid": OPENID},
    }
    return int((await call(shop, "upload_shipping_info", body | change))["errcode"])


async def order(shop: Shop) -> dict[str, Any]:
    asked = {"merchant_id": text(shop.keys, "mchid.txt"), "merchant_trade_no": NUMBER}
    found = await call(shop, "get_order", asked)
    assert found["errcode"] == 0
    shown: dict[str, Any] = found["order"]
    return shown


async def state(shop: Shop) -> int:
    return int((await order(shop))["order_state"])


async def test_from_payment_to_receipt(shop: Shop) -> None:
    assert await upload(shop) == 10060001
    await shop.paid(NUMBER)
    assert await state(shop) == 1
    assert world_of(shop.app).shipping.told() == {}
    assert await upload(shop) == 0
    assert world_of(shop.app).shipping.told() == {NUMBER: [PARCEL]}
    shown = await order(shop)
    assert (shown["order_state"], shown["paid_amount"], shown["openid"]) == (2, 100, OPENID)
    assert shown["shipping"]["finish_shipping"] is True
    assert shown["shipping"]["shipping_list"][0]["tracking_no"] == PARCEL["tracking_no"]
    by_transaction = await call(shop, "get_order", {"transaction_id": shown["transaction_id"]})
    assert by_transaction["order"] == shown
    confirmed = await shop.http.post("/_customer/shipping/confirm", json={"out_trade_no": NUMBER})
    assert confirmed.json()["order_state"] == 3
    assert (await shop.http.post("/_customer/shipping/confirm", json={"out_trade_no": NUMBER})).status_code == 409
    assert await upload(shop, 1) == 10060004


async def test_one_correction_only_and_later_than_before(shop: Shop) -> None:
    await shop.paid(NUMBER)
    assert await upload(shop) == 0
    assert await upload(shop) == 10060023
    assert await upload(shop, 1, shipping_list=[PARCEL | {"tracking_no": "YT2"}]) == 0
    assert (await order(shop))["shipping"]["shipping_list"][0]["tracking_no"] == "YT2"
    assert await upload(shop, 2) == 10060003


async def test_parcels_one_after_the_other(shop: Shop) -> None:
    await shop.paid(NUMBER)
    split: dict[str, Any] = {"delivery_mode": 2, "is_all_delivered": False}
    assert await upload(shop, 0, **split) == 0
    assert await state(shop) == 1
    assert await upload(shop, 1, **split | {"shipping_list": [PARCEL] * 14}) == 0
    assert await upload(shop, 2, **split) == 10060024
    assert await upload(shop, 3, delivery_mode=2, is_all_delivered=True, shipping_list=[PARCEL] * 16) == 10060024
    assert await state(shop) == 1


async def test_the_last_parcel_completes_it(shop: Shop) -> None:
    await shop.paid(NUMBER)
    assert await upload(shop, 0, delivery_mode=2, is_all_delivered=False) == 0
    assert await upload(shop, 1, delivery_mode=2, is_all_delivered=True) == 0
    assert await state(shop) == 2
    assert len((await order(shop))["shipping"]["shipping_list"]) == 2


@pytest.mark.parametrize(
    ("change", "errcode"),
    [
        ({"shipping_list": [PARCEL | {"item_desc": " "}]}, 10060008),
        ({"shipping_list": [PARCEL | {"item_desc": "长" * 121}]}, 10060009),
        ({"shipping_list": [{"item_desc": "茶"}]}, 10060014),
        ({"shipping_list": [PARCEL | {"tracking_no": "1" * 129}]}, 10060026),
        ({"shipping_list": [PARCEL | {"express_company": "SF"}]}, 10060014),
        ({"shipping_list": [PARCEL | {"contact": {"receiver_contact": "13800138000"}}]}, 10060014),
        ({"shipping_list": [PARCEL, PARCEL]}, 10060014),
        ({"delivery_mode": 2}, 10060007),
        ({"delivery_mode": 2, "is_all_delivered": True, "logistics_type": 4}, 10060006),
        ({"payer": {"openid": "oSomebodyElse"}}, 10060031),
        ({"logistics_type": 5}, 47001),
        ({"upload_time": "2026-11-23 12:00"}, 47001),
        ({"shipping_list": []}, 47001),
        ({"unknown": 1}, 47001),
    ],
)
async def test_fields_that_are_refused(shop: Shop, change: dict[str, Any], errcode: int) -> None:
    await shop.paid(NUMBER)
    assert await upload(shop, **change) == errcode
    assert await state(shop) == 1


async def test_sf_with_a_masked_number_and_pickup_without_a_parcel_number(shop: Shop) -> None:
    await shop.paid(NUMBER)
    contact = {"receiver_contact": "189****1234"}
    assert await upload(shop, 0, shipping_list=[PARCEL | {"express_company": "SF", "contact": contact}]) == 0
    assert await upload(shop, 1, logistics_type=4, shipping_list=[{"item_desc": "茶"}]) == 0


async def test_a_full_refund_shows_on_the_next_day(shop: Shop) -> None:
    day = 24 * 3600
    # Noon in China, so that no midnight comes before the one that counts.
    await advance(shop.app, (12 * 3600 - (shop.now() + 8 * 3600)) % day)
    await shop.paid(NUMBER)
    assert (await shop.refund("refund-1", NUMBER, 60))[0] == 200
    await settle(shop.app)
    await advance(shop.app, day)
    assert await state(shop) == 1
    assert (await shop.refund("refund-2", NUMBER, 40))[0] == 200
    await settle(shop.app)
    assert await state(shop) == 1
    await advance(shop.app, day / 2 + 1)
    assert await state(shop) == 5
    assert await upload(shop) == 10060004


async def test_the_customer_is_reminded_once(shop: Shop) -> None:
    await shop.paid(NUMBER)
    asked = {
        "merchant_id": text(shop.keys, "mchid.txt"),
        "merchant_trade_no": NUMBER,
        "received_time": int(shop.now()),
    }
    assert (await call(shop, "notify_confirm_receive", asked))["errcode"] == 10060028
    await upload(shop)
    assert (await call(shop, "notify_confirm_receive", asked))["errcode"] == 0
    assert (await call(shop, "notify_confirm_receive", asked))["errcode"] == 10060028


@pytest.mark.parametrize("wanted", [2, 4, 5, 6])
async def test_a_state_set_by_hand(shop: Shop, wanted: int) -> None:
    await shop.paid(NUMBER)
    await shop.control("PUT", "/shipping", {"out_trade_no": NUMBER, "order_state": wanted})
    assert await state(shop) == wanted
    assert (await shop.http.put("/_control/shipping", json={"out_trade_no": "unknown"})).status_code == 404


async def test_a_payment_is_not_known_at_once(make_shop: MakeShop) -> None:
    shop = await make_shop(shipping_ingest_seconds=60)
    await shop.paid(NUMBER)
    assert await upload(shop) == 10060001
    await advance(shop.app, 61)
    assert await upload(shop) == 0


async def test_who_may_ask(make_shop: MakeShop) -> None:
    shop = await make_shop(trade_managed=False)
    appid = text(shop.keys, "appid.txt")
    assert (await call(shop, "is_trade_managed", {"appid": appid}))["is_trade_managed"] is False
    assert (await call(shop, "is_trade_managed", {"appid": "wx0"}))["errcode"] == 40013
    assert (await call(shop, "get_order", {}, access_token="nonsense"))["errcode"] == 40001


async def test_uploads_can_fail(shop: Shop) -> None:
    await shop.paid(NUMBER)
    fault = {"kind": "error-after", "code": "-1"}
    rule = {"call": "shipping", "match": {"out_trade_no": NUMBER}, "times": 1, "fault": fault}
    await shop.control("POST", "/faults/rules", [rule])
    assert await upload(shop) == -1
    assert await state(shop) == 2
