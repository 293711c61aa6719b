"""The order service: the order, its life, and the cancellation saga. Wires its parts and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter

from chassis.service import Parts, Service
from chassis.settings import load
from contracts import inventory, notify, order, payment
from services.order import bulk_runs, cancelling_api, deletion_api, work_api
from services.order.alternatives_api import Shelf, alternatives_routes
from services.order.api import routes
from services.order.catalogue import Catalogue
from services.order.exports import EXPORTED, EXPORTS, Exports
from services.order.figures import CaseFigures
from services.order.handlers import ORDERS
from services.order.image_api import image_routes
from services.order.lists import OrderLists
from services.order.live_api import live_routes
from services.order.offer import LookUpProducts, PriceRules
from services.order.policies import LookUpPolicy
from services.order.policybook import PolicyBook
from services.order.preview import PastCases
from services.order.projections import PRODUCTS
from services.order.rating_api import rating_routes
from services.order.reason_api import reason_routes
from services.order.reasonbook import ReasonBook
from services.order.settings import OrderSettings
from services.order.variants import LookUpVariants
from services.order.views import OrderViews
from services.order.work_lists import WorkLists


def service(settings: OrderSettings) -> Service:
    """The whole service, ready to run."""

    @asynccontextmanager
    async def wire(parts: Parts) -> AsyncIterator[Sequence[APIRouter]]:
        products = parts.database.collection(PRODUCTS.name)
        coupons = parts.database.collection("coupons")
        rules = PriceRules.model_validate(settings, from_attributes=True)
        catalogue = Catalogue(products, coupons, rules, settings.unpaid_minutes)
        orders, keeping = parts.database.collection(ORDERS.name), parts.database.keeping(ORDERS)
        reasons, past = ReasonBook(parts.database.collection("reasons")), PastCases(orders)
        policies = PolicyBook(parts.database.collection("policies"), reasons)
        views = OrderViews(orders, products, coupons, keeping)
        lists = OrderLists(orders, keeping)
        shelf = Shelf(products)
        works, runs = WorkLists(orders, keeping), bulk_runs.BulkRuns(parts.database.collection(bulk_runs.NAME))
        figures = CaseFigures(orders, parts.engine.clock)
        for reader in (past, views, lists, shelf, works, runs, figures):
            await reader.prepare()
        figures.join(parts.readings)
        parts.engine.perform(LookUpProducts, catalogue.look_up)
        parts.engine.perform(LookUpPolicy, policies.look_up)
        parts.engine.perform(LookUpVariants, catalogue.look_up_variants)
        exports = Exports(orders, parts.database.collection(EXPORTS), parts.database.collection(EXPORTED), keeping)
        yield [
            routes(parts.engine, catalogue, views, lists),
            cancelling_api.routes(parts.engine, policies, past),
            deletion_api.routes(parts.engine, exports, settings.retention_days),
            work_api.routes(parts.engine, works, exports, runs),
            image_routes(orders, coupons),
            rating_routes(parts.engine),
            reason_routes(parts.engine, reasons),
            alternatives_routes(parts.engine, shelf, catalogue),
            live_routes(orders),
        ]

    return Service(
        "order",
        settings,
        topics=[order.COMMANDS, inventory.EVENTS, payment.EVENTS, notify.EVENTS],
        aggregates=[ORDERS],
        projections=[PRODUCTS],
        wire=wire,
    )


if __name__ == "__main__":
    service(load(OrderSettings)).run()
