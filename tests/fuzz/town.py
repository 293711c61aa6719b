"""The whole system in one process, on real time: every service's application as its `main.py` builds it behind a socket
of its own, a real MongoDB, a real Redis, the sandbox. Only the topics live in memory."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import tempfile
import threading
from collections.abc import Awaitable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import structlog
import uvicorn
from fastapi import FastAPI

from chassis.delivery import Receiver
from chassis.memory import MemoryBroker, MemoryBus
from chassis.personal import make_first_keys
from chassis.service import Ground
from chassis.settings import ServiceSettings
from sandbox.app import create_app
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings
from services.analytics.main import service as analytics
from services.analytics.settings import AnalyticsSettings
from services.gateway.main import build, wire
from services.gateway.settings import GatewaySettings
from services.inventory.main import service as inventory
from services.inventory.settings import InventorySettings
from services.notify.main import service as notify
from services.notify.settings import NotifySettings
from services.order.main import service as order
from services.order.settings import OrderSettings
from services.payment.main import service as payment
from services.payment.settings import PaymentSettings
from tests.support.mongod import running_mongod
from tests.support.redis import redis_server
from tests.support.waiting import until

SERVICES = ("order", "payment", "inventory", "notify", "analytics")
START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Town:
    """Where the two doors are."""

    gateway: str
    sandbox: str


class LiveBroker(MemoryBroker):
    """Topics in memory whose readers are woken when something comes."""

    def __init__(self) -> None:
        super().__init__()
        self.readers: list[asyncio.Event] = []

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        """See `MemoryBroker.send`."""
        acknowledged = await super().send(topic, key, body, headers)
        for reader in self.readers:
            reader.set()
        return acknowledged


class LiveBus:
    """One member of a consumer group that hears by itself; see `chassis.service.Bus`."""

    def __init__(self, broker: LiveBroker, group: str) -> None:
        self._broker = broker
        self._group = group
        self._bus: MemoryBus | None = None
        self._hearing: asyncio.Task[None] | None = None

    def listen(self, topics: Sequence[str], receiver: Receiver) -> None:
        """Hear these topics once started."""
        self._bus = MemoryBus(self._broker, self._group, topics, receiver)

    async def start(self) -> None:
        """Begin to hear."""
        if self._bus is not None:
            self._hearing = asyncio.create_task(self._hear(self._bus))

    async def _hear(self, bus: MemoryBus) -> None:
        woken = asyncio.Event()
        self._broker.readers.append(woken)
        while True:
            woken.clear()
            while await bus.pump():
                pass
            await woken.wait()

    async def stop_hearing(self) -> None:
        """Hear nothing more."""
        if self._hearing is not None:
            self._hearing.cancel()

    async def stop(self) -> None:
        """Nothing is left to let go of."""

    async def ping(self) -> bool:
        """Memory is always there."""
        return True

    async def obstacle(self) -> str | None:
        """Nothing stands in the way of a topic in memory."""
        return None

    async def lags(self) -> dict[tuple[str, ...], float]:
        """Whoever is told is told at once."""
        return {}

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        """See `relay.Publisher`."""
        return await self._broker.send(topic, key, body, headers)


@contextlib.contextmanager
def town() -> Iterator[Town]:
    """A town that is up as long as the block."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tuidan-town-")))
        mongo = stack.enter_context(running_mongod())
        redis = stack.enter_context(redis_server())
        redis.start()
        make_keys(folder)
        make_first_keys(folder)
        sockets = {name: _socket() for name in (*SERVICES, "gateway", "sandbox")}
        urls = {name: f"http://127.0.0.1:{one.getsockname()[1]}" for name, one in sockets.items()}
        apps = _apps(folder, mongo, redis.url, urls)
        stack.callback(_serve(apps, sockets))
        yield Town(urls["gateway"], urls["sandbox"])


def _socket() -> socket.socket:
    made = socket.socket()
    made.bind(("127.0.0.1", 0))
    made.listen(128)
    return made


def _apps(folder: Path, mongo: str, redis: str, urls: dict[str, str]) -> dict[str, FastAPI]:
    broker = LiveBroker()
    common: dict[str, Any] = {"http_port": 1, "kafka": "memory", "mongo": mongo}

    def bus(name: str, _: ServiceSettings) -> Any:
        return LiveBus(broker, name)

    provider: dict[str, Any] = {"provider_url": urls["sandbox"]}
    made = {
        "order": order(OrderSettings(**common, keys=folder)),
        "payment": payment(
            PaymentSettings(
                **common,
                **provider,
                keys=folder,
                redis=redis,
                mini_program_url=urls["sandbox"],
                callback_url=urls["gateway"],
            )
        ),
        "inventory": inventory(InventorySettings(**common)),
        "notify": notify(NotifySettings(**common, **provider, keys=folder)),
        "analytics": analytics(AnalyticsSettings(**common)),
    }
    for one in made.values():
        one.ground = Ground(bus=bus)
    settings = GatewaySettings(
        http_port=1,
        keys=folder,
        redis=redis,
        mongo=mongo,
        mini_program_url=urls["sandbox"],
        trust_sandbox_tokens=True,
        rate_per_second=0,
        **cast(Any, {f"{name}_url": urls[name] for name in SERVICES}),
    )
    pushes = {
        "push_url": f"{urls['gateway']}/callbacks/wechat/events",
        "sms_receipt_url": f"{urls['gateway']}/callbacks/sms/receipts",
    }
    sandbox = create_app(
        SandboxSettings(keys_dir=folder, enforce_sms_limits=False, enforce_rate_limits=False, **cast(Any, pushes))
    )
    return {**{name: one.app for name, one in made.items()}, "gateway": build(wire(settings)), "sandbox": sandbox}


def _serve(apps: dict[str, FastAPI], sockets: dict[str, socket.socket]) -> Any:
    """Serve all of them in a thread of its own; what ends that."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    servers = {
        name: uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5))
        for name, app in apps.items()
    }
    up = threading.Event()

    async def live() -> None:
        running = [asyncio.create_task(server.serve(sockets=[sockets[name]])) for name, server in servers.items()]
        started = lambda: all(server.started for server in servers.values()) or any(task.done() for task in running)  # noqa: E731
        await until(started, "the services have started", seconds=START_SECONDS)
        up.set()
        await asyncio.gather(*running)

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="town", daemon=True)
    thread.start()
    assert up.wait(START_SECONDS)
    assert all(server.started for server in servers.values()), "a service did not start; its log says why"

    def stop() -> None:
        for name in ("gateway", "sandbox", *SERVICES):
            servers[name].should_exit = True
        thread.join(START_SECONDS)
        structlog.reset_defaults()

    return stop
