"""Closes a process off from the real world: its time is the loop's, its randomness the seed's, its HTTP the simulated
network's. Never inside the process of other tests: there is no way back."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric import rsa

from chassis import bucket, clock, personal
from services.gateway.pool import Pool
from tests.simulation import shortcuts
from tests.simulation.loop import ACTOR, EPOCH, SimLoop
from tests.simulation.network import Cut, Network, Nobody, TooSlow
from tests.simulation.redis import SimRedis

LAG_PROBE_SECONDS = 0.1
NEVER_SECONDS = 1e9
KEY_BITS = 1024
"""Signing with real keys of 2,048 bits would be half of a world's time."""


class Seal:
    """What this process takes for time, chance, network and Redis: those of one world at a time."""

    loop: SimLoop
    network: Network
    redis: SimRedis

    def __init__(self) -> None:
        self.random = random.Random(0)
        self._closed = False

    def put_on(self, loop: SimLoop, network: Network, redis: SimRedis) -> None:
        """Close this process off, and take everything from this world from now on."""
        self.loop, self.network, self.redis = loop, network, redis
        if not self._closed:
            self._closed = True
            clock.drive(clock.Source(self.wall, self.monotonic, self.pause))
            time.time = self.wall
            os.urandom = random._urandom = self._entropy  # type: ignore[attr-defined]
            _seal_http(self)
            _seal_redis(self)
            shortcuts.take()

    def _entropy(self, count: int) -> bytes:
        return self.random.randbytes(count)

    def wall(self) -> float:
        """Unix seconds, as the process that asks sees them."""
        return EPOCH + self.loop.now + ACTOR.get().skew

    def monotonic(self) -> float:
        """Seconds that only go forward."""
        return self.loop.now

    async def pause(self, seconds: float) -> None:
        """See `clock.pause`. Nobody measures the lag of virtual time: what looks ten times a second never looks."""
        await self.loop.poll(seconds if seconds > LAG_PROBE_SECONDS else NEVER_SECONDS)


SEAL = Seal()


def _seal_http(seal: Seal) -> None:
    async def handle(_: object, request: httpx.Request) -> httpx.Response:
        seconds = request.extensions.get("timeout", {}).get("read")
        body = await request.aread()
        try:
            answer = await seal.network.ask(
                request.method,
                request.url.host,
                request.url.raw_path.decode(),
                request.headers.raw,
                body,
                seconds,
            )
        except Nobody as problem:
            raise httpx.ConnectError(f"nobody listens at {problem}", request=request) from problem
        except Cut as problem:
            raise httpx.RemoteProtocolError("the connection was cut", request=request) from problem
        except TooSlow as problem:
            raise httpx.ReadTimeout("no answer in time", request=request) from problem
        return httpx.Response(answer.status, headers=list(answer.headers), content=answer.body, request=request)

    async def closed(_: object) -> None:
        return None

    httpx.AsyncHTTPTransport.handle_async_request = handle  # type: ignore[method-assign, assignment]
    httpx.AsyncHTTPTransport.aclose = closed  # type: ignore[method-assign, assignment]
    httpx.AsyncHTTPTransport.__init__ = lambda self, *_, **__: None  # type: ignore[method-assign]
    httpx.AsyncHTTPTransport.__aenter__ = _entered  # type: ignore[method-assign, assignment]
    httpx.AsyncHTTPTransport.__aexit__ = _exited  # type: ignore[method-assign, assignment]
    Pool.handle_async_request = handle  # type: ignore[method-assign, assignment]
    _seal_alibaba(seal)


async def _entered(self: object) -> object:
    return self


async def _exited(self: object, *_: object) -> None:
    return None


def _seal_alibaba(seal: Seal) -> None:
    """Alibaba's SDK speaks aiohttp: its one way out is replaced, with the errors that aiohttp would raise. The sandbox
    looks at the time that it signs with."""
    import aiohttp
    from aiohttp.client_reqrep import ConnectionKey
    from alibabacloud_tea_openapi.utils import Utils
    from darabonba.core import DaraCore, DaraResponse  # type: ignore[import-untyped]

    async def act(request: Any, runtime_option: Mapping[str, Any] | None = None) -> Any:
        url = httpx.URL(DaraCore.compose_url(request))
        body = request.body or b""
        content = body if isinstance(body, bytes) else str(body).encode() if isinstance(body, str) else body.read()
        headers = [(str(name).encode(), str(value).encode()) for name, value in request.headers.items()]
        seconds = float((runtime_option or {}).get("readTimeout") or 10_000) / 1000
        try:
            answer = await seal.network.ask(request.method, url.host, url.raw_path.decode(), headers, content, seconds)
        except Nobody as problem:
            key = ConnectionKey(url.host, 80, False, True, None, None, None)
            raise aiohttp.ClientConnectorError(key, OSError("nobody listens")) from problem
        except Cut as problem:
            raise aiohttp.ServerDisconnectedError from problem
        except TooSlow as problem:
            raise aiohttp.SocketTimeoutError from problem
        found = DaraResponse()
        found.body, found.status_code = answer.body, answer.status
        found.headers = {name.decode().lower(): value.decode() for name, value in answer.headers}
        return found

    DaraCore.async_do_action = staticmethod(act)
    Utils.get_timestamp = staticmethod(lambda: f"{datetime.fromtimestamp(seal.wall(), UTC):%Y-%m-%dT%H:%M:%SZ}")


def _seal_redis(seal: Seal) -> None:
    async def run(_: object, __: object, script: str, keys: Any, args: Any) -> int:
        return seal.redis.run(script, keys, args)

    bucket.SharedRedis._run = run  # type: ignore[method-assign, assignment]


SHOPS = ("tea", "branch")
"""Further merchant accounts. A service provider acts for the second one."""
SUB_MCHID = "1900000110"


def make_small_keys(folder: Path, *, shops: bool = False) -> None:
    """The keys folder of a world, with small keys and a certificate of virtual time. `shops`: those of `SHOPS`, too."""
    from sandbox import certificates, keys, merchants, signing_plan

    def small() -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)

    class Then:
        @staticmethod
        def now(_: object) -> datetime:
            return datetime.fromtimestamp(EPOCH, UTC)

        fromtimestamp = datetime.fromtimestamp

    for module in (certificates, keys, merchants, signing_plan):
        module.rsa_2048 = small  # type: ignore[attr-defined]
    certificates.datetime = Then  # type: ignore[assignment, attr-defined]
    # The gateway marks wishes with its secret, and ids of messages follow from the marks: the same seed, the same ids.
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gateway-secret.txt").write_text("0" * 64)
    keys.make_keys(folder, SHOPS if shops else (), (SUB_MCHID,) if shops else ())
    if shops:
        (folder / merchants.FOLDER / SHOPS[1] / "sub-mchid.txt").write_text(SUB_MCHID)
    personal.make_first_keys(folder)
