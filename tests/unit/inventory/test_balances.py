"""One performer at a time, on a real MongoDB."""

from __future__ import annotations

import random

import pytest

from chassis.mongo import Database, Driver
from services.inventory import balances
from services.inventory.balances import MARKERS_MAX, Balances, Unsettled
from services.inventory.model import Amounts, Movement
from services.inventory.recount import PRODUCTS_IN_LEDGER, recount
from tests.unit.inventory.performers import (
    Crash,
    Script,
    check_product,
    coming_in,
    crash,
    returning,
    stepping,
    taking,
)

pytestmark = pytest.mark.real


@pytest.mark.parametrize("mongo_driver", ["motor", "pymongo"])
async def test_moved_once_however_often_it_is_performed(books: Balances, mongo_driver: Driver) -> None:
    wanted = [coming_in("tea", "r", 5), taking("tea", "o-1", 3), taking("tea", "o-2", 3), taking("cup", "o-2", 1, 2)]
    first = await books.move(wanted[:1])
    outcomes = await books.move(wanted)
    assert outcomes == await books.move(wanted)
    assert list(first.values()) == ["applied"]
    assert [outcomes[one.id] for one in wanted] == ["applied", "applied", "refused", "refused"]
    assert await check_product(books, "tea") == Amounts(available=2, reserved=3, received=5)
    assert await books.stock_of("cup") is None
    assert outcomes == await books.move(wanted)
    assert await check_product(books, "tea") == Amounts(available=2, reserved=3, received=5)


async def test_a_refusal_stays_a_refusal_when_stock_arrives(books: Balances) -> None:
    late = taking("tea", "o", 3)
    await books.move([coming_in("tea", "r-1", 2)])
    assert await books.move([late]) == {late.id: "refused"}
    await books.move([coming_in("tea", "r-2", 5)])
    assert await books.move([late]) == {late.id: "refused"}
    assert await check_product(books, "tea") == Amounts(available=7, received=7)


async def test_what_was_never_set_aside_cannot_be_returned(books: Balances) -> None:
    wrong, lost = returning("tea", "o", 3), returning("cup", "o", 3)
    await books.move([coming_in("tea", "r", 9)])
    assert await books.move([wrong, lost]) == {wrong.id: "impossible", lost.id: "impossible"}
    assert await check_product(books, "tea") == Amounts(available=9, received=9)
    await books.move([taking("tea", "o", 3)])
    assert await books.move([wrong]) == {wrong.id: "applied"}


async def test_markers_are_swept_before_they_are_many(books: Balances) -> None:
    await books.move([coming_in("tea", "r", 1_000)])
    for number in range(3 * MARKERS_MAX):
        await books.move([taking("tea", f"o-{number}", 1)])
        (balance,) = await books.balances.find({"_id": "tea"})
        assert len(balance["pending"]) <= MARKERS_MAX
    assert (await check_product(books, "tea")).reserved == 3 * MARKERS_MAX


async def test_a_marker_that_nobody_decided_survives_every_sweep(books: Balances) -> None:
    """Its performer crashed between applying and deciding; a busy product is swept many times before it is repeated."""
    await books.move([coming_in("tea", "r", 1_000)])
    late = taking("tea", "late", 3)
    with pytest.raises(Crash):
        await stepping(books, Script({3: crash})).move([late])
    for start in (0, MARKERS_MAX):
        await books.move([taking("tea", f"o-{number}", 1) for number in range(start, start + MARKERS_MAX)])
        await books.sweep_markers()
        (balance,) = await books.balances.find({"_id": "tea"})
        assert [marker["id"] for marker in balance["pending"]] == [late.id]
        assert (await recount(books)).differences == ()
    assert await books.move([late]) == {late.id: "applied"}
    assert (await check_product(books, "tea")).reserved == 2 * MARKERS_MAX + 3


async def test_two_sweepers_of_the_same_markers_count_one_sweep(books: Balances) -> None:
    await books.move([coming_in("tea", "r", 1)])

    async def other() -> None:
        await books.sweep_markers()

    await stepping(books, Script({2: other})).sweep_markers()
    (balance,) = await books.balances.find({"_id": "tea"})
    assert balance["swept"] == 1


async def test_sweeping_goes_through_all_products(books: Balances, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balances, "PRODUCTS_TOGETHER", 3)
    await books.move([coming_in(f"p-{number}", f"r-{number}", 1) for number in range(8)])
    assert await books.sweep_markers() == 8
    assert await books.sweep_markers() == 0


async def test_gives_up_when_somebody_sweeps_at_every_try(books: Balances) -> None:
    number = 0

    async def sweep_something() -> None:
        nonlocal number
        number += 1
        await books.move([coming_in("tea", f"r-{number}", 1)])
        await books.sweep_markers(["tea"])

    late = taking("tea", "o", 1)
    always = Script(dict.fromkeys(range(1000), sweep_something))
    with pytest.raises(Unsettled):
        await stepping(books, always).move([late])
    assert await books.move([late]) == {late.id: "applied"}
    assert (await check_product(books, "tea")).reserved == 1


