"""A service's database in memory: what the services themselves ask is answered as MongoDB answers it, and every round
trip goes over the line, where a simulation can lose it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import pytest

from chassis import mongo
from chassis.memory_database import MemoryDatabase
from chassis.projection import Update
from chassis.record import Aggregate, Record
from chassis.store import StoreUnavailable
from contracts.inventory import ProductListed
from contracts.message import ProductId
from contracts.order import PlaceOrder
from services.analytics.model import BREAKDOWNS
from services.analytics.projections import PROJECTIONS
from services.analytics.views import Figures
from services.inventory.balances import Balances
from services.inventory.recount import recount
from services.notify.handlers import NOTICES
from services.notify.model import Notice
from services.notify.quota import Fact
from services.notify.subscriptions import Subscriptions
from services.notify.views import Notices
from services.order.catalogue import Catalogue
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.offer import Coupon, PriceRules
from services.order.projections import PRODUCTS, product_listed
from services.order.views import OrderViews
from services.payment.api import SUMS
from services.payment.books import PaymentBooks
from services.payment.callbacks import TRANSFER_FIELD, TRANSFERS_ONLY
from services.payment.handlers import PAYMENTS
from services.payment.model import Payment
from services.payment.parking import PAGE, PARKED
from services.payment.reconciliation import RECONCILIATIONS
from services.payment.reconciliation_api import LISTED
from services.payment.reconciliation_record import Reconciliation
from tests.unit.analytics.shop import STORY, settled
from tests.unit.chassis.jars import T0, Jar, PutMarbles, decide, heard, jar_with, seconds
from tests.unit.chassis.twins import Twins, loosely
from tests.unit.inventory.performers import coming_in, returning, taking
from tests.unit.notify.story import addressee, tell, words
from tests.unit.order import told
from tests.unit.payment import given

T = TypeVar("T")

_names = count(1)


@pytest.fixture
async def twins(mongo_url: str) -> AsyncIterator[Twins]:
    """Two databases that nobody has used."""
    real = mongo.Database(mongo_url, f"test_memory_database_{next(_names)}")
    yield Twins(real, MemoryDatabase())
    await real.close()


async def keep(twins: Twins, aggregate: Aggregate[Any], records: Iterable[Record[Any]]) -> None:
    """Records in both databases, which then look the same from the side."""
    new = [replace(record, version=0, fresh=record.journal) for record in records]
    for database in (twins.real, twins.memory):
        store = database.store(aggregate)
        await store.prepare()
        assert await store.save(new) == set()

    async def seen(database: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await database.collection(aggregate.name).find({}, sort=[("_id", 1)])
        return [{**document, "saved_by": isinstance(document["saved_by"], str)} for document in found]

    assert len(await twins.both(seen)) == len(new)


# ── what the services ask ────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.real
async def test_every_figure_of_analytics(twins: Twins) -> None:
    events = [*STORY, settled("case-9", "order-9", 7_00), *reversed(STORY)]
    updates: dict[str, list[Update]] = {
        projection.name: [
            update
            for event in events
            if type(event) in projection.functions
            for update in projection.functions[type(event)](event)
        ]
        for projection in PROJECTIONS
    }
    for name, changes in updates.items():
        twins.things = name
        await twins.update(*changes)
        assert await twins.everything()

    async def figures(database: Any) -> dict[str, Any]:
        views = Figures(database)
        methods = {figure: getattr(views, figure.replace("-", "_")) for figure in BREAKDOWNS}
        rows = {f"{figure} {by}": await methods[figure](by) for figure, keys in BREAKDOWNS.items() for by in keys}
        return {**rows, "notices": await views.notices()}

    found = await twins.both(figures)
    assert {row["key"] for row in found["refunds month"]} == {"2025-01", "2025-02"}
    assert all(found.values())


def _orders() -> list[Record[Order]]:
    """Orders in many states, two of each, of two customers."""
    way = [told.cancel(), told.held(), told.accepted(), told.released(), told.told("refund-on-its-way"), told.settled()]
    undone = [told.cancel(), told.held(), told.refused(), told.kept(), told.told("refund-failed")]
    stories = [
        told.Told(),
        told.Told().hears(told.place()),
        told.paid_order(),
        told.paid_order().hears(told.cancel((1, 1))),
        told.paid_order().hears(told.cancel((1, 2), (2, 1)), told.held()),
        told.paid_order().hears(*way[:4]),
        told.paid_order().hears(*way, told.told("refund-arrived")),
        told.paid_order().hears(*undone),
        told.paid_order().hears(*undone, told.cancel(request="r2")),
    ]
    made = []
    for number, story in enumerate([*stories, *stories]):
        state, id = story.record.state, f"o{number:02}"
        if state is not None:
            state = state.model_copy(
                update={"order_id": id, "customer_id": f"c{number % 2}", "reference": f"r{number}"}
            )
        made.append(replace(story.record, id=id, state=state))
    return made


@pytest.mark.real
async def test_every_view_of_orders(twins: Twins) -> None:
    await keep(twins, ORDERS, _orders())

    async def views(database: Any) -> list[Any]:
        orders, products, coupons = (database.collection(name) for name in (ORDERS.name, PRODUCTS.name, "coupons"))
        asked = OrderViews(orders, products, coupons, database.keeping(ORDERS))
        await asked.prepare()
        return [
            await asked.summary(),
            *[await asked.cases(status=status, after="", limit=100) for status in (None, "open", "completed")],
            await asked.cases(status=None, after="o05", limit=2),
            await asked.tasks(after="", limit=100),
        ]

    summary, cases, *_, tasks = await twins.both(views, of=loosely)
    assert summary["open_tasks"] == len(tasks["tasks"]) > 0
    assert summary["cases"]["completed"] == summary["cases"]["undone"] / 2 == 2
    assert len(cases["cases"]) == 14


@pytest.mark.real
async def test_products_and_coupons(twins: Twins) -> None:
    def listed(id: str, revision: int) -> ProductListed:
        offers = (100 * revision, 90)
        return ProductListed(
            product_id=ProductId(id), name=f"茶 {revision}", category="tea", offers_minor=offers, revision=revision
        )

    twins.things = PRODUCTS.name
    for event in (listed("tea", 2), listed("cup", 1), listed("tea", 1), listed("tea", 3), listed("cup", 1)):
        await twins.update(*product_listed(event))

    async def shelf(database: Any) -> list[Any]:
        coupons, products = database.collection("coupons"), database.collection(PRODUCTS.name)
        views = OrderViews(database.collection(ORDERS.name), products, coupons, database.keeping(ORDERS))
        for minimum in (0, 5):
            await views.put_coupon(Coupon(code="SPRING", amount_minor=100, minimum_minor=minimum))
        asked = told.place().asked.model_copy(update={"coupon": "SPRING"})
        assert isinstance(asked, PlaceOrder)
        ready = await Catalogue(products, coupons, PriceRules(), 0).ready(asked)
        return [
            ready.model_dump(),
            await views.products(after="", limit=10),
            await views.products(after="cup", limit=1),
        ]

    ready, all, page = await twins.both(shelf)
    assert [product["name"] for product in all["products"]] == ["茶 1", "茶 3"]
    shown = {"product_id", "name", "category", "offers_minor", "currency", "variant_of"}
    assert all["products"][0].keys() == shown, "nothing of how they are kept"
    assert (page["products"], page["next"]) == (all["products"][1:], "tea")
    assert ready["coupon"]["minimum_minor"] == 5
    assert len(ready["products"]) == 2


def _payments() -> list[Record[Payment]]:
    """Payments of three shops (one stored before there were shops), in many states."""
    base = given.accepted().payment
    (refund,) = base.refunds
    assert base.receipt is not None
    earlier = base.receipt.model_copy(update={"paid_at": given.NOON - timedelta(days=3)})
    parked, settled = (refund.model_copy(update={"status": status}) for status in ("parked", "settled"))
    states: list[Payment | None] = [
        None,
        given.opened().payment,
        given.paid().payment,
        given.asked_to_refund().payment,
        base,
        base.model_copy(update={"refunds": (parked, settled)}),
        base.model_copy(update={"refunds": (settled, refund)}),
        base.model_copy(update={"receipt": earlier}),
    ]
    made = []
    for number, (shop, state) in enumerate((shop, state) for shop in ("", "tea", "cup") for state in states):
        id = f"ORDER{number:02}"
        known = None if state is None else state.model_copy(update={"order_id": id, "shop": shop})
        made.append(Record(id, state=known, wake_at=known.wake_at if known else None, touched_at=given.NOON))
    return made


@pytest.mark.real
async def test_what_is_asked_of_payments(twins: Twins) -> None:
    await keep(twins, PAYMENTS, _payments())
    twins.things = PAYMENTS.name
    old = {"receipt": {"paid_at": given.NOON, "amount": {"currency": "JPY", "amount_minor": 7}}, "refunds": []}
    payouts = [{"payout": None, "status": "settled"}, {"payout": {"number": "bill1"}, "status": "paying-out"}]
    await twins.put(
        {"_id": "ORDER-OLD", "state": old},
        {"_id": "ORDER-OUT", "state": {"refunds": payouts}},
        {"_id": "ORDER-IN", "state": {"refunds": payouts[:1]}},
    )
    assert [row["currency"] for row in await twins.aggregate(SUMS)] == ["CNY", "JPY"]
    asked = {"state.shop": "tea", **PARKED, "_id": {"$gt": ""}}
    assert len(await twins.find(asked, fields=["_id"], limit=PAGE)) == 1
    number: list[dict[str, Any]] = [{"$match": {TRANSFER_FIELD: "bill1"}}, {"$limit": 1}, {"$project": {"_id": 1}}]
    assert await twins.aggregate(number) == [{"_id": "ORDER-OUT"}]
    assert len(await twins.find(TRANSFERS_ONLY)) == 1

    async def days(database: Any) -> list[Any]:
        books = PaymentBooks(database.collection(PAYMENTS.name))
        await books.prepare()
        start, day = given.NOON - timedelta(hours=12), timedelta(days=1)
        found = [
            await books.ids_of(shop, start + n * day, start + (n + 1) * day) for shop in ("", "tea") for n in (-3, 0, 1)
        ]
        payments = await books.payments(["ORDER05", "ORDER00", "ORDER04", "NOWHERE"])
        return [found, [payment.model_dump() for payment in payments]]

    (before, today, tomorrow, *of_tea), payments = await twins.both(days)
    assert before
    assert "ORDER-OLD" in today
    assert tomorrow == []
    assert set(of_tea[1]) & set(today) == set()
    assert [payment["order_id"] for payment in payments] == ["ORDER04", "ORDER05"]


@pytest.mark.real
async def test_the_list_of_reconciliations(twins: Twins) -> None:
    days = [f"{shop}/2026-11-{day:02}" for shop in ("house", "tea") for day in (1, 2, 3)]
    states = [
        Reconciliation.model_validate(
            {"reconciliation_id": id, "shop": id.split("/")[0], "day": id[-10:], "started_by": "me", "started_at": T0}
        )
        for id in days
    ]
    records = [Record(one.reconciliation_id, state=one, touched_at=T0) for one in states]
    await keep(twins, RECONCILIATIONS, records)
    twins.things = RECONCILIATIONS.name
    for where, limit in (({}, 4), ({"_id": {"$lt": "tea/2026-11-02"}}, 50)):
        found = await twins.find(where, fields=LISTED, sort=[("_id", -1)], limit=limit)
        assert len(found) == 4


_WHERE = {"openid": "o", "template_id": "t", "source": "page"}


@pytest.mark.real
async def test_notices_and_subscriptions(twins: Twins) -> None:
    channels, records = ["wechat", "sms-tencent", "inbox"], []
    for number in range(12):
        at = T0 + seconds(number * 7 % 12)
        asked = tell(
            case_id=f"case-{number}", order_id=f"order-{number % 2}", to=addressee(customer_id=f"c-{number % 3}")
        )
        known = {"notice_id": f"n{number:02}", "asked": asked, "words": words(time=at), "channel": channels[number % 3]}
        times = [{"told_at": at}, {"superseded_at": at}, {}, {"told_at": at}][number % 4]
        state = Notice.model_validate({**known, **times})
        records.append(Record(state.notice_id, state=state, touched_at=at))
    await keep(twins, NOTICES, records)
    facts = [
        Fact.model_validate({"id": f"f{n}", "what": what, "at": T0 + seconds(n), **_WHERE})
        for n, what in enumerate(["accept", "reject", "accept", "accept"])
    ]

    async def told_of(database: Any) -> list[Any]:
        notices = Notices(database.collection(NOTICES.name), database.keeping(NOTICES))
        await notices.prepare()
        ledger = Subscriptions(database.collection("subscriptions"))
        await ledger.prepare()
        await ledger.note([*facts, *facts[:2]])
        quota = await ledger.quota("o", "t")
        return [
            await notices.summary(),
            *[await notices.inbox(f"c-{n}") for n in range(3)],
            *[await notices.of_order(f"order-{n}") for n in range(3)],
            quota.model_dump(),
        ]

    summary, *lists, quota = await twins.both(told_of, of=loosely)
    assert (summary["waiting"], summary["superseded"], len(summary["by_outcome"])) == (3, 3, 1)
    assert [len(one) for one in lists] == [2, 2, 2, 6, 6, 0]
    assert quota["left"]


@pytest.mark.real
async def test_stock_moves_and_is_recounted(twins: Twins, seed: int) -> None:
    async def moved(database: Any) -> list[Any]:
        chance = random.Random(seed)
        books = Balances(database.collection("balances"), database.collection("ledger"), lambda: T0)
        await books.prepare()
        said: list[Any] = []
        for turn in range(40):
            product, order = chance.choice(["tea", "cup", "pot"]), f"o-{chance.randrange(30)}"
            kinds = (
                coming_in(product, f"r-{turn}", chance.randrange(1, 9)),
                *[taking(product, f"{order}-{line}", chance.randrange(1, 4)) for line in range(4)],
                returning(product, order, 1),
            )
            said.append(await books.move(chance.sample(kinds, 4)))
            if turn % 9 == 0:
                said.append(await books.sweep_markers())
        await database.collection("balances").update_all([Update({"_id": "tea"}, {"$inc": {"available": 1}})])
        return [said, (await recount(books)).model_dump(), await books.stock(), await books.stock("cup", 1)]

    said, counted, stock, _ = await twins.both(moved)
    assert {outcome for one in said if isinstance(one, Mapping) for outcome in one.values()} >= {"applied", "refused"}
    assert [one["product_id"] for one in counted["differences"]] == ["tea"]
    assert len(stock) == 3
    for twins.things in ("balances", "ledger"):
        assert await twins.everything()


# ── the line ─────────────────────────────────────────────────────────────────────────────────────────────────────────
class Trouble:
    """A line that notes what goes over it. `before` and `after`: how many of the next go wrong, and when."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.before = self.after = 0

    async def through(self, what: str, work: Callable[[], T]) -> T:
        self.seen.append(what)
        if self.before:
            self.before -= 1
            raise StoreUnavailable("nobody is there")
        done = work()
        if self.after:
            self.after -= 1
            raise StoreUnavailable("the answer is lost")
        return done

    def noted(self) -> list[str]:
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture
def line() -> Trouble:
    return Trouble()


