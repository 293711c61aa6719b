"""The keys WeChat Pay signs with and reads sensitive fields with: its public-key pair and its platform certificates.

Sources: pay.weixin.qq.com/docs/merchant/development/interface-rules/signature-verification.html (which key),
wechatpayv3 docs/Q&A.md (public-key mode), wechatpay-go core/downloader (the list of certificates).
"""

import json
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509.oid import NameOID

from sandbox.clock import Clock, rfc3339_china
from sandbox.errors import WechatPayError
from sandbox.keyfiles import PRIVATE_MODE, PUBLIC_MODE, private_pem, read_rsa_private, read_text, rsa_2048, write_new
from sandbox.store import Store

FILE = "wechatpay-certificate.pem"
PRIVATE_FILE = "wechatpay-certificate-private.pem"
LIFE = timedelta(days=5 * 365)
# How long the certificate before is listed and proves things beside the new one, business time.
OVERLAP_SECONDS = 24 * 3600
KEPT = "certificates"


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """A private key of WeChat Pay and the serial by which headers name it."""

    serial: str
    private: rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class PlatformCertificate:
    """A platform certificate with its key; ``replaced_at`` is when a newer one took over, business time."""

    certificate: x509.Certificate
    key: PlatformKey
    replaced_at: float | None = None

    def pem(self) -> str:
        """The certificate as shops store it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def serial_of(certificate: x509.Certificate) -> str:
    """The serial number as WeChat Pay writes it: 40 hexadecimal digits."""
    return f"{certificate.serial_number:040X}"


def new_certificate(private: rsa.RSAPrivateKey, moment: datetime) -> x509.Certificate:
    """A self-signed certificate that is good for five years from a day before ``moment``."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tenpay.com"),
            x509.NameAttribute(NameOID.COUNTRY_NAME, "CN"),
        ]
    )
    # The first digit is 1 to 7: 40 digits long, and positive when read as twenty signed bytes.
    serial = int(secrets.choice("1234567") + secrets.token_hex(20)[1:], 16)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(serial)
        .not_valid_before(moment - timedelta(days=1))
        .not_valid_after(moment + LIFE)
        .sign(private, SHA256())
    )


def make_certificate_files(folder: Path) -> None:
    """Make the certificate and its key where they are missing."""
    if not (folder / PRIVATE_FILE).exists():
        write_new(folder / PRIVATE_FILE, private_pem(rsa_2048()), PRIVATE_MODE)
    if not (folder / FILE).exists():
        certificate = new_certificate(read_rsa_private(folder, PRIVATE_FILE), datetime.now(UTC))
        write_new(folder / FILE, certificate.public_bytes(serialization.Encoding.PEM), PUBLIC_MODE)


def read_certificate(folder: Path) -> PlatformCertificate:
    """The certificate in the keys folder; MissingKeysError where a file is missing."""
    certificate = x509.load_pem_x509_certificate(read_text(folder, FILE).encode())
    return PlatformCertificate(certificate, PlatformKey(serial_of(certificate), read_rsa_private(folder, PRIVATE_FILE)))


class PlatformKeys:
    """WeChat Pay's own keys by serial: one public-key pair, and the certificates that are listed now."""

    def __init__(self, public: PlatformKey, first: PlatformCertificate) -> None:
        self.public = public
        self._certificates = [first]
        self._clock = Clock()
        self._store: Store | None = None

    def join(self, store: Store, clock: Clock) -> None:
        """Live in this store's time: remember rotations there, and take over those it remembers."""
        self._store = store
        self._clock = clock
        if kept := store.kept(KEPT):
            self._certificates = [_read_kept(line) for line in json.loads(kept)]

    def certificates(self) -> list[PlatformCertificate]:
        """The certificates listed now, the newest last."""
        now = self._clock.now()
        return [
            certificate
            for certificate in self._certificates
            if certificate.replaced_at is None or now - certificate.replaced_at < OVERLAP_SECONDS
        ]

    @property
    def newest(self) -> PlatformCertificate:
        """The certificate that signs."""
        return self._certificates[-1]

    def rotate(self) -> PlatformCertificate:
        """A new certificate takes over; the one before stays listed for OVERLAP_SECONDS of business time."""
        now = self._clock.now()
        private = rsa_2048()
        certificate = new_certificate(private, datetime.fromtimestamp(self._clock.wall(), UTC))
        before = [
            PlatformCertificate(old.certificate, old.key, now if old.replaced_at is None else old.replaced_at)
            for old in self.certificates()
        ]
        self._certificates = [*before, PlatformCertificate(certificate, PlatformKey(serial_of(certificate), private))]
        if self._store is not None:
            self._store.keep(KEPT, json.dumps([_kept(listed) for listed in self._certificates]))
        return self.newest

    def named(self, serial: str) -> PlatformKey:
        """The key with this serial; 400 PARAM_ERROR for a serial nobody was given."""
        if serial == self.public.serial:
            return self.public
        for listed in self.certificates():
            if listed.key.serial == serial.upper():
                return listed.key
        raise WechatPayError(
            400, "PARAM_ERROR", f"请求头Wechatpay-Serial既不是微信支付公钥ID, 也不是有效的平台证书序列号: {serial}"
        )

    def decrypt(self, serial: str, ciphertext_b64: str) -> str:
        """A sensitive field: RSA-OAEP with SHA-1 under the key with this serial; 400 PARAM_ERROR where it is not."""
        key = self.named(serial)
        try:
            padding = OAEP(mgf=MGF1(algorithm=SHA1()), algorithm=SHA1(), label=None)
            return key.private.decrypt(b64decode(ciphertext_b64, validate=True), padding).decode()
        except ValueError:
            raise WechatPayError(400, "PARAM_ERROR", "敏感信息解密失败, 请检查加密使用的公钥或证书") from None

    def listed(self, apiv3_key: bytes) -> dict[str, Any]:
        """The answer of GET /v3/certificates, each certificate encrypted with the caller's APIv3 key."""
        return {"data": [_line(listed, apiv3_key) for listed in self.certificates()]}


def _line(listed: PlatformCertificate, apiv3_key: bytes) -> dict[str, Any]:
    nonce = secrets.token_hex(6)
    ciphertext = AESGCM(apiv3_key).encrypt(nonce.encode(), listed.pem().encode(), b"certificate")
    return {
        "serial_no": listed.key.serial,
        "effective_time": rfc3339_china(listed.certificate.not_valid_before_utc.timestamp()),
        "expire_time": rfc3339_china(listed.certificate.not_valid_after_utc.timestamp()),
        "encrypt_certificate": {
            "algorithm": "AEAD_AES_256_GCM",
            "nonce": nonce,
            "associated_data": "certificate",
            "ciphertext": b64encode(ciphertext).decode(),
        },
    }


def _kept(listed: PlatformCertificate) -> dict[str, Any]:
    key = private_pem(listed.key.private).decode()
    return {"certificate": listed.pem(), "private": key, "replaced_at": listed.replaced_at}


def _read_kept(line: dict[str, Any]) -> PlatformCertificate:
    certificate = x509.load_pem_x509_certificate(line["certificate"].encode())
    private = serialization.load_pem_private_key(line["private"].encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return PlatformCertificate(certificate, PlatformKey(serial_of(certificate), private), line["replaced_at"])
