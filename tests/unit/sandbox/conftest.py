"""A fresh stand-in for each test; key files are made once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.app import close, create_app
from sandbox.clock import Clock
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings
from tests.unit.sandbox.shop import BASE, Receiver, Shop, strangers_client

MakeShop = Callable[..., Awaitable[Shop]]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("keys")
    make_keys(folder, merchants=("tea",), sub_mchids=("1900008888",))
    return folder


@pytest.fixture
async def make_shop(keys: Path) -> AsyncIterator[MakeShop]:
    made: list[tuple[Shop, httpx.AsyncClient]] = []

    async def make(clock: Clock | None = None, **settings: Any) -> Shop:
        pay = strangers_client(keys)
        receiver = Receiver(pay)
        deliveries = httpx.AsyncClient(transport=httpx.ASGITransport(receiver.app()))
        # These limits are about time, which most tests do not wait for: those that mean them switch them on.
        settings = {"enforce_refund_spacing": False, "enforce_rate_limits": False, **settings}
        app = create_app(SandboxSettings(keys_dir=keys, **settings), callback_client=deliveries, clock=clock)
        http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=BASE)
        pay._core._gate_way = BASE
        pay._core._client = http
        shop = Shop(app, keys, pay, http, receiver)
        made.append((shop, deliveries))
        return shop

    yield make
    for shop, deliveries in made:
        await close(shop.app)
        await deliveries.aclose()
        await shop.http.aclose()


@pytest.fixture
async def shop(make_shop: MakeShop) -> Shop:
    return await make_shop()
