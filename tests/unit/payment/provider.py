"""The provider's side, signed and encrypted by a client others wrote (`wechatpayv3`), scripted call by call."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from wechatpayv3.utils import rsa_sign, rsa_verify

from services.payment.certificates import PLACE as CERTIFICATES
from services.payment.hosts import HostChoice
from services.payment.keyfolder import KeyFolder
from services.payment.signing import SCHEME
from services.payment.wechatpay import WechatPay, http_client
from tests.unit.payment.given import NOON

BASE = "https://provider.test"
SHOP = "https://shop.test"

Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


merchant_of = cache(KeyFolder)


@cache
def private_key(keys: Path) -> Any:
    return load_pem_private_key(text(keys, "wechatpay-private.pem").encode(), None)


def text(keys: Path, name: str) -> str:
    return (keys / name).read_text(encoding="utf-8").strip()


@dataclass
class Provider:
    """Answers calls in the order of `script`; keeps what was asked. `now` is its clock, and ours. `certificates`
    answers each question about them, which may come at any time; None: there are none."""

    keys: Path
    script: list[Answer] = field(default_factory=list)
    asked: list[httpx.Request] = field(default_factory=list)
    now: Any = NOON
    certificates: Callable[[], httpx.Response] | None = None
    certificates_asked: int = 0

    def client(self, keys: KeyFolder | None = None, shop: str = "", hosts: HostChoice | None = None) -> WechatPay:
        """Our client, connected to this provider."""
        http = http_client(BASE, httpx.MockTransport(self._answer))
        return WechatPay(http, keys or merchant_of(self.keys), SHOP, lambda: self.now, shop=shop, hosts=hosts)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.check(request)
        if request.url.path == CERTIFICATES:
            self.certificates_asked += 1
            return self.certificates() if self.certificates else self.refuses(500, "SYSTEM_ERROR")
        self.asked.append(request)
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    @property
    def calls(self) -> list[str]:
        """`METHOD last-part-of-path` of every call."""
        return [f"{request.method} {request.url.path.rsplit('/', 1)[-1]}" for request in self.asked]

    def body(self, index: int = -1) -> dict[str, Any]:
        """The body of one call."""
        found: dict[str, Any] = json.loads(self.asked[index].content)
        return found

    def check(self, request: httpx.Request) -> None:
        """The request signature, verified by others' code over the bytes that arrived."""
        scheme, _, rest = request.headers["authorization"].partition(" ")
        given = dict(part.split("=", 1) for part in rest.split(","))
        given = {name: value.strip('"') for name, value in given.items()}
        assert scheme == SCHEME
        assert given["mchid"] == text(self.keys, "mchid.txt")
        assert given["serial_no"] == text(self.keys, "merchant-serial.txt")
        target = request.url.raw_path.decode()
        lines = f"{request.method}\n{target}\n{given['timestamp']}"
        public = load_pem_public_key(text(self.keys, "merchant-public.pem").encode())
        assert rsa_verify(lines, given["nonce_str"], request.content.decode(), given["signature"], public)

    # ── what it sends ────────────────────────────────────────────────────────────────────────────────────────────────
    def headers(self, raw: bytes, *, age: timedelta = timedelta(), serial: str | None = None) -> dict[str, str]:
        """The signature headers of an answer or a callback."""
        timestamp, nonce = str(int((self.now - age).timestamp())), secrets.token_hex(16)
        return {
            "Wechatpay-Timestamp": timestamp,
            "Wechatpay-Nonce": nonce,
            "Wechatpay-Signature": rsa_sign(private_key(self.keys), f"{timestamp}\n{nonce}\n{raw.decode()}\n"),
            "Wechatpay-Serial": serial or text(self.keys, "wechatpay-serial.txt"),
            "Content-Type": "application/json",
        }

    def says(self, http: int, document: Any = None) -> httpx.Response:
        """A signed answer."""
        raw = b"" if document is None else json.dumps(document, ensure_ascii=False).encode()
        return httpx.Response(http, content=raw, headers=self.headers(raw))

    def refuses(self, http: int, code: str) -> httpx.Response:
        """A signed error."""
        return self.says(http, {"code": code, "message": "说明"})

    def callback(self, event_type: str, resource: dict[str, Any], id: str = "EV-1") -> bytes:
        """A callback's raw body."""
        nonce, key = secrets.token_hex(6), text(self.keys, "apiv3-key.txt").encode()
        kinds = {"TRANSACTION": "transaction", "REFUND": "refund", "MCHTRANSFER": "mch_payment"}
        kind = kinds[event_type.partition(".")[0]]
        sealed = AESGCM(key).encrypt(nonce.encode(), json.dumps(resource).encode(), kind.encode())
        document = {
            "id": id,
            "event_type": event_type,
            "resource_type": "encrypt-resource",
            "resource": {
                "algorithm": "AEAD_AES_256_GCM",
                "original_type": kind,
                "associated_data": kind,
                "nonce": nonce,
                "ciphertext": b64encode(sealed).decode(),
            },
        }
        return json.dumps(document).encode()
