"""The processes of a world: every service's real application, started, killed, frozen and started again on simulated
ground, beside the sandbox's, which nothing ever happens to: its ledger is the judge's."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import structlog
from fastapi import FastAPI

from chassis.documents import Documents
from chassis.memory_database import MemoryDatabase
from chassis.personal import Ring
from chassis.service import Ground, Service
from chassis.settings import ServiceSettings
from sandbox.app import create_app
from sandbox.clock import Clock as SandboxClock
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
from tests.simulation.broker import SimBroker
from tests.simulation.loop import ACTOR, EPOCH, Actor, Sight, SimLoop
from tests.simulation.member import SimBus
from tests.simulation.network import Network
from tests.simulation.redis import SimRedis
from tests.simulation.sea import OpenSea, Trace
from tests.simulation.storage import Storage

SERVICES = ("order", "payment", "inventory", "notify", "analytics")
SWEEP_AFTER_SECONDS = 15.0
SUPERVISOR_SECONDS = 2.0
DAY_SECONDS = 86_400.0
NIGHT_SECONDS = 2.5 * 3_600
"""From midnight UTC, where virtual time begins."""
_COMMON: dict[str, Any] = {
    "http_port": 1,
    "kafka": "simulated",
    "mongo": "mongodb://simulated",
    "timers_every_seconds": 1.0,
    "sweep_every_seconds": 5.0,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What kind of house it is: how many processes of each service, freight and discount, whether bills are compared
    at night, how the sandbox pays out and with which keys it signs, whether it tells what became of messages, how long
    orders are kept and after how many minutes unpaid ones end, whether there are `shops` with merchant accounts of
    their own, and whether the provider has a `second_site`."""

    instances: int = 1
    freight_minor: int = 0
    discount_percent: int = 0
    card_settle_seconds: float = 0.0
    refund_spacing: bool = True
    nightly: bool = True
    pushes: bool = False
    signing: Literal["public-key", "both"] = "public-key"
    retention_days: int = 0
    unpaid_minutes: int = 0
    shops: bool = False
    second_site: bool = False


@dataclass(eq=False)
class Process:
    """One process: `name` is `payment/0`. `life` counts its starts."""

    name: str
    kind: str
    make: Callable[[Process], FastAPI]
    actor: Actor
    life: int = 0
    app: FastAPI | None = None
    bus: SimBus | None = None
    state: str = "down"
    stop: asyncio.Event | None = None
    ended: asyncio.Task[None] | None = None
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)


