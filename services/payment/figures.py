"""What is shown of all refunds at once: what came of them, how much money has arrived, how much is parked and for which
merchants' balance. What stands is looked up: what one process saw of it would still be shown when another one has seen
the end of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any, Protocol

from prometheus_client import Counter, Gauge

from chassis.clock import Clock
from chassis.engine import Engine
from chassis.journal import Said
from chassis.readings import Readings, Series
from contracts.message import Event
from contracts.payment import (
    RefundAccepted,
    RefundAttempted,
    RefundDelayed,
    RefundFound,
    RefundRefused,
    RefundRerouted,
    RefundSettled,
)
from services.payment.accounts import ACCOUNTS
from services.payment.bills import day_of, day_range
from services.payment.parking import PARKED
from services.payment.reconciliation_record import BILLS_KEPT, HOUSE

REFUNDS = Counter(
    "tuidan_payment_refunds_total",
    "What came of refunds, each time something did: accepted, settled, refused, rerouted to a transfer; found to have "
    "been made outside, each time it is told; delayed by days; unknown, parked, abnormal, closed: not yet",
    ["outcome"],
)
SETTLED_FEN = Counter("tuidan_payment_settled_fen_total", "Money that has arrived at customers, in fen")
SHORT = Gauge(
    "tuidan_payment_balance_short", "1 while a merchant's balance is too short for refunds that wait", ["shop"]
)
LAST_DAY = Gauge(
    "tuidan_reconciliation_last_day_timestamp_seconds",
    "Unix time of the latest day that was compared; while there is none, of the day before the first that was tried",
    ["shop"],
)
GIVEN_UP = Gauge(
    "tuidan_reconciliation_given_up_days",
    "Days whose bills could not be had or read, that are not tried any more and can still be compared by hand",
    ["shop"],
)
PARKED_FEN = Gauge("tuidan_payment_parked_fen", "Money of refunds that wait for a merchant's balance, in fen", ["shop"])

OUTCOMES: dict[type[Event], str] = {
    RefundAccepted: "accepted",
    RefundSettled: "settled",
    RefundRefused: "refused",
    RefundRerouted: "rerouted",
    RefundFound: "found",
    RefundDelayed: "delayed",
}


class Summed(Protocol):
    """Where parked refunds are added up: the payments' own collection (`mongo.Collection`)."""

    async def aggregate(self, pipeline: Sequence[dict[str, Any]]) -> list[dict[str, Any]]: ...


def count_refunds(engine: Engine) -> None:
    """Count what is decided about refunds from now on."""
    for event, outcome in OUTCOMES.items():
        engine.tally(event, _counter(outcome))
    engine.tally(
        RefundAttempted, lambda said: REFUNDS.labels(RefundAttempted.model_validate_json(said.body).outcome).inc()
    )
    engine.tally(RefundSettled, lambda said: SETTLED_FEN.inc(json.loads(said.body)["amount"]["amount_minor"]))


def show_what_stands(
    readings: Readings, engine: Engine, payments: Summed, days: Found, shops: Callable[[], Sequence[str]]
) -> None:
    """Let the service's metrics show how its merchants stand."""
    ParkedMoney(payments, shops).join(readings)
    ShortBalances(engine, payments, shops).join(readings)
    ComparedDays(days, shops, engine.clock).join(readings)


def _counter(outcome: str) -> Callable[[Said], None]:
    counted = REFUNDS.labels(outcome)
    return lambda _: counted.inc()


class Found(Protocol):
    """Where reconciliations are found: their own collection (`mongo.Collection`)."""

    async def find(
        self, filter: dict[str, Any], *, fields: Sequence[str], sort: Sequence[tuple[str, int]], limit: int
    ) -> list[dict[str, Any]]: ...


