"""Callbacks: at least once, by the documented ladder, and lost or doubled on demand."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from sandbox.app import advance, settle, world_of
from sandbox.clock import Clock
from sandbox.settings import CALLBACK_LADDER
from tests.unit.sandbox.shop import Shop, VirtualTime

MakeShop = Callable[..., Awaitable[Shop]]


def test_the_ladder_is_the_documented_one() -> None:
    assert len(CALLBACK_LADDER) == 15
    assert sum(CALLBACK_LADDER) == 24 * 3600 + 4 * 60


async def test_a_callback_is_sent_again_until_it_is_handled(shop: Shop) -> None:
    shop.receiver.answers = [500, 404, 302, 200]
    await shop.paid("order-0001")
    await settle(shop.app)
    assert len(shop.receiver.heard) == 1
    await advance(shop.app, 14)
    assert len(shop.receiver.heard) == 1
    await advance(shop.app, 1)
    assert len(shop.receiver.heard) == 2
    await advance(shop.app, 15)
    assert len(shop.receiver.heard) == 3
    await advance(shop.app, 24 * 3600)
    assert len(shop.receiver.heard) == 4
    assert len({heard["id"] for heard in shop.receiver.heard}) == 1
    (line,) = await shop.control("GET", "/callbacks")
    assert (line["state"], line["attempts"], line["last_outcome"]) == ("delivered", 4, "HTTP 200")


async def test_the_ladder_ends(shop: Shop) -> None:
    shop.receiver.answers = [500] * 100
    await shop.paid("order-0001")
    await advance(shop.app, 30 * 24 * 3600)
    assert len(shop.receiver.heard) == 16
    assert (await shop.control("GET", "/callbacks"))[0]["state"] == "given-up"


async def test_the_first_delivery_can_be_late(make_shop: MakeShop) -> None:
    shop = await make_shop(callback_delay_seconds=60)
    await shop.paid("order-0001")
    await settle(shop.app)
    assert shop.receiver.events() == []
    await advance(shop.app, 61)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]


async def test_a_lost_callback_never_arrives(shop: Shop) -> None:
    rule = {"call": "pay-callback", "match": {"out_trade_no": "order-0001"}, "fault": {"kind": "callback-lost"}}
    await shop.control("POST", "/faults/rules", [rule])
    await shop.paid("order-0001")
    await shop.paid("order-0002")
    await advance(shop.app, 2 * 24 * 3600)
    assert [heard["resource"]["out_trade_no"] for heard in shop.receiver.heard] == ["order-0002"]
    assert (await shop.trade_state("order-0001"))[1]["trade_state"] == "SUCCESS"


async def test_a_doubled_callback_arrives_twice_with_one_id(shop: Shop) -> None:
    rule = {"call": "refund-callback", "match": {"out_refund_no": "refund-1"}, "fault": {"kind": "callback-doubled"}}
    await shop.control("POST", "/faults/rules", [rule])
    await shop.paid("order-0001")
    await shop.refund("refund-1", "order-0001", 10)
    await shop.refund("refund-2", "order-0001", 10)
    await settle(shop.app)
    refunds = [heard for heard in shop.receiver.heard if heard["event_type"] == "REFUND.SUCCESS"]
    assert sorted(heard["resource"]["out_refund_no"] for heard in refunds) == ["refund-1", "refund-1", "refund-2"]
    assert len({heard["id"] for heard in refunds}) == 2


async def test_a_callback_that_was_under_way_when_the_process_died_is_sent_again(
    make_shop: MakeShop, tmp_path: Path
) -> None:
    before = await make_shop(data_dir=tmp_path, callback_delay_seconds=60)
    await before.paid("order-0001")
    world_of(before.app).store.run("UPDATE callbacks SET state = 'sending'")
    after = await make_shop(data_dir=tmp_path)
    await advance(after.app, 61)
    assert after.receiver.events() == ["TRANSACTION.SUCCESS"]


async def test_nothing_is_sent_where_no_address_was_given(shop: Shop) -> None:
    shop.pay._notify_url = None
    await shop.prepay("order-0001", notify_url="http://shop/callbacks/wechat")
    await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001"})
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 200
    await settle(shop.app)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]
    assert (await shop.refund_state("refund-1"))[1]["status"] == "SUCCESS"


async def test_many_callbacks_are_all_delivered(make_shop: MakeShop) -> None:
    shop = await make_shop(callback_concurrency=4)
    for place in range(40):
        await shop.paid(f"order-{place:04}")
    await settle(shop.app)
    assert len({heard["resource"]["out_trade_no"] for heard in shop.receiver.heard}) == 40


async def test_time_can_be_driven_over_http_and_by_a_virtual_clock(make_shop: MakeShop) -> None:
    shop = await make_shop(clock=Clock(VirtualTime(1_900_000_000.0)), refund_settle_seconds=60)
    world = world_of(shop.app)
    # The third-party client signs with the real time, so the order is put in place behind the HTTP side.
    world.store.run(
        "INSERT INTO trades (mchid, out_trade_no, appid, description, fingerprint, prepay_id, prepay_at, openid, total,"
        " notify_url, expires_at, state) VALUES (?, 'order-0001', 'wx', 'd', 'f', 'wx1', 0, 'o1', 100,"
        " 'http://shop/callbacks/wechat', 9e9, 'NOTPAY')",
        world.keys.mchid,
    )
    await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001"})
    answer = await shop.control("POST", "/clock", {"advance_seconds": 100})
    assert answer == {"now": "2030-03-17T17:48:20.000Z", "offset_seconds": 100, "speed": 1}
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]
    assert (await shop.get("/_ledger/money"))["lines"][1]["time"] == "2030-03-17T17:46:40.000Z"


async def test_time_does_not_run_backwards(shop: Shop) -> None:
    assert (await shop.http.post("/_control/clock", json={"advance_seconds": -1})).status_code == 422
    with pytest.raises(ValueError, match="backwards"):
        Clock().advance(-1)


async def test_a_receiver_that_hangs_up_is_tried_again(shop: Shop) -> None:
    async def hang_up(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there", request=request)

    world = world_of(shop.app)
    deliveries = world.courier.deliveries
    right, deliveries.client = deliveries.client, httpx.AsyncClient(transport=httpx.MockTransport(hang_up))
    await shop.paid("order-0001")
    await settle(shop.app)
    assert (await shop.control("GET", "/callbacks"))[0]["last_outcome"] == "ConnectError: nobody there"
    deliveries.client = right
    await advance(shop.app, 15)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]
