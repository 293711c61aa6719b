"""One signed call to WeChat Pay and its verified answer, in the name of one merchant.

Every call ends in one of three ways: what was asked for; `Refused`, the provider understood and said no; `NoAnswer`,
nobody knows whether it took effect. No call is ever sent twice from here.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from chassis import telemetry
from chassis.clock import Clock
from services.payment.certificates import PLACE as CERTIFICATES
from services.payment.certificates import (
    REFRESH_FOR_SERIAL_EVERY_SECONDS,
    BadCertificates,
    PlatformCertificates,
)
from services.payment.hosts import HostChoice
from services.payment.keyfolder import KeyFolder
from services.payment.signing import (
    SCHEME,
    BadSignature,
    Sealed,
    Stamp,
    is_stamped,
    new_nonce,
    request_message,
    seal,
    sign,
)

PROVIDER = "wechatpay"

# One refund may need three calls (look, send, look again) and must end before a sweep takes it up as forgotten (15 s).
CALL_SECONDS = 4.5
CONNECT_SECONDS = 2.0
CONNECTIONS_MAX = 128
CONNECTIONS_KEPT = 16  # the pool looks at every idle connection at every request
# A bill of a busy day has hundreds of thousands of lines.
DOWNLOAD_SECONDS = 120.0
# A callback must be answered within five seconds, and an answer is waited for no longer than a call.
CERTIFICATE_PATIENCE_SECONDS = 2.0

ACCEPTED = 202
"""Taken, and not done, as a payment is not closed while its customer enters the password: the same once more later
(pay.weixin.qq.com/doc/v3/merchant/4012556398, …/wiki/doc/api/wxpay/ch/pages/ico-guide/chapter1_6.shtml)."""

log = structlog.get_logger()


class Refused(Exception):
    """The provider understood and said no: `http` 4xx, `code` its closed word for why, `message` for people only."""

    def __init__(self, http: int, code: str, message: str) -> None:
        super().__init__(f"{http} {code} {message}")
        self.http = http
        self.code = code


class NoAnswer(Exception):
    """Nobody knows whether the call took effect. `code`: TIMEOUT, CONNECTION, UNVERIFIED, UNREADABLE, NO_KEY (nothing
    was sent), or what a 202, 429 or 5xx answer said."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(f"{code} {message}".strip())
        self.code = code


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