class ComparedDays:
    """Up to which day each shop's books were compared with the provider's, whoever did it and however long ago, and how
    many days were given up: the latest day says nothing of a hole before it."""

    def __init__(self, days: Found, shops: Callable[[], Sequence[str]], clock: Clock) -> None:
        self._days = days
        self._shops = shops
        self._clock = clock

    def join(self, readings: Readings) -> None:
        """Be read with the service's metrics."""
        readings.add(LAST_DAY, self.look)
        readings.add(GIVEN_UP, self.given_up)

    async def look(self) -> Series:
        """Unix time (s) by shop; none for a shop of which no day was ever tried."""
        found = {shop: await self._latest(shop) for shop in self._shops()}
        return {(shop,): day_range(day)[0].timestamp() for shop, day in found.items() if day is not None}

    async def given_up(self) -> Series:
        """How many, by shop, of those whose bills the provider still has."""
        oldest = day_of(self._clock() - BILLS_KEPT)
        return {(shop,): len(await self._holes(shop, oldest)) for shop in self._shops()}

    async def _holes(self, shop: str, oldest: date) -> list[dict[str, Any]]:
        place = shop or HOUSE
        given_up = {"state.status": {"$in": ["failed", "unreadable"]}, "state.finished_at": {"$ne": None}}
        of_shop = {"_id": {"$gte": f"{place}/{oldest.isoformat()}", "$lt": f"{place}0"}, "state.sums": None, **given_up}
        return await self._days.find(of_shop, fields=["_id"], sort=[("_id", 1)], limit=BILLS_KEPT.days + 1)

    async def _latest(self, shop: str) -> date | None:
        if compared := await self._day(shop, -1, {"state.sums": {"$ne": None}}):
            return compared
        # A shop whose bills can never be had must not look like one that has only just been opened.
        tried = await self._day(shop, 1, {})
        return tried and tried - timedelta(days=1)

    async def _day(self, shop: str, way: int, more: dict[str, Any]) -> date | None:
        place = shop or HOUSE
        of_shop = {"_id": {"$gte": f"{place}/", "$lt": f"{place}0"}, **more}
        found = await self._days.find(of_shop, fields=["_id"], sort=[("_id", way)], limit=1)
        return date.fromisoformat(found[0]["_id"].rpartition("/")[2]) if found else None


class ShortBalances:
    """Whose balance is too short, as the merchants' accounts say, while a refund waits for it: of one that none waits
    for nobody would learn that there is money again."""

    def __init__(self, engine: Engine, payments: Summed, shops: Callable[[], Sequence[str]]) -> None:
        self._engine = engine
        self._payments = payments
        self._shops = shops

    def join(self, readings: Readings) -> None:
        """Be read with the service's metrics."""
        readings.add(SHORT, self.look)

    async def look(self) -> Series:
        """1 or 0 by shop."""
        shops = list(self._shops())
        found: dict[tuple[str, ...], float] = {(shop,): 0.0 for shop in shops}
        parked = {"state.shop": {"$in": shops}, **PARKED}
        for row in await self._payments.aggregate([{"$match": parked}, {"$group": {"_id": "$state.shop"}}]):
            record = await self._engine.read(ACCOUNTS, row["_id"])
            found[row["_id"],] = float(
                record is not None and record.state is not None and bool(record.state.short_since)
            )
        return found


class ParkedMoney:
    """Adds up what is parked at each shop, from the index that holds parked refunds only."""

    def __init__(self, payments: Summed, shops: Callable[[], Sequence[str]]) -> None:
        self._payments = payments
        self._shops = shops

    def join(self, readings: Readings) -> None:
        """Be read with the service's metrics."""
        readings.add(PARKED_FEN, self.look)

    async def look(self) -> Series:
        """Fen by shop."""
        shops = list(self._shops())
        rows = await self._payments.aggregate(
            [
                {"$match": {"state.shop": {"$in": shops}, **PARKED}},
                {"$unwind": "$state.refunds"},
                {"$match": PARKED},
                {"$group": {"_id": "$state.shop", "fen": {"$sum": "$state.refunds.amount.amount_minor"}}},
            ]
        )
        found = {row["_id"]: float(row["fen"]) for row in rows}
        return {(shop,): found.get(shop, 0.0) for shop in shops}
