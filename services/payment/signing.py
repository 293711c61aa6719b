"""Signatures and encryption of WeChat Pay API v3. Bytes in, bytes out: reads no file, no clock, no network.

Sources: pay.weixin.qq.com/doc/v3/merchant/4012556457 (requests),
pay.weixin.qq.com/docs/merchant/development/interface-rules/signature-verification.html (answers and callbacks),
pay.weixin.qq.com/doc/v3/merchant/4012082053 (encrypted callbacks),
pay.weixin.qq.com/doc/v3/merchant/4016241880 (signature probes), wechatpayv3 utils.py (sensitive fields).
"""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

SCHEME = "WECHATPAY2-SHA256-RSA2048"
SIGNATURE_PROBE = "WECHATPAY/SIGNTEST/"
# As the official SDKs do (wechatpay-go core/auth/validators/wechat_pay_validator.go).
WINDOW_SECONDS = 300
SIGNATURE_HEADERS = ("wechatpay-timestamp", "wechatpay-nonce", "wechatpay-signature", "wechatpay-serial")

Fault = Literal["unsigned", "expired", "unknown-key", "forged", "probe"]


class BadSignature(Exception):
    """Not from the provider, or too old. `fault` says which; probe: the provider tests whether we check, so refuse it
    and raise no alarm."""

    def __init__(self, why: str, fault: Fault) -> None:
        super().__init__(why)
        self.fault = fault

    @property
    def is_probe(self) -> bool:
        """Wrong on purpose."""
        return self.fault == "probe"


class Sealed(NamedTuple):
    """A text that only the provider can read: base64, and the serial of the key it takes."""

    serial: str
    ciphertext: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the `Wechatpay-*` headers say: who signed, when (Unix seconds), and the signature."""

    timestamp: str
    nonce: str
    signature: str
    serial: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Stamp:
        """Read the headers, whatever their case. Raises BadSignature when one is missing or there twice."""
        found: dict[str, str] = {}
        for name, value in headers.items():
            if name.lower() in found:
                raise BadSignature(f"{name} is there twice", "forged")
            if name.lower() in SIGNATURE_HEADERS:
                found[name.lower()] = value
        given = [found.get(name, "") for name in SIGNATURE_HEADERS]
        if not all(given):
            raise BadSignature("no signature", "unsigned")
        return cls(*given)

    def check(self, raw: bytes, key: RSAPublicKey | None, now: float) -> None:
        """Raise BadSignature unless `key` signed exactly these bytes less than five minutes from `now`, Unix seconds.
        The raw body counts, never a re-serialised one."""
        is_probe = self.signature.startswith(SIGNATURE_PROBE)
        if not (self.timestamp.isascii() and self.timestamp.isdigit() and len(self.timestamp) <= 12):
            raise BadSignature("the timestamp is not a number", "probe" if is_probe else "forged")
        if abs(now - int(self.timestamp)) >= WINDOW_SECONDS:
            raise BadSignature("the timestamp is more than five minutes off", "probe" if is_probe else "expired")
        if key is None:
            raise BadSignature(f"no key with serial {self.serial[:64]}", "probe" if is_probe else "unknown-key")
        try:
            message = f"{self.timestamp}\n{self.nonce}\n".encode() + raw + b"\n"
            key.verify(b64decode(self.signature, validate=True), message, PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature) as problem:
            raise BadSignature("the signature does not fit", "probe" if is_probe else "forged") from problem


def is_stamped(headers: Mapping[str, str]) -> bool:
    """Whether somebody claims to have signed this."""
    return any(name.lower() in SIGNATURE_HEADERS for name in headers)


def new_nonce() -> str:
    """32 characters nobody can guess."""
    return secrets.token_hex(16)


def sign(key: RSAPrivateKey, message: bytes) -> str:
    """The base64 of an RSA-SHA256 signature."""
    return b64encode(key.sign(message, PKCS1v15(), SHA256())).decode()


def request_message(method: str, target: str, timestamp: str, nonce: str, content: bytes) -> bytes:
    """What a request's signature covers. `target` is path and query as they are sent, `content` the body's bytes."""
    return f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + content + b"\n"


def seal(key: RSAPublicKey, text: str) -> str:
    """Encrypt a sensitive field (RSA-OAEP with SHA-1), base64. Raises ValueError above 214 bytes of a 2048-bit key."""
    return b64encode(key.encrypt(text.encode(), OAEP(mgf=MGF1(SHA1()), algorithm=SHA1(), label=None))).decode()


def open_sealed(apiv3_key: bytes, sealed: Mapping[str, Any]) -> bytes:
    """Decrypt what the provider encrypted with the merchant's APIv3 key (AES-256-GCM, tag appended): the `resource` of
    a callback, or a certificate. Raises ValueError when it is not that."""
    try:
        return AESGCM(apiv3_key).decrypt(
            sealed["nonce"].encode(),
            b64decode(sealed["ciphertext"], validate=True),
            (sealed.get("associated_data") or "").encode(),
        )
    except InvalidTag as problem:
        raise WrongKey("encrypted with another key") from problem
    except (KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"not an encrypted resource: {type(problem).__name__} {problem}") from problem


class WrongKey(ValueError):
    """Encrypted with a key that we do not have, or changed since."""
