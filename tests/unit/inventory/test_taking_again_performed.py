"""Taking pieces again on real balances: crashes, two performers, and others that want the same pieces."""

from __future__ import annotations

import asyncio
import random
from itertools import product as pairs

import pytest

from contracts.inventory import StockNotTakenAgain, StockTakenAgain
from contracts.message import CaseId, Message, OrderId
from services.inventory.balances import Balances
from services.inventory.effects import StockMover
from services.inventory.recount import recount
from tests.unit.inventory.performers import (
    Crash,
    Script,
    Step,
    check_product,
    coming_in,
    crash,
    stepping,
    take_turns,
    taking,
)
from tests.unit.inventory.story import Story, dispatch, lines, release, reserve, take_again

pytestmark = pytest.mark.real

CALLS = 12
"""More than one performer makes when nobody disturbs it, putting back included."""

MEANWHILE = ("P", "PS", "PRS", "RPS", "TSP", "TS")
"""What happens while the first performer stands still. P: the other performs what there is to perform, S: a sweep,
R: a tea arrives, T: another order takes one."""

SHELVES = {"enough": (3, 2), "a tea short": (2, 2), "a cup short": (3, 1), "nothing left": (0, 0)}
"""Teas and cups on the shelf when case `a`, which released 3 teas and 2 cups, has to give them back."""


class Shelf:
    """One order whose case released its pieces, and two products of which others have bought some since."""

    def __init__(self, books: Balances, name: str) -> None:
        self.books = books
        self.tea, self.cup = f"tea-{name}", f"cup-{name}"
        self.story = Story(OrderId(f"o-{name}"))
        self.answers: list[Message] = []
        self._name = name
        self._count = 0

    async def open(self, teas: int, cups: int) -> Shelf:
        asked = lines((1, self.tea, 3), (2, self.cup, 2))
        await self.books.move([coming_in(self.tea, f"r-{self.tea}", 3), coming_in(self.cup, f"r-{self.cup}", 2)])
        for command in (reserve(asked), release("a", asked)):
            self.story.hears(command)
            await self.perform(self.books)
        bought = [(self.tea, 3 - teas), (self.cup, 2 - cups)]
        await self.books.move([taking(id, f"first-{id}", pieces) for id, pieces in bought if pieces])
        await self.books.sweep_markers([self.tea, self.cup])
        self.answers.clear()
        self.story.hears(take_again("a"))
        return self

    async def perform(self, books: Balances) -> None:
        """Perform until there is nothing left to perform, as one of the service's processes does."""
        mover = StockMover(books)
        while self.story.wishes():
            said, wish = self.story.wishes()[0]
            report = await mover.move_stock(wish, 1)
            self.answers += [message for message in self.story.reports(said, report) if message.topic is not None]

    async def sweep(self, books: Balances) -> None:
        await books.sweep_markers([self.tea, self.cup])

    async def receive(self, books: Balances) -> None:
        self._count += 1
        await books.move([coming_in(self.tea, f"r-{self._name}-{self._count}", 1)])

    async def take(self, books: Balances) -> None:
        self._count += 1
        await books.move([taking(self.tea, f"t-{self._name}-{self._count}", 1)])

    def hook(self, letters: str) -> Step:
        works = {"P": self.perform, "S": self.sweep, "R": self.receive, "T": self.take}

        async def happen() -> None:
            for letter in letters:
                await works[letter](self.books)

        return happen

    @property
    def granted(self) -> bool:
        """Whether the one answer, however often it was said, was a yes."""
        answer = self.answers[0]
        assert self.answers == [answer] * len(self.answers)
        assert isinstance(answer, StockTakenAgain | StockNotTakenAgain)
        return isinstance(answer, StockTakenAgain)

    async def aside(self) -> dict[str, int]:
        """Pieces the ledger has set aside for the order."""
        found = {self.tea: 0, self.cup: 0}
        for line in await self.books.ledger.find({"owner": self.story.order}):
            found[line["product_id"]] += line["reserved"]
        return found

    async def check(self) -> None:
        """The order has all of it or nothing, as it was told; when nothing, it may have all of it later."""
        granted = self.granted
        assert await self.aside() == ({self.tea: 3, self.cup: 2} if granted else {self.tea: 0, self.cup: 0})
        if not granted:
            await self.books.move([coming_in(self.tea, f"l-{self.tea}", 9), coming_in(self.cup, f"l-{self.cup}", 9)])
            self.answers.clear()
            self.story.hears(take_again("a", 2))
            await self.perform(self.books)
            assert self.granted
        self.story.hears(dispatch())
        await self.perform(self.books)
        assert await self.aside() == {self.tea: 0, self.cup: 0}
        for product, pieces in ((self.tea, 3), (self.cup, 2)):
            assert (await check_product(self.books, product)).sold == pieces


