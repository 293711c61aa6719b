"""Our client against signatures made and checked by a client others wrote."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from wechatpayv3.utils import rsa_verify

from services.payment.keyfolder import Merchant
from services.payment.signing import WINDOW_SECONDS
from services.payment.wechatpay import NoAnswer, Refused, http_client
from tests.unit.payment.given import NOON, ORDER, fen, number, refund_document
from tests.unit.payment.provider import SHOP, Provider, text


@pytest.fixture
def provider(keys: Path) -> Provider:
    return Provider(keys)


# ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_a_prepay_is_signed_over_the_bytes_that_are_sent(provider: Provider) -> None:
    provider.script = [provider.says(200, {"prepay_id": "wx1"})]
    assert await provider.client().prepay(ORDER, "openid-1", fen(1), "龙井茶 / 50g") == "wx1"
    assert provider.body() == {
        "appid": text(provider.keys, "appid.txt"),
        "mchid": text(provider.keys, "mchid.txt"),
        "description": "龙井茶 / 50g",
        "out_trade_no": ORDER,
        "notify_url": f"{SHOP}/callbacks/wechat/pay",
        "amount": {"total": 1, "currency": "CNY"},
        "payer": {"openid": "openid-1"},
    }
    assert provider.asked[0].headers["wechatpay-serial"] == text(provider.keys, "wechatpay-serial.txt")


async def test_what_is_not_seen_is_a_blank(provider: Provider) -> None:
    """What a customer wrote ends lines, and a product's name may hold anything: nobody promises that it is taken."""
    ticket = provider.says(200, {"prepay_id": "wx1"})
    provider.script = [ticket, ticket, provider.says(200, refund_document())]
    client = provider.client()
    await client.prepay(ORDER, "openid-1", fen(1), "龙井\t茶\u200b 50g\n")
    assert provider.body()["description"] == "龙井 茶  50g"
    await client.prepay(ORDER, "openid-1", fen(1), "\x00\n🍵")
    assert provider.body()["description"] == ORDER
    await client.refund(number(), ORDER, fen(4_000), fen(10_000), "其他原因:不想要了😊\n谢谢🍵")
    assert provider.body()["reason"] == "其他原因:不想要了 谢谢"


async def test_a_query_with_odd_characters_is_signed_as_it_is_sent(provider: Provider) -> None:
    provider.script = [provider.says(200, {"out_trade_no": "A*B_C-1", "trade_state": "NOTPAY"})]
    found = await provider.client().query_payment("A*B_C-1")
    assert (found.trade_state, found.is_paid) == ("NOTPAY", False)
    assert provider.asked[0].url.query.decode() == f"mchid={text(provider.keys, 'mchid.txt')}"


async def test_a_refund_without_a_reason_sends_none(provider: Provider) -> None:
    provider.script = [provider.says(200, refund_document())] * 2
    client = provider.client()
    await client.refund(number(), ORDER, fen(4_000), fen(10_000), "")
    assert "reason" not in provider.body()
    await client.refund(number(), ORDER, fen(4_000), fen(10_000), "商品缺货")
    assert provider.body() == {
        "out_trade_no": ORDER,
        "out_refund_no": number(),
        "notify_url": f"{SHOP}/callbacks/wechat/refund",
        "amount": {"refund": 4_000, "total": 10_000, "currency": "CNY"},
        "reason": "商品缺货",
    }


def test_the_ticket_for_the_phone_is_signed_as_the_phone_checks_it(provider: Provider) -> None:
    ticket = provider.client().ticket("wx1")
    assert ticket["package"] == "prepay_id=wx1"
    assert ticket["timeStamp"] == str(int(NOON.timestamp()))
    public = serialization.load_pem_public_key(text(provider.keys, "merchant-public.pem").encode())
    appid = text(provider.keys, "appid.txt")
    lines = f"{appid}\n{ticket['timeStamp']}"
    assert rsa_verify(lines, ticket["nonceStr"], ticket["package"], ticket["paySign"], public)
    assert provider.client().ticket("wx1")["nonceStr"] != ticket["nonceStr"]


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
async def test_an_empty_answer_is_verified_too(provider: Provider) -> None:
    unsigned = httpx.Response(204)
    provider.script = [provider.says(204), unsigned]
    client = provider.client()
    await client.close(ORDER)
    with pytest.raises(NoAnswer) as caught:
        await client.close(ORDER)
    assert caught.value.code == "UNVERIFIED"


