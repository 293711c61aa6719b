"""The key files both sides share: made once by ``python -m sandbox keys DIR``, read by the stand-in and by clients."""

import json
import os
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from sandbox.templates import sms_templates, subscribe_templates

PUBLIC_MODE = 0o644
PRIVATE_MODE = 0o600
ALPHANUMERIC = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class SmsAccount:
    """Access key of one SMS provider."""

    key_id: str
    key: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Everything in the keys folder, parsed."""

    mchid: str
    appid: str
    appsecret: str
    apiv3_key: bytes
    merchant_serial: str
    merchant_public: rsa.RSAPublicKey
    wechatpay_serial: str
    wechatpay_private: rsa.RSAPrivateKey
    login_private: ed25519.Ed25519PrivateKey
    sms_tencent: SmsAccount
    sms_alibaba: SmsAccount
    templates: dict[str, Any]
    sms_templates: dict[str, Any]


class MissingKeysError(Exception):
    """The keys folder lacks a file; make it with ``python -m sandbox keys DIR``."""


def _pick(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _write(path: Path, content: bytes, mode: int) -> None:
    """Write a new file whole or not at all, and never touch one that is there."""
    if path.exists():
        return
    half = path.with_name(f"{path.name}.{secrets.token_hex(4)}.half")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        # A link fails where the name is taken, a rename would replace what another process has just made.
        os.link(half, path)
    except FileExistsError:
        pass
    finally:
        half.unlink()


def _private_pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _public_pem(key: rsa.RSAPublicKey | ed25519.Ed25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _pair(folder: Path, name: str, make: Callable[[], rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey]) -> None:
    private = folder / f"{name}-private.pem"
    if not private.exists():
        _write(private, _private_pem(make()), PRIVATE_MODE)
    key = serialization.load_pem_private_key(private.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise MissingKeysError(f"{private.name} is neither an RSA nor an Ed25519 key")
    _write(folder / f"{name}-public.pem", _public_pem(key.public_key()), PUBLIC_MODE)


def _rsa_2048() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def make_keys(folder: Path) -> None:
    """Make every file that is missing in ``folder`` and keep those that are there. Private files get mode 0600."""
    folder.mkdir(parents=True, exist_ok=True)
    _pair(folder, "merchant", _rsa_2048)
    _pair(folder, "wechatpay", _rsa_2048)
    _pair(folder, "login", ed25519.Ed25519PrivateKey.generate)
    # The first two are the example numbers of the providers' own documents.
    public = {
        "mchid.txt": "1900000109",
        "appid.txt": "wxd678efh567hg6787",
        "merchant-serial.txt": _pick("0123456789ABCDEF", 40),
        "wechatpay-serial.txt": f"PUB_KEY_ID_01{_pick(string.digits, 32)}",
        "sms-tencent-id.txt": f"AKID{_pick(ALPHANUMERIC, 32)}",
        "sms-alibaba-id.txt": f"LTAI{_pick(ALPHANUMERIC, 20)}",
    }
    secret = {
        "apiv3-key.txt": _pick(ALPHANUMERIC, 32),
        "appsecret.txt": secrets.token_hex(16),
        "sms-tencent-key.txt": _pick(ALPHANUMERIC, 32),
        "sms-alibaba-key.txt": _pick(ALPHANUMERIC, 30),
    }
    for name, content in public.items():
        _write(folder / name, content.encode(), PUBLIC_MODE)
    for name, content in secret.items():
        _write(folder / name, content.encode(), PRIVATE_MODE)
    appid = _read(folder, "appid.txt")
    for name, templates in (("templates.json", subscribe_templates(appid)), ("sms-templates.json", sms_templates())):
        _write(folder / name, json.dumps(templates, ensure_ascii=False, indent=2).encode(), PUBLIC_MODE)


def _read(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise MissingKeysError(f"no {name} in the keys folder; run `python -m sandbox keys {folder}`") from None


def load_keys(folder: Path) -> Keys:
    """Read the folder; MissingKeysError names the first file that is missing or of the wrong kind."""
    merchant_public = serialization.load_pem_public_key(_read(folder, "merchant-public.pem").encode())
    wechatpay_private = serialization.load_pem_private_key(_read(folder, "wechatpay-private.pem").encode(), None)
    login_private = serialization.load_pem_private_key(_read(folder, "login-private.pem").encode(), None)
    if not isinstance(merchant_public, rsa.RSAPublicKey):
        raise MissingKeysError("merchant-public.pem is not an RSA key")
    if not isinstance(wechatpay_private, rsa.RSAPrivateKey):
        raise MissingKeysError("wechatpay-private.pem is not an RSA key")
    if not isinstance(login_private, ed25519.Ed25519PrivateKey):
        raise MissingKeysError("login-private.pem is not an Ed25519 key")
    return Keys(
        mchid=_read(folder, "mchid.txt"),
        appid=_read(folder, "appid.txt"),
        appsecret=_read(folder, "appsecret.txt"),
        apiv3_key=_read(folder, "apiv3-key.txt").encode(),
        merchant_serial=_read(folder, "merchant-serial.txt"),
        merchant_public=merchant_public,
        wechatpay_serial=_read(folder, "wechatpay-serial.txt"),
        wechatpay_private=wechatpay_private,
        login_private=login_private,
        sms_tencent=SmsAccount(_read(folder, "sms-tencent-id.txt"), _read(folder, "sms-tencent-key.txt")),
        sms_alibaba=SmsAccount(_read(folder, "sms-alibaba-id.txt"), _read(folder, "sms-alibaba-key.txt")),
        templates=json.loads(_read(folder, "templates.json")),
        sms_templates=json.loads(_read(folder, "sms-templates.json")),
    )
