"""Lists of orders: what they find, page by page, and from which index."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest

from chassis.keeping import Keeping
from chassis.memory_database import MemoryDatabase
from chassis.mongo import Collection, Database
from chassis.personal import Ring, make_first_keys
from chassis.problem import Problem
from chassis.record import Record
from contracts.order import Actor
from services.order.erasing import blank
from services.order.finding import cursor_of, found_by, read_cursor, who_terms, words_wanted
from services.order.handlers import ORDERS
from services.order.lists import OrderLists, Wanted
from services.order.model import Erased
from tests.unit.order import crowd, told

COUNT = 2_000
LIMIT = 20
NOON = told.START + timedelta(seconds=300)

Lists = tuple[Any, OrderLists]


@pytest.fixture(scope="module")
def filled() -> set[str]:
    return set()


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Ring:
    folder = tmp_path_factory.mktemp("keys")
    make_first_keys(folder)
    return Ring(folder)


@pytest.fixture(params=["motor", "memory"])
async def lists(request: pytest.FixtureRequest, filled: set[str], ring: Ring) -> AsyncIterator[Lists]:
    """The crowd's lists in a real database (filled once) and in memory."""
    if request.param == "memory":
        database: Any = MemoryDatabase(ring=ring)
        await crowd.fill(database, COUNT)
        yield database, OrderLists(database.collection("orders"), database.keeping(ORDERS))
        return
    database = Database(request.getfixturevalue("mongo_url"), "order_lists", ring=ring)
    found = OrderLists(database.collection("orders"), database.keeping(ORDERS))
    if not filled:
        await crowd.fill(database, COUNT)
        await found.prepare()
        filled.add("motor")
    yield database, found
    await database.close()


def wanted(**given: Any) -> Wanted:
    return Wanted.model_validate({"limit": LIMIT, **given})


async def all_ids(lists: OrderLists, **given: Any) -> list[str]:
    """Every order of a list, read page by page."""
    found: list[str] = []
    after = ""
    while True:
        page = await lists.page(wanted(**given, after=after))
        found.extend(row["order_id"] for row in page["orders"])
        if page["next"] is None:
            return found
        after = page["next"]


CHOICES: Mapping[str, Any] = {
    "customer_id": lambda order: order.customer_id == "c5",
    "state": lambda order: order.state == "cancelling",
    "case": lambda order: any(case.status == "open" for case in order.cases),
    "goods": lambda order: "Tea" in order.lines[0].name,
    "product_id": lambda order: any(line.product_id == "p7" for line in order.lines),
    "from": lambda order: order.placed_at >= NOON,
    "until": lambda order: order.placed_at < NOON + timedelta(seconds=120),
    "name": lambda order: order.contact.name == "欧阳 娜娜",
    "phone": lambda order: order.contact.phone.endswith("0015"),
    "reference": lambda order: order.reference == "r482",
    "number": lambda order: order.order_id == "o00965" or order.reference == "o00965",
}
GIVEN: Mapping[str, Any] = {
    "customer_id": "c5",
    "state": "cancelling",
    "case": "open",
    "goods": "tea",
    "product_id": "p7",
    "from": NOON,
    "until": NOON + timedelta(seconds=120),
    "name": "欧阳娜娜",
    "phone": "0015",
    "reference": "r482",
    "number": "o00965",
}


def every_choice() -> Iterator[tuple[str, ...]]:
    for size in range(len(GIVEN) + 1):
        yield from combinations(GIVEN, size)


@pytest.mark.real
async def test_what_is_given_must_all_hold(lists: Lists) -> None:
    _, found = lists
    orders = [crowd.order(number) for number in range(COUNT)]
    orders.sort(key=lambda order: (order.placed_at, order.order_id), reverse=True)
    for chosen in every_choice():
        if len(chosen) > 2 and chosen not in {("name", "phone", "number"), ("customer_id", "goods", "name")}:
            continue
        expected = [order.order_id for order in orders if all(CHOICES[name](order) for name in chosen)]
        listed = await all_ids(found, **{name: GIVEN[name] for name in chosen})
        assert listed == expected, chosen