@pytest.fixture
def database(line: Trouble) -> MemoryDatabase:
    return MemoryDatabase(line)


async def test_every_round_trip_goes_over_the_line(
    database: MemoryDatabase, line: Trouble, jars: Aggregate[Jar]
) -> None:
    store, things = database.store(jars), database.collection("things")
    read, write = f"read {jars.name}", f"write {jars.name}"
    await store.prepare()
    assert line.noted() == [write, write]
    await store.save([jar_with("a")])
    assert line.noted() == [write]
    await store.save([jar_with("a"), jar_with("b")])
    assert line.noted() == [write, read], "it has to look who lost"
    seen = (await store.load(["a"]))["a"]
    await store.claim(seen, T0)
    await store.mark_said({"a": seen.unsaid})
    await store.mark_said({})
    await store.unsaid(T0, 1)
    await store.due(T0, 1)
    await store.ping()
    assert line.noted() == [read, write, write, read, read, read]
    await things.ensure_index([("a", 1)], partial={"a": {"$gt": 1}})
    await things.insert_new([{"_id": "x"}])
    await things.update_all([Update({"_id": "x"}, {"$inc": {"n": 1}})])
    await things.delete({"_id": "y"})
    await things.insert_new([])
    await things.update_all([])
    assert line.noted() == ["write things"] * 4
    assert await things.find({}) == await things.aggregate([]) == [{"_id": "x", "n": 1}]
    assert await things.count({}) == 1
    assert line.noted() == ["read things"] * 3
    await database.ping()
    await database.close()
    assert line.noted() == ["write readiness"]


