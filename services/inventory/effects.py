"""Performs what reservations and receipts wish: moves balances, all wishes in flight together in a few round trips."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from chassis.batcher import Batcher
from services.inventory.balances import Balances, Outcome
from services.inventory.model import (
    Movement,
    MoveStock,
    StockMoved,
    TakeIn,
    TakenIn,
    movements,
    receipt_movement,
)

TOGETHER_MAX = 4_000
"""Movements per round trip: an order may have 2,000 lines, and a message to MongoDB is bounded."""

log = structlog.get_logger()


class BooksWrong(Exception):
    """A balance holds less than was set aside for an order. The wish stays stored and is tried again until a person
    has put the balance right."""


class StockMover:
    """Performs intents (see `relay.Performer`). Both may raise BooksWrong, Unsettled or StoreUnavailable: the relay
    asks again later."""

    def __init__(self, balances: Balances) -> None:
        self._balances = balances
        self._batcher: Batcher[Sequence[Movement], dict[str, Outcome]] = Batcher(self._move)

    async def move_stock(self, wish: MoveStock, attempt: int) -> StockMoved:
        """Move the lines of one order; every attempt moves the same movements, so `attempt` does not matter."""
        wanted = movements(wish)
        outcomes = await self._batcher.submit(wanted)
        self._check(wanted, outcomes)
        refused = tuple(one.line_no for one in wanted if outcomes[one.id] == "refused")
        return StockMoved(order_id=wish.order_id, why=wish.why, case_id=wish.case_id, turn=wish.turn, refused=refused)

    async def take_in(self, wish: TakeIn, attempt: int) -> TakenIn:
        """Add a receipt to its product's balance, once."""
        wanted = [receipt_movement(wish)]
        self._check(wanted, await self._batcher.submit(wanted))
        return TakenIn(receipt_id=wish.receipt_id)

    def _check(self, wanted: Sequence[Movement], outcomes: dict[str, Outcome]) -> None:
        wrong = sorted({one.product_id for one in wanted if outcomes[one.id] == "impossible"})
        if wrong:
            log.error("a balance holds less than was set aside; recount", products=wrong[:20], owner=wanted[0].owner)
            raise BooksWrong(f"{wanted[0].cause} of {wanted[0].owner}: {', '.join(wrong[:20])}")

    async def _move(self, batch: Sequence[Sequence[Movement]]) -> list[dict[str, Outcome] | BaseException]:
        together = [movement for wanted in batch for movement in wanted]
        outcomes: dict[str, Outcome] = {}
        for start in range(0, len(together), TOGETHER_MAX):
            outcomes |= await self._balances.move(together[start : start + TOGETHER_MAX])
        return [{one.id: outcomes[one.id] for one in wanted} for wanted in batch]
