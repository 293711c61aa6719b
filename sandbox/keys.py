"""The key files both sides share: made once by ``python -m sandbox keys DIR``, read by the stand-in and by clients."""

import json
import secrets
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from sandbox.certificates import PlatformKey, PlatformKeys, make_certificate_files, read_certificate
from sandbox.keyfiles import (
    ALPHANUMERIC,
    PRIVATE_MODE,
    PUBLIC_MODE,
    MissingKeysError,
    pick,
    read_rsa_private,
    read_text,
    rsa_2048,
    write_new,
    write_pair,
)
from sandbox.merchants import (
    Merchant,
    add_sub_mchids,
    make_merchant,
    make_more_merchants,
    read_merchants,
    read_sub_mchids,
)
from sandbox.templates import sms_templates, subscribe_templates


@dataclass(frozen=True, slots=True)
class SmsAccount:
    """Access key of one SMS provider."""

    key_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything in the keys folder, parsed. ``mchid`` and ``appid`` are those of the first merchant."""

    mchid: str
    appid: str
    appsecret: str
    push_token: str
    merchants: dict[str, Merchant]
    sub_mchids: frozenset[str]
    platform: PlatformKeys
    login_private: ed25519.Ed25519PrivateKey
    sms_tencent: SmsAccount
    sms_alibaba: SmsAccount
    templates: dict[str, Any]
    sms_templates: dict[str, Any]

    def decrypt(self, serial: str, ciphertext_b64: str) -> str:
        """A sensitive field, encrypted for the key that the request's Wechatpay-Serial names; 400 PARAM_ERROR."""
        return self.platform.decrypt(serial, ciphertext_b64)


def make_keys(folder: Path, merchants: tuple[str, ...] = (), sub_mchids: tuple[str, ...] = ()) -> None:
    """Make every file that is missing in ``folder`` and keep those that are there. Private files get mode 0600.

    ``merchants`` names more merchants beside the first, ``sub_mchids`` numbers service providers may act for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # These two are the example numbers of the providers' own documents.
    make_merchant(folder, "1900000109", "wxd678efh567hg6787")
    write_pair(folder, "wechatpay", rsa_2048)
    make_certificate_files(folder)
    write_pair(folder, "login", ed25519.Ed25519PrivateKey.generate)
    write_pair(folder, "gateway", ed25519.Ed25519PrivateKey.generate)  # of the system itself: not read here
    public = {
        "wechatpay-serial.txt": f"PUB_KEY_ID_01{pick(string.digits, 32)}",
        "sms-tencent-id.txt": f"AKID{pick(ALPHANUMERIC, 32)}",
        "sms-alibaba-id.txt": f"LTAI{pick(ALPHANUMERIC, 20)}",
    }
    secret = {
        "appsecret.txt": secrets.token_hex(16),
        "gateway-secret.txt": secrets.token_hex(32),
        "push-token.txt": pick(ALPHANUMERIC, 32),
        "sms-tencent-key.txt": pick(ALPHANUMERIC, 32),
        "sms-alibaba-key.txt": pick(ALPHANUMERIC, 30),
    }
    for name, content in public.items():
        write_new(folder / name, content.encode(), PUBLIC_MODE)
    for name, content in secret.items():
        write_new(folder / name, content.encode(), PRIVATE_MODE)
    appid = read_text(folder, "appid.txt")
    for name, templates in (("templates.json", subscribe_templates(appid)), ("sms-templates.json", sms_templates())):
        write_new(folder / name, json.dumps(templates, ensure_ascii=False, indent=2).encode(), PUBLIC_MODE)
    make_more_merchants(folder, merchants)
    add_sub_mchids(folder, sub_mchids)


def load_keys(folder: Path) -> Keys:
    """Read the folder; MissingKeysError names the first file that is missing or of the wrong kind."""
    merchants = read_merchants(folder)
    first = next(iter(merchants.values()))
    wechatpay = PlatformKey(
        read_text(folder, "wechatpay-serial.txt"), read_rsa_private(folder, "wechatpay-private.pem")
    )
    login_private = serialization.load_pem_private_key(read_text(folder, "login-private.pem").encode(), None)
    if not isinstance(login_private, ed25519.Ed25519PrivateKey):
        raise MissingKeysError("login-private.pem is not an Ed25519 key")
    return Keys(
        mchid=first.mchid,
        appid=first.appid,
        push_token=read_text(folder, "push-token.txt"),
        appsecret=read_text(folder, "appsecret.txt"),
        merchants=merchants,
        sub_mchids=read_sub_mchids(folder),
        platform=PlatformKeys(wechatpay, read_certificate(folder)),
        login_private=login_private,
        sms_tencent=SmsAccount(read_text(folder, "sms-tencent-id.txt"), read_text(folder, "sms-tencent-key.txt")),
        sms_alibaba=SmsAccount(read_text(folder, "sms-alibaba-id.txt"), read_text(folder, "sms-alibaba-key.txt")),
        templates=json.loads(read_text(folder, "templates.json")),
        sms_templates=json.loads(read_text(folder, "sms-templates.json")),
    )
