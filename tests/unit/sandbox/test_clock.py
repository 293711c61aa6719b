"""Business time: jumps, and runs faster than the real time when asked to."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from sandbox.app import settle, world_of
from sandbox.clock import Clock
from tests.unit.sandbox.shop import Shop, VirtualTime

MakeShop = Callable[..., Awaitable[Shop]]


def test_speed_counts_from_the_moment_it_is_set() -> None:
    source = VirtualTime(1000.0)
    clock = Clock(source)
    source.seconds += 10
    clock.run_at(60)
    assert (clock.now(), clock.offset) == (1010.0, 0.0)
    source.seconds += 2
    assert (clock.now(), clock.wall(), clock.offset) == (1130.0, 1012.0, 118.0)
    clock.advance(70)
    assert clock.now() == 1200.0
    clock.run_at(1)
    source.seconds += 5
    assert (clock.now(), clock.offset) == (1205.0, 188.0)


def test_how_long_to_wait_follows_the_speed() -> None:
    clock = Clock(VirtualTime(1000.0))
    assert clock.real_seconds_until(1120.0) == 120.0
    clock.run_at(60)
    assert clock.real_seconds_until(1120.0) == 2.0
    assert clock.real_seconds_until(900.0) == 0.0


def test_time_neither_stands_still_nor_slows_down() -> None:
    with pytest.raises(ValueError, match="at least as fast"):
        Clock().run_at(0.5)


async def test_speed_over_http(make_shop: MakeShop) -> None:
    source = VirtualTime(1_900_000_000.0)
    shop = await make_shop(clock=Clock(source))
    assert (await shop.control("POST", "/clock", {"speed": 60}))["speed"] == 60
    source.seconds += 10
    answer = await shop.control("GET", "/clock")
    assert answer == {"now": "2030-03-17T17:56:40.000Z", "offset_seconds": 590, "speed": 60}
    answer = await shop.control("POST", "/clock", {"speed": 1, "advance_seconds": 10})
    assert (answer["offset_seconds"], answer["speed"]) == (600, 1)
    for wrong in ({}, {"speed": 0.5}, {"speed": "fast"}):
        assert (await shop.http.post("/_control/clock", json=wrong)).status_code == 422


async def test_the_speed_of_the_settings(make_shop: MakeShop) -> None:
    source = VirtualTime(1_900_000_000.0)
    shop = await make_shop(clock=Clock(source), clock_speed=3600)
    source.seconds += 1
    assert world_of(shop.app).clock.offset == 3599.0


async def test_the_courier_wakes_up_by_business_time(make_shop: MakeShop, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float | None] = []
    waited = asyncio.Event()
    real_wait = asyncio.wait_for

    async def note(coroutine: Awaitable[bool], timeout: float | None) -> bool:
        waits.append(timeout)
        waited.set()
        return await real_wait(coroutine, None)

    source = VirtualTime(1_900_000_000.0)
    shop = await make_shop(clock=Clock(source), callback_delay_seconds=120, clock_speed=60)
    world = world_of(shop.app)
    world.queue.add(
        "pay-callback",
        event_type="TRANSACTION.SUCCESS",
        summary="支付成功",
        numbers={"out_trade_no": "order-0001"},
        notify_url="http://shop/callbacks/wechat",
        resource={"mchid": world.keys.mchid},
    )
    monkeypatch.setattr("sandbox.courier.asyncio.wait_for", note)
    world.courier.kick()
    await waited.wait()
    assert waits == [2.0]
    monkeypatch.undo()
    source.seconds += 2
    await settle(shop.app)
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS"]
