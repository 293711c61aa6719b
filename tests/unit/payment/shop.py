"""The whole payment service in one process: its real engine, handlers, effects and routes on a store in memory, with a
clock that moves only when told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

import httpx
from fastapi import FastAPI

from chassis import problem, timers
from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.record import Heard
from chassis.store import Store
from contracts.message import CATALOGUE, Envelope, Message
from services.payment.accounts import ACCOUNTS
from services.payment.api import routes
from services.payment.callbacks import callback_routes
from services.payment.effects import Effects
from services.payment.handlers import PAYMENTS
from services.payment.limits import RefundLimits
from services.payment.merchants import Merchants
from services.payment.model import Payment
from services.payment.parking import Parking
from services.payment.refund_api import refund_routes
from services.payment.refund_effects import RefundEffects
from services.payment.shipping_effects import ShippingEffects
from services.payment.turnstile import SPACING, Turnstile
from services.payment.wechatpay import WechatPay
from tests.unit.payment.given import ORDER

EVENTS = "payment.events"
DRAIN_SECONDS = 30.0


class Clock:
    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()


class Sums:
    """Stands for the database's own adding up, which is tested against the real one."""

    def __init__(self) -> None:
        self.asked: list[Sequence[dict[str, Any]]] = []

    async def aggregate(self, pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        self.asked.append(pipeline)
        return [{"currency": "CNY", "payments": 1, "paid_minor": 10_000}]


class Parked:
    """The payments' collection, as far as parking reads it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(
        self,
        filter: Mapping[str, Any],
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        """Payments with a parked refund, by id."""
        assert isinstance(self._store, MemoryStore)
        documents = sorted(self._store.documents.items())
        parked = [id for id, one in documents if any(r["status"] == "parked" for r in one["state"]["refunds"])]
        return [{"_id": id} for id in parked if id > filter["_id"]["$gt"]][:limit]

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Mapping[str, Any] | None = None) -> None:
        """Memory needs none."""


async def _no_time_passes(seconds: float) -> None:
    """Nobody waits where time moves only when told."""


class Shop:
    """A running payment service. A new one on the same store is the same service after a crash."""

    def __init__(
        self,
        provider: WechatPay,
        clock: Clock,
        store: Store | None = None,
        more: Mapping[str, WechatPay] = MappingProxyType({}),
    ) -> None:
        self.clock = clock
        self.store: Store = store or MemoryStore(PAYMENTS)
        self.broker = MemoryBroker()
        stores: dict[Any, Store] = {PAYMENTS: self.store, ACCOUNTS: MemoryStore(ACCOUNTS)}
        self.engine = Engine("payment", stores, self.broker, clock)
        merchants = Merchants({"": provider, **more})
        turnstile = Turnstile(self.engine, RefundLimits(None, clock.seconds), SPACING, clock, pause=_no_time_passes)
        Parking(self.engine, turnstile, Parked(self.store)).join(self.engine)
        Effects(merchants).join(self.engine)
        RefundEffects(merchants, turnstile).join(self.engine)
        ShippingEffects(lambda shop: None, clock).join(self.engine)
        self.sums = Sums()
        self.app = FastAPI()
        problem.install(self.app)
        for router in (
            routes(self.engine, merchants, self.sums),
            refund_routes(self.engine, merchants),
            callback_routes(self.engine, merchants, self.sums),
        ):
            self.app.include_router(router)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://payment.test")
        self._heard = 0

    async def hear(self, message: Message, *, drain: bool = True) -> None:
        """Hear a message of a topic, and wait for what it sets in motion."""
        self._heard += 1
        heard = Heard(message, f"{type(message).__name__}-{self._heard}-{id(self)}", self.clock())
        await self.engine.hear(heard)
        if drain:
            await self.drain()

    async def drain(self) -> None:
        """Wait until no call is under way."""
        while not self.engine.relay.idle:
            await self.engine.relay.drain(DRAIN_SECONDS)

    async def later(self, wait: timedelta) -> None:
        """Let time pass, ring what is due, sweep up what was left."""
        self.clock.now += wait
        await timers.ring(self.engine)
        await self.engine.relay.sweep(self.engine.stores)
        await self.drain()

    async def payment(self, order_id: str = ORDER) -> Payment:
        record = await self.engine.read(PAYMENTS, order_id)
        assert record is not None
        assert isinstance(record.state, Payment)
        return record.state

    def events(self) -> list[Message]:
        """Everything said so far, in order."""
        found = []
        for delivery in self.broker.topics[EVENTS]:
            kind = CATALOGUE[Envelope.from_headers(delivery.headers).type]
            found.append(kind.model_validate_json(delivery.body))
        return found

    def told(self) -> list[str]:
        return [type(event).__name__ for event in self.events()]
