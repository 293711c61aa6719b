"""The gateway: the one public door. `python -m services.gateway.main`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from chassis import clock
from chassis.service import http_app, serve
from chassis.settings import load, read_key
from services.gateway import admin, alternatives, callbacks, cancelling, deletion, live, mp, ratings, reconciliations
from services.gateway.api import Door, check_rights
from services.gateway.auth import Tokens
from services.gateway.clients import Service, Services, pooled
from services.gateway.documentation import serve_documentation
from services.gateway.limits import Limits, connect
from services.gateway.settings import GatewaySettings
from services.gateway.watching import Watch

NAME = "gateway"
TOKEN_KEY = "login-public.pem"


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
        try:
            yield
        finally:
            running = False
            app.state.watch.close()
            await door.limits.aclose()
            await door.services.aclose()

    # Ready as soon as it runs: while a service is away the others' routes still answer, and Redis only limits.
    async def started() -> bool:
        return running

    app = http_app(
        NAME,
        lifespan,
        lambda: {"started": started},
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.door = door
    app.state.watch = watch or Watch(door.services.order)
    for door_of in (mp, ratings, alternatives, live, admin, cancelling, deletion, reconciliations, callbacks):
        # Appended, not included: an included router is matched twice for every request.
        app.router.routes.extend(door_of.router.routes)
    serve_documentation(app)
    check_rights(app)
    return app


def wire(settings: GatewaySettings) -> Door:
    """Everything the routes work with. Leaves the process with exit code 2 when the token key cannot be used."""
    try:
        tokens = Tokens(read_key(settings.keys, TOKEN_KEY), clock.now)
    except ValueError as problem:
        print(f"TUIDAN_KEYS: {TOKEN_KEY}: {problem}", file=sys.stderr)  # noqa: T201 - read by whoever starts it
        raise SystemExit(2) from problem
    urls = {
        "order": settings.order_url,
        "payment": settings.payment_url,
        "inventory": settings.inventory_url,
        "notify": settings.notify_url,
        "analytics": settings.analytics_url,
    }
    services = {name: Service(name, url, pooled(), settings.service_seconds) for name, url in urls.items()}
    return Door(Services(**services), tokens, Limits(connect(settings.redis), settings.rate_per_second))


def main() -> None:
    """Serve until SIGTERM."""
    settings = load(GatewaySettings)
    door = wire(settings)
    serve(build(door, Watch(door.services.order, most=settings.live_streams_max)), NAME, settings)


if __name__ == "__main__":
    main()
