"""Inventory: the stock ledger. Reserved, held, released, dispatched, received, recounted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import APIRouter

from chassis import clock
from chassis.service import Parts, Service, every
from chassis.settings import load
from contracts import inventory
from services.inventory.api import router
from services.inventory.balances import Balances
from services.inventory.effects import StockMover
from services.inventory.handlers import RESERVATIONS
from services.inventory.model import MoveStock, TakeIn
from services.inventory.receiving import PRODUCTS, RECEIPTS
from services.inventory.recount import Recounts
from services.inventory.settings import InventorySettings

FIRST_RECOUNT_AFTER_SECONDS = 60.0
"""After the start of a process. One that is started anew more often than it recounts would never do it otherwise; one
that cannot stay up does not read all stock each time."""


def wire(settings: InventorySettings, parts: Parts) -> AbstractAsyncContextManager[Sequence[APIRouter]]:
    """Balances and ledger, who moves them, and what looks after them in the background."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Sequence[APIRouter]]:
        books = Balances(parts.database.collection("balances"), parts.database.collection("ledger"), clock.now)
        await books.prepare()
        recounts = Recounts(books, parts.database.collection("recounts"))
        recounts.join(parts.readings)
        mover = StockMover(books)
        parts.engine.perform(MoveStock, mover.move_stock)
        parts.engine.perform(TakeIn, mover.take_in)
        first = min(FIRST_RECOUNT_AFTER_SECONDS, settings.recount_every_seconds)
        loops = [
            asyncio.create_task(every(settings.recount_every_seconds, recounts.make, "recount", first=first)),
            asyncio.create_task(every(settings.sweep_markers_every_seconds, books.sweep_markers, "markers")),
        ]
        try:
            yield [router(parts.engine, books, recounts)]
        finally:
            for loop in loops:
                loop.cancel()

    return opened()


def service(settings: InventorySettings) -> Service:
    """The whole service, ready to run."""
    return Service(
        "inventory",
        settings,
        topics=[inventory.COMMANDS],
        aggregates=[RESERVATIONS, RECEIPTS, PRODUCTS],
        wire=lambda parts: wire(settings, parts),
    )


if __name__ == "__main__":
    service(load(InventorySettings)).run()
