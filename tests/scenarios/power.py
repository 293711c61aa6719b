"""All services in one process, on a time of their own, with a power cut at any moment. The services' real handlers,
effects and clients run; the topics and the records live in memory and outlive the cut; the stock's balances live in a
real MongoDB and the money in the sandbox, whose days pass with ours. No callback ever comes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from chassis import clock, timers
from chassis.delivery import Receiver
from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryBus, MemoryStore
from chassis.mongo import Database
from chassis.record import Aggregate, Heard, Record
from contracts import inventory, notify, order, payment
from contracts.inventory import ListProduct, ReceiveStock
from contracts.message import Message, OrderId, ProductId, Topic, message_id
from sandbox.app import advance, close, create_app
from sandbox.keys import make_keys
from sandbox.settings import SandboxSettings
from services.inventory.balances import Balances
from services.inventory.effects import StockMover
from services.inventory.handlers import RESERVATIONS
from services.inventory.model import MoveStock, TakeIn
from services.inventory.receiving import PRODUCTS, RECEIPTS
from services.inventory.recount import recount
from services.notify.handlers import NOTICES
from services.notify.model import ChannelAnswered, SendSms, SendWechat
from services.order.handlers import ORDERS
from services.order.model import Order
from services.payment.accounts import ACCOUNTS
from services.payment.api import Till
from services.payment.effects import Effects
from services.payment.handlers import PAYMENTS
from services.payment.keyfolder import KeyFolder
from services.payment.limits import RefundLimits
from services.payment.merchants import Merchants
from services.payment.model import Payment
from services.payment.parking import Parking
from services.payment.reconciliation import RECONCILIATIONS
from services.payment.reconciling import Reconciler
from services.payment.refund_effects import RefundEffects
from services.payment.shipping_effects import ShippingEffects
from services.payment.turnstile import SPACING, Turnstile
from services.payment.wechatpay import WechatPay, http_client
from tests.unit.order.told import place

SWEEP_AFTER = timedelta(seconds=15)
NIGHTS_MAX = 400
TOGETHER_MAX = 100

AGGREGATES: Mapping[str, Sequence[Aggregate[Any]]] = {
    "order": (ORDERS,),
    "payment": (PAYMENTS, ACCOUNTS, RECONCILIATIONS),
    "inventory": (RESERVATIONS, RECEIPTS, PRODUCTS),
    "notify": (NOTICES,),
}
TOPICS: Mapping[str, Sequence[Topic]] = {
    "order": (order.COMMANDS, inventory.EVENTS, payment.EVENTS, notify.EVENTS),
    "payment": (payment.COMMANDS,),
    "inventory": (inventory.COMMANDS,),
    "notify": (notify.COMMANDS,),
}


class Power:
    """Counts the moments at which the power may fail, and fails at the chosen one (1 is the first, 0 is never)."""

    def __init__(self) -> None:
        self.moments: list[str] = []
        self.fails_at = 0
        self.failed = asyncio.Event()

    async def moment(self, what: str) -> None:
        """A place between two things that must not be torn apart, whoever does them."""
        self.moments.append(what)
        if len(self.moments) == self.fails_at:
            self.failed.set()
        if self.failed.is_set():
            await asyncio.Event().wait()  # without power nothing goes on


class FlickeringStore(MemoryStore):
    """Records in memory, saved under a power that may fail before and after the write."""

    def __init__(self, aggregate: Aggregate[Any], power: Power) -> None:
        super().__init__(aggregate)
        self._name = aggregate.name
        self._power = power

    async def save(self, records: Sequence[Record[Any]]) -> set[str]:
        await self._power.moment(f"before saving {self._name}")
        lost = await super().save(records)
        await self._power.moment(f"after saving {self._name}")
        return lost


class FlickeringBroker(MemoryBroker):
    """Topics in memory, written under a power that may fail before and after the write."""

    def __init__(self, power: Power) -> None:
        super().__init__()
        self._power = power

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        await self._power.moment(f"before sending to {topic}")
        acknowledged = await super().send(topic, key, body, headers)
        await self._power.moment(f"after sending to {topic}")
        return acknowledged


@dataclass
class House:
    """All services under one roof. What is stored outlives a power cut; engines do not."""

    app: FastAPI
    sandbox: httpx.AsyncClient
    merchants: Merchants
    books: Balances
    power: Power = field(default_factory=Power)
    now: datetime = field(default_factory=clock.now)
    engines: dict[str, Engine] = field(default_factory=dict)
    buses: dict[str, MemoryBus] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.broker = FlickeringBroker(self.power)
        self.stores = {one: FlickeringStore(one, self.power) for many in AGGREGATES.values() for one in many}
        self.switch_on()

    def switch_on(self) -> None:
        """Start every service anew on what is stored."""
        self.power.failed.clear()
        for name, aggregates in AGGREGATES.items():
            stores = {aggregate: self.stores[aggregate] for aggregate in aggregates}
            engine = Engine(name, stores, self.broker, lambda: self.now, sweep_after=SWEEP_AFTER)
            receiver = Receiver(name, engine, self.broker, lambda: self.now)
            self.engines[name] = engine
            self.buses[name] = MemoryBus(self.broker, name, [topic.name for topic in TOPICS[name]], receiver)
        self._wire_payment(self.engines["payment"])
        mover = StockMover(self.books)
        self.engines["inventory"].perform(MoveStock, mover.move_stock)
        self.engines["inventory"].perform(TakeIn, mover.take_in)
        self.engines["notify"].perform(SendWechat, _told)
        self.engines["notify"].perform(SendSms, _told)

    def _wire_payment(self, engine: Engine) -> None:
        limits = RefundLimits(None, lambda: self.now.timestamp())  # noqa: PLW0108 - `now` moves
        turnstile = Turnstile(engine, limits, SPACING, lambda: self.now, pause=_no_time_passes)
        payments = Payments(self.stores[PAYMENTS])
        Parking(engine, turnstile, payments).join(engine)
        Effects(self.merchants).join(engine)
        RefundEffects(self.merchants, turnstile).join(engine)
        ShippingEffects(lambda shop: None, lambda: self.now).join(engine)
        Reconciler(engine, self.merchants, payments).join()

    async def tell(self, service: str, message: Message, cause: str) -> None:
        """Say something to a service, as its HTTP would, and again if the power fails meanwhile."""
        heard = Heard(message, message_id(cause, "test"), self.now, answers_travel=False)
        while not await self._powered(lambda: self.engines[service].hear(heard)):
            pass

    async def stocks(self, **pieces: int) -> None:
        """Put products on the shelf."""
        for name, quantity in pieces.items():
            product = ProductId(name)
            await self.tell("inventory", ListProduct(product_id=product, name=name, offers_minor=(1,)), name)
            receipt = ReceiveStock(receipt_id=f"r-{name}", product_id=product, quantity=quantity)
            await self.tell("inventory", receipt, receipt.receipt_id)

    async def paid_order(self, name: str, **pay: Any) -> OrderId:
        """An order of 3 tea and a cup (1,900 fen) whose payment is made; `pay`: how, see `/_customer/pay`."""
        order_id = OrderId(name)
        wish = place()
        asked = wish.asked.model_copy(update={"order_id": order_id})
        await self.tell("order", wish.model_copy(update={"order_id": order_id, "asked": asked}), f"place {name}")
        await self.settles(lambda: self.stands(order_id) == "payable", order_id)
        body = {"prepay_id": await self.prepay(order_id), **pay}
        answer = await self.sandbox.post("/_customer/pay", json=body)
        assert answer.status_code == 200, answer.text
        await self.settles(lambda: self.stands(order_id) == "paid", order_id)
        return order_id

    async def prepay(self, order_id: str) -> str:
        """The customer starts to pay."""
        ticket = await Till(self.engines["payment"], self.merchants).prepay(OrderId(order_id))
        return ticket["prepay_id"]

    async def settles(self, done: Callable[[], bool], order_id: str) -> None:
        """Let everything happen, timers and sweeps included, until `done`; time passes only when nothing moves, then
        up to the next timer."""
        for _ in range(NIGHTS_MAX):
            while await self._powered(self._day):
                if not self._anything_left():
                    break
            if done():
                return
            await self.passes(max(timedelta(seconds=5), self._until_next_timer()))
        raise AssertionError(f"not done after {NIGHTS_MAX} rounds; the order: {self.order(order_id)}")

    async def passes(self, time: timedelta) -> None:
        """Time passes here and at the providers."""
        self.now += time
        await advance(self.app, time.total_seconds())

    def _until_next_timer(self) -> timedelta:
        """No time at all while a record has something to say: the sweep will say it."""
        documents = [one for store in self.stores.values() for one in store.documents.values()]
        if any(one.get("unsaid") for one in documents):
            return timedelta()
        due = [one["wake_at"] for one in documents if one.get("wake_at") is not None]
        return min(due, default=self.now) - self.now

    async def _day(self) -> None:
        for name, bus in self.buses.items():
            await bus.pump(TOGETHER_MAX)
            engine = self.engines[name]
            await engine.relay.drain(10)
            await timers.ring(engine)
            await engine.relay.sweep(engine.stores)
            await engine.relay.drain(10)
            await engine.relay.flush(engine.stores, everything=True)

    def _anything_left(self) -> bool:
        return any(self.broker.waiting(name, [topic.name for topic in topics], 1) for name, topics in TOPICS.items())

    async def _powered(self, work: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Do `work`; False when the power failed meanwhile: then everything that ran is gone and services are new."""
        here = asyncio.current_task()
        task = asyncio.create_task(work())
        failing = asyncio.create_task(self.power.failed.wait())
        await asyncio.wait((task, failing), return_when=asyncio.FIRST_COMPLETED)
        if not self.power.failed.is_set():
            failing.cancel()
            await task
            return True
        gone = [one for one in asyncio.all_tasks() if one is not here]
        for one in gone:
            one.cancel()
        await asyncio.gather(*gone, return_exceptions=True)
        self.switch_on()
        return False

    def order(self, order_id: str) -> Order | None:
        """The order as it is stored."""
        document = self.stores[ORDERS].documents.get(order_id)
        return Order.model_validate(document["state"]) if document and document["state"] else None

    def payment(self, order_id: str) -> Payment:
        """The payment as it is stored."""
        return Payment.model_validate(self.stores[PAYMENTS].documents[order_id]["state"])

    def stands(self, order_id: str) -> str:
        """The order's state in one word; `payable` once its payment is open."""
        order = self.order(order_id)
        if order is None:
            return "unknown"
        payable = order.state == "pending-payment" and order.placing is not None and order.placing.ended
        return "payable" if payable else order.state

    async def money(self, order_id: str) -> dict[str, int]:
        """The sandbox's money book for one order: fen by kind."""
        sums: dict[str, int] = {}
        for line in await self._money_lines():
            if line["out_trade_no"] == order_id:
                sums[line["kind"]] = sums.get(line["kind"], 0) + line["amount_minor"]
        return sums

    async def transferred(self, number: str) -> int:
        """What the sandbox's money book says arrived by the transfer of this number, fen."""
        arrived = [line for line in await self._money_lines() if line["kind"] == "transfer-success"]
        return sum(line["amount_minor"] for line in arrived if line["out_bill_no"] == number)

    async def _money_lines(self) -> list[dict[str, Any]]:
        lines: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = (await self.sandbox.get("/_ledger/money", params={"after": after, "limit": 500})).json()
            lines, after = [*lines, *page["lines"]], page["next_after"]
        return lines

    async def stock_differences(self) -> int:
        """Products whose balance is not what the ledger says."""
        return len((await recount(self.books)).differences)

    async def close(self) -> None:
        """Close what the house has opened."""
        await self.sandbox.aclose()
        await close(self.app)

    def dead_letters(self) -> Iterable[str]:
        """Topics that have any."""
        return [topic for topic, records in self.broker.topics.items() if topic.endswith(".dead") and records]