@pytest.mark.parametrize(
    ("case", "lives"), [("open", {3, 6}), ("completed", {4}), ("undone", {5}), ("waits-for-a-person", {6})]
)
@pytest.mark.real
async def test_the_state_of_a_case(lists: Lists, case: str, lives: set[int]) -> None:
    expected = {f"o{n:05}" for n in range(COUNT) if n % 3 and n % 7 in lives}
    assert set(await all_ids(lists[1], case=case)) == expected


@pytest.mark.parametrize(
    ("goods", "kinds"),
    [
        ("porcelain", {5}),
        ("RARE Porcelain", {5}),
        ("ｐｏｒｃｅｌａｉｎ", {5}),  # full width
        ("lantern tea", set()),
        ("乌龙", {2}),
        ("乌茶", set()),
        ("茶", {0, 2}),
    ],
)
@pytest.mark.real
async def test_goods_are_found_by_words(lists: Lists, goods: str, kinds: set[int]) -> None:
    names = {crowd.GOODS[kind] for kind in kinds}
    expected = {order.order_id for order in map(crowd.order, range(COUNT)) if order.lines[0].name in names}
    assert set(await all_ids(lists[1], goods=goods)) == expected


async def test_words_of_any_script_are_one_spelling() -> None:
    assert words_wanted("Green-Tea ＴＥＡ") == ["green", "tea"]
    assert words_wanted("乌龙茶") == ["乌龙", "龙茶"]
    assert words_wanted("茶") == ["茶"]
    assert words_wanted("  ,.! ") == []
    assert {"w/茶", "w/绿茶", "w/绿", "w/green", "p/p1"} <= set(found_by(crowd.order(0)).terms)


@pytest.mark.real
async def test_words_without_a_letter_find_nothing(lists: Lists) -> None:
    assert await lists[1].page(wanted(goods="…!")) == {"orders": [], "next": None}


@pytest.mark.real
async def test_pages_stay_while_orders_arrive(lists: Lists) -> None:
    database, found = lists
    before = await all_ids(found, customer_id="c3")
    page = await found.page(wanted(customer_id="c3", limit=7))
    newer = crowd.order(3).model_copy(update={"order_id": "znew", "placed_at": told.START + timedelta(days=1)})
    store = database.store(ORDERS)
    await store.save([Record("znew", state=newer)])
    try:
        rest: list[str] = []
        after = page["next"]
        while after is not None:
            following = await found.page(wanted(customer_id="c3", limit=7, after=after))
            rest.extend(row["order_id"] for row in following["orders"])
            after = following["next"]
        assert [row["order_id"] for row in page["orders"]] + rest == before
        assert (await all_ids(found, customer_id="c3"))[0] == "znew"
    finally:
        await database.collection("orders").delete({"_id": "znew"})


@pytest.mark.parametrize(
    "after", ["x", "o00017", "MS4xLg", "!!!!", "MS45OTk5OTk5OTk5OTk5OTkub28", "é", cursor_of(NOON, "a" * 64) + "x" * 4]
)
async def test_a_wrong_cursor_is_told_what_to_do(after: str) -> None:
    with pytest.raises(Problem) as told_why:
        await OrderLists(Collection(None), Keeping(ORDERS)).page(wanted(after=after))
    assert (told_why.value.status, told_why.value.code) == (422, "wrong-cursor")
    assert "first page" in told_why.value.en


def test_a_cursor_comes_back_as_it_was() -> None:
    at = NOON + timedelta(milliseconds=7)
    assert read_cursor(cursor_of(at, "o1-_*Z")) == (at, "o1-_*Z")
    assert len(cursor_of(at, "x" * 40)) <= 128


