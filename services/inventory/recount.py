"""Proves that every balance is what its ledger says, while everything keeps moving.

A balance that was read contains exactly the movements whose markers are in it, and those swept before. A ledger line
tells at which `swept` its marker was in the balance, so the lines swept before are: not refused, a smaller `swept`,
marker not in the balance any more. All of these were written before the balance was read and never change: no stop, no
snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from prometheus_client import Counter, Gauge
from pydantic import BaseModel, ConfigDict

from chassis.batcher import Shared
from chassis.projection import Update
from chassis.readings import UNKNOWN, Readings, Series
from services.inventory.balances import PRODUCTS_TOGETHER, Balances, Documents
from services.inventory.model import Amounts

DIFFERENCES = Gauge(
    "tuidan_stock_different_products", "Products whose balance was not what the ledger says, last recount"
)
RECOUNTED = Gauge("tuidan_stock_recounted_products", "Products compared by the last recount")
LAST_RECOUNT = Gauge(
    "tuidan_stock_last_recount_timestamp_seconds",
    "Unix time at which the last recount ended; while none has, at which the first was begun",
)
RECOUNTS = Counter("tuidan_stock_recounts_total", "Recounts finished, by result", ["result"])

log = structlog.get_logger()


class Pieces(BaseModel):
    """Pieces of one product by where they are."""

    model_config = ConfigDict(frozen=True)

    available: int
    reserved: int
    sold: int
    received: int


class Difference(BaseModel):
    """A product whose balance is not what its ledger adds up to, or whose pieces are not all somewhere
    (available + reserved + sold = received). Movements that are not noted yet are on neither side."""

    model_config = ConfigDict(frozen=True)

    product_id: str
    balance: Pieces
    ledger: Pieces


class Recount(BaseModel):
    """What a recount found: how many products were compared, and those that differ."""

    model_config = ConfigDict(frozen=True)

    products: int
    differences: tuple[Difference, ...]


async def recount(books: Balances) -> Recount:
    """Compare every product's balance with its ledger; says the result in the log. Only takes decided markers
    out first, so that as much as possible is compared."""
    await books.sweep_markers()
    # Before the balances: whatever has a line by now has a balance.
    noted = {line["_id"] for line in await books.ledger.aggregate(PRODUCTS_IN_LEDGER)}
    differences: list[Difference] = []
    compared: set[str] = set()
    after = ""
    while page := await books.balances.find({"_id": {"$gt": after}}, sort=[("_id", 1)], limit=PRODUCTS_TOGETHER):
        after = page[-1]["_id"]
        compared.update(balance["_id"] for balance in page)
        for balance in page:
            differences.extend(await _compare(balance, books.ledger))
    lost = sorted(noted - compared)
    for id in lost:
        differences.extend(await _compare({"_id": id, "swept": _FOR_EVER, "pending": []}, books.ledger))
    return _told(Recount(products=len(compared) + len(lost), differences=tuple(differences)))


class Recounts:
    """Makes recounts, and shows what the last one found, and when. That is kept in a document, because any process may
    have made it: one that remembered its own would go on showing a difference that another has since found gone, and
    one that was started anew would show none that is there."""

    def __init__(self, books: Balances, kept: Documents) -> None:
        self._books = books
        self._kept = kept
        self._made = Shared(self._make)

    async def make(self) -> Recount:
        """A recount that began after this call, one at a time however many ask. Raises StoreUnavailable."""
        return await self._made.now()

    async def _make(self) -> Recount:
        if not await self._kept.find({"_id": _LAST, "at": {"$exists": True}}):
            await self._note({"at": self._books.clock()})  # else nobody would see that not even the first one ends
        result = await recount(self._books)
        found = {"products": result.products, "different": len(result.differences)}
        await self._note({**found, "at": self._books.clock()})
        return result

    async def _note(self, known: Mapping[str, Any]) -> None:
        await self._kept.update_all([Update({"_id": _LAST}, {"$set": known}, upsert=True)])

    def join(self, readings: Readings) -> None:
        """Be read with the service's metrics."""
        readings.add(DIFFERENCES, lambda: self._last("different"), UNKNOWN)
        readings.add(RECOUNTED, lambda: self._last("products"), UNKNOWN)
        readings.add(LAST_RECOUNT, self._ended, UNKNOWN)

    async def _last(self, name: str) -> Series:
        found = await self._kept.find({"_id": _LAST, name: {"$exists": True}}, fields=[name])
        return {(): float(found[0][name])} if found else UNKNOWN

    async def _ended(self) -> Series:
        found = await self._kept.find({"_id": _LAST, "at": {"$exists": True}}, fields=["at"])
        return {(): found[0]["at"].timestamp()} if found else UNKNOWN


_LAST = "last"
_FOR_EVER = 2**62
PRODUCTS_IN_LEDGER: Sequence[dict[str, Any]] = (
    {"$sort": {"product_id": -1, "swept": -1}},
    {"$group": {"_id": "$product_id", "swept": {"$first": "$swept"}}},
    {"$match": {"swept": {"$gte": 0}}},
)
"""Of each product one entry of the index is read. Its lines are a thousand times as many, and more every day."""


async def _compare(balance: Mapping[str, Any], ledger: Documents) -> list[Difference]:
    """Each product by itself: of a sum over many the database asks of every line which of them it belongs to, and all
    of it has to be over in the one minute that adding up may take."""
    sums = {name: {"$sum": f"${name}"} for name in Amounts._fields}
    found = await ledger.aggregate([{"$match": _lines_in(balance)}, {"$group": {"_id": "$product_id", **sums}}])
    counted = Amounts.read(found[0]) if found else Amounts()
    settled = Amounts.read(balance)
    for marker in balance["pending"]:
        settled = settled.minus(Amounts.read(marker))
    if settled == counted and _conserved(counted):
        return []
    return [
        Difference(
            product_id=balance["_id"],
            balance=Pieces(**settled._asdict()),
            ledger=Pieces(**counted._asdict()),
        )
    ]


def _lines_in(balance: Mapping[str, Any]) -> dict[str, Any]:
    """Which ledger lines of its product a balance contains without a marker."""
    markers = [marker["id"] for marker in balance["pending"]]
    swept_before: dict[str, Any] = {"product_id": balance["_id"], "swept": {"$gte": 0, "$lt": balance["swept"]}}
    return swept_before | ({"_id": {"$nin": markers}} if markers else {})


def _conserved(amounts: Amounts) -> bool:
    return amounts.available + amounts.reserved + amounts.sold == amounts.received


def _told(result: Recount) -> Recount:
    RECOUNTS.labels("different" if result.differences else "equal").inc()
    if result.differences:
        shown = [difference.model_dump() for difference in result.differences[:20]]
        log.error("stock differs from its ledger", count=len(result.differences), differences=shown)
    else:
        log.info("stock equals its ledger", count=result.products)
    return result