class Line:
    """One merchant's line to the provider. `clock` is the wall's: both sides allow five minutes. Signing takes a
    quarter of a millisecond and is done in place: a thread costs more (tests/benchmarks/bench_signing.py)."""

    def __init__(self, http: httpx.AsyncClient, keys: KeyFolder, clock: Clock, hosts: HostChoice | None = None) -> None:
        self._http = http
        self._keys = keys
        self._clock = clock
        self._hosts = hosts or HostChoice([str(http.base_url).rstrip("/")])
        self._certificates = PlatformCertificates()
        self._refreshing: asyncio.Task[bool] | None = None
        self._refresh_for_serial_at = 0.0
        self._told_there_are_none = False

    # ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def call(
        self, method: str, place: str, body: dict[str, Any] | None = None, *, what: str = "other", serial: str = ""
    ) -> dict[str, Any]:
        """Send one signed request and return the verified answer; {} for none. `what` is the call's name in figures,
        `serial` names the key that something in the body is encrypted with. Raises Refused or NoAnswer."""
        with telemetry.provider_call(PROVIDER, what):
            return await self._called(method, place, body, serial)

    async def _called(self, method: str, place: str, body: dict[str, Any] | None, serial: str) -> dict[str, Any]:
        answer = await self._send(method, place, body, serial)
        # An error may come from a front server that does not sign; one that is signed must be signed well. A success
        # must be signed. (The official SDKs do not verify errors at all: wechatpay-go core/client.go.)
        if answer.is_success or is_stamped(answer.headers):
            try:
                await self.verify(answer.headers, answer.content)
            except BadSignature as problem:
                raise NoAnswer("UNVERIFIED", str(problem)) from problem
        if answer.is_success and answer.status_code != ACCEPTED:
            return {} if answer.status_code == 204 else read_json(answer.content)
        raise self._trouble(answer)

    async def download(self, address: str, bytes_max: int) -> bytes:
        """A file the provider has named: the request is signed, the answer is not. Raises Refused or NoAnswer."""
        with telemetry.provider_call(PROVIDER, "download-bill"):
            return await self._downloaded(address, bytes_max)

    async def _downloaded(self, address: str, bytes_max: int) -> bytes:
        request = self._signed(self._http.build_request("GET", address, timeout=DOWNLOAD_SECONDS))
        request.headers["Accept"] = "*/*"
        found = bytearray()
        try:
            async with asyncio.timeout(DOWNLOAD_SECONDS):
                answer = await self._http.send(request, stream=True)
                try:
                    async for part in answer.aiter_bytes():
                        found += part
                        if len(found) > bytes_max:
                            raise NoAnswer("TOO_LARGE", f"more than {bytes_max} bytes")
                finally:
                    await answer.aclose()
        except (TimeoutError, httpx.TimeoutException) as problem:
            raise NoAnswer("TIMEOUT", "GET a file") from problem
        except httpx.HTTPError as problem:
            raise NoAnswer("CONNECTION", f"{type(problem).__name__}: {problem}") from problem
        if not answer.is_success:
            raise self._trouble(httpx.Response(answer.status_code, content=bytes(found)))
        return bytes(found)

    def is_ours(self, address: str) -> bool:
        """Whether this address is on one of the provider's own hosts: our signature goes nowhere else."""
        try:
            asked = httpx.URL(address)
        except httpx.InvalidURL:
            return False
        known = [httpx.URL(host) for host in self._hosts.hosts]
        return not asked.userinfo and any(
            (asked.scheme, asked.host, asked.port) == (one.scheme, one.host, one.port) for one in known
        )

    async def _send(self, method: str, place: str, body: dict[str, Any] | None, serial: str = "") -> httpx.Response:
        """The answer as it came. Raises NoAnswer."""
        content = b"" if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        host = self._hosts.choose(may_probe=method == "GET")
        request = self._signed(self._http.build_request(method, host + place, content=content), serial)
        try:
            async with asyncio.timeout(CALL_SECONDS):
                answer = await self._http.send(request)
        except httpx.PoolTimeout as problem:
            raise NoAnswer("TIMEOUT", "too many calls under way") from problem  # our crowd, not their host
        except (TimeoutError, httpx.TimeoutException) as problem:
            self._hosts.failed(host)
            raise NoAnswer("TIMEOUT", f"{method} {place}") from problem
        except httpx.HTTPError as problem:
            self._hosts.failed(host)
            raise NoAnswer("CONNECTION", f"{type(problem).__name__}: {problem}") from problem
        if answer.is_server_error and not is_stamped(answer.headers):
            self._hosts.failed(host)
        else:
            self._hosts.answered(host)
        return answer

    def _signed(self, request: httpx.Request, serial: str = "") -> httpx.Request:
        merchant = self._keys.merchant
        timestamp, nonce = self.timestamp(), new_nonce()
        target = request.url.raw_path.decode("ascii")
        signature = self.sign(request_message(request.method, target, timestamp, nonce, request.content))
        request.headers.update(
            {
                "Authorization": f'{SCHEME} mchid="{merchant.mchid}",nonce_str="{nonce}",signature="{signature}",'
                f'timestamp="{timestamp}",serial_no="{merchant.serial}"',
                "Accept": "application/json",
                "Accept-Encoding": "identity",  # the signature covers the bytes as they are
                "Content-Type": "application/json",
            }
        )
        # A public key's id asks for answers signed with it. A certificate is named only where something is encrypted
        # with it: one that was replaced is refused (pay.weixin.qq.com/doc/v3/partner/4013059161), and so would be the
        # question for the new ones.
        if named := serial or merchant.provider_serial:
            request.headers["Wechatpay-Serial"] = named
        return request

    def _trouble(self, answer: httpx.Response) -> Refused | NoAnswer:
        """What an answer without success means."""
        try:
            document = read_json(answer.content)
        except NoAnswer:
            document = {}
        code, message = document.get("code"), str(document.get("message", ""))[:200]
        if not isinstance(code, str) or not code:
            return NoAnswer(f"HTTP_{answer.status_code}")
        if answer.status_code == 401:
            self._keys.look_at_once()  # our key or its serial may have been changed
        if answer.status_code == 429 or not answer.is_client_error:
            return NoAnswer(code, message)
        return Refused(answer.status_code, code, message)

    # ── signatures ───────────────────────────────────────────────────────────────────────────────────────────────────
    def timestamp(self) -> str:
        """Now, in Unix seconds."""
        return str(int(self._clock().timestamp()))

    def sign(self, message: bytes) -> str:
        """Our signature, base64."""
        return sign(self._keys.merchant.private_key, message)

    @property
    def provider_serial(self) -> str:
        """The serial of the key we would encrypt with; empty when none is known yet."""
        return self._keys.merchant.provider_serial or self._certificates.newest(self._clock())

    def seal(self, text: str) -> Sealed:
        """Encrypt a sensitive field for the provider. Raises NoAnswer NO_KEY while none of its keys is known."""
        serial = self.provider_serial
        key = self._key(serial)
        if key is None:
            raise NoAnswer("NO_KEY", "no key of WeChat Pay is known yet")
        return Sealed(serial, seal(key, text))

    async def verify(self, headers: Mapping[str, str], raw: bytes) -> None:
        """Raise BadSignature unless the provider signed exactly these bytes just now. What does not fit our keys is a
        reason to see whether there are others."""
        stamp = Stamp.of(headers)
        try:
            self._check(stamp, raw)
        except BadSignature as problem:
            if problem.fault not in ("unknown-key", "forged"):
                raise
            changed = self._keys.look_at_once()
            if not changed and problem.fault == "unknown-key":
                changed = await self._ask_for_certificates()
            if not changed:
                raise
            self._check(stamp, raw)

    def _check(self, stamp: Stamp, raw: bytes) -> None:
        stamp.check(raw, self._key(stamp.serial), self._clock().timestamp())

    def _key(self, serial: str) -> RSAPublicKey | None:
        return self._keys.merchant.key_ring.get(serial) or self._certificates.key(serial, self._clock())

    # ── platform certificates ────────────────────────────────────────────────────────────────────────────────────────
    async def _ask_for_certificates(self) -> bool:
        """Somebody used a serial we do not know. Whether the list was read again; for a while it is not any more."""
        now = self._clock().timestamp()
        if self._refreshing is None:
            if now < self._refresh_for_serial_at:
                return False
            self._refresh_for_serial_at = now + REFRESH_FOR_SERIAL_EVERY_SECONDS
            self._refreshing = asyncio.create_task(self.refresh_certificates())
            self._refreshing.add_done_callback(lambda _: setattr(self, "_refreshing", None))
        done, _ = await asyncio.wait({self._refreshing}, timeout=CERTIFICATE_PATIENCE_SECONDS)
        return any(task.result() for task in done)

    async def refresh_certificates(self) -> bool:
        """Download the platform certificates and add them to the known ones. False when that could not be done, or
        there are none; what was known stays."""
        merchant = self._keys.merchant
        try:
            with telemetry.provider_call(PROVIDER, "certificates"):
                answer = await self._send("GET", CERTIFICATES, None)
                if not answer.is_success:
                    raise self._trouble(answer)
            new = self._certificates.take(
                read_json(answer.content),
                merchant.apiv3_key,
                Stamp.of(answer.headers),
                answer.content,
                keys=merchant.key_ring,
                at=self._clock(),
            )
        except (BadCertificates, BadSignature) as problem:
            log.error("platform certificates cannot be believed", mchid=merchant.mchid, why=str(problem)[:200])
            return False
        except (NoAnswer, Refused) as trouble:
            self._tell_there_are_none(trouble.code)
            return False
        if new:
            self._refresh_for_serial_at = 0.0  # asking was worth it
            log.info("new platform certificates", mchid=merchant.mchid, count=new)
        return True

    def _tell_there_are_none(self, code: str) -> None:
        mchid = self._keys.merchant.mchid
        if code != "SYSTEM_ERROR" or not self.provider_serial:
            log.warning("no answer about platform certificates", mchid=mchid, code=code)
        elif not self._told_there_are_none:
            # An account that knows the provider by its public key has none (wechatpayv3 docs/Q&A.md).
            self._told_there_are_none = True
            log.info("this merchant has no platform certificates", mchid=mchid)


def read_json(raw: bytes) -> dict[str, Any]:
    """An answer's body. Raises NoAnswer when it is not a JSON object."""
    try:
        document = json.loads(raw)
    except ValueError as problem:
        raise NoAnswer("UNREADABLE", "not JSON") from problem
    if not isinstance(document, dict):
        raise NoAnswer("UNREADABLE", "not a JSON object")
    return document
