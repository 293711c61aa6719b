"""A thin client of WeChat Pay API v3: signs requests, verifies answers, opens callbacks. Knows nothing of our orders.

Sources: pay.weixin.qq.com/doc/v3/merchant/4012556457 (request signature),
pay.weixin.qq.com/docs/merchant/development/interface-rules/signature-verification.html (answers and callbacks),
pay.weixin.qq.com/doc/v3/merchant/4012082053 (encrypted callbacks),
pay.weixin.qq.com/doc/v3/merchant/4016241880 (signature probes).

Every call ends in one of three ways: what was asked for; `Refused`, the provider understood and said no; `NoAnswer`,
nobody knows whether it took effect.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from pydantic import BaseModel, ValidationError

from chassis.clock import Clock
from chassis.settings import read_key
from contracts.message import Money
from services.payment.model import Fact, ProviderRefund, Trade

SCHEME = "WECHATPAY2-SHA256-RSA2048"
SIGNATURE_PROBE = "WECHATPAY/SIGNTEST/"
WINDOW_SECONDS = 300
# One refund may need three calls (look, send, look again) and must end before a sweep takes it up as forgotten (15 s).
CALL_SECONDS = 4.5
CONNECT_SECONDS = 2.0
CONNECTIONS_MAX = 128
CONNECTIONS_KEPT = 16  # the pool looks at every idle connection at every request

_TRADES = "/v3/pay/transactions"
_REFUNDS = "/v3/refund/domestic/refunds"
_SIGNATURE_HEADERS = ("Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial")

B = TypeVar("B", bound=BaseModel)


class Refused(Exception):
    """The provider understood and said no: `http` 4xx, `code` its closed word for why, `message` for people only."""

    def __init__(self, http: int, code: str, message: str) -> None:
        super().__init__(f"{http} {code} {message}")
        self.http = http
        self.code = code


class NoAnswer(Exception):
    """Nobody knows whether the call took effect. `code`: TIMEOUT, CONNECTION, UNVERIFIED, UNREADABLE, or what a 429 or
    5xx answer said."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code} {message}".strip())
        self.code = code


class BadSignature(Exception):
    """Not from the provider, or too old. `is_probe`: the provider tests whether we check
    (pay.weixin.qq.com/doc/v3/merchant/4016241880); refuse it and raise no alarm."""

    def __init__(self, why: str, *, is_probe: bool = False) -> None:
        super().__init__(why)
        self.is_probe = is_probe


class BadCallback(Exception):
    """From the provider by its signature, but not readable."""


class Callback(Fact):
    """An opened callback: `id` is the provider's, the same for every delivery; `resource` is the decrypted JSON."""

    id: str
    event_type: str
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Merchant:
    """Who we are at the provider, and by which keys we know it (`key_ring`: serial → key)."""

    mchid: str
    appid: str
    serial: str
    private_key: RSAPrivateKey
    apiv3_key: bytes
    provider_serial: str
    key_ring: Mapping[str, RSAPublicKey]


def read_merchant(folder: Path) -> Merchant:
    """Read the key files (see `settings`). Leaves the process naming the file that is missing; raises ValueError for
    one that holds something else."""
    private = serialization.load_pem_private_key(read_key(folder, "merchant-private.pem").encode(), None)
    if not isinstance(private, RSAPrivateKey):
        raise ValueError("merchant-private.pem is not an RSA key")
    apiv3_key = read_key(folder, "apiv3-key.txt").encode()
    if len(apiv3_key) != 32:
        raise ValueError("apiv3-key.txt must hold 32 bytes")
    serial = read_key(folder, "wechatpay-serial.txt")
    ring = {serial: _public_key(read_key(folder, "wechatpay-public.pem"))}
    for more in sorted((folder / "wechatpay-keys").glob("*.pem")):
        ring[more.stem] = _public_key(read_key(more.parent, more.name))
    return Merchant(
        mchid=read_key(folder, "mchid.txt"),
        appid=read_key(folder, "appid.txt"),
        serial=read_key(folder, "merchant-serial.txt"),
        private_key=private,
        apiv3_key=apiv3_key,
        provider_serial=serial,
        key_ring=ring,
    )


def _public_key(pem: str) -> RSAPublicKey:
    data = pem.encode()
    is_certificate = "BEGIN CERTIFICATE" in pem
    key = (
        x509.load_pem_x509_certificate(data).public_key() if is_certificate else serialization.load_pem_public_key(data)
    )
    if not isinstance(key, RSAPublicKey):
        raise ValueError("a key of WeChat Pay is not an RSA key")
    return key


