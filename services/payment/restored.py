"""After the database was put back from a backup: what the provider has refunded since is not known here until the bills
of those days were compared (docs/decisions/0039). Until then a refund is sent only for a payment that the provider
shows as never refunded; everything else waits.

The number of a refund alone does not protect: cases are counted from the order as it was, so the same goods may get
another number than they had, and a refund that was made by hand has a number of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

import structlog
from prometheus_client import Gauge

from chassis.clock import Clock
from chassis.engine import Engine
from chassis.failures import HandlerFailed
from chassis.projection import Document, Update
from chassis.record import Heard
from contracts.message import message_id
from contracts.payment import trade_number
from services.payment.bills import day_of
from services.payment.reconciliation_record import (
    BILLS_KEPT,
    StartReconciliation,
    first_without_bill,
    id_of,
    ready_at,
)
from services.payment.shown import Trade
from services.payment.turnstile import HELD, Held

NAME = "restored"
"""The collection; its one document `_id` restored is written by `tuidan restore`: `taken_at`, the moment of the backup,
`restored_at`, `cleared`, the shops whose days were all compared since, and `over`, once that is so for all that were
known then. A shop whose keys come later, to a new machine say, has its days to be compared all the same."""
REFUNDED = "REFUND"
NOT_YET_KNOWN = frozenset({"refund-not-ours", "refund-not-accepted-here", "refund-not-settled-here"})
"""Open differences of these kinds: the provider has a refund that no payment here has heard of."""
LOOKED_AT_LEAST_EVERY = timedelta(seconds=1)

SHORT = Gauge("tuidan_payment_books_short", "1 while a restored database may lack refunds of the provider", ["shop"])

log = structlog.get_logger()


class Collection(Protocol):
    """What is read and noted: `mongo.Collection`."""

    async def find(
        self, filter: Document, *, fields: Sequence[str] | None = None, limit: int = 0
    ) -> list[dict[str, Any]]: ...

    async def update_all(self, updates: Iterable[Update]) -> object: ...


class Provider(Protocol):
    """What is asked of the provider. May raise Refused or NoAnswer."""

    async def query_payment(self, out_trade_no: str, /) -> Trade: ...


class Restored:
    """One per process. Nothing of it costs anything when there was no restore. `again_after`: how long a refund that
    waits is left alone."""

    def __init__(self, notes: Collection, days: Collection, clock: Clock, again_after: timedelta) -> None:
        self._notes = notes
        self._days = days
        self._clock = clock
        self._again_after = again_after
        self._note: Mapping[str, Any] | None = None
        self._looked: dict[str, datetime] = {}
        self._refunded: set[str] = set()

    async def prepare(self) -> None:
        """Read whether there was a restore; services do not run while there is one."""
        found = await self._notes.find({"_id": NAME})
        self._note = found[0] if found else None
        if found and not found[0].get("over"):
            log.warning("restored: refunds made since the backup are not known yet", days=len(self.days()))

    def days(self) -> list[date]:
        """Days in China whose bills may hold what is not known here; older bills are not kept. The first is the one
        whose bill was not there yet when the backup was taken: a refund made by hand on it stands in no later bill."""
        if self._note is None:
            return []
        oldest = day_of(self._clock() - BILLS_KEPT)
        first, last = max(oldest, first_without_bill(self._time("taken_at"))), day_of(self._time("restored_at"))
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]

    async def waits(self, shop: str) -> bool:
        """Whether this shop's days are not all compared."""
        if self._note is None or shop in self._note["cleared"]:
            return False
        now, looked = self._clock(), self._looked.get(shop)
        if looked is not None and now - looked < LOOKED_AT_LEAST_EVERY:
            return True
        if not (self._note.get("over") and await self._is_new(shop)) and await self._open_days(shop):
            self._looked[shop] = now
            SHORT.labels(shop).set(1)
            return True
        await self._clear(shop)
        return False

    async def hold_if_refunded(self, provider: Provider, order_id: str) -> None:
        """Raise Held unless the provider shows this payment as never refunded. May raise Refused or NoAnswer."""
        if order_id not in self._refunded:
            trade = await provider.query_payment(trade_number(order_id))
            if trade.trade_state != REFUNDED:
                return
            self._refunded.add(order_id)
        raise self.not_yet()

    def not_yet(self) -> Held:
        """Why a call is not made while nobody knows what was refunded since the backup."""
        HELD.labels("RESTORED").inc()
        return Held("RESTORED", self._clock() + self._again_after)

    async def start_due(self, engine: Engine, shops: Iterable[str]) -> None:
        """Start every day that has not been compared since, once its bill is there. To be called every minute or so."""
        if self._note is None:
            return
        at = self._clock()
        for shop in shops:
            for day in await self._open_days(shop) if await self.waits(shop) else ():
                if ready_at(day) > at:
                    continue
                wish = StartReconciliation(
                    reconciliation_id=id_of(shop, day), shop=shop, day=day.isoformat(), by="restore", again=True
                )
                cause = f"restored/{self._time('restored_at').isoformat()}/{wish.reconciliation_id}"
                try:
                    await engine.hear(Heard(wish, message_id(cause, "start"), at, answers_travel=False))
                except HandlerFailed as problem:  # its record is damaged: other days, and other shops, go on
                    log.error("a day cannot be started", reconciliation=id_of(shop, day), problem=str(problem)[:200])

    async def finish(self, shops: Iterable[str]) -> None:
        """Note that it is over once no shop waits any more."""
        if self._note is None or self._note.get("over") or any([await self.waits(shop) for shop in shops]):
            return
        await self._notes.update_all([Update({"_id": NAME}, {"$set": {"over": True}})])
        log.warning("restored: every day since the backup is compared, refunds go as always")
        self._note = {**self._note, "over": True}

    async def _open_days(self, shop: str) -> list[date]:
        """Those that nobody has compared since, or that still show a refund nobody here knows of."""
        ids = {id_of(shop, day): day for day in self.days()}
        wanted = ("status", "started_at", "found", "unasked", "differences.kind", "differences.state")
        fields = [f"state.{name}" for name in wanted]
        found = await self._days.find({"_id": {"$in": list(ids)}}, fields=fields)
        done = {document["_id"] for document in found if self._is_compared(document["state"])}
        return [day for id, day in ids.items() if id not in done]

    async def _is_new(self, shop: str) -> bool:
        """Whether it has only been opened since: it has no day that was compared before, and nothing to forget."""
        place, today = id_of(shop, day_of(self._time("restored_at"))).rsplit("/", 1)
        return not await self._days.find({"_id": {"$gte": f"{place}/", "$lt": f"{place}/{today}"}}, limit=1)

    def _is_compared(self, state: Mapping[str, Any]) -> bool:
        differences = state.get("differences", ())
        unknown = any(one["kind"] in NOT_YET_KNOWN and one["state"] == "open" for one in differences)
        since = _utc(state["started_at"]) >= self._time("restored_at")
        unseen = state.get("unasked")
        if unseen is None:
            unseen = max(0, state.get("found", 0) - len(differences))
        return state["status"] == "done" and since and not unknown and not unseen

    async def _clear(self, shop: str) -> None:
        assert self._note is not None
        cleared = [*self._note["cleared"], shop]
        await self._notes.update_all([Update({"_id": NAME}, {"$set": {"cleared": cleared}})])
        self._note = {**self._note, "cleared": cleared}
        SHORT.labels(shop).set(0)

    def _time(self, name: str) -> datetime:
        assert self._note is not None
        return _utc(self._note[name])


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
