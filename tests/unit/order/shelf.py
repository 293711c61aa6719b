"""The order service behind its HTTP with payment, notify and analytics beside it, on databases and topics in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI

from chassis import problem, timers
from chassis.delivery import Receiver
from chassis.engine import Engine
from chassis.keeping import Keeping
from chassis.memory import MemoryBroker, MemoryBus
from chassis.memory_database import MemoryDatabase
from chassis.record import Heard
from contracts import inventory, notify, order, payment
from contracts.message import CaseId, Message, OrderId
from contracts.notify import Addressee, TellCustomer
from contracts.order import CompleteOrder, DeliverOrder, ShipOrder
from services.analytics.projections import PROJECTIONS
from services.analytics.views import Figures
from services.notify.effects import forgetting
from services.notify.erasing import ERASURES, ForgetCustomers
from services.notify.handlers import NOTICES
from services.notify.model import ChannelAnswered, SendWechat
from services.notify.quota import Fact
from services.notify.subscriptions import NAME as LEDGER
from services.notify.subscriptions import Subscriptions
from services.notify.views import Notices
from services.order import api, deletion_api
from services.order.catalogue import Catalogue
from services.order.exports import EXPORTED, EXPORTS, Exports
from services.order.handlers import ORDERS
from services.order.lists import OrderLists
from services.order.offer import PriceRules
from services.order.views import OrderViews
from services.payment.handlers import PAYMENTS
from tests.unit.order.told import STAFF, START, paid, place

Json = dict[str, Any]
DAYS = 1_096
BY = STAFF.model_dump()
PERSONAL = ("张三", "13800001111", "openid-1", "SF-parcel")


async def _told(intent: SendWechat, _: int) -> ChannelAnswered:
    return ChannelAnswered(notice_id=intent.notice_id, channel="wechat", call=intent.call, result="sent")


@dataclass
class Shelf:
    """Everything that is kept about some orders. `now` moves only when told to."""

    now: datetime = START
    broker: MemoryBroker = field(default_factory=MemoryBroker)

    def __post_init__(self) -> None:
        self.databases = {name: MemoryDatabase() for name in ("order", "payment", "notify", "analytics")}
        self.engines: dict[str, Engine] = {}
        self.buses: list[MemoryBus] = []
        self._add("order", (ORDERS,), [payment.EVENTS, notify.EVENTS])
        self._add("payment", (PAYMENTS,), [payment.COMMANDS])
        self._add("notify", (NOTICES, ERASURES), [notify.COMMANDS])
        self._add("analytics", (), [order.EVENTS, payment.EVENTS, notify.EVENTS])
        kept = self.databases["notify"].collection(NOTICES.name)
        self.notices = Notices(kept, Keeping(NOTICES))  # type: ignore[arg-type]  # its twin in memory
        self.engines["notify"].perform(SendWechat, _told)
        facts = self.databases["notify"].collection(LEDGER)
        self.ledger = Subscriptions(facts)
        self.engines["notify"].perform(ForgetCustomers, forgetting(self.engines["notify"], self.notices, facts))
        self.app = self._app()
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://order")
        self._heard = 0

    def _add(self, name: str, aggregates: Any, topics: Any) -> None:
        database = self.databases[name]
        engine = Engine(
            name,
            {aggregate: database.store(aggregate) for aggregate in aggregates},
            self.broker,
            lambda: self.now,
            projections={one: database.collection(one.name) for one in PROJECTIONS} if name == "analytics" else {},
        )
        receiver = Receiver(name, engine, self.broker, lambda: self.now)
        self.engines[name] = engine
        self.buses.append(MemoryBus(self.broker, name, [topic.name for topic in topics], receiver))

    def _app(self) -> FastAPI:
        def collection(name: str) -> Any:
            return self.databases["order"].collection(name)

        engine = self.engines["order"]
        keeping = Keeping(ORDERS)
        views = OrderViews(collection(ORDERS.name), collection("products"), collection("coupons"), keeping)
        lists = OrderLists(collection(ORDERS.name), keeping)
        catalogue = Catalogue(collection("products"), collection("coupons"), PriceRules(), 0)
        exports = Exports(collection(ORDERS.name), collection(EXPORTS), collection(EXPORTED), keeping)
        app = FastAPI()
        problem.install(app)
        app.include_router(api.routes(engine, catalogue, views, lists))
        app.include_router(deletion_api.routes(engine, exports, DAYS))
        return app

    async def hears(self, *messages: Message, service: str = "order") -> None:
        for message in messages:
            self._heard += 1
            self.now += timedelta(seconds=1)
            await self.engines[service].hear(Heard(message, f"h{self._heard}", self.now))
        await self.settles()

    async def settles(self) -> None:
        """Let everything happen that happens without time passing, timers that are due included."""
        moved = True
        while moved:
            moved = False
            for bus in self.buses:
                moved = bool(await bus.pump()) or moved
            for engine in self.engines.values():
                await timers.ring(engine)
                await engine.relay.drain(10)
                await engine.relay.flush(engine.stores, everything=True)

    async def passes(self, time: timedelta) -> None:
        """Time passes, and what was to happen meanwhile happens."""
        self.now += time
        await self.settles()
        await self.settles()

    async def order(self, order_id: str = "o1-long-enough") -> str:
        """An order that was placed, paid, shipped, completed; its customer was told something once."""
        id = OrderId(order_id)
        wish = place()
        asked = wish.asked.model_copy(update={"order_id": id})
        await self.hears(
            wish.model_copy(update={"order_id": id, "asked": asked}),
            inventory.StockReserved(order_id=id),
            paid().model_copy(update={"order_id": id}),
            ShipOrder(order_id=id, carrier="SF", tracking_number="SF-parcel", by=STAFF),
            inventory.StockDispatched(order_id=id),
            payment.ShippingRecorded(order_id=id, outcome="recorded"),
            DeliverOrder(order_id=id, by=STAFF),
            CompleteOrder(order_id=id, by=STAFF),
        )
        to = Addressee(customer_id=asked.customer_id, **asked.contact.model_dump())
        tell = TellCustomer(order_id=id, case_id=CaseId(f"{id}-c1"), outcome="refund-delayed", to=to, amount_minor=5)
        await self.hears(tell, service="notify")
        about = {"openid": asked.contact.openid, "template_id": "t", "what": "sent", "source": "send", "at": self.now}
        await self.ledger.note([Fact.model_validate({"id": f"send/{tell.notice_id}/1", **about})])
        return order_id

    async def old_order(self, order_id: str = "o1-long-enough") -> str:
        """The same, longer ago than orders are kept."""
        await self.order(order_id)
        await self.passes(timedelta(days=DAYS + 1))
        return order_id

    async def ask(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        return await self.http.request(method, path, json=body)

    async def export(self, *order_ids: str) -> tuple[str, list[str]]:
        """The id and the lines of a registered export of one order."""
        (order_id,) = order_ids
        found = (await self.ask("GET", f"/orders/{order_id}/export")).json()
        body = {"order_ids": [order_id], "sha256": found["export_id"], "by": BY}
        answer = await self.ask("POST", "/exports", body)
        assert answer.status_code == 200, answer.text
        return found["export_id"], found["lines"]

    async def delete(self, order_id: str, export_id: str, **change: Any) -> httpx.Response:
        body = {"export_id": export_id, "reason": "kept long enough", "confirmed": True, "by": BY} | change
        return await self.ask("POST", f"/orders/{order_id}/deletion", body)

    async def erase(self, order_id: str) -> list[str]:
        """Delete an order and let everybody forget; the lines of its export."""
        export_id, lines = await self.export(order_id)
        answer = await self.delete(order_id, export_id)
        assert answer.status_code == 200, answer.text
        await self.settles()
        await self.passes(timedelta(minutes=5))
        return lines

    async def figures(self) -> list[Any]:
        """What analytics knows."""
        figures = Figures(self.databases["analytics"])  # type: ignore[arg-type]  # its twin in memory
        return [await figures.orders(by) for by in ("month", "product", "group")]

    def stored(self, *but: str) -> str:
        """Every stored document of every service as one text."""
        return "\n".join(
            json.dumps(document, ensure_ascii=False, default=str)
            for database in self.databases.values()
            for name, documents in database.collections.items()
            for document in documents.documents.values()
            if name not in but
        )

    def state(self, order_id: str) -> Json:
        found: Json = self.databases["order"].collections[ORDERS.name].documents[order_id]["state"]
        return found
