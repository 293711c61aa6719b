"""Answers that cannot be believed or read, after the call took effect."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from sandbox.app import settle
from tests.unit.sandbox.shop import Shop

SIGNED = ("wechatpay-signature", "wechatpay-serial", "wechatpay-timestamp", "wechatpay-nonce")


async def rule(shop: Shop, kind: str, call: str = "refund", **more: Any) -> None:
    await shop.control("POST", "/faults/rules", [{"call": call, "times": 1, "fault": {"kind": kind, **more}}])


async def raw_refund(shop: Shop, refund_no: str = "refund-1") -> httpx.Response:
    """The answer as it is on the wire, whatever the client makes of it."""
    answers: list[httpx.Response] = []

    async def remember(response: httpx.Response) -> None:
        answers.append(response)

    shop.http.event_hooks["response"] = [remember]
    shop.pay._core._verify_signature_async = believe
    await shop.pay.refund(
        out_refund_no=refund_no, out_trade_no="order-0001", amount={"refund": 10, "total": 100, "currency": "CNY"}
    )
    shop.http.event_hooks["response"] = []
    return answers[0]


async def believe(headers: Any, body: Any) -> bool:
    return True


async def took_effect_once(shop: Shop) -> bool:
    again = await raw_refund(shop)
    await settle(shop.app)
    summary = await shop.get("/_ledger/summary")
    return again.status_code == 200 and summary["refunded"] == {"count": 1, "amount_minor": 10}


@pytest.mark.parametrize("kind", ["unsigned", "signtest"])
async def test_an_answer_without_a_right_signature_is_not_believed(shop: Shop, kind: str) -> None:
    await shop.paid("order-0001")
    await rule(shop, kind)
    with pytest.raises(Exception, match=r"does not support this algorithm: $|failed to verify the signature"):
        await shop.refund("refund-1", "order-0001", 10)
    assert (await shop.refund_state("refund-1"))[0] == 200


async def test_an_unsigned_answer_has_no_headers_of_a_signature(shop: Shop) -> None:
    await shop.paid("order-0001")
    await rule(shop, "unsigned")
    answer = await raw_refund(shop)
    assert not set(SIGNED) & set(answer.headers)
    assert answer.json()["out_refund_no"] == "refund-1"
    assert await took_effect_once(shop)
    assert set(SIGNED) <= set((await raw_refund(shop)).headers)


async def test_a_probe_answer_has_the_documented_prefix(shop: Shop) -> None:
    await shop.paid("order-0001")
    await rule(shop, "signtest")
    answer = await raw_refund(shop)
    assert answer.headers["wechatpay-signature"].startswith("WECHATPAY/SIGNTEST/")
    assert await took_effect_once(shop)


async def test_a_garbled_answer_is_no_json_and_is_signed(shop: Shop) -> None:
    await shop.paid("order-0001")
    await rule(shop, "garbled")
    with pytest.raises(json.JSONDecodeError):
        await shop.refund("refund-1", "order-0001", 10)
    assert await took_effect_once(shop)


async def test_a_wrong_amount(shop: Shop) -> None:
    await shop.paid("order-0001")
    await rule(shop, "wrong-amount")
    amount = (await raw_refund(shop)).json()["amount"]
    assert (amount["refund"], amount["total"]) == (11, 101)
    assert (await raw_refund(shop)).json()["amount"]["refund"] == 10
    assert await took_effect_once(shop)


async def test_a_wrong_number(shop: Shop) -> None:
    await shop.paid("order-0001")
    await rule(shop, "wrong-number")
    answer = (await raw_refund(shop)).json()
    assert (answer["out_refund_no"], answer["out_trade_no"]) == ("refund-10", "order-00010")
    assert await took_effect_once(shop)


async def test_a_wrong_amount_of_a_payment(shop: Shop) -> None:
    await shop.paid("order-0001")
    await rule(shop, "wrong-amount", "pay-query")
    assert (await shop.trade_state("order-0001"))[1]["amount"]["total"] == 101
    assert (await shop.trade_state("order-0001"))[1]["amount"]["total"] == 100


async def test_a_slow_answer_is_held_back_for_its_seconds(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[float] = []
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def hold(seconds: float) -> None:
        held.append(seconds)
        under_way.set()
        await go_on.wait()

    await shop.paid("order-0001")
    await rule(shop, "slow", seconds=7)
    monkeypatch.setattr("sandbox.calls.asyncio.sleep", hold)
    call = asyncio.create_task(shop.refund("refund-1", "order-0001", 10))
    await under_way.wait()
    assert (await shop.refund_state("refund-1"))[0] == 200
    assert not call.done()
    go_on.set()
    assert ((await call)[0], held) == (200, [7])


async def test_an_answer_by_share_is_a_probe(shop: Shop) -> None:
    await shop.paid("order-0001")
    await shop.control("PUT", "/signing", {"probe_share": 1})
    assert (await raw_refund(shop)).headers["wechatpay-signature"].startswith("WECHATPAY/SIGNTEST/")
    await shop.control("PUT", "/signing", {"probe_share": 0})
    assert await took_effect_once(shop)