@pytest.mark.parametrize("left", SHELVES)
async def test_all_of_it_or_nothing(books: Balances, left: str) -> None:
    shelf = await Shelf(books, "x").open(*SHELVES[left])
    await shelf.perform(books)
    assert shelf.granted == (left == "enough")
    for product, pieces in zip((shelf.tea, shelf.cup), SHELVES[left], strict=True):
        found = await books.stock_of(product)
        assert found is not None
        assert found["available"] == (0 if shelf.granted else pieces)
    await shelf.check()


@pytest.mark.parametrize("left", SHELVES)
async def test_a_crash_between_any_two_calls_is_completed_by_doing_it_again(books: Balances, left: str) -> None:
    crashes = 0
    while crashes < 40:
        shelf = await Shelf(books, str(crashes)).open(*SHELVES[left])
        try:
            await shelf.perform(stepping(books, Script({crashes: crash})))
        except Crash:
            assert (await recount(books)).differences == ()
        else:
            break
        crashes += 1
        await shelf.perform(books)
        assert shelf.granted == (left == "enough")
        await shelf.check()
    assert 3 < crashes < 40
    assert (await recount(books)).differences == ()


async def test_two_performers_one_of_which_stops_at_any_call(books: Balances) -> None:
    async def run(stop: int, letters: str, left: str) -> None:
        shelf = await Shelf(books, f"{stop}-{letters}-{left}").open(*SHELVES[left])
        await shelf.perform(stepping(books, Script({stop: shelf.hook(letters)})))
        await shelf.check()

    runs = list(pairs(range(CALLS), MEANWHILE, ("enough", "a tea short", "a cup short")))
    await asyncio.gather(*(run(*one) for one in runs))
    assert (await recount(books)).differences == ()


async def test_all_take_turns_call_by_call(books: Balances, chance: random.Random) -> None:
    async def run(number: int) -> None:
        own = random.Random(chance.random())
        shelf = await Shelf(books, str(number)).open(*own.choice(list(SHELVES.values())))
        works = [shelf.perform, shelf.perform, shelf.sweep, shelf.sweep, shelf.receive, shelf.take]
        await take_turns(own, books, own.sample(works, len(works)))
        await shelf.check()

    await asyncio.gather(*(run(number) for number in range(100)))
    assert (await recount(books)).differences == ()


async def test_twenty_cases_for_ten_teas(books: Balances) -> None:
    """Each performed by two processes at once. There are cups for all, so ten cases have to put theirs back."""
    asked = lines((1, "tea", 1), (2, "cup", 1))
    await books.move([coming_in("tea", "r-1", 20), coming_in("cup", "r-2", 20)])
    stories = [Story(OrderId(f"o-{number}")) for number in range(20)]
    movers = [StockMover(Balances(books.balances, books.ledger, books.clock)) for _ in range(2)]
    answers: dict[str, list[Message]] = {story.order: [] for story in stories}

    async def perform(story: Story, mover: StockMover) -> None:
        while story.wishes():
            said, wish = story.wishes()[0]
            report = await mover.move_stock(wish, 1)
            answers[story.order] += [message for message in story.reports(said, report) if message.topic is not None]

    for command in (reserve(asked), release("a", asked)):
        for story in stories:
            story.hears(command)
        await asyncio.gather(*(perform(story, movers[0]) for story in stories))
    await books.move([taking("tea", "other", 10)])
    for story in stories:
        story.hears(take_again("a"))
        answers[story.order].clear()
    await asyncio.gather(*(perform(story, mover) for story in stories for mover in movers))

    case = CaseId("a")
    assert all(said and said == said[:1] * len(said) for said in answers.values())
    assert sum(story.state.cases[case].status == "taken-again" for story in stories) == 10
    assert sum(story.state.cases[case].status == "released" for story in stories) == 10
    tea, cup = await check_product(books, "tea"), await check_product(books, "cup")
    assert (tea.available, tea.reserved) == (0, 20)
    assert (cup.available, cup.reserved) == (10, 10)
    assert (await recount(books)).differences == ()
