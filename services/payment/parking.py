"""Performs what a merchant's account wants: an alert when its balance is short, and the way on for every parked refund
once it is not (see `accounts`). Both may be performed twice and do no harm."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import structlog

from chassis.engine import Engine
from chassis.record import Heard
from contracts.message import OrderId, message_id
from services.payment.accounts import AlertBalance, BalanceAlerted, ParkedResumed, ResumeParked
from services.payment.outside import BalanceIsBack
from services.payment.turnstile import Turnstile

PAGE = 200
PARKED: Mapping[str, Any] = {"state.refunds.status": "parked"}

log = structlog.get_logger()


class Payments(Protocol):
    """Where parked refunds are found: the payments' own collection (`mongo.Collection`)."""

    async def find(
        self,
        filter: Mapping[str, Any],
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        """Documents that match."""

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Mapping[str, Any] | None = None) -> None:
        """Make an index unless it is there."""


class Parking:
    """Where refunds wait for money."""

    def __init__(self, engine: Engine, turnstile: Turnstile, payments: Payments) -> None:
        self._engine = engine
        self._turnstile = turnstile
        self._payments = payments

    async def prepare(self) -> None:
        """Make the index that finds parked refunds, which holds nothing else."""
        await self._payments.ensure_index([("state.shop", 1), ("_id", 1)], partial=PARKED)

    def join(self, engine: Engine) -> None:
        """Become the performer of every wish about a merchant's account."""
        engine.perform(AlertBalance, self.alert)
        engine.perform(ResumeParked, self.resume)

    async def alert(self, wish: AlertBalance, _: int) -> BalanceAlerted:
        """Put it where people look: the error log. The account itself is shown as a figure, with an alert on it."""
        log.error(
            "a merchant's balance is too short for refunds: top it up, they go on by themselves",
            shop=wish.shop,
            number=wish.number,
            amount_minor=wish.amount_minor,
            since=wish.since.isoformat(),
        )
        return BalanceAlerted(shop=wish.shop)

    async def resume(self, wish: ResumeParked, _: int) -> ParkedResumed:
        """Tell every payment with a parked refund, page by page. One that is parked meanwhile rings by itself."""
        self._turnstile.look_again(wish.shop)  # else those told now would be held by what was known a second ago
        told, last = 0, ""
        while page := await self._page(wish.shop, last):
            await asyncio.gather(*(self._tell(order_id, wish) for order_id in page))
            told, last = told + len(page), page[-1]
        log.info("a merchant's balance is back", shop=wish.shop, payments=told)
        return ParkedResumed(shop=wish.shop, payments=told)

    async def _page(self, shop: str, after: str) -> list[str]:
        asked = {"state.shop": shop, **PARKED, "_id": {"$gt": after}}
        found = await self._payments.find(asked, fields=["_id"], sort=[("_id", 1)], limit=PAGE)
        return [document["_id"] for document in found]

    async def _tell(self, order_id: str, wish: ResumeParked) -> None:
        cause = message_id(f"{wish.shop}/{wish.short_since.isoformat()}", f"balance-is-back/{order_id}")
        report = BalanceIsBack(order_id=OrderId(order_id))
        await self._engine.hear(Heard(report, cause, self._engine.clock(), answers_travel=False))