@pytest.mark.real
async def test_a_row_says_its_state_in_words_and_colour(lists: Lists) -> None:
    page = await lists[1].page(wanted(number="o00001"))
    (row,) = page["orders"]
    assert row["state_in_words"] == {"zh": "待发货", "en": "to be shipped"}
    assert row["colour"] == {"token": "active", "hex": "#1D4ED8"}
    assert row["goods"] == ["red lantern", "red lantern"]
    assert row["pieces"] == 4


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"name": "ann lee"}, {"Ann Lee"}),
        ({"name": "ＡＮＮＬＥＥ"}, {"Ann Lee"}),  # full width
        ({"name": "张三"}, {"张三"}),
        ({"name": "张"}, set()),
        ({"phone": "0002"}, {"Ann Lee", "张三"}),
        ({"phone": "0002", "name": "Ann Lee"}, {"Ann Lee"}),
        ({"phone": "0002", "name": "李四"}, set()),
    ],
)
@pytest.mark.real
async def test_who_ordered_is_found_by_name_and_phone(lists: Lists, asked: dict[str, str], names: set[str]) -> None:
    expected = {
        order.order_id
        for order in map(crowd.order, range(COUNT))
        if order.contact.name in names and order.contact.phone.endswith(asked.get("phone", ""))
    }
    assert set(await all_ids(lists[1], **asked)) == expected


def test_an_erased_order_is_not_found_by_what_stands_there_instead() -> None:
    order = crowd.order(1)
    note = Erased(at=NOON, digest="d", export_id="e", by=Actor(kind="staff", id="s1"))
    erased = blank(order).model_copy(update={"erased": note})
    assert erased.contact.phone.endswith("0000"), "as somebody's number does"
    assert set(found_by(order).personal) > set(who_terms(order.contact.name, None))
    assert found_by(erased).personal == ()
    assert found_by(erased).terms == found_by(order).terms


@pytest.mark.real
async def test_who_ordered_is_shown_masked_and_only_when_asked_for(lists: Lists) -> None:
    (row,) = (await lists[1].page(wanted(number="o00001", contacts=True)))["orders"]
    assert row["contact"] == {"name": "欧*", "phone": "138****0001"}
    (row,) = (await lists[1].page(wanted(number="o00001")))["orders"]
    assert "contact" not in row


# ── from which index ─────────────────────────────────────────────────────────────────────────────────────────────────
def stages(plan: Mapping[str, Any]) -> Iterator[str]:
    yield str(plan["stage"])
    for inner in (plan.get("inputStage"), *plan.get("inputStages", ())):
        if inner:
            yield from stages(inner)


@pytest.mark.real
@pytest.mark.parametrize("lists", ["motor"], indirect=True)
async def test_no_list_reads_more_than_it_shows(lists: Lists) -> None:
    """For every combination that can be asked for, on the first page and a later one: no scan of the collection, no
    sort in memory, and hardly an order is read that is not shown."""
    database, found = lists
    raw = database._database
    await raw.create_collection("system.profile", capped=True, size=64 * 1024 * 1024)  # the usual one holds too few
    await raw.command({"profile": 2})
    try:
        for chosen in every_choice():
            for after in ("", cursor_of(NOON + timedelta(seconds=60), "o01082")):
                await found.page(wanted(**{name: GIVEN[name] for name in chosen}, after=after))
        noted = await raw["system.profile"].find({"op": "query", "ns": "order_lists.orders"}).to_list(None)
    finally:
        await raw.command({"profile": 0})
    assert len(noted) >= 2 * 2 ** len(GIVEN)
    for query in noted:
        asked = query["command"]["filter"]
        seen = set(stages(query["execStats"]))
        assert seen & {"IXSCAN", "IDHACK", "EXPRESS_IXSCAN", "EXPRESS_CLUSTERED_IXSCAN"} or "EOF" in seen, (seen, asked)
        assert not seen & {"COLLSCAN", "SORT"}, (seen, asked)
        read, shown = query["docsExamined"], query["nreturned"]
        terms = [one["found_by.terms"] for one in asked.get("$and", ())]
        if len(terms) > 1:  # an index answers for one term, the others are looked for in what it finds
            most = await raw["orders"].count_documents({"found_by.terms": terms[0]})
            assert read <= most, (read, most, asked)
        else:
            assert read <= 3 * shown + 3, (read, shown, query["keysExamined"], asked)