async def test_a_crash_between_any_two_calls_is_completed_by_doing_it_again(books: Balances) -> None:
    for position in range(20):
        tea, cup = f"tea-{position}", f"cup-{position}"
        wanted = _some_movements(tea, cup, str(position))
        script = Script({position: crash})
        try:
            await stepping(books, script).move(wanted)
        except Crash:
            await books.sweep_markers([tea, cup])
            assert (await recount(books)).differences == ()
        outcomes = await books.move(wanted)
        assert [outcomes[one.id] for one in wanted] == ["applied", "applied", "refused", "applied"]
        assert await check_product(books, tea) == Amounts(available=2, reserved=3, received=5)
        assert await check_product(books, cup) == Amounts(available=1, received=1)
        if script.calls <= position:
            break
    assert position > 6
    assert (await recount(books)).differences == ()


async def test_a_crash_while_taking_back_is_completed_by_a_sweep(books: Balances) -> None:
    """Refused by one, then applied by another who did not know, who crashes before taking it back."""
    await books.move([coming_in("tea", "r", 1)])
    late = taking("tea", "o", 3)

    async def refuse() -> None:
        assert await books.move([late]) == {late.id: "refused"}
        await books.move([coming_in("tea", "r-2", 5)])

    with pytest.raises(Crash):
        await stepping(books, Script({2: refuse, 5: crash})).move([late])
    (balance,) = await books.balances.find({"_id": "tea"})
    assert late.id in {marker["id"] for marker in balance["pending"]}
    assert (await books.stock_of("tea") or {})["available"] == 3
    assert (await recount(books)).differences == ()
    assert await check_product(books, "tea") == Amounts(available=6, received=6)


async def test_a_recount_finds_products_by_one_entry_of_the_index_each(books: Balances, database: Database) -> None:
    """Of a ledger that is read through for that, each recount takes longer than the last, and one day too long."""
    wanted = [coming_in("tea", "r", 5), taking("tea", "o-1", 3), taking("tea", "o-2", 9), taking("hat", "o-3", 1)]
    assert list((await books.move(wanted)).values()) == ["applied", "applied", "refused", "refused"]
    assert [line["_id"] for line in await books.ledger.aggregate(PRODUCTS_IN_LEDGER)] == ["tea"]
    words = {"aggregate": "ledger", "pipeline": list(PRODUCTS_IN_LEDGER), "cursor": {}}
    explained = await database._database.command("explain", words)
    assert "DISTINCT_SCAN" in str(explained["stages"][0]["$cursor"]["queryPlanner"]["winningPlan"])


async def test_a_balance_that_is_gone_is_a_difference(books: Balances, database: Database) -> None:
    await books.move([coming_in("tea", "r", 5), taking("hat", "o", 1)])
    await database.collection("balances").delete({"_id": "tea"})
    found = await recount(books)
    assert (found.products, [one.product_id for one in found.differences]) == (1, ["tea"])


async def test_any_movements_leave_equal_books(books: Balances, chance: random.Random) -> None:
    """Against a plain count of the same movements."""
    products = [f"p-{number}" for number in range(4)]
    plain = {product: Amounts() for product in products}
    done: list[Movement] = []
    for number in range(60):
        wanted = _any_movements(chance, products, done, number)
        outcomes = await books.move(wanted)
        for one in wanted:
            if outcomes[one.id] == "applied" and one not in done:
                plain[one.product_id] = Amounts(*map(sum, zip(plain[one.product_id], one.amounts, strict=True)))
                done.append(one)
        if not number % 10:
            assert (await recount(books)).differences == ()
    for product in products:
        assert await check_product(books, product) == plain[product]


def _some_movements(tea: str, cup: str, name: str) -> list[Movement]:
    """Two products, and one movement that is refused, so that every call is made."""
    return [
        coming_in(tea, f"r-{name}", 5),
        taking(tea, f"o-1-{name}", 3),
        taking(tea, f"o-2-{name}", 9),
        coming_in(cup, f"r-2-{name}", 1),
    ]


def _any_movements(chance: random.Random, products: list[str], done: list[Movement], number: int) -> list[Movement]:
    wanted: dict[str, Movement] = {}
    for line_no in range(1, chance.randint(2, 12)):
        product = chance.choice(products)
        kind = chance.random()
        made = taking(product, f"o-{number}", chance.randint(1, 9), line_no)
        if kind < 0.2:
            made = coming_in(product, f"r-{number}-{line_no}", chance.randint(1, 20))
        elif kind < 0.5 and done:
            before = chance.choice(done)
            again = before.cause != "reserve" or kind < 0.3
            made = (
                before
                if again
                else returning(before.product_id, before.owner, -before.amounts.available, before.line_no)
            )
        wanted[made.id] = made
    return list(wanted.values())