async def test_a_save_may_be_done_though_nobody_answered(
    database: MemoryDatabase, line: Trouble, jars: Aggregate[Jar]
) -> None:
    store = database.store(jars)
    line.before = 1
    with pytest.raises(StoreUnavailable):
        await store.save([jar_with("a")])
    assert await store.load(["a"]) == {}
    line.after = 1
    with pytest.raises(StoreUnavailable):
        await store.save([jar_with("a")])
    found = (await store.load(["a"]))["a"]
    assert found.version == 1
    assert await store.save([jar_with("a")]) == {"a"}


async def test_a_process_that_comes_back_finds_what_is_on_the_disk(
    database: MemoryDatabase, jars: Aggregate[Jar]
) -> None:
    await database.store(jars).save([jar_with("a")])
    other = MemoryDatabase(collections=database.collections)
    assert set(await other.store(jars).load(["a", "b"])) == {"a"}
    await other.store(jars).save([jar_with("b")])
    (found,) = await database.collection(jars.name).find({"_id": "b"}, fields=["version", "state.jar_id"])
    assert found == {"_id": "b", "version": 1, "state": {"jar_id": "b"}}


async def test_records_that_were_read_stay_as_they_were(database: MemoryDatabase, jars: Aggregate[Jar]) -> None:
    store = database.store(jars)
    await store.save([jar_with("a")])
    kept = database.collections[jars.name].documents["a"]
    before = repr(kept)
    seen = (await store.load(["a"]))["a"]
    await store.save([decide(seen, heard(PutMarbles(jar_id="a"), "later"))])
    await store.claim((await store.load(["a"]))["a"], T0 + seconds(99))
    await store.mark_said({"a": seen.unsaid})
    assert repr(kept) == before
    assert [entry.heard for entry in (await store.load(["a"]))["a"].journal] == ["put-a", "later"]
