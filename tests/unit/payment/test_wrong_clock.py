"""Our clock is ten minutes off: nothing that the provider says can be believed, nothing is sent under another number,
and all of it goes on once the clock is right."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client import REGISTRY

from services.payment.wechatpay import WechatPay, http_client
from tests.unit.payment.given import NOON, number, refund_document, refund_payment, watch_refund
from tests.unit.payment.provider import BASE, SHOP, Provider, merchant_of
from tests.unit.payment.shop import Clock, Shop
from tests.unit.payment.test_engine import pay, posts


def unverified() -> float:
    labels = {"provider": "wechatpay", "call": "refund", "code": "UNVERIFIED"}
    return REGISTRY.get_sample_value("tuidan_provider_answers_total", labels) or 0.0


@pytest.mark.parametrize("minutes", [10, -10])
async def test_a_clock_that_is_ten_minutes_off_moves_no_money_twice_and_heals(keys: Path, minutes: int) -> None:
    provider, off = Provider(keys), [timedelta(minutes=minutes)]
    http = http_client(BASE, httpx.MockTransport(provider._answer))
    shop = Shop(WechatPay(http, merchant_of(keys), SHOP, lambda: provider.now + off[0]), Clock(NOON))
    await pay(shop)
    before = unverified()
    provider.script = [provider.says(200, refund_document())]
    await shop.hear(refund_payment())
    await shop.hear(watch_refund())
    assert shop.told()[2:] == ["RefundAttempted"], "the provider has taken it, and we cannot know"
    assert unverified() - before == 1

    off[0] = timedelta()
    provider.script = [provider.says(200, refund_document("SUCCESS"))]
    await shop.later(timedelta(seconds=2))
    assert posts(provider) == [number()], "it was looked for, and not sent again"
    assert shop.told()[2:] == ["RefundAttempted", "RefundAccepted", "RefundSettled"]
