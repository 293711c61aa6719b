"""The payment service on its real engine: what a crash leaves behind is taken up again, and money moves once."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from chassis.record import Heard
from contracts.message import Message
from services.payment.handlers import PAYMENTS
from services.payment.outside import PaymentNotified
from tests.unit.payment.given import (
    NOON,
    ORDER,
    notified,
    number,
    open_payment,
    refund_document,
    refund_payment,
    watch_refund,
)
from tests.unit.payment.provider import Provider
from tests.unit.payment.shop import Clock, Shop

NOT_THERE = (404, "RESOURCE_NOT_EXISTS")


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


def shop_with(provider: Provider, crashed: Shop | None = None) -> Shop:
    clock = crashed.clock if crashed else Clock(NOON)
    return Shop(provider.client(), clock, crashed.store if crashed else None)


async def pay(shop: Shop) -> None:
    await shop.hear(open_payment())
    message = PaymentNotified(order_id=ORDER, trade=notified().trade)
    await shop.engine.hear(Heard(message, "callback-1", shop.clock(), answers_travel=False))


def posts(provider: Provider) -> list[str]:
    """The refund numbers that were posted."""
    sent = [request for request in provider.asked if request.method == "POST"]
    return [json.loads(request.content)["out_refund_no"] for request in sent]


async def lost(_: object, __: int) -> Message:
    """A process that dies in the middle of a call."""
    raise ConnectionAbortedError


async def test_a_crash_between_saving_and_sending_is_healed_by_the_sweep(provider: Provider) -> None:
    dying = shop_with(provider)
    await pay(dying)
    for wire, (intent, _) in list(dying.engine.relay.performers.items()):
        dying.engine.relay.performers[wire] = (intent, lost)  # type: ignore[assignment]
    await dying.hear(refund_payment())
    assert provider.asked == []

    provider.script = [provider.refuses(*NOT_THERE), provider.says(200, refund_document())]
    alive = shop_with(provider, dying)
    await alive.later(timedelta(seconds=1))
    assert provider.asked == []
    await alive.later(timedelta(seconds=15))
    assert provider.calls == [f"GET {number()}", "POST refunds"]
    assert alive.told()[-1] == "RefundAccepted"


async def test_a_crash_after_the_provider_accepted_sends_nothing_twice(provider: Provider) -> None:
    dying = shop_with(provider)
    await pay(dying)
    accepted = provider.says(200, refund_document())
    provider.script = [accepted]

    async def unheard(_: Heard) -> None:
        raise ConnectionAbortedError

    dying.engine.relay._hear = unheard
    await dying.hear(refund_payment())
    assert posts(provider) == [number()]

    provider.script = [accepted]
    alive = shop_with(provider, dying)
    await alive.later(timedelta(seconds=16))
    assert posts(provider) == [number()]
    assert (await alive.payment()).refunds[0].status == "accepted"


async def test_unknown_is_looked_up_after_two_seconds_and_sent_again_with_the_same_number(provider: Provider) -> None:
    shop = shop_with(provider)
    await pay(shop)
    provider.script = [httpx.ReadTimeout("slow")]
    await shop.hear(refund_payment())
    await shop.hear(watch_refund())
    provider.script = [provider.refuses(*NOT_THERE), provider.says(200, refund_document("SUCCESS"))]
    await shop.later(timedelta(seconds=2))
    assert posts(provider) == [number(), number()]
    assert shop.told()[2:] == ["RefundAttempted", "RefundAccepted", "RefundSettled"]
    record = await shop.engine.read(PAYMENTS, ORDER)
    assert record is not None
    assert record.still_to_say() == () or all(said.topic for said in record.still_to_say())


async def test_the_same_command_twice_with_one_id_and_with_two_is_one_call(provider: Provider) -> None:
    shop = shop_with(provider)
    await pay(shop)
    provider.script = [provider.says(200, refund_document())]
    for id in ("command-1", "command-1", "command-2"):
        await shop.engine.hear(Heard(refund_payment(), id, shop.clock()))
    await shop.drain()
    assert posts(provider) == [number()]
    assert len({event.model_dump_json() for event in shop.events()[2:]}) == 1


async def test_a_refund_that_is_asked_about_for_weeks_does_not_grow_its_record_for_weeks(
    provider: Provider,
) -> None:
    shop = shop_with(provider)
    await pay(shop)
    provider.script = [provider.says(200, refund_document())]
    await shop.hear(refund_payment())
    for _ in range(80):
        wake_at = (await shop.payment()).wake_at
        assert wake_at is not None
        provider.now = wake_at
        provider.script = [provider.says(200, refund_document())]
        await shop.later(wake_at - shop.clock.now)
    record = await shop.engine.read(PAYMENTS, ORDER)
    assert record is not None
    assert len(record.journal) <= 64
    assert shop.clock.now - NOON > timedelta(weeks=2)
