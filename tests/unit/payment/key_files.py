"""Key files and certificates that tests change."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from wechatpayv3.utils import rsa_sign

from tests.unit.payment.given import NOON
from tests.unit.payment.provider import Provider, text


class Ticks:
    """A monotonic clock that moves only when told, seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """The same key for the same name: making one takes long."""
    assert name
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def copied(keys: Path, folder: Path) -> Path:
    """A keys folder of our own, which may be changed."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in keys.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def change_merchant_key(folder: Path, name: str) -> None:
    """A new key pair of the merchant with its serial, as after a renewal of its certificate."""
    (folder / "merchant-private.pem").write_bytes(private_pem(rsa_key(name)))
    (folder / "merchant-public.pem").write_bytes(public_pem(rsa_key(name)))
    (folder / "merchant-serial.txt").write_text(f"SERIAL-{name}")


def certificate(name: str, *, days: tuple[int, int] = (-1, 30), at: datetime = NOON) -> x509.Certificate:
    """A platform certificate for the key `name`, valid from and until so many days from `at`."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(rsa_key(name).public_key())
        .serial_number(0x5157F09EFDC096DE00000000 + sum(name.encode()))
        .not_valid_before(at + timedelta(days=days[0]))
        .not_valid_after(at + timedelta(days=days[1]))
        .sign(rsa_key(name), SHA256())
    )


def certificate_pem(one: x509.Certificate) -> bytes:
    return one.public_bytes(serialization.Encoding.PEM)


def serial_of(one: x509.Certificate) -> str:
    return f"{one.serial_number:X}"


@dataclass
class Listing:
    """What a provider lists under /v3/certificates: certificates by the name of their key. `signer` signs."""

    provider: Provider
    listed: dict[str, x509.Certificate] = field(default_factory=dict)
    signer: str = ""
    apiv3_key: bytes = b""
    serial_shown: str = ""

    def add(self, name: str, **more: Any) -> str:
        """List one more, which signs from now on; its serial."""
        self.listed[name] = certificate(name, at=self.provider.now, **more)
        self.signer = name
        return serial_of(self.listed[name])

    def __call__(self) -> httpx.Response:
        raw = json.dumps({"data": [self._line(one) for one in self.listed.values()]}).encode()
        return httpx.Response(200, content=raw, headers=self.headers(raw))

    def headers(self, raw: bytes) -> dict[str, str]:
        """Headers signed with the certificate's key."""
        timestamp, nonce = str(int(self.provider.now.timestamp())), secrets.token_hex(16)
        serial = self.serial_shown or serial_of(certificate(self.signer))
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": rsa_sign(rsa_key(self.signer), f"{timestamp}\n{nonce}\n{raw.decode()}\n"),
            "Wechatpay-Serial": serial,
        }

    def says(self, http: int, document: Any) -> httpx.Response:
        """An answer signed with the certificate's key."""
        raw = json.dumps(document).encode()
        return httpx.Response(http, content=raw, headers=self.headers(raw))

    def _line(self, one: x509.Certificate) -> dict[str, Any]:
        key = self.apiv3_key or text(self.provider.keys, "apiv3-key.txt").encode()
        nonce = secrets.token_hex(6)
        sealed = AESGCM(key).encrypt(nonce.encode(), certificate_pem(one), b"certificate")
        return {
            "serial_no": self.serial_shown or serial_of(one),
            "effective_time": one.not_valid_before_utc.isoformat(),
            "expire_time": one.not_valid_after_utc.isoformat(),
            "encrypt_certificate": {
                "algorithm": "AEAD_AES_256_GCM",
                "nonce": nonce,
                "associated_data": "certificate",
                "ciphertext": b64encode(sealed).decode(),
            },
        }
