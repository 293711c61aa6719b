"""Performers of stock movements that stop between any two calls to the database, crash there, or take turns."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chassis import clock
from chassis.projection import BulkResult, Document, Update
from services.inventory.balances import Balances, Documents
from services.inventory.model import Amounts, Movement, movement_id

Step = Callable[[], Awaitable[None]]


class Crash(Exception):
    """The performer is gone, in the middle of its work."""


class Stepping:
    """A collection that does `step` before each of its calls."""

    def __init__(self, inner: Documents, step: Step) -> None:
        self._inner = inner
        self._step = step

    async def find(
        self,
        filter: Document,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        await self._step()
        return await self._inner.find(filter, fields=fields, sort=sort, limit=limit)

    async def find_certainly(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        await self._step()
        return await self._inner.find_certainly(ids)

    async def aggregate(self, pipeline: Sequence[Document]) -> list[dict[str, Any]]:
        await self._step()
        return await self._inner.aggregate(pipeline)

    async def update_all(self, updates: Iterable[Update]) -> BulkResult:
        await self._step()
        return await self._inner.update_all(updates)

    async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]:
        await self._step()
        return await self._inner.insert_new(documents)

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Document | None = None) -> None:
        await self._inner.ensure_index(keys, partial=partial)


def stepping(books: Balances, step: Step) -> Balances:
    """A second performer on the same books, which does `step` before each call."""
    return Balances(Stepping(books.balances, step), Stepping(books.ledger, step), clock.now)


@dataclass
class Script:
    """Does `hooks[n]` before the n-th call (from 0) and counts the calls."""

    hooks: Mapping[int, Step] = field(default_factory=dict)
    calls: int = 0

    async def __call__(self) -> None:
        hook = self.hooks.get(self.calls)
        self.calls += 1
        if hook is not None:
            await hook()


async def crash() -> None:
    raise Crash


class Actor:
    """Works until its next call to the database, then waits for its turn."""

    def __init__(self, books: Balances, work: Callable[[Balances], Awaitable[Any]]) -> None:
        self._turn = asyncio.Event()
        self._stopped = asyncio.Event()
        self.task = asyncio.create_task(self._run(stepping(books, self._wait), work))

    async def _run(self, books: Balances, work: Callable[[Balances], Awaitable[Any]]) -> Any:
        try:
            return await work(books)
        finally:
            self._stopped.set()

    async def _wait(self) -> None:
        self._stopped.set()
        await self._turn.wait()
        self._turn.clear()

    async def stopped(self) -> None:
        await self._stopped.wait()

    async def go(self) -> None:
        """Do one call."""
        self._stopped.clear()
        self._turn.set()
        await self._stopped.wait()


async def take_turns(
    chance: random.Random, books: Balances, works: Sequence[Callable[[Balances], Awaitable[Any]]]
) -> list[Any]:
    """Run all works, one call to the database at a time, in an order drawn from `chance`; their results."""
    actors = [Actor(books, work) for work in works]
    for actor in actors:
        await actor.stopped()
    while waiting := [actor for actor in actors if not actor.task.done()]:
        await chance.choice(waiting).go()
        await asyncio.sleep(0)
    return [actor.task.result() for actor in actors]


def taking(product: str, owner: str, pieces: int, line_no: int = 1) -> Movement:
    """An order wants pieces."""
    id = movement_id(owner, line_no, "reserve")
    amounts = Amounts(available=-pieces, reserved=pieces)
    return Movement(id, product, owner, line_no, "reserve", amounts, firm=False)


def returning(product: str, owner: str, pieces: int, line_no: int = 1) -> Movement:
    """An order gives reserved pieces back."""
    id = movement_id(owner, line_no, "release:c")
    amounts = Amounts(available=pieces, reserved=-pieces)
    return Movement(id, product, owner, line_no, "release:c", amounts, firm=True)


def coming_in(product: str, receipt: str, pieces: int) -> Movement:
    """Pieces arrive."""
    amounts = Amounts(available=pieces, received=pieces)
    return Movement(movement_id(receipt, 1, "receive"), product, receipt, 1, "receive", amounts, firm=True)


async def check_product(books: Balances, product: str) -> Amounts:
    """After a sweep no marker is left, the balance is the sum of its ledger lines, nothing is negative or lost.
    Returns the balance."""
    await books.sweep_markers([product])
    (balance,) = await books.balances.find({"_id": product})
    assert balance["pending"] == []
    lines = await books.ledger.find({"product_id": product})
    assert all(Amounts.read(line) == Amounts() for line in lines if line["refused"])
    noted = Amounts(*(sum(places) for places in zip(*(Amounts.read(line) for line in lines), strict=True)))
    assert Amounts.read(balance) == noted
    assert min(noted) >= 0
    assert noted.available + noted.reserved + noted.sold == noted.received
    return noted
