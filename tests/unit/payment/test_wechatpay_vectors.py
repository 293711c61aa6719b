"""What others' code (`wechatpayv3`) signs, encrypts and verifies, ours takes, and the other way round."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from wechatpayv3.utils import aes_decrypt, build_authorization, rsa_decrypt, rsa_encrypt, rsa_sign, rsa_verify

from services.payment.signing import BadSignature, Stamp, WrongKey, open_sealed, request_message, seal, sign
from tests.unit.payment.given import NOON, ORDER, fen
from tests.unit.payment.key_files import rsa_key
from tests.unit.payment.provider import Provider, private_key, text

OURS = rsa_key("ours")
APIV3 = "0123456789abcdef0123456789ABCDEF"
# Whatever a body may hold; lone surrogates are no UTF-8.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def parts_of(authorization: str) -> dict[str, str]:
    scheme, _, rest = authorization.partition(" ")
    assert scheme == "WECHATPAY2-SHA256-RSA2048"
    return {name: value.strip('"') for name, value in (part.split("=", 1) for part in rest.split(","))}


@given(body=TEXTS.filter(bool))
@settings(deadline=None, max_examples=25)
def test_a_request_is_signed_as_others_sign_it(body: str) -> None:
    path = "/v3/refund/domestic/refunds?a=%2F&b=1"
    theirs = parts_of(build_authorization(path, "POST", "1900000109", "SERIAL", OURS, data=body, nonce_str="N1"))
    message = request_message("POST", path, theirs["timestamp"], "N1", body.encode())
    assert sign(OURS, message) == theirs["signature"]  # this padding leaves nothing to chance


async def test_our_header_has_the_parts_and_the_order_of_theirs(keys: Path) -> None:
    provider = Provider(keys)
    provider.script = [provider.says(200, {"prepay_id": "wx1"})]
    await provider.client().prepay(ORDER, "openid-1", fen(1), "龙井茶")
    (request,) = provider.asked
    ours = parts_of(request.headers["authorization"])
    theirs = build_authorization(
        "/v3/pay/transactions/jsapi", "POST", ours["mchid"], ours["serial_no"], OURS, request.content.decode(), "N"
    )
    assert list(ours) == list(parts_of(theirs))


@given(body=TEXTS)
@settings(deadline=None, max_examples=25)
def test_an_answer_is_verified_as_others_verify_it(body: str) -> None:
    timestamp = str(int(NOON.timestamp()))
    stamp = Stamp(timestamp, "N1", rsa_sign(OURS, f"{timestamp}\nN1\n{body}\n"), "S")
    stamp.check(body.encode(), OURS.public_key(), NOON.timestamp())
    with pytest.raises(BadSignature):
        stamp.check(body.encode() + b" ", OURS.public_key(), NOON.timestamp())
    by_us = sign(OURS, f"{timestamp}\nN1\n{body}\n".encode())
    assert rsa_verify(timestamp, "N1", body, by_us, OURS.public_key())


@given(plain=TEXTS, more=st.sampled_from(["", "transaction", "refund", "mch_payment", "certificate"]))
@settings(deadline=None)
def test_a_resource_is_decrypted_as_others_decrypt_it(plain: str, more: str) -> None:
    sealed = AESGCM(APIV3.encode()).encrypt(b"nonce1234567", plain.encode(), more.encode())
    document = {"nonce": "nonce1234567", "ciphertext": b64encode(sealed).decode(), "associated_data": more}
    assert open_sealed(APIV3.encode(), document).decode() == plain
    assert aes_decrypt("nonce1234567", document["ciphertext"], more, APIV3) == plain
    with pytest.raises(WrongKey):
        open_sealed(b"x" * 32, document)


@pytest.mark.parametrize("associated", [None, "", "absent"])
def test_a_resource_may_have_no_associated_data(associated: Any) -> None:
    sealed = AESGCM(APIV3.encode()).encrypt(b"nonce1234567", b"{}", None)
    document = {"nonce": "nonce1234567", "ciphertext": b64encode(sealed).decode()}
    if associated != "absent":
        document["associated_data"] = associated
    assert open_sealed(APIV3.encode(), document) == b"{}"


@given(plain=st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
@settings(deadline=None, max_examples=25)
def test_a_sensitive_field_is_read_by_others_as_theirs_is(plain: str) -> None:
    assert rsa_decrypt(seal(OURS.public_key(), plain), OURS) == plain
    assert rsa_decrypt(rsa_encrypt(plain, OURS.public_key()), OURS) == plain


async def test_a_callback_made_by_others_is_opened_whole(keys: Path) -> None:
    provider = Provider(keys)
    plain = json.dumps({"out_trade_no": ORDER, "attach": "中文 \u2028"}, ensure_ascii=False)
    key = text(keys, "apiv3-key.txt")
    sealed = AESGCM(key.encode()).encrypt(b"fdasflkja484", plain.encode(), b"transaction")
    raw = json.dumps(
        {
            "id": "EV-2018022511223320873",
            "create_time": "2015-05-20T13:29:35+08:00",
            "resource_type": "encrypt-resource",
            "event_type": "TRANSACTION.SUCCESS",
            "summary": "支付成功",
            "resource": {
                "original_type": "transaction",
                "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": b64encode(sealed).decode(),
                "associated_data": "transaction",
                "nonce": "fdasflkja484",
            },
        },
        ensure_ascii=False,
    )
    timestamp = str(int(provider.now.timestamp()))
    headers = {
        "Wechatpay-Timestamp": timestamp,
        "Wechatpay-Nonce": "EcY3",
        "Wechatpay-Signature": rsa_sign(private_key(keys), f"{timestamp}\nEcY3\n{raw}\n"),
        "Wechatpay-Serial": text(keys, "wechatpay-serial.txt"),
    }
    opened = await provider.client().open_callback(headers, raw.encode())
    assert json.dumps(opened.resource, ensure_ascii=False) == plain
