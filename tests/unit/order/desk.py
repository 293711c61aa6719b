"""The order service's HTTP without topics: its records and copies in memory, a broker in memory."""

from __future__ import annotations

from typing import Any, cast

import httpx
from fastapi import APIRouter, FastAPI

from chassis import clock, problem
from chassis.engine import Engine
from chassis.keeping import Keeping
from chassis.memory import MemoryBroker
from chassis.memory_database import MemoryDatabase
from chassis.projection import Update
from chassis.record import Heard, Record
from contracts.message import Message
from services.order import cancelling_api
from services.order.api import routes
from services.order.catalogue import Catalogue
from services.order.handlers import ORDERS
from services.order.lists import OrderLists
from services.order.model import Order
from services.order.offer import PriceRules, Product
from services.order.policybook import PolicyBook
from services.order.preview import PastCases
from services.order.reasonbook import ReasonBook
from services.order.views import OrderViews
from tests.unit.order.told import OPENED, RESERVED, paid, place


class Desk:
    """`engine` hears, `http` asks."""

    def __init__(self) -> None:
        self.broker = MemoryBroker()
        self.database = MemoryDatabase()
        self.engine = Engine("order", {ORDERS: self.database.store(ORDERS)}, self.broker, clock.now)
        self.products = self.database.collection("products")
        self.coupons = self.database.collection("coupons")
        self.orders: Any = self.database.collection(ORDERS.name)
        self.views = OrderViews(self.orders, self.products, self.coupons, Keeping(ORDERS))  # type: ignore[arg-type]
        self.lists = OrderLists(cast(Any, self.orders), Keeping(ORDERS))
        self.catalogue = Catalogue(self.products, self.coupons, PriceRules(), 0)  # type: ignore[arg-type]
        self._heard = 0
        self.app = FastAPI()
        problem.install(self.app)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://order")

    def opens(self, *routers: APIRouter) -> Desk:
        """With these routes."""
        for router in routers:
            self.app.include_router(router)
        return self

    async def sells(self, *products: Product) -> None:
        """These products are on sale."""
        await self.products.update_all(
            [
                Update({"_id": one.product_id}, {"$set": one.model_dump(exclude={"product_id"})}, upsert=True)
                for one in products
            ]
        )

    async def hears(self, *messages: Message) -> Record[Order]:
        """Let the order hear each message; the record as it is then."""
        record: Record[Order] = Record("")
        for message in messages:
            self._heard += 1
            decided = await self.engine.hear(Heard(message, f"m{self._heard}", clock.now()))
            assert decided is not None
            record = decided.record
        return record


async def paid_at_the_desk() -> Desk:
    """With all routes about an order and cancelling it, and one order that is paid."""
    desk = cancelling_desk()
    await desk.hears(place(), RESERVED, OPENED, paid())
    return desk


def cancelling_desk() -> Desk:
    """With all routes about an order and cancelling it."""
    desk = Desk()
    reasons = ReasonBook(desk.database.collection("reasons"))  # type: ignore[arg-type]  # its twin in memory
    policies = PolicyBook(desk.database.collection("policies"), reasons)  # type: ignore[arg-type]
    cancelling = cancelling_api.routes(desk.engine, policies, PastCases(desk.orders))
    return desk.opens(routes(desk.engine, desk.catalogue, desk.views, desk.lists), cancelling)
