"""How many refunds and transfers a merchant may ask for: per second, at once, and per order."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from sandbox.app import advance
from sandbox.clock import Clock
from sandbox.errors import WechatPayError
from sandbox.limits import (
    ERRORS_PER_SECOND,
    OLD_ORDERS_PER_MINUTE,
    OLD_SECONDS,
    REFUNDS_PER_SECOND,
    TRANSFERS_PER_SECOND,
    MerchantLimits,
)
from sandbox.settings import SandboxSettings
from tests.unit.sandbox.shop import Shop, VirtualTime

MakeShop = Callable[..., Awaitable[Shop]]


def code_of(
    limits: MerchantLimits, mchid: str = "1", *, age: float = 0.0, refusal: WechatPayError | None = None
) -> str:
    """The code one refund call is answered with; "" for a good one."""
    try:
        with limits.refund(mchid, None, age):
            if refusal is not None:
                raise refusal
    except WechatPayError as answered:
        return answered.code
    return ""


def test_good_refunds_in_one_second() -> None:
    seconds = VirtualTime(1000.0)
    limits = MerchantLimits(Clock(seconds), enforced=True)
    assert {code_of(limits) for _ in range(REFUNDS_PER_SECOND)} == {""}
    assert code_of(limits) == "FREQUENCY_LIMITED"
    assert code_of(limits, "2") == ""
    seconds.seconds += 0.5
    assert code_of(limits) == "FREQUENCY_LIMITED"
    seconds.seconds += 0.5
    assert {code_of(limits) for _ in range(REFUNDS_PER_SECOND)} == {""}


def test_wrong_refunds_in_one_second() -> None:
    seconds = VirtualTime(1000.0)
    limits = MerchantLimits(Clock(seconds), enforced=True)
    wrong = WechatPayError(400, "INVALID_REQUEST", "")
    codes = [code_of(limits, refusal=wrong) for _ in range(ERRORS_PER_SECOND + 2)]
    assert codes == ["INVALID_REQUEST"] * ERRORS_PER_SECOND + ["FREQUENCY_LIMITED"] * 2
    assert code_of(limits) == ""
    assert code_of(limits, "2", refusal=wrong) == "INVALID_REQUEST"
    seconds.seconds += 1
    assert code_of(limits, refusal=wrong) == "INVALID_REQUEST"


@pytest.mark.parametrize("http", [429, 500])
def test_what_says_nothing_about_the_request_is_not_counted(http: int) -> None:
    limits = MerchantLimits(Clock(VirtualTime(1000.0)), enforced=True)
    codes = {code_of(limits, refusal=WechatPayError(http, "X", "")) for _ in range(3 * ERRORS_PER_SECOND)}
    assert codes == {"X"}


def test_orders_older_than_a_month_in_one_minute() -> None:
    seconds = VirtualTime(1000.0)
    limits = MerchantLimits(Clock(seconds), enforced=True)
    for _ in range(OLD_ORDERS_PER_MINUTE // 100):
        for _ in range(100):
            assert code_of(limits, age=OLD_SECONDS + 1) == ""
        seconds.seconds += 1
    assert code_of(limits, age=OLD_SECONDS + 1) == "FREQUENCY_LIMITED"
    assert code_of(limits, age=OLD_SECONDS) == ""
    seconds.seconds += 60
    assert code_of(limits, age=OLD_SECONDS + 1) == ""


def test_transfers_in_one_second() -> None:
    seconds = VirtualTime(1000.0)
    limits = MerchantLimits(Clock(seconds), enforced=True)
    for _ in range(TRANSFERS_PER_SECOND):
        with limits.transfer("1"):
            pass
    with pytest.raises(WechatPayError, match="429 FREQUENCY_LIMITED"), limits.transfer("1"):
        pass
    with limits.transfer("2"):
        pass
    seconds.seconds += 1
    with limits.transfer("1"):
        pass


def test_nothing_is_limited_where_it_is_switched_off() -> None:
    limits = MerchantLimits(Clock(VirtualTime(1000.0)), enforced=False)
    wrong = WechatPayError(400, "INVALID_REQUEST", "")
    assert {code_of(limits) for _ in range(2 * REFUNDS_PER_SECOND)} == {""}
    assert {code_of(limits, refusal=wrong) for _ in range(2 * ERRORS_PER_SECOND)} == {"INVALID_REQUEST"}


async def test_the_seventh_wrong_refund(make_shop: MakeShop) -> None:
    shop = await make_shop(clock=Clock(VirtualTime(time.time())), enforce_rate_limits=True)
    codes = [(await shop.refund(f"refund-{place}", "order-0001", 1))[1]["code"] for place in range(ERRORS_PER_SECOND)]
    assert set(codes) == {"RESOURCE_NOT_EXISTS"}
    assert (await shop.refund("refund 7", "order-0001", 1))[1]["code"] == "FREQUENCY_LIMITED"
    await shop.paid("order-0001")
    assert (await shop.refund("refund-8", "order-0001", 1))[0] == 200


async def test_a_malformed_refund_counts_as_wrong(make_shop: MakeShop) -> None:
    shop = await make_shop(clock=Clock(VirtualTime(time.time())), enforce_rate_limits=True)
    codes = [(await shop.refund("refund 1", "order-0001", 1))[1]["code"] for _ in range(ERRORS_PER_SECOND + 1)]
    assert codes == ["PARAM_ERROR"] * ERRORS_PER_SECOND + ["FREQUENCY_LIMITED"]


async def test_two_refunds_of_one_customer_at_once(make_shop: MakeShop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await make_shop(clock=Clock(VirtualTime(time.time())), enforce_rate_limits=True)
    for number in ("order-0001", "order-0002"):
        await shop.paid(number)
    await shop.prepay("order-0003", openid="oAnother")
    await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0003"})
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def hold(seconds: float) -> None:
        under_way.set()
        await go_on.wait()

    await shop.control("POST", "/faults/rules", [{"call": "refund", "nth": 1, "fault": {"kind": "slow"}}])
    monkeypatch.setattr("sandbox.calls.asyncio.sleep", hold)
    first = asyncio.create_task(shop.refund("refund-1", "order-0001", 10))
    await under_way.wait()
    code, refused = await shop.refund("refund-2", "order-0002", 10)
    assert (code, refused["code"]) == (429, "FREQUENCY_LIMITED")
    assert (await shop.refund("refund-3", "order-0003", 10))[0] == 200
    go_on.set()
    assert (await first)[0] == 200
    assert (await shop.refund("refund-2", "order-0002", 10))[0] == 200


async def test_a_minute_between_two_refunds_of_one_order(make_shop: MakeShop) -> None:
    shop = await make_shop(enforce_refund_spacing=True)
    await shop.paid("order-0001")
    await shop.paid("order-0002")
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 200
    code, refused = await shop.refund("refund-2", "order-0001", 10)
    assert (code, refused["code"]) == (429, "FREQUENCY_LIMITED")
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 200
    assert (await shop.refund("refund-3", "order-0002", 10))[0] == 200
    await advance(shop.app, 60)
    assert (await shop.refund("refund-2", "order-0001", 10))[0] == 200


@pytest.mark.parametrize("setting", ["enforce_refund_spacing", "enforce_rate_limits"])
def test_limits_are_on_unless_they_are_switched_off(keys: Path, setting: str) -> None:
    assert getattr(SandboxSettings(keys_dir=keys), setting) is True
