"""A primary that has lost its majority shows for some seconds ledger lines of its own, which are taken back later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from chassis.memory_database import MemoryCollection, MemoryDatabase
from chassis.projection import BulkResult, Document, Update
from chassis.store import StoreUnavailable
from services.inventory.balances import Balances
from services.inventory.model import Amounts, Movement
from services.inventory.recount import recount
from tests.unit.inventory.performers import Script, coming_in, stepping, taking

AT = datetime(2026, 3, 1, tzinfo=UTC)


class Torn:
    """A way to two servers. `alone`: the one that was asked so far has lost its majority and does not know it; what it
    is told to write from then on it has alone, and nobody acknowledges it. `over`: it has heard that the other leads.
    """

    def __init__(self) -> None:
        self.alone = False
        self.over = False


class Books:
    """One collection on both servers."""

    def __init__(self, way: Torn, old: MemoryCollection, new: MemoryCollection) -> None:
        self._way, self._old, self._new = way, old, new

    @property
    def _asked(self) -> MemoryCollection:
        return self._new if self._way.over else self._old

    async def find(self, filter: Document, **how: Any) -> list[dict[str, Any]]:
        return await self._asked.find(filter, **how)

    async def aggregate(self, pipeline: Sequence[Document]) -> list[dict[str, Any]]:
        return await self._asked.aggregate(pipeline)

    async def find_certainly(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        self._acknowledged()
        return await self._asked.find_certainly(ids)

    async def update_all(self, updates: Iterable[Update]) -> BulkResult:
        if not (wanted := list(updates)):
            return BulkResult(0, 0, frozenset())
        if not self._way.over and not self._way.alone:
            await self._new.update_all(wanted)
        result = await self._asked.update_all(wanted)
        self._acknowledged()
        return result

    async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]:
        if not (wanted := list(documents)):
            return frozenset()
        if not self._way.over and not self._way.alone:
            await self._new.insert_new(wanted)
        result = await self._asked.insert_new(wanted)
        self._acknowledged()
        return result

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Document | None = None) -> None:
        raise AssertionError(keys)

    def _acknowledged(self) -> None:
        if self._way.alone and not self._way.over:
            raise StoreUnavailable("no majority")


class Shop:
    """Five of tea on the shelf; an order wants three. Its marker is in the balance, and the line that decides is with
    the old primary alone."""

    def __init__(self) -> None:
        self.way = Torn()
        old, new = MemoryDatabase(), MemoryDatabase()
        balances, ledger = (
            Books(self.way, *(one.collection(of) for one in (old, new))) for of in ("balances", "ledger")
        )
        self.books = Balances(balances, ledger, lambda: AT)
        self.late: Movement = taking("tea", "o", 3)

    async def open(self) -> None:
        await self.books.move([coming_in("tea", "r", 5)])
        await self.books.sweep_markers()

        async def cut_off() -> None:
            self.way.alone = True

        with pytest.raises(StoreUnavailable):
            await stepping(self.books, Script({3: cut_off})).move([self.late])

    async def over(self) -> None:
        self.way.over = True

    async def check(self) -> None:
        """It happened once, in the balance and in the ledger."""
        assert await self.books.move([self.late]) == {self.late.id: "applied"}
        await self.books.sweep_markers()
        (tea,) = await self.books.balances.find({"_id": "tea"})
        assert (tea["pending"], Amounts.read(tea)) == ([], Amounts(available=2, reserved=3, received=5))
        assert (await recount(self.books)).differences == ()


async def test_what_only_that_primary_has_decided_is_not_decided() -> None:
    shop = Shop()
    await shop.open()
    with pytest.raises(StoreUnavailable):  # another performer of the same movement
        await shop.books.move([shop.late])
    await shop.over()
    await shop.check()


@pytest.mark.parametrize("call", range(1, 4))
async def test_a_sweep_that_meets_the_new_primary_half_way_takes_out_no_marker_of_such_a_line(call: int) -> None:
    shop = Shop()
    await shop.open()
    try:
        await stepping(shop.books, Script({call: shop.over})).sweep_markers()
    except StoreUnavailable:
        await shop.over()
    await shop.check()
