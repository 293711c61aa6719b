"""One service as one process: HTTP, topics, timers and the sweep in one event loop, started and stopped together."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse
from prometheus_client import generate_latest

from chassis import clock, problem, telemetry, timers, tracing
from chassis.bus import KafkaBus
from chassis.delivery import Receiver
from chassis.engine import Engine
from chassis.joining import ClosedDoor, NotReady, Waiting
from chassis.mongo import Database
from chassis.personal import Ring, read_ring
from chassis.private import private_fields
from chassis.projection import Projection
from chassis.readiness import Check, check_all, partly_ready
from chassis.readings import Readings, wire_readings
from chassis.record import Aggregate
from chassis.relay import Publisher
from chassis.serving import STARTUP_FAILED, serve
from chassis.settings import ServiceSettings
from chassis.store import RESTORING, StoreUnavailable
from contracts.message import Topic

FLUSH_SHARE = 0.2
"""Of the time after which a sweep says again what stands as unsaid: the second flush marks it at the latest."""
START_RETRY_SECONDS = 1.0

log = structlog.get_logger()


class Bus(Publisher, Protocol):
    """The topics, as one member of a consumer group sees them: `bus.KafkaBus`, or what stands in for it."""

    def listen(self, topics: Sequence[str], receiver: Receiver) -> None: ...

    async def start(self) -> None: ...

    async def stop_hearing(self) -> None: ...

    async def stop(self) -> None: ...

    async def ping(self) -> bool: ...

    async def obstacle(self) -> str | None: ...

    async def lags(self) -> Mapping[tuple[str, ...], float]: ...


def _open_database(name: str, settings: ServiceSettings, ring: Ring | None) -> Database:
    return Database(settings.mongo, f"tuidan_{name}", settings.mongo_driver, ring)


def _open_bus(name: str, settings: ServiceSettings) -> Bus:
    return KafkaBus(
        settings.kafka,
        name,
        fetch_wait_ms=settings.kafka_fetch_wait_ms,
        gather_ms=settings.kafka_gather_ms,
        session_ms=settings.kafka_session_ms,
    )


@dataclass(frozen=True, slots=True)
class Ground:
    """What a service stands on, made when it starts. The simulation lays another one."""

    database: Callable[[str, ServiceSettings, Ring | None], Database] = _open_database
    bus: Callable[[str, ServiceSettings], Bus] = _open_bus


@dataclass(frozen=True, slots=True)
class Parts:
    """What a service's `wire` gets to work with."""

    engine: Engine
    database: Database
    readings: Readings = field(default_factory=Readings)


Wire = Callable[[Parts], AbstractAsyncContextManager[Sequence[APIRouter]]]


