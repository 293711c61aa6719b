"""The gateway: the one public door. `python -m services.gateway.main`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI

from chassis import clock
from chassis.miniprogram import appid_file
from chassis.mongo import Database
from chassis.service import http_app, until_answered
from chassis.serving import serve
from chassis.settings import load, read_key
from services.gateway import (
    admin,
    alternatives,
    audit,
    callbacks,
    cancelling,
    confirmations,
    deletion,
    live,
    members,
    mp,
    operators,
    own_password,
    parcels,
    ratings,
    reasons,
    reconciliations,
    signing_in,
    wechat,
)
from services.gateway.api import Door, check_rights
from services.gateway.auth import Tokens
from services.gateway.clients import Service, Services
from services.gateway.documentation import serve_documentation
from services.gateway.identity import Keys, identity
from services.gateway.limits import Limits, connect
from services.gateway.pool import Pool
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import OWN, SANDBOX, Signer
from services.gateway.vault import Vault
from services.gateway.watching import Watch

NAME = "gateway"
SIGNING_KEY = "gateway-private.pem"
SECRET = "gateway-secret.txt"
SANDBOX_KEY = "login-public.pem"

T = TypeVar("T")


DOORS = (
    signing_in,
    own_password,
    mp,
    parcels,
    ratings,
    reasons,
    alternatives,
    live,
    admin,
    cancelling,
    operators,
    deletion,
    members,
    audit,
    confirmations,
    reconciliations,
    callbacks,
)


def build(door: Door, watch: Watch | None = None) -> FastAPI:
    """The application; `watch` looks after live status. Raises LookupError when a route and the table of rights do not
    agree."""
    running = False

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        nonlocal running
        running = True
        loop = asyncio.get_running_loop()
        app.state.stopping = lambda: loop.call_soon_threadsafe(app.state.watch.close)
        # Beside everything else: without its database the gateway still serves customers.
        preparing = asyncio.create_task(until_answered(door.identity.prepare))
        try:
            yield
        finally:
            running = False
            app.state.watch.close()
            preparing.cancel()
            await door.identity.aclose()
            await door.limits.aclose()
            await door.services.aclose()

    # Ready as soon as it runs: while a service is away the others' routes still answer, and Redis only limits.
    async def started() -> bool:
        return running

    app = http_app(
        NAME,
        lifespan,
        lambda: {"started": started},
        public=True,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.door = door
    app.state.watch = watch or Watch(door.services.order)
    for door_of in DOORS:
        # Appended, not included: an included router is matched twice for every request.
        app.router.routes.extend(door_of.router.routes)
    serve_documentation(app)
    check_rights(app)
    return app


def wire(settings: GatewaySettings, database: Database | None = None) -> Door:
    """Everything the routes work with. Leaves the process with exit code 2 when a key cannot be used."""
    keys = settings.keys
    signer = _usable(SIGNING_KEY, lambda: Signer(read_key(keys, SIGNING_KEY), clock.now))
    vault = _usable(SECRET, lambda: Vault(read_key(keys, SECRET)))
    issuers = {OWN: signer.public_pem}
    if settings.trust_sandbox_tokens:
        issuers[SANDBOX] = read_key(keys, SANDBOX_KEY)
    tokens = _usable(SANDBOX_KEY, lambda: Tokens(issuers, clock.now))
    account = wechat.Wechat(
        httpx.AsyncClient(timeout=wechat.SECONDS),
        read_key(keys, appid_file(keys)),
        read_key(keys, "appsecret.txt"),
        settings.mini_program_url,
    )
    people = identity(
        Keys(signer, vault),
        database or Database(settings.mongo, f"tuidan_{NAME}", settings.mongo_driver),
        connect(settings.redis),
        account,
        hasher=PasswordHasher(time_cost=settings.password_passes, memory_cost=settings.password_memory_kib),
    )
    urls = {
        "order": settings.order_url,
        "payment": settings.payment_url,
        "inventory": settings.inventory_url,
        "notify": settings.notify_url,
        "analytics": settings.analytics_url,
    }
    services = {name: Service(name, url, Pool(), settings.service_seconds) for name, url in urls.items()}
    limits = Limits(connect(settings.redis), settings.rate_per_second)
    return Door(Services(**services), tokens, limits, people)


def _usable(name: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except ValueError as problem:
        print(f"TUIDAN_KEYS: {name}: {problem}", file=sys.stderr)  # noqa: T201 - read by whoever starts it
        raise SystemExit(2) from problem


def main() -> None:
    """Serve until SIGTERM."""
    settings = load(GatewaySettings)
    door = wire(settings)
    serve(build(door, Watch(door.services.order, most=settings.live_streams_max)), NAME, settings)


if __name__ == "__main__":
    main()
