"""HTTP in: start a reconciliation, look at them, close a difference. Only the gateway and the command reach this."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from chassis.engine import Engine
from chassis.problem import Problem
from chassis.projection import Document
from chassis.record import Heard
from contracts.message import message_id
from contracts.zone import CHINA
from services.payment.differences import Difference
from services.payment.reconciliation import RECONCILIATIONS
from services.payment.reconciliation_record import (
    BILLS_KEPT,
    HOUSE,
    CloseDifference,
    Reconciliation,
    StartReconciliation,
    id_of,
)

Shop = Annotated[str, Path(pattern=r"^[0-9a-z-]{1,32}$")]
ShopWanted = Annotated[str, Query(pattern=r"^[0-9a-z-]{0,32}$")]


class Listing(Protocol):
    """Where lists come from: the records' collection."""

    async def find(
        self, filter: Document, *, fields: Sequence[str], sort: Sequence[tuple[str, int]], limit: int
    ) -> list[dict[str, Any]]:
        """Documents that match, with only `fields`."""


class Closing(BaseModel):
    """Who has dealt with a difference, and how."""

    model_config = ConfigDict(extra="forbid")
    by: str = Field(min_length=1, max_length=64)
    remark: str = Field(min_length=1, max_length=500)


def reconciliation_routes(engine: Engine, records: Listing, shops: Callable[[], Collection[str]]) -> APIRouter:
    """All routes about reconciliations. `shops`: the shops that have a merchant account, "" for the house."""
    router = APIRouter(prefix="/reconciliations")
    desk = Desk(engine, shops)

    @router.post("/{day}", status_code=202)
    async def start(day: str, shop: ShopWanted = "", by: str = "operator") -> dict[str, Any]:
        """Start, or start again. Problems: bad-date, unknown-shop."""
        return await desk.start(day, "" if shop == HOUSE else shop, by)

    @router.get("")
    async def listed(
        after: Annotated[str, Query(max_length=64)] = "", limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> dict[str, Any]:
        """Newest day of the last shop first, without their differences: `{"reconciliations", "next"}`."""
        where: dict[str, Any] = {"_id": {"$lt": after}} if after else {}
        found = await records.find(where, fields=LISTED, sort=[("_id", -1)], limit=limit)
        rows = [_row(document["state"]) for document in found]
        return {"reconciliations": rows, "next": found[-1]["_id"] if len(found) == limit else None}

    @router.get("/{shop}/{day}")
    async def show(shop: Shop, day: str) -> dict[str, Any]:
        """One with its sums and differences. Problem: unknown-reconciliation."""
        return shown(await desk.known(f"{shop}/{day}"))

    @router.post("/{shop}/{day}/differences/{n}/close")
    async def close(shop: Shop, day: str, n: int, wanted: Closing) -> dict[str, Any]:
        """A person has dealt with it. Problems: unknown-reconciliation, unknown-difference."""
        return await desk.close(f"{shop}/{day}", n, wanted)

    return router


LISTED = tuple(
    f"state.{name}"
    for name in (
        "reconciliation_id",
        "shop",
        "day",
        "status",
        "run",
        "started_by",
        "started_at",
        "finished_at",
        "wake_at",
        "problem",
        "found",
        "differences.state",
    )
)


class Desk:
    """Where people ask for a reconciliation and close its differences."""

    def __init__(self, engine: Engine, shops: Callable[[], Collection[str]]) -> None:
        self._engine = engine
        self._shops = shops

    async def start(self, text: str, shop: str, by: str) -> dict[str, Any]:
        """Begin; under way already: it goes on. Raises Problem."""
        at = self._engine.clock()
        day = _past_day(text, at)
        if shop not in self._shops():
            raise Problem(
                404, "unknown-shop", "没有这家店铺的商户号。", "This shop has no merchant account: check the name."
            )
        id = id_of(shop, day)
        wish = StartReconciliation(reconciliation_id=id, shop=shop, day=text, by=by[:64], again=True)
        heard = Heard(wish, message_id(f"reconciliation/{id}", at.isoformat()), at, answers_travel=False)
        await self._engine.hear(heard)
        return shown(await self.known(id))

    async def known(self, id: str) -> Reconciliation:
        """One reconciliation. Raises Problem."""
        record = await self._engine.read(RECONCILIATIONS, id)
        if record is None or not isinstance(record.state, Reconciliation):
            raise Problem(
                404,
                "unknown-reconciliation",
                "这一天还没有对账。",
                "This day of this shop has not been reconciled: start it first.",
            )
        return record.state

    async def close(self, id: str, n: int, wanted: Closing) -> dict[str, Any]:
        """Close one difference; closed before: the first remark stays. Raises Problem."""
        if not any(one.n == n for one in (await self.known(id)).differences):
            raise Problem(404, "unknown-difference", "没有这条差异。", "There is no such difference: look at the list.")
        wish = CloseDifference(reconciliation_id=id, n=n, by=wanted.by, remark=wanted.remark)
        at = self._engine.clock()
        await self._engine.hear(
            Heard(wish, message_id(f"reconciliation/{id}/{n}", at.isoformat()), at, answers_travel=False)
        )
        closed = next(one for one in (await self.known(id)).differences if one.n == n)
        return _difference(closed)


def shown(known: Reconciliation) -> dict[str, Any]:
    """A reconciliation as people and programs read it: each difference says what it means."""
    inner = {"differences", "queue", "confirmed", "last_n", "unasked"}
    plain: dict[str, Any] = known.model_dump(mode="json", exclude=inner)
    return {
        **plain,
        "open": known.open_count,
        "differences": [_difference(one) for one in known.differences],
    }


def _difference(one: Difference) -> dict[str, Any]:
    meaning = {"zh": one.row.zh, "en": one.row.en}
    return {**one.model_dump(mode="json"), "meaning": meaning, "loud": one.row.loud}


def _row(state: dict[str, Any]) -> dict[str, Any]:
    states = [one["state"] for one in state.get("differences", ())]
    rest = {name: value for name, value in state.items() if name != "differences"}
    return {**rest, "open": states.count("open"), "healed": states.count("healed"), "closed": states.count("closed")}


def _past_day(text: str, at: datetime) -> date:
    """Raises Problem unless it is a day in China that has begun and whose bills are still kept. Whether today's bill is
    there already is for the provider to say: a stand-in's day may be over."""
    today = at.astimezone(CHINA).date()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = today
    if text != day.isoformat() or not today - BILLS_KEPT <= day <= today:
        raise Problem(
            422,
            "bad-date",
            "日期应为北京时间今天或 90 天以内的一天,例如 2026-11-01。",
            "The date must be today (China time) or at most 90 days ago, like 2026-11-01.",
        )
    return day