def http_app(
    name: str,
    lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]],
    checks: Callable[[], dict[str, Check]],
    readings: Readings | None = None,
    *,
    public: bool = False,
    **options: Any,
) -> FastAPI:
    """A FastAPI application with `/live`, `/ready`, `/metrics` and problem documents for every error. `checks` names
    what must answer for the service to be ready; `readings` are looked up for `/metrics`.
    `public`: it is asked from outside, where nobody has a say in our traces."""

    @asynccontextmanager
    async def watched(app: FastAPI) -> AsyncIterator[None]:
        probe = asyncio.create_task(telemetry.watch_loop_lag())
        try:
            async with lifespan(app):
                yield
        finally:
            probe.cancel()

    looked_up = readings or Readings()
    looked_up.add(telemetry.PART_READY, partly_ready(name, checks))
    app = FastAPI(title=f"tuidan {name}", lifespan=watched, **options)
    problem.install(app)
    app.add_middleware(tracing.Traced, service=name, begins=public)

    @app.get("/live", include_in_schema=False)
    async def live() -> dict[str, str]:
        return {"service": name, "status": "live"}

    @app.get("/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        found, is_ready = await check_all(name, checks())
        shown = {"service": name, "ready": is_ready, "checks": {part: why is None for part, why in found.items()}}
        whys = {part: why for part, why in found.items() if why}
        return JSONResponse(shown | ({"why": whys} if whys else {}), 200 if is_ready else 503)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> PlainTextResponse:
        await looked_up.take()
        return PlainTextResponse(generate_latest().decode(), media_type="text/plain; version=0.0.4")

    return app


class Service:
    """A service that hears topics and keeps records. `wire` opens what the service needs from outside, says who
    performs its intents, and yields its HTTP routes."""

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        topics: Sequence[Topic],
        aggregates: Sequence[Aggregate[Any]],
        projections: Sequence[Projection] = (),
        wire: Wire,
    ) -> None:
        self.name = name
        self.ground = Ground()
        self._settings = settings
        self._topics = topics
        self._aggregates = aggregates
        self._projections = projections
        self._wire = wire
        self._ring = self._keys()
        self._database: Database | None = None
        self._bus: Bus | None = None
        self._running = False
        self._waiting = Waiting()
        self._readings = Readings()
        self.app = http_app(name, self._lifespan, self._checks, self._readings)
        self.app.add_middleware(ClosedDoor, waiting=self._waiting)

    def _keys(self) -> Ring | None:
        """The keys for what it keeps about people. Leaves the process with exit code 2 when they are missing."""
        if not any(private_fields(aggregate.state) for aggregate in self._aggregates):
            return None
        return read_ring(getattr(self._settings, "keys", None))

    def _checks(self) -> dict[str, Check]:
        async def started() -> bool:
            return self._running

        async def mongo() -> bool:
            if self._database is None:
                return False
            await self._database.ping()
            return True

        async def kafka() -> bool:
            if self._waiting.why is not None:
                raise NotReady(self._waiting.why)
            return self._bus is not None and await self._bus.ping()

        return {"started": started, "mongo": mongo, "kafka": kafka}

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        database = self._database = self.ground.database(self.name, self._settings, self._ring)
        try:
            async with self._serving(app, database):
                yield
        finally:
            await database.close()

    @asynccontextmanager
    async def _serving(self, app: FastAPI, database: Database) -> AsyncIterator[None]:
        settings = self._settings
        bus = self._bus = self.ground.bus(self.name, settings)
        stores = {aggregate: database.store(aggregate) for aggregate in self._aggregates}
        engine = Engine(
            self.name,
            dict(stores),
            bus,
            clock.now,
            projections={projection: database.collection(projection.name) for projection in self._projections},
            sweep_after=timedelta(seconds=settings.sweep_after_seconds),
        )
        await until_answered(lambda: _expect_whole(database))
        for store in stores.values():
            await until_answered(store.prepare)
        wire_readings(self._readings, engine, bus.lags)
        async with self._wire(Parts(engine, database, self._readings)) as routers:
            for router in routers:
                # Appended, not included: an included router is matched twice for every request.
                app.router.routes.extend(router.routes)
            if self._topics:
                receiver = Receiver(self.name, engine, bus, clock.now)
                bus.listen([topic.name for topic in self._topics], receiver)
            loops: list[asyncio.Task[None]] = []

            async def join() -> None:
                await bus.start()
                loops.extend(self._start_loops(engine))
                self._running = True

            async def join_later() -> None:
                await self._waiting.until_clear(bus.obstacle)
                try:
                    await join()
                except Exception:  # why: half a member cannot be mended; nothing is in hand yet, so begin anew
                    log.critical("could not join: leaving, to be started again", exc_info=True)
                    os._exit(STARTUP_FAILED)

            try:
                if await self._waiting.look(bus.obstacle):
                    await join()
                else:  # whoever asks can be told why it is not ready
                    loops.append(asyncio.create_task(join_later()))
                yield
            finally:
                self._running = False
                for loop in loops:
                    loop.cancel()
                await bus.stop_hearing()
                await engine.relay.close(engine.stores, settings.stop_seconds / 2)  # what comes of it is still said
                await bus.stop()
                await _flush_last(engine)

    def _start_loops(self, engine: Engine) -> list[asyncio.Task[None]]:
        settings, unheard = self._settings, timers.Unheard()
        return [
            asyncio.create_task(every(seconds, work, what), name=what)
            for seconds, work, what in (
                (settings.timers_every_seconds, lambda: timers.ring(engine, unheard), "timers"),
                (settings.sweep_every_seconds, lambda: engine.relay.renew(engine.stores), "renew"),
                (settings.sweep_every_seconds, lambda: engine.relay.sweep(engine.stores), "sweep"),
                (settings.sweep_after_seconds * FLUSH_SHARE, lambda: engine.relay.flush(engine.stores), "flush"),
            )
        ]

    def run(self) -> None:
        """Serve until SIGTERM."""
        serve(self.app, self.name, self._settings)


async def every(
    seconds: float, work: Callable[[], Awaitable[object]], what: str, *, first: float | None = None
) -> None:
    """Do `work` again and again, after a pause each time (`first`: the first one, where it is another); whatever it
    raises is logged and does not end it."""
    away = False
    pause = seconds if first is None else first
    while True:
        await clock.pause(pause)
        pause = seconds
        try:
            await work()
            away = False
        except StoreUnavailable as trouble:
            if not away:
                log.warning("the store is away, waiting for it", loop=what, problem=str(trouble)[:300])
            away = True
        except Exception:  # why: a loop that ends would leave timers or messages waiting for ever
            log.exception("a background loop failed and goes on", loop=what)


async def until_answered(call: Callable[[], Awaitable[None]]) -> None:
    """Wait for a store that is not there yet: services may be started in any order."""
    told = False
    while True:
        try:
            await call()
            return
        except StoreUnavailable as trouble:
            if not told:
                log.warning("waiting for the store", problem=str(trouble)[:300])
            told = True
            await clock.pause(START_RETRY_SECONDS)


async def _expect_whole(database: Database) -> None:
    """A service that decides on half of what was known would send money again."""
    if await database.collection(RESTORING).find({}, limit=1):
        raise StoreUnavailable("half of a backup is put back: finish it with tuidan restore")


async def _flush_last(engine: Engine) -> None:
    try:
        await engine.relay.flush(engine.stores, everything=True)
    except StoreUnavailable:
        log.warning("stopped without marking what was said; it will be said again")
