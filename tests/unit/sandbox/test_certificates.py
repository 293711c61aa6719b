"""Key modes: the public key, platform certificates, both during migration, and certificates that rotate."""

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from wechatpayv3.utils import load_private_key, rsa_sign

from sandbox.app import advance, world_of
from sandbox.certificates import OVERLAP_SECONDS, serial_of
from sandbox.errors import WechatPayError
from tests.unit.sandbox.shop import Shop, text

MakeShop = Callable[..., Awaitable[Shop]]
CERTIFICATES = "/v3/certificates"
REFUND = "/v3/refund/domestic/refunds/refund-1"


async def signed_get(shop: Shop, path: str, serial: str = "", nonce: str = "593BEC0C930BF1AFEB40") -> httpx.Response:
    """GET as the first merchant; ``serial`` is the header Wechatpay-Serial."""
    stamp = str(int(time.time()))
    key = load_private_key(text(shop.keys, "merchant-private.pem"))
    parts = {
        "mchid": text(shop.keys, "mchid.txt"),
        "nonce_str": nonce,
        "signature": rsa_sign(key, f"GET\n{path}\n{stamp}\n{nonce}\n\n"),
        "timestamp": stamp,
        "serial_no": text(shop.keys, "merchant-serial.txt"),
    }
    scheme = "WECHATPAY2-SHA256-RSA2048 " + ",".join(f'{name}="{value}"' for name, value in parts.items())
    more = {"Wechatpay-Serial": serial} if serial else {}
    return await shop.http.get(path, headers={"Authorization": scheme, **more})


def first_certificate(shop: Shop) -> x509.Certificate:
    return x509.load_pem_x509_certificate(text(shop.keys, "wechatpay-certificate.pem").encode())


def public_id(shop: Shop) -> str:
    return text(shop.keys, "wechatpay-serial.txt")


def listed_certificates(shop: Shop, answer: httpx.Response) -> list[x509.Certificate]:
    """Decrypted with the merchant's APIv3 key."""
    opener = AESGCM(text(shop.keys, "apiv3-key.txt").encode())
    found = []
    for line in answer.json()["data"]:
        box = line["encrypt_certificate"]
        assert (box["algorithm"], box["associated_data"]) == ("AEAD_AES_256_GCM", "certificate")
        pem = opener.decrypt(box["nonce"].encode(), b64decode(box["ciphertext"]), b"certificate")
        certificate = x509.load_pem_x509_certificate(pem)
        assert line["serial_no"] == serial_of(certificate)
        assert line["effective_time"].endswith("+08:00")
        found.append(certificate)
    return found


def verify(answer: httpx.Response, key: Any) -> None:
    """InvalidSignature unless the key signed this answer."""
    assert isinstance(key, RSAPublicKey)
    head = f"{answer.headers['wechatpay-timestamp']}\n{answer.headers['wechatpay-nonce']}\n".encode()
    signature = b64decode(answer.headers["wechatpay-signature"])
    key.verify(signature, head + answer.content + b"\n", PKCS1v15(), SHA256())


def test_the_certificate_is_of_the_usual_form(keys: Path) -> None:
    certificate = x509.load_pem_x509_certificate(text(keys, "wechatpay-certificate.pem").encode())
    assert certificate.subject.rfc4514_string().count("Tenpay.com") == 2
    serial = serial_of(certificate)
    assert len(serial) == 40
    assert serial[0] in "1234567"
    certificate.verify_directly_issued_by(certificate)


async def test_public_key_mode_lists_no_certificates(shop: Shop) -> None:
    answer = await signed_get(shop, CERTIFICATES)
    assert (answer.status_code, answer.json()["code"]) == (500, "SYSTEM_ERROR")
    assert answer.headers["wechatpay-serial"] == public_id(shop)


async def test_certificate_mode_lists_the_certificate_and_signs_with_it(shop: Shop) -> None:
    await shop.control("PUT", "/signing", {"mode": "certificate"})
    answer = await signed_get(shop, CERTIFICATES)
    assert listed_certificates(shop, answer) == [first_certificate(shop)]
    assert answer.headers["wechatpay-serial"] == serial_of(first_certificate(shop))
    verify(answer, first_certificate(shop).public_key())
    public = load_pem_public_key(text(shop.keys, "wechatpay-public.pem").encode())
    with pytest.raises(InvalidSignature):
        verify(answer, public)


async def test_each_merchant_opens_its_own_list(shop: Shop) -> None:
    await shop.control("PUT", "/signing", {"mode": "certificate"})
    listed = world_of(shop.app).keys.platform.listed(b"k" * 32)
    sealed = listed["data"][0]["encrypt_certificate"]
    opened = AESGCM(b"k" * 32).decrypt(sealed["nonce"].encode(), b64decode(sealed["ciphertext"]), b"certificate")
    assert opened.startswith(b"-----BEGIN CERTIFICATE-----")
    with pytest.raises(Exception, match=r"^$"):
        AESGCM(b"x" * 32).decrypt(sealed["nonce"].encode(), b64decode(sealed["ciphertext"]), b"certificate")


