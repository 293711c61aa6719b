"""A day at the stand-in for WeChat Pay: its bills, fetched and read by our client, against our books."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import close, create_app, settle
from sandbox.clock import Clock as SandboxClock
from sandbox.settings import SandboxSettings
from services.payment.wechatpay import WechatPay, http_client
from tests.unit.payment.counting_house import MORNING, NOON, CountingHouse
from tests.unit.payment.given import fen
from tests.unit.payment.provider import SHOP, merchant_of

SANDBOX = "http://sandbox.test"
ORDERS = ("ORDER0000000000000001", "ORDER0000000000000002")
CASE = "CASE0000000000000001"


class Day:
    """One day of business: two orders paid there, the first refunded; our house has heard of it what a test says."""

    def __init__(self, house: CountingHouse, pay: WechatPay, http: httpx.AsyncClient) -> None:
        self.house = house
        self.pay = pay
        self.http = http

    async def business(self) -> None:
        for order in ORDERS:
            await self.pay.prepay(order, "openid-of-somebody", fen(10_000), "茶叶,绿茶")
            assert (await self.http.post("/_customer/pay", json={"out_trade_no": order})).is_success
            await self.house.ordered(order)
        await self.pay.refund(f"{CASE}-1", ORDERS[0], fen(4_000), fen(10_000), "不想要了")

    async def bills(self, **spoiled: Any) -> None:
        assert (await self.http.request("PUT", "/_control/bills", json=spoiled)).is_success


@pytest.fixture
async def day(keys: Path) -> AsyncIterator[Day]:
    house = CountingHouse(None)  # type: ignore[arg-type]
    clock = SandboxClock(lambda: house.clock().timestamp())
    nobody = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(204)))
    app = create_app(SandboxSettings(keys_dir=keys), callback_client=nobody, clock=clock)
    to_sandbox = http_client(SANDBOX, httpx.ASGITransport(app))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=SANDBOX) as http:
        pay = WechatPay(to_sandbox, merchant_of(keys), SHOP, house.clock)
        house.provider = pay  # type: ignore[assignment]
        found = Day(house, pay, http)
        await found.business()
        await settle(app)
        house.clock.now = MORNING
        await settle(app)
        yield found
    await close(app)
    await to_sandbox.aclose()
    await nobody.aclose()


async def test_all_of_a_day_is_healed_from_its_bills(day: Day) -> None:
    seen = await day.house.start()
    assert (seen.status, seen.problem) == ("done", "")
    assert [(one.kind, one.state) for one in seen.differences] == [
        ("payment-not-known-here", "healed"),
        ("refund-not-ours", "healed"),
        ("payment-not-known-here", "healed"),
    ]
    assert seen.sums is not None
    assert seen.sums.has_account
    assert (seen.sums.our_payments, seen.sums.our_refunds) == (seen.sums.bill_payments, seen.sums.bill_refunds)
    assert (seen.sums.bill_payments.count, seen.sums.bill_refunds.amount_minor) == (2, 4_000)
    assert [(await day.house.payment(order)).status for order in ORDERS] == ["paid", "paid"]


async def test_a_refund_by_hand_from_what_was_topped_up_stands_in_a_bill_of_its_own(day: Day) -> None:
    day.house.clock.now = NOON
    body = {"out_trade_no": ORDERS[1], "amount_minor": 3_000, "from_available": True}
    assert (await day.http.post("/_control/platform/refunds", json=body)).is_success
    day.house.clock.now = MORNING
    seen = await day.house.start()
    assert [one.kind for one in seen.differences if one.state == "open"] == []
    found = (await day.house.payment(ORDERS[1])).refunds
    assert [(one.found, one.amount, one.status) for one in found] == [(True, fen(3_000), "settled")]
    assert seen.sums is not None
    assert seen.sums.bill_refunds == seen.sums.our_refunds
    assert seen.sums.bill_refunds.amount_minor == 4_000 + 3_000


async def test_other_columns_in_another_order_are_read_as_well(day: Day) -> None:
    await day.bills(extra_column=True, shuffle_columns=True)
    assert (await day.house.start()).status == "done"


async def test_a_file_that_its_hash_does_not_prove_changes_nothing(day: Day) -> None:
    await day.bills(wrong_hash=True)
    seen = await day.house.start()
    assert (seen.status, seen.differences) == ("failed", ())
    assert seen.wake_at is not None
    assert (await day.house.payment(ORDERS[0])).status == "opened"


async def test_a_refund_nobody_made_is_for_a_person(day: Day) -> None:
    await day.bills(add_unknown=1)
    seen = await day.house.start()
    assert sorted(one.kind for one in seen.differences if one.state == "open") == ["fund-line-missing", "order-unknown"]
