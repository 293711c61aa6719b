"""What the tests of the turnstile share: time that passes only while everybody waits, and payment services reduced to
a turnstile, the merchants' accounts, and payments that can only be parked."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, ClassVar

from pydantic import BaseModel

from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.record import Aggregate, Record
from chassis.store import Store
from contracts.message import Intent, Message, Report
from services.payment.accounts import ACCOUNTS, MerchantAccount
from services.payment.limits import RefundLimits
from services.payment.outside import BalanceIsBack
from services.payment.parking import Parking
from services.payment.turnstile import SPACING, Turnstile
from tests.unit.payment.given import NOON

SHOP = "shop-1"
MCHID = "1900000109"
TURNS_OF_THE_LOOP = 40


class Time:
    """Virtual time for both clocks and for waiting."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def clock(self) -> datetime:
        return NOON + timedelta(milliseconds=int(self.seconds * 1000 + 1e-6))

    def monotonic(self) -> float:
        return self.seconds

    async def pause(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.seconds + seconds, next(self._order), future))
        await future

    async def until(self, at: datetime) -> None:
        await self.pause(max(0.0, (at - self.clock()).total_seconds()))

    async def run(self, *works: Coroutine[Any, Any, Any]) -> None:
        """Do all of these; whenever all of them wait, let time pass until the first goes on."""
        tasks = [asyncio.create_task(work) for work in works]
        while not all(task.done() for task in tasks):
            for _ in range(TURNS_OF_THE_LOOP):
                await asyncio.sleep(0)
            if self._waiting:
                self.seconds = max(self.seconds, self._waiting[0][0])
            while self._waiting and self._waiting[0][0] <= self.seconds:
                future = heapq.heappop(self._waiting)[2]
                if not future.done():
                    future.set_result(None)
        await asyncio.gather(*tasks)


class SlowStore(MemoryStore):
    """Others get a word in between a load and a save."""

    async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
        found = await super().load(ids, certain=certain)
        await asyncio.sleep(0)
        return found


class Waiting:
    """The payments' collection, as far as it says which shops have a refund that waits for money."""

    def __init__(self, *shops: str) -> None:
        self.shops = shops

    async def aggregate(self, pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"_id": shop} for shop in self.shops]


# ── payments that can only be parked ─────────────────────────────────────────────────────────────────────────────────
class Parked(BaseModel):
    """A payment that waits; `rounds` counts how often it was told to go on."""

    order_id: str
    rounds: int = 0


class GoOn(Intent):
    wire: ClassVar[str] = "go-on"
    order_id: str


class WentOn(Report):
    wire: ClassVar[str] = "went-on"
    order_id: str


def waiting_payments() -> Aggregate[Parked]:
    payments = Aggregate("payments", Parked)

    @payments.handles(BalanceIsBack)
    def back(payment: Parked | None, heard: BalanceIsBack, at: datetime) -> tuple[Parked | None, list[Message]]:
        rounds = (payment.rounds if payment else 0) + 1
        return Parked(order_id=heard.order_id, rounds=rounds), [GoOn(order_id=heard.order_id)]

    @payments.handles(WentOn)
    def went(payment: Parked | None, heard: WentOn, at: datetime) -> tuple[Parked | None, list[Message]]:
        return payment, []

    return payments


class ParkedOrders:
    """Answers as the payments' collection would: pages of order ids, by shop."""

    def __init__(self) -> None:
        self.orders: dict[str, str] = {}
        self.asked = 0

    async def find(
        self,
        filter: Mapping[str, Any],
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        self.asked += 1
        after = filter["_id"]["$gt"]
        found = sorted(order for order, shop in self.orders.items() if shop == filter["state.shop"] and order > after)
        return [{"_id": order} for order in found[:limit]]

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Mapping[str, Any] | None = None) -> None:
        raise AssertionError("memory has no indexes")


# ── one process ──────────────────────────────────────────────────────────────────────────────────────────────────────
class Process:
    """One process of the payment service. Several may share a store, and a Redis through their limits."""

    def __init__(
        self, time: Time, accounts: MemoryStore | None = None, limits: RefundLimits | None = None, pause: Any = None
    ) -> None:
        self.time = time
        self.accounts = accounts or SlowStore(ACCOUNTS)
        payments = waiting_payments()
        stores: dict[Aggregate[Any], Store] = {ACCOUNTS: self.accounts, payments: MemoryStore(payments)}
        self.engine = Engine("payment", stores, MemoryBroker(), time.clock)
        self.limits = limits or RefundLimits(None, time.monotonic)
        self.turnstile = Turnstile(self.engine, self.limits, SPACING, time.clock, pause=pause or time.pause)
        self.parked = ParkedOrders()
        self.parking = Parking(self.engine, self.turnstile, self.parked)
        self.parking.join(self.engine)
        self.engine.perform(GoOn, self._go_on)
        self.bells: dict[str, asyncio.Event] = {}
        self.went_on: Counter[str] = Counter()

    async def _go_on(self, wish: GoOn, _: int) -> WentOn:
        self.went_on[wish.order_id] += 1
        if wish.order_id in self.bells:
            self.bells[wish.order_id].set()
        return WentOn(order_id=wish.order_id)

    async def account(self, shop: str = SHOP) -> MerchantAccount | None:
        record = await self.engine.read(ACCOUNTS, shop)
        return record.state if record else None

    async def settle(self) -> None:
        """Wait until nothing is performed any more."""
        while not self.engine.relay.idle:
            await self.engine.relay.drain(10)
