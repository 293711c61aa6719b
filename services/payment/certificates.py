"""The platform certificates of WeChat Pay: keys that it changes by itself, downloaded from it.

Sources: pay.weixin.qq.com/docs/merchant/development/interface-rules/signature-verification.html,
wechatpay-go core/downloader (the list is encrypted with the merchant's APIv3 key, and its answer is signed with one of
the certificates in it).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from services.payment.signing import Stamp, open_sealed

PLACE = "/v3/certificates"
# The official SDKs ask every twelve hours; a new certificate is listed a day or more before it is used.
REFRESH_SECONDS = 12 * 3600.0
# Anybody can send an unknown serial, so it is not worth more than this.
REFRESH_FOR_SERIAL_EVERY_SECONDS = 60.0


class BadCertificates(ValueError):
    """What was downloaded cannot be believed."""


class PlatformCertificates:
    """Those of one merchant, by serial. One is dropped when it expires, and never before."""

    def __init__(self) -> None:
        self._known: dict[str, x509.Certificate] = {}

    def key(self, serial: str, at: datetime) -> RSAPublicKey | None:
        """The key with this serial, if it is valid."""
        certificate = self._known.get(serial)
        return None if certificate is None or not _is_valid(certificate, at) else _key_of(certificate)

    def newest(self, at: datetime) -> str:
        """The serial of the valid one that was made last; empty when there is none."""
        valid = {serial: one for serial, one in self._known.items() if _is_valid(one, at)}
        return max(valid, key=lambda serial: valid[serial].not_valid_before_utc, default="")

    def take(
        self,
        document: Mapping[str, Any],
        apiv3_key: bytes,
        stamp: Stamp,
        raw: bytes,
        *,
        keys: Mapping[str, RSAPublicKey],
        at: datetime,
    ) -> int:
        """Add the certificates of an answer to those known; how many are new. The answer's own signature must be by a
        key known before, or by one in the list: only WeChat Pay could encrypt that for us. Raises BadCertificates or
        BadSignature, and then nothing has changed."""
        listed = _listed(document, apiv3_key)
        together = {serial: one for serial, one in {**self._known, **listed}.items() if not _is_expired(one, at)}
        key = keys.get(stamp.serial)
        if key is None and stamp.serial in together:
            key = _key_of(together[stamp.serial])
        stamp.check(raw, key, at.timestamp())
        new = len(together.keys() - self._known.keys())
        self._known = together
        return new


def _listed(document: Mapping[str, Any], apiv3_key: bytes) -> dict[str, x509.Certificate]:
    """The certificates of an answer to GET /v3/certificates, decrypted."""
    found: dict[str, x509.Certificate] = {}
    try:
        for line in document["data"]:
            certificate = x509.load_pem_x509_certificate(open_sealed(apiv3_key, line["encrypt_certificate"]))
            if certificate.serial_number != int(line["serial_no"], 16):
                raise BadCertificates("a certificate has another serial than its line says")
            _key_of(certificate)
            found[line["serial_no"]] = certificate
    except (KeyError, TypeError, ValueError) as problem:
        raise BadCertificates(f"{type(problem).__name__}: {problem}") from problem
    return found


def _key_of(certificate: x509.Certificate) -> RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey):
        raise BadCertificates("a certificate's key is not an RSA key")
    return key


def _is_expired(certificate: x509.Certificate, at: datetime) -> bool:
    return at >= certificate.not_valid_after_utc


def _is_valid(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at and not _is_expired(certificate, at)
