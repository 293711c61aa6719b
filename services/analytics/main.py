"""Analytics: facts from the topics, figures when asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter

from chassis.service import Parts, Service
from chassis.settings import load
from contracts import inventory, notify, order, payment
from services.analytics.api import router
from services.analytics.projections import PROJECTIONS
from services.analytics.settings import AnalyticsSettings
from services.analytics.views import Figures

TOPICS = (order.EVENTS, payment.EVENTS, inventory.EVENTS, notify.EVENTS)


@asynccontextmanager
async def wire(parts: Parts) -> AsyncIterator[Sequence[APIRouter]]:
    """The routes that read what the projections wrote."""
    yield [router(Figures(parts.database))]


def service(settings: AnalyticsSettings) -> Service:
    """The whole service, ready to run."""
    return Service("analytics", settings, topics=TOPICS, aggregates=(), projections=PROJECTIONS, wire=wire)


if __name__ == "__main__":
    service(load(AnalyticsSettings)).run()