class House:
    """All processes, and what they stand on. `seed` may be set anew (`begin`) after everything has started."""

    def __init__(
        self, loop: SimLoop, keys: Path, shape: Shape, network: Network, redis: SimRedis, sea: OpenSea
    ) -> None:
        self.loop, self.keys, self.shape = loop, keys, shape
        self.ring = Ring(keys)
        self.network, self.redis, self.sea = network, redis, sea
        self.random = random.Random(0)
        self.logs: list[str] = []
        self._known_settings: dict[str, Any] = {}
        self.broker = SimBroker(sea, self.draw)
        self.broker.stirred = lambda: loop.changed(ACTOR.get().sight)
        self.storages = {name: self._storage(name, sea) for name in (*SERVICES, "gateway")}
        if shape.nightly:
            self.storages["payment"].daily = self._next_night
        self.processes: dict[str, Process] = {}
        self._of: defaultdict[str, list[Process]] = defaultdict(list)
        self.shut = False
        for name in SERVICES:
            for number in range(shape.instances):
                self._add(f"{name}/{number}", name, self._service)
        self._add("gateway/0", "gateway", self._gateway)
        self.sandbox_actor = Actor("sandbox", Sight())
        self.sandbox = self._sandbox()

    def _storage(self, name: str, sea: OpenSea) -> Storage:
        storage = Storage(name, sea, self.draw, self.loop.changed, SWEEP_AFTER_SECONDS)
        storage.collections = defaultdict(Documents)
        storage.skews = lambda: max([one.actor.skew for one in self._of[name]])
        self.loop.sights.append(storage.sight)
        return storage

    def draw(self) -> float:
        """A number from 0 to 1 out of the seed."""
        return self.random.random()

    def _next_night(self) -> float:
        """When yesterday's bills are looked at next: half past ten in China."""
        return -(-(self.loop.now - NIGHT_SECONDS + 1) // DAY_SECONDS) * DAY_SECONDS + NIGHT_SECONDS

    def begin(self, rng: random.Random, trace: Trace) -> None:
        """From now on chance is this one's, and this is what happens."""
        self.random = rng
        self.sea.random = rng
        self.sea.trace = trace
        self.sea.crossings.clear()

    def of(self, kind: str) -> Sequence[Process]:
        """The processes of one service."""
        return self._of[kind]

    def _add(self, name: str, kind: str, make: Callable[[Process], FastAPI]) -> None:
        sight = self.storages[kind].sight if kind in self.storages else Sight()
        self.processes[name] = Process(name, kind, make, Actor(name, sight))
        self._of[kind].append(self.processes[name])

    # ── what is made ─────────────────────────────────────────────────────────────────────────────────────────────────
    def _service(self, process: Process) -> FastAPI:
        service = self._made(process.kind)

        def database(name: str, _: ServiceSettings, ring: Ring | None) -> Any:
            return MemoryDatabase(self.storages[name], cast(Any, self.storages[name].collections), ring)

        def bus(name: str, _: ServiceSettings) -> SimBus:
            process.bus = SimBus(self.broker, name)
            return process.bus

        service.ground = Ground(database, bus)
        return service.app

    def _made(self, kind: str) -> Service:
        if kind == "order":
            return order(self._settings("order"))
        if kind == "payment":
            return payment(self._settings("payment"))
        if kind == "inventory":
            return inventory(self._settings("inventory"))
        if kind == "notify":
            return notify(self._settings("notify"))
        return analytics(self._settings("analytics"))

    def _settings(self, kind: str) -> Any:
        if kind not in self._known_settings:
            self._known_settings[kind] = self._read_settings(kind)
        return self._known_settings[kind]

    def _read_settings(self, kind: str) -> Any:
        shape = self.shape
        if kind == "order":
            return OrderSettings(
                **_COMMON,
                keys=self.keys,
                freight_minor=shape.freight_minor,
                discount_percent=shape.discount_percent,
                retention_days=shape.retention_days,
                unpaid_minutes=shape.unpaid_minutes,
            )
        if kind == "payment":
            return PaymentSettings(
                **_COMMON,
                keys=self.keys,
                redis="redis://simulated",
                provider_url="http://sandbox",
                provider_url_2="http://sandbox-2" if shape.second_site else "",
                mini_program_url="http://sandbox",
                callback_url="http://gateway",
                reconcile_nightly=shape.nightly,
                restored_look_seconds=3600.0,
            )
        if kind == "inventory":
            return InventorySettings(**_COMMON, recount_every_seconds=28_800.0)
        if kind == "notify":
            return NotifySettings(**_COMMON, keys=self.keys, provider_url="http://sandbox")
        return AnalyticsSettings(**_COMMON)

    def _gateway(self, process: Process) -> FastAPI:
        urls = {f"{name}_url": f"http://{name}" for name in SERVICES}
        settings = GatewaySettings(
            http_port=1,
            keys=self.keys,
            redis="redis://simulated",
            mongo="mongodb://simulated",
            mini_program_url="http://sandbox",
            trust_sandbox_tokens=True,
            password_memory_kib=32,
            password_passes=1,
            **cast(Any, urls),
        )
        storage = self.storages[process.kind]
        return build(wire(settings, cast(Any, MemoryDatabase(storage, cast(Any, storage.collections)))))

    def _sandbox(self) -> FastAPI:
        settings = SandboxSettings(
            keys_dir=self.keys,
            subscribe_quota_default=0,
            signing_mode=self.shape.signing,
            card_settle_seconds=self.shape.card_settle_seconds,
            enforce_refund_spacing=self.shape.refund_spacing,
            push_url="http://gateway/callbacks/wechat/events" if self.shape.pushes else "",
            sms_receipt_url="http://gateway/callbacks/sms/receipts" if self.shape.pushes else "",
            refund_url="http://gateway/callbacks/wechat/refund" if self.shape.pushes else "",
            enforce_sms_limits=False,
        )
        clock = SandboxClock(lambda: EPOCH + self.loop.now)
        app = self.sandbox_actor.context().run(create_app, settings, clock=clock)
        for host in ("sandbox", "sandbox-2"):
            self.network.listen(host, self.sandbox_actor, app)
        return app

    # ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────
    async def open(self) -> None:
        """Start everything and wait until it runs."""
        await asyncio.gather(*(self.start(process) for process in self.processes.values()))

    async def start(self, process: Process) -> None:
        """Start a process that is down; returns when it runs (or was killed meanwhile)."""
        if process.state != "down" or self.shut:
            return
        before = process.actor
        process.actor = Actor(process.name, before.sight, skew=before.skew, version=before.version)
        process.life += 1
        process.state = "starting"
        running: asyncio.Future[None] = self.loop.create_future()
        process.stop = asyncio.Event()
        process.ended = self.loop.start(process.actor, self._live(process, process.actor, running))
        await asyncio.wait((running, process.ended), return_when=asyncio.FIRST_COMPLETED, timeout=300)

    async def _live(self, process: Process, actor: Actor, running: asyncio.Future[None]) -> None:
        assert process.stop is not None
        try:
            app = process.app = process.make(process)
            async with app.router.lifespan_context(app):
                process.state = "running"
                self.network.listen(process.kind, actor, app)
                self.sea.trace.note(self.loop.now, process.name, "runs")
                if not running.done():
                    running.set_result(None)
                await process.stop.wait()
                self.network.leave(process.kind, actor)
        except Exception as problem:  # why: a process that fails at its start ends; its supervisor starts it again
            self.sea.trace.note(self.loop.now, process.name, f"ended: {type(problem).__name__}")
            self.loop.call_later(SUPERVISOR_SECONDS, self._start_again, process, context=self.sandbox_actor.context())
        process.state = "down"

    def _start_again(self, process: Process) -> None:
        self.loop.start(self.sandbox_actor, self.start(process))

    def kill(self, process: Process) -> None:
        """`kill -9`."""
        if process.state == "down":
            return
        self.sea.trace.note(self.loop.now, process.name, "killed")
        self.loop.kill(process.actor)
        self.network.leave(process.kind, process.actor)
        if process.bus is not None:
            process.bus.lost()
        process.bus, process.state, process.ended = None, "down", None

    async def terminate(self, process: Process) -> None:
        """SIGTERM: it finishes what it has in hand."""
        if process.state != "running" or process.stop is None or process.ended is None:
            return
        self.sea.trace.note(self.loop.now, process.name, "terminated")
        process.stop.set()
        await asyncio.wait((process.ended,), timeout=30)
        self.kill(process)

    def freeze(self, process: Process) -> None:
        """SIGSTOP."""
        if process.state == "running" and not process.actor.frozen:
            self.sea.trace.note(self.loop.now, process.name, "frozen")
            self.loop.freeze(process.actor)
            if process.bus is not None:
                process.bus.lost_while(lambda: process.actor.frozen)

    def thaw(self, process: Process) -> None:
        """SIGCONT."""
        if process.actor.frozen:
            self.sea.trace.note(self.loop.now, process.name, "thawed")
            self.loop.thaw(process.actor)
            if process.bus is not None and process.state == "running":
                process.bus.found_alive()

    def sizes(self) -> dict[str, int]:
        """How much the processes keep in memory for what they still have to do."""
        found: dict[str, int] = {}
        for process in self.processes.values():
            relay = process.bus.relay if process.bus is not None and process.state == "running" else None
            if relay is not None:
                found[f"{process.name} said"] = sum(map(len, relay._said.values()))
                found[f"{process.name} performing"] = len(relay._performing)
                found[f"{process.name} noting"] = len(relay._noting)
        return found

    def write_logs(self, keep: bool) -> None:
        """Send what services log to `logs`, masked as in a real process, or nowhere."""
        logging.disable(logging.CRITICAL)
        if keep:
            structlog.configure(
                processors=[self._note_log],
                wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
                cache_logger_on_first_use=False,
            )
        else:
            structlog.configure(
                wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
            )

    def _note_log(self, _: object, method: str, event: Any) -> str:
        from chassis.telemetry import _mask

        self.logs.append(f"{method} {dict(_mask(None, method, event))}")
        raise structlog.DropEvent


def names(processes: Iterable[Process]) -> list[str]:
    """Their names, in order."""
    return sorted(process.name for process in processes)