class Payments:
    """The payments' collection, as far as parking and reconciling read it."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def _all(self) -> dict[str, Payment]:
        return {id: Payment.model_validate(one["state"]) for id, one in self._store.documents.items() if one["state"]}

    async def find(
        self,
        filter: Mapping[str, Any],
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        """Payments of the shop with a parked refund, by id."""
        parked = [
            id
            for id, one in sorted(self._all().items())
            if one.shop == filter["state.shop"] and any(refund.status == "parked" for refund in one.refunds)
        ]
        return [{"_id": id} for id in parked if id > filter["_id"]["$gt"]][:limit]

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Mapping[str, Any] | None = None) -> None:
        """Memory needs none."""

    async def ids_of(self, shop: str, start: datetime, end: datetime) -> list[str]:
        """Payments of this shop paid, or with a refund accepted, in this time."""
        return [
            id
            for id, one in sorted(self._all().items())
            if one.shop == shop and any(start <= at < end for at in _times(one))
        ]

    async def payments(self, ids: Sequence[str]) -> list[Payment]:
        """Those that exist among `ids`."""
        known = self._all()
        return [known[id] for id in ids if id in known]


def _times(payment: Payment) -> Iterable[datetime]:
    if payment.receipt is not None:
        yield payment.receipt.paid_at
    for refund in payment.refunds:
        if refund.accepted_at is not None:
            yield refund.accepted_at


async def _no_time_passes(seconds: float) -> None:
    """Nobody waits in a house where time passes only when nothing moves."""


async def _told(intent: SendWechat | SendSms, attempt: int) -> ChannelAnswered:
    """A channel that takes everything; after a cut nobody knows, as in `services.notify.effects`."""
    return ChannelAnswered(
        notice_id=intent.notice_id,
        channel="wechat" if isinstance(intent, SendWechat) else intent.provider,
        call=intent.call,
        result="sent" if attempt == 1 else "unknown",
        code="",
    )


async def build(folder: Path, database: Database) -> House:
    """A house with its own sandbox."""
    make_keys(folder)
    nobody_home = httpx.AsyncClient(transport=httpx.MockTransport(lambda request: httpx.Response(503)))
    app = create_app(SandboxSettings(keys_dir=folder), callback_client=nobody_home)
    sandbox = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://sandbox")
    http = http_client("http://sandbox", httpx.ASGITransport(app=app))
    provider = WechatPay(http, KeyFolder(folder), "http://nowhere", clock.now)
    books = Balances(database.collection("balances"), database.collection("ledger"), clock.now)
    await books.prepare()
    return House(app, sandbox, Merchants({"": provider}), books)