async def test_a_request_that_names_the_public_key_is_answered_with_it(shop: Shop) -> None:
    await shop.control("PUT", "/signing", {"mode": "certificate"})
    assert (await signed_get(shop, REFUND, public_id(shop))).headers["wechatpay-serial"] == public_id(shop)
    own = serial_of(first_certificate(shop))
    assert (await signed_get(shop, REFUND, own)).headers["wechatpay-serial"] == own
    assert (await signed_get(shop, REFUND, own.lower())).headers["wechatpay-serial"] == own


async def test_a_request_that_names_an_unknown_key_is_refused(shop: Shop) -> None:
    answer = await signed_get(shop, REFUND, "PUB_KEY_ID_0100000000000000000000000000000000")
    assert (answer.status_code, answer.json()["code"]) == (400, "PARAM_ERROR")
    assert "Wechatpay-Serial" in answer.json()["message"]


async def test_both_keys_answer_during_migration(shop: Shop) -> None:
    await shop.control("PUT", "/signing", {"mode": "both"})
    nonces = [f"nonce-{place:04}" for place in range(12)]
    serials = [(await signed_get(shop, REFUND, nonce=nonce)).headers["wechatpay-serial"] for nonce in nonces]
    assert set(serials) == {public_id(shop), serial_of(first_certificate(shop))}
    again = [(await signed_get(shop, REFUND, nonce=nonce)).headers["wechatpay-serial"] for nonce in nonces]
    assert again == serials


async def test_a_new_certificate_signs_and_the_old_one_is_listed_for_a_day(shop: Shop) -> None:
    await shop.control("PUT", "/signing", {"mode": "certificate"})
    old = serial_of(first_certificate(shop))
    rotated = await shop.control("POST", "/certificates/rotate")
    assert rotated["signs"] != old
    assert rotated["listed"] == [old, rotated["signs"]]
    answer = await signed_get(shop, CERTIFICATES)
    assert [serial_of(certificate) for certificate in listed_certificates(shop, answer)] == [old, rotated["signs"]]
    assert answer.headers["wechatpay-serial"] == rotated["signs"]
    verify(answer, listed_certificates(shop, answer)[1].public_key())
    assert (await signed_get(shop, REFUND, old)).status_code == 404
    await advance(shop.app, OVERLAP_SECONDS)
    answer = await signed_get(shop, CERTIFICATES)
    assert [serial_of(certificate) for certificate in listed_certificates(shop, answer)] == [rotated["signs"]]
    assert (await signed_get(shop, REFUND, old)).status_code == 400


async def test_mode_and_certificates_survive_a_restart(make_shop: MakeShop, tmp_path: Path) -> None:
    before = await make_shop(data_dir=tmp_path, signing_mode="public-key")
    await before.control("PUT", "/signing", {"mode": "certificate", "probe_share": 0.25})
    await before.control("PUT", "/signing", {"seed": 7})
    rotated = await before.control("POST", "/certificates/rotate")
    after = await make_shop(data_dir=tmp_path)
    assert await after.control("GET", "/signing") == {"mode": "certificate", "probe_share": 0.25, "seed": 7}
    await after.control("PUT", "/signing", {"probe_share": 0})
    answer = await signed_get(after, CERTIFICATES)
    assert answer.headers["wechatpay-serial"] == rotated["signs"]
    verify(answer, listed_certificates(after, answer)[1].public_key())


@pytest.mark.parametrize("which", ["public key", "certificate", "new certificate"])
async def test_sensitive_fields_are_read_with_the_key_that_is_named(shop: Shop, which: str) -> None:
    keys = world_of(shop.app).keys
    serial, public = public_id(shop), keys.platform.public.private.public_key()
    if which != "public key":
        if which == "new certificate":
            await shop.control("POST", "/certificates/rotate")
        newest = keys.platform.newest
        serial, public = newest.key.serial, newest.key.private.public_key()
    sealed = b64encode(public.encrypt("张三".encode(), OAEP(MGF1(SHA1()), SHA1(), None))).decode()
    assert keys.decrypt(serial, sealed) == "张三"


async def test_what_cannot_be_read_is_refused(shop: Shop) -> None:
    keys = world_of(shop.app).keys
    other = keys.platform.newest.key.private.public_key()
    sealed = b64encode(other.encrypt(b"x", OAEP(MGF1(SHA1()), SHA1(), None))).decode()
    for serial, ciphertext in ((public_id(shop), sealed), (public_id(shop), "no base64!"), ("0" * 40, sealed)):
        with pytest.raises(WechatPayError) as refused:
            keys.decrypt(serial, ciphertext)
        assert (refused.value.http, refused.value.code) == (400, "PARAM_ERROR")


async def test_a_mode_that_does_not_exist_is_refused(shop: Shop) -> None:
    assert (await shop.http.put("/_control/signing", json={"mode": "none"})).status_code == 422
    assert (await shop.http.put("/_control/signing", json={"probe_share": 2})).status_code == 422
    assert json.loads((await shop.http.get("/_control/signing")).text)["mode"] == "public-key"
