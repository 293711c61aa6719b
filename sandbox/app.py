"""The application: one ASGI app that plays all providers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from sandbox.bills_api import bills_router
from sandbox.calls import TRANSPORT
from sandbox.clock import Clock
from sandbox.control import control_router
from sandbox.control_money import control_money_router
from sandbox.control_script import control_script_router
from sandbox.control_sms import control_sms_router
from sandbox.customer import customer_router
from sandbox.customer_messages import customer_messages_router
from sandbox.ledger_api import ledger_router
from sandbox.login import login_router
from sandbox.miniprogram import miniprogram_router
from sandbox.settings import SandboxSettings
from sandbox.shipping_api import shipping_router
from sandbox.sms import sms_router
from sandbox.transfers_api import transfers_router
from sandbox.wechatpay import wechatpay_router
from sandbox.world import World, make_world


class SandboxApp(FastAPI):
    """FastAPI that lets a call cut its own connection, where a real one is below."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Before any middleware wraps it, `send` is a method of uvicorn's request cycle, which knows the connection.
        cycle = getattr(send, "__self__", None)
        scope[TRANSPORT] = getattr(cycle, "transport", None)
        await super().__call__(scope, receive, send)


def create_app(
    settings: SandboxSettings, *, callback_client: httpx.AsyncClient | None = None, clock: Clock | None = None
) -> FastAPI:
    """Make the stand-in.

    ``callback_client`` delivers callbacks; give one with an ASGITransport to stay in one process (the caller closes
    it). Without a lifespan (httpx.ASGITransport starts none) everything works too: background work begins with the
    first call. MissingKeysError when the keys folder is incomplete.
    """
    world = make_world(settings, callback_client, clock or Clock())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        world.courier.kick()
        yield
        await world.courier.close()
        world.store.close()

    app = SandboxApp(title="Tuidan sandbox", lifespan=lifespan)
    app.state.world = world
    for router in (wechatpay_router, miniprogram_router, sms_router, customer_router, login_router, control_router):
        app.include_router(router(world))
    for router in (
        transfers_router,
        bills_router,
        control_money_router,
        ledger_router,
        shipping_router,
        customer_messages_router,
        control_sms_router,
        control_script_router,
    ):
        app.include_router(router(world))

    @app.get("/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    return app


def world_of(app: FastAPI) -> World:
    """The parts behind an application made by ``create_app``."""
    world = app.state.world
    assert isinstance(world, World)
    return world


async def settle(app: FastAPI) -> None:
    """Return when nothing that is due now is left: refunds settled, every due callback delivered or failed once.

    What is due later (retries, a delayed refund) needs ``advance``.
    """
    await world_of(app).courier.drain()


async def advance(app: FastAPI, seconds: float) -> None:
    """Let business time pass and do everything that becomes due, in its order."""
    await world_of(app).courier.advance(seconds)


async def close(app: FastAPI) -> None:
    """Stop the background work and close the store, for applications that ran without a lifespan."""
    world = world_of(app)
    await world.courier.close()
    world.store.close()
