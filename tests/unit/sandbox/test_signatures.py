"""Who may call, and how anybody can tell that WeChat Pay answered."""

import json
import time
from base64 import b64decode
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from wechatpayv3.utils import load_private_key, rsa_sign

from tests.unit.sandbox.shop import Shop, text

PATH = "/v3/refund/domestic/refunds/refund-1"


def authorization(shop: Shop, **change: Any) -> str:
    """The header a right client would send for GET PATH, with some of its parts replaced."""
    parts = {
        "mchid": text(shop.keys, "mchid.txt"),
        "nonce_str": "593BEC0C930BF1AFEB40B4A08C8FB242",
        "timestamp": str(int(time.time())),
        "serial_no": text(shop.keys, "merchant-serial.txt"),
    } | change
    signed = f"GET\n{PATH}\n{parts['timestamp']}\n{parts['nonce_str']}\n\n"
    private_key = load_private_key(text(shop.keys, "merchant-private.pem"))
    parts.setdefault("signature", rsa_sign(private_key, signed))
    return "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in parts.items())


def proven(shop: Shop, answer: httpx.Response) -> bool:
    """Whether WeChat Pay's public key proves the answer; raises when it does not."""
    key = load_pem_public_key(text(shop.keys, "wechatpay-public.pem").encode())
    assert isinstance(key, RSAPublicKey)
    head = f"{answer.headers['wechatpay-timestamp']}\n{answer.headers['wechatpay-nonce']}\n".encode()
    signature = b64decode(answer.headers["wechatpay-signature"])
    key.verify(signature, head + answer.content + b"\n", PKCS1v15(), SHA256())
    return answer.headers["wechatpay-serial"] == text(shop.keys, "wechatpay-serial.txt")


async def test_a_right_signature_is_let_through(shop: Shop) -> None:
    answer = await shop.http.get(PATH, headers={"Authorization": authorization(shop)})
    assert (answer.status_code, answer.json()["code"]) == (404, "RESOURCE_NOT_EXISTS")


@pytest.mark.parametrize(
    "change",
    [
        {"mchid": "1900000110"},
        {"serial_no": "0" * 40},
        {"timestamp": str(int(time.time()) - 3600)},
        {"timestamp": str(int(time.time()) + 3600)},
        {"timestamp": "yesterday"},
        {"signature": "bm90IGEgc2lnbmF0dXJl"},
        {"signature": "not base64!"},
        {"extra": "1"},
    ],
)
async def test_a_wrong_signature_is_refused(shop: Shop, change: dict[str, str]) -> None:
    answer = await shop.http.get(PATH, headers={"Authorization": authorization(shop, **change)})
    assert (answer.status_code, answer.json()["code"]) == (401, "SIGN_ERROR")
    assert proven(shop, answer)


async def test_a_signature_covers_path_query_and_body(shop: Shop) -> None:
    header = {"Authorization": authorization(shop)}
    assert (await shop.http.get(f"{PATH}x", headers=header)).status_code == 401
    assert (await shop.http.get(f"{PATH}?a=1", headers=header)).status_code == 401
    assert (await shop.http.request("GET", PATH, headers=header, content=b"{}")).status_code == 401
    assert (await shop.http.get(PATH)).status_code == 401
    assert (await shop.http.get(PATH, headers={"Authorization": "Bearer x"})).status_code == 401


async def test_a_body_that_was_changed_on_the_way_is_refused(shop: Shop) -> None:
    sent: list[httpx.Request] = []

    async def remember(request: httpx.Request) -> None:
        sent.append(request)

    shop.http.event_hooks["request"] = [remember]
    await shop.prepay("order-0001", 100)
    body = json.loads(sent[0].content)
    body["amount"]["total"] = 1
    forged = await shop.http.post(
        sent[0].url.path, content=json.dumps(body), headers={"Authorization": sent[0].headers["Authorization"]}
    )
    assert (forged.status_code, forged.json()["code"]) == (401, "SIGN_ERROR")


async def test_the_empty_answer_to_a_close_is_signed(shop: Shop) -> None:
    answers: list[httpx.Response] = []

    async def remember(response: httpx.Response) -> None:
        answers.append(response)

    await shop.prepay("order-0001")
    shop.http.event_hooks["response"] = [remember]
    await shop.pay.close("order-0001")
    assert answers[0].status_code == 204
    assert proven(shop, answers[0])


async def test_a_signature_belongs_to_one_body(shop: Shop) -> None:
    answer = await shop.http.get(PATH, headers={"Authorization": authorization(shop)})
    changed = httpx.Response(200, headers=answer.headers, content=answer.content + b" ")
    with pytest.raises(InvalidSignature):
        proven(shop, changed)


async def test_an_escaped_path_is_verified_as_it_was_sent(shop: Shop) -> None:
    code, body = await shop.pay.query_refund("refund%7C1%40shop")
    assert (code, json.loads(body)["code"]) == (404, "RESOURCE_NOT_EXISTS")
