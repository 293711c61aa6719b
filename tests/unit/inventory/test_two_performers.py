"""Two performers of the same movement, one of which stops between any two of its calls while the world goes on."""

from __future__ import annotations

import asyncio
import random
from itertools import product as pairs

import pytest

from contracts.inventory import StockLine
from contracts.message import OrderId, ProductId
from services.inventory.balances import Balances
from services.inventory.effects import StockMover
from services.inventory.model import MoveStock
from services.inventory.recount import recount
from tests.unit.inventory.performers import (
    Script,
    Step,
    check_product,
    coming_in,
    returning,
    stepping,
    take_turns,
    taking,
)

pytestmark = pytest.mark.real

CALLS = 8
"""More than one performer makes when nobody disturbs it."""

MEANWHILE = ("P", "PS", "PR", "PRS", "RP", "RPS", "TP", "TPS", "R", "S", "TS", "PSRTS", "U", "UP", "UPS")
"""What happens while the first performer stands still. P: the other performs the same movement, S: a sweep, R: stock
arrives, T: another order takes some, U: it gives them back."""


class World:
    """One product with some pieces, the movement that is performed twice, and what may happen besides."""

    def __init__(self, books: Balances, name: str, pieces: int) -> None:
        self.books = books
        self.product = f"tea-{name}"
        self.late = taking(self.product, f"late-{name}", 3)
        self.outcomes: list[str] = []
        self._pieces = pieces
        self._name = name
        self._count = 0

    async def open(self) -> None:
        await self.books.move([coming_in(self.product, f"first-{self._name}", self._pieces)])
        await self.books.move([taking(self.product, f"other-{self._name}", 1)])

    async def perform(self, books: Balances) -> None:
        self.outcomes.append((await books.move([self.late]))[self.late.id])

    async def sweep(self, books: Balances) -> None:
        await books.sweep_markers([self.product])

    async def receive(self, books: Balances) -> None:
        self._count += 1
        await books.move([coming_in(self.product, f"r-{self._name}-{self._count}", 5)])

    async def take(self, books: Balances) -> None:
        self._count += 1
        await books.move([taking(self.product, f"t-{self._name}-{self._count}", 2)])

    async def give_back(self, books: Balances) -> None:
        await books.move([returning(self.product, f"other-{self._name}", 1)])

    async def happen(self, letters: str) -> None:
        works = {"P": self.perform, "S": self.sweep, "R": self.receive, "T": self.take, "U": self.give_back}
        for letter in letters:
            await works[letter](self.books)

    def hook(self, letters: str) -> Step:
        return lambda: self.happen(letters)

    async def check(self) -> None:
        (line,) = await self.books.ledger.find({"_id": self.late.id})
        word = "refused" if line["refused"] else "applied"
        assert set(self.outcomes) == {word}, f"told {self.outcomes}, the ledger says {word}"
        await check_product(self.books, self.product)


async def test_stopped_once_at_any_call(books: Balances) -> None:
    async def run(stop: int, letters: str, pieces: int) -> None:
        world = World(books, f"{stop}-{letters}-{pieces}", pieces)
        await world.open()
        await world.perform(stepping(books, Script({stop: world.hook(letters)})))
        await world.check()

    runs = list(pairs(range(CALLS), MEANWHILE, (2, 3, 4)))
    await asyncio.gather(*(run(*one) for one in runs))
    assert (await recount(books)).differences == ()


async def test_taken_back_at_once(books: Balances) -> None:
    """Nobody should have to wait for a sweep before the pieces can be sold."""
    world = World(books, "tea", 2)
    await world.open()
    await world.perform(stepping(books, Script({2: world.hook("PR")})))
    assert world.outcomes == ["refused", "refused"]
    assert (await books.stock_of(world.product) or {})["available"] == 6


async def test_taken_back_once_when_a_sweep_comes_between(books: Balances) -> None:
    """Refused by the other, stock arrives, applied by the first, and the sweep is quicker to take it back."""

    async def run(stop: int, pieces: int) -> None:
        world = World(books, f"{stop}-{pieces}", pieces)
        await world.open()
        await world.perform(stepping(books, Script({2: world.hook("PR"), stop: world.hook("S")})))
        assert set(world.outcomes) == {"refused"}
        await world.check()

    await asyncio.gather(*(run(stop, pieces) for stop in range(3, CALLS) for pieces in (2, 3)))
    assert (await recount(books)).differences == ()


async def test_stopped_twice_at_any_two_calls(books: Balances, chance: random.Random) -> None:
    async def run(number: int) -> None:
        one, two = sorted(chance.sample(range(CALLS + 4), 2))
        world = World(books, str(number), chance.choice((2, 3, 4)))
        await world.open()
        hooks = {one: world.hook(chance.choice(MEANWHILE)), two: world.hook(chance.choice(MEANWHILE))}
        await world.perform(stepping(books, Script(hooks)))
        await world.check()

    await asyncio.gather(*(run(number) for number in range(150)))
    assert (await recount(books)).differences == ()


async def test_all_take_turns_call_by_call(books: Balances, chance: random.Random) -> None:
    async def run(number: int) -> None:
        own = random.Random(chance.random())
        world = World(books, str(number), own.choice((2, 3, 4)))
        await world.open()
        works = [world.perform, world.perform, world.sweep, world.sweep, world.receive, world.take]
        await take_turns(own, books, own.sample(works, len(works)))
        await world.check()

    await asyncio.gather(*(run(number) for number in range(120)))
    assert (await recount(books)).differences == ()


async def test_a_recount_in_the_middle_of_anything_finds_nothing(books: Balances, chance: random.Random) -> None:
    for number in range(40):
        world = World(books, str(number), chance.choice((2, 3, 4)))
        await world.open()
        works = [recount, world.perform, world.perform, world.receive, world.sweep, world.sweep]
        result, *_ = await take_turns(chance, books, works)
        assert result.differences == ()
        await world.check()


async def test_a_hundred_orders_for_fifty_pieces(books: Balances) -> None:
    """Each performed by two of four processes, all at once."""
    await books.move([coming_in("tea", "r", 50)])
    movers = [StockMover(Balances(books.balances, books.ledger, books.clock)) for _ in range(4)]
    line = StockLine(line_no=1, product_id=ProductId("tea"), quantity=1)
    wishes = [MoveStock(order_id=OrderId(f"o-{number}"), why="reserve", lines=(line,)) for number in range(100)]
    reports = await asyncio.gather(
        *(movers[number % 4].move_stock(wish, 1) for number, wish in enumerate(wishes)),
        *(movers[(number + 1) % 4].move_stock(wish, 2) for number, wish in enumerate(wishes)),
    )
    had = {report.order_id for report in reports if not report.refused}
    assert len(had) == 50
    assert all(bool(report.refused) == (report.order_id not in had) for report in reports)
    assert (await check_product(books, "tea")).reserved == 50