def _spoiled(provider: Provider, what: str) -> httpx.Response:
    raw = json.dumps(refund_document("SUCCESS")).encode()
    headers = provider.headers(raw)
    if what == "unsigned":
        headers = {}
    elif what == "other bytes":
        raw = raw.replace(b"4000", b"4001")
    elif what == "too old":
        headers = provider.headers(raw, age=timedelta(seconds=WINDOW_SECONDS))
    elif what == "from the future":
        headers = provider.headers(raw, age=timedelta(seconds=-WINDOW_SECONDS))
    elif what == "unknown serial":
        headers = provider.headers(raw, serial="PUB_KEY_ID_0000000000")
    elif what == "probe":
        headers["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + headers["Wechatpay-Signature"]
    elif what == "no number":
        headers["Wechatpay-Timestamp"] = "soon"
    return httpx.Response(200, content=raw, headers=headers)


SPOILED = ["unsigned", "other bytes", "too old", "from the future", "unknown serial", "probe", "no number"]


@pytest.mark.parametrize("what", SPOILED)
async def test_a_success_that_is_not_signed_well_is_no_answer(provider: Provider, what: str) -> None:
    provider.script = [_spoiled(provider, what)]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().query_refund(number())
    assert caught.value.code == "UNVERIFIED"


async def test_an_answer_just_inside_five_minutes_is_good(provider: Provider) -> None:
    raw = json.dumps(refund_document()).encode()
    headers = provider.headers(raw, age=timedelta(seconds=WINDOW_SECONDS - 1))
    provider.script = [httpx.Response(200, content=raw, headers=headers)]
    assert (await provider.client().query_refund(number())).status == "PROCESSING"


async def test_a_signed_error_must_be_signed_well_and_an_unsigned_one_is_believed(provider: Provider) -> None:
    raw = b'{"code":"USER_ACCOUNT_ABNORMAL","message":""}'
    other = provider.headers(b'{"code":"NOT_ENOUGH","message":""}')
    provider.script = [
        httpx.Response(403, content=raw, headers=other),
        httpx.Response(403, content=raw),
    ]
    client = provider.client()
    with pytest.raises(NoAnswer) as unverified:
        await client.query_refund(number())
    assert unverified.value.code == "UNVERIFIED"
    with pytest.raises(Refused) as refused:
        await client.query_refund(number())
    assert (refused.value.http, refused.value.code) == (403, "USER_ACCOUNT_ABNORMAL")


@pytest.mark.parametrize(
    ("http", "body", "code"),
    [
        (500, b'{"code":"SYSTEM_ERROR"}', "SYSTEM_ERROR"),
        (429, b'{"code":"FREQUENCY_LIMITED"}', "FREQUENCY_LIMITED"),
        (502, b"<html>bad gateway</html>", "HTTP_502"),
        (403, b"<html>forbidden</html>", "HTTP_403"),
        (403, b"[]", "HTTP_403"),
        (302, b'{"code":"MOVED"}', "MOVED"),
        (302, b"", "HTTP_302"),
    ],
)
async def test_what_decides_nothing_is_no_answer(provider: Provider, http: int, body: bytes, code: str) -> None:
    provider.script = [httpx.Response(http, content=body, headers={"Location": "https://elsewhere.test/"})]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().query_refund(number())
    assert caught.value.code == code
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (httpx.ReadTimeout("slow"), "TIMEOUT"),
        (httpx.ConnectTimeout("slow"), "TIMEOUT"),
        (httpx.PoolTimeout("full"), "TIMEOUT"),
        (httpx.ReadError("reset"), "CONNECTION"),
        (httpx.ConnectError("refused"), "CONNECTION"),
        (httpx.RemoteProtocolError("hung up"), "CONNECTION"),
    ],
)
async def test_a_broken_connection_is_no_answer(provider: Provider, problem: Exception, code: str) -> None:
    provider.script = [problem]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().close(ORDER)
    assert caught.value.code == code


async def test_a_trickling_answer_is_cut_off(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.payment.calling.CALL_SECONDS", 0.01)

    class Trickle(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            import asyncio

            while True:
                await asyncio.Event().wait()
                yield b" "

    provider.script = [httpx.Response(200, stream=Trickle())]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().query_refund(number())
    assert caught.value.code == "TIMEOUT"


NO_TIME_IN_UTC = {**refund_document("SUCCESS"), "success_time": "0001-01-01T00:00:00+08:00"}


@pytest.mark.parametrize("document", [[], {"status": "SUCCESS"}, refund_document("LOST"), NO_TIME_IN_UTC, None])
async def test_a_signed_answer_that_says_something_else_is_no_answer(provider: Provider, document: Any) -> None:
    provider.script = [provider.says(200, document)]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().query_refund(number())
    assert caught.value.code == "UNREADABLE"


async def test_a_prepay_without_an_id_is_no_answer(provider: Provider) -> None:
    provider.script = [provider.says(200, {})]
    with pytest.raises(NoAnswer) as caught:
        await provider.client().prepay(ORDER, "openid-1", fen(1), "茶")
    assert caught.value.code == "UNREADABLE"


async def test_plain_http_uses_no_proxy_and_no_client_follows_redirects(merchant: Merchant) -> None:
    assert len(merchant.key_ring) == 1
    for url, trusts in (("http://127.0.0.1:1", False), ("https://api.mch.weixin.qq.com", True)):
        async with http_client(url) as client:
            assert (client.trust_env, client.follow_redirects) == (trusts, False)