def http_client(base_url: str, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The one pooled connection to the provider: no redirects, since a signature covers one address. A proxy from the
    environment is used for https only; plain http is a stand-in on this machine."""
    return httpx.AsyncClient(
        base_url=base_url,
        timeout=httpx.Timeout(CALL_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_KEPT),
        follow_redirects=False,
        trust_env=base_url.startswith("https:"),
        transport=transport,
    )


class WechatPay:
    """The calls this shop makes. `callback_url` is the gateway, where the provider reaches us; it passes
    /callbacks/wechat/pay and /callbacks/wechat/refund on. All amounts are fen."""

    def __init__(self, http: httpx.AsyncClient, merchant: Merchant, callback_url: str, clock: Clock) -> None:
        self._http = http
        self.merchant = merchant
        self._callback_url = callback_url
        self._clock = clock

    # ── payments ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def prepay(self, out_trade_no: str, openid: str, amount: Money, description: str) -> str:
        """Order a payment; the prepay_id for the customer's phone. The same order again gives a prepay_id again
        (pay.weixin.qq.com/doc/v3/partner/4012523593)."""
        body = {
            "appid": self.merchant.appid,
            "mchid": self.merchant.mchid,
            "description": description,
            "out_trade_no": out_trade_no,
            "notify_url": f"{self._callback_url}/callbacks/wechat/pay",
            "amount": {"total": amount.amount_minor, "currency": amount.currency},
            "payer": {"openid": openid},
        }
        answer = await self._call("POST", f"{_TRADES}/jsapi", body)
        prepay_id = answer.get("prepay_id")
        if not isinstance(prepay_id, str) or not prepay_id:
            raise NoAnswer("UNREADABLE", "no prepay_id")
        return prepay_id

    async def query_payment(self, out_trade_no: str) -> Trade:
        """The payment as the provider has it."""
        place = f"{_TRADES}/out-trade-no/{quote(out_trade_no, safe='')}?mchid={quote(self.merchant.mchid, safe='')}"
        return _read(Trade, await self._call("GET", place))

    async def close(self, out_trade_no: str) -> None:
        """Make an unpaid payment impossible to pay (pay.weixin.qq.com/docs/merchant/products/close-order)."""
        place = f"{_TRADES}/out-trade-no/{quote(out_trade_no, safe='')}/close"
        await self._call("POST", place, {"mchid": self.merchant.mchid})

    def ticket(self, prepay_id: str) -> dict[str, str]:
        """What `wx.requestPayment` wants (wechatpay-go services/payments/jsapi/api_jsapi_request_payment.go)."""
        timestamp, nonce, package = self._timestamp(), _nonce(), f"prepay_id={prepay_id}"
        return {
            "timeStamp": timestamp,
            "nonceStr": nonce,
            "package": package,
            "signType": "RSA",
            "paySign": self._sign(f"{self.merchant.appid}\n{timestamp}\n{nonce}\n{package}\n".encode()),
        }

    # ── refunds ──────────────────────────────────────────────────────────────────────────────────────────────────────
    async def refund(
        self, out_refund_no: str, out_trade_no: str, amount: Money, total: Money, reason: str
    ) -> ProviderRefund:
        """Ask for a refund; the same number many times refunds once (pay.weixin.qq.com/doc/v3/merchant/4012556457)."""
        body: dict[str, Any] = {
            "out_trade_no": out_trade_no,
            "out_refund_no": out_refund_no,
            "notify_url": f"{self._callback_url}/callbacks/wechat/refund",
            "amount": {"refund": amount.amount_minor, "total": total.amount_minor, "currency": amount.currency},
        }
        if reason:
            body["reason"] = reason
        return _read(ProviderRefund, await self._call("POST", _REFUNDS, body))

    async def query_refund(self, out_refund_no: str) -> ProviderRefund:
        """The refund as the provider has it."""
        return _read(ProviderRefund, await self._call("GET", f"{_REFUNDS}/{quote(out_refund_no, safe='')}"))

    # ── callbacks ────────────────────────────────────────────────────────────────────────────────────────────────────
    def open_callback(self, headers: Mapping[str, str], raw: bytes) -> Callback:
        """Verify and decrypt a callback from its raw body. Raises BadSignature or BadCallback."""
        self._verify(headers, raw)
        try:
            document = json.loads(raw)
            resource = document["resource"]
            plain = AESGCM(self.merchant.apiv3_key).decrypt(
                resource["nonce"].encode(),
                b64decode(resource["ciphertext"], validate=True),
                (resource.get("associated_data") or "").encode(),
            )
            return Callback(id=document["id"], event_type=document["event_type"], resource=json.loads(plain))
        except (ValueError, KeyError, TypeError, AttributeError, InvalidTag) as problem:
            raise BadCallback(f"{type(problem).__name__}: {problem}") from problem

    # ── one call ─────────────────────────────────────────────────────────────────────────────────────────────────────
    async def _call(self, method: str, place: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send one signed request and return the verified answer. Raises Refused or NoAnswer."""
        content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        request = self._http.build_request(method, place, content=content)
        target = request.url.raw_path.decode("ascii")
        request.headers.update(
            {
                "Authorization": self._authorization(method, target, content),
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # the signature covers the bytes as they are
                "Content-Type": "application/json",
                "Wechatpay-Serial": self.merchant.provider_serial,
            }
        )
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await self._http.send(request)
        except (TimeoutError, httpx.TimeoutException) as problem:
            raise NoAnswer("TIMEOUT", f"{method} {target}") from problem
        except httpx.HTTPError as problem:
            raise NoAnswer("CONNECTION", f"{type(problem).__name__}: {problem}") from problem
        return self._judge(answer)

    def _judge(self, answer: httpx.Response) -> dict[str, Any]:
        """An error may come from a front server that does not sign; one that is signed must be signed well. A success
        must be signed. (The official SDKs do not verify errors at all: wechatpay-go core/client.go.)"""
        if answer.is_success or any(name in answer.headers for name in _SIGNATURE_HEADERS):
            try:
                self._verify(answer.headers, answer.content)
            except BadSignature as problem:
                raise NoAnswer("UNVERIFIED", str(problem)) from problem
        if answer.is_success:
            return {} if answer.status_code == 204 else _json(answer.content)
        try:
            document = _json(answer.content)
        except NoAnswer:
            document = {}
        code, message = document.get("code"), str(document.get("message", ""))[:200]
        if not isinstance(code, str) or not code:
            raise NoAnswer(f"HTTP_{answer.status_code}")
        if answer.status_code == 429 or not answer.is_client_error:
            raise NoAnswer(code, message)
        raise Refused(answer.status_code, code, message)

    # ── signatures ───────────────────────────────────────────────────────────────────────────────────────────────────
    def _timestamp(self) -> str:
        return str(int(self._clock().timestamp()))

    def _sign(self, message: bytes) -> str:
        return b64encode(self.merchant.private_key.sign(message, PKCS1v15(), SHA256())).decode()

    def _authorization(self, method: str, target: str, content: bytes) -> str:
        timestamp, nonce = self._timestamp(), _nonce()
        signature = self._sign(f"{method}\n{target}\n{timestamp}\n{nonce}\n".encode() + content + b"\n")
        return (
            f'{SCHEME} mchid="{self.merchant.mchid}",nonce_str="{nonce}",signature="{signature}",'
            f'timestamp="{timestamp}",serial_no="{self.merchant.serial}"'
        )

    def _verify(self, headers: Mapping[str, str], raw: bytes) -> None:
        """Raise BadSignature unless the provider signed exactly these bytes within the last five minutes. The raw body
        counts, never a re-serialised one."""
        found = {name.lower(): value for name, value in headers.items()}
        given = [found.get(name.lower(), "") for name in _SIGNATURE_HEADERS]
        if not all(given):
            raise BadSignature("no signature")
        timestamp, nonce, signature, serial = given
        is_probe = signature.startswith(SIGNATURE_PROBE)
        if not (timestamp.isascii() and timestamp.isdigit()):
            raise BadSignature("the timestamp is not a number", is_probe=is_probe)
        if abs(self._clock().timestamp() - int(timestamp)) >= WINDOW_SECONDS:
            raise BadSignature("the timestamp is more than five minutes off", is_probe=is_probe)
        key = self.merchant.key_ring.get(serial)
        if key is None:
            raise BadSignature(f"no key with serial {serial[:64]}", is_probe=is_probe)
        try:
            message = f"{timestamp}\n{nonce}\n".encode() + raw + b"\n"
            key.verify(b64decode(signature, validate=True), message, PKCS1v15(), SHA256())
        except (ValueError, InvalidSignature) as problem:
            raise BadSignature("the signature does not fit", is_probe=is_probe) from problem


def _nonce() -> str:
    return secrets.token_hex(16)


def _json(raw: bytes) -> dict[str, Any]:
    try:
        document = json.loads(raw)
    except ValueError as problem:
        raise NoAnswer("UNREADABLE", "not JSON") from problem
    if not isinstance(document, dict):
        raise NoAnswer("UNREADABLE", "not a JSON object")
    return document


def _read(shape: type[B], document: dict[str, Any]) -> B:
    try:
        return shape.model_validate(document)
    except ValidationError as problem:
        where = ", ".join(".".join(map(str, error["loc"])) for error in problem.errors()[:3])
        raise NoAnswer("UNREADABLE", f"unexpected answer: {where}") from problem
