"""What people ask for over HTTP, and how a day is found in a real database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from chassis import problem
from chassis.documents import Documents
from chassis.memory_database import Direct, MemoryCollection
from chassis.mongo import Database
from chassis.projection import Update
from services.payment.bills import day_range
from services.payment.books import PaymentBooks
from services.payment.handlers import PAYMENTS
from services.payment.reconciliation import RECONCILIATIONS
from services.payment.reconciliation_api import reconciliation_routes
from services.payment.reconciling import Reconciler
from tests.unit.payment.bill_files import fund_bill, moved, paid, trade_bill
from tests.unit.payment.counting_house import DAY, MORNING, CountingHouse, FakeProvider

ORDER = "ORDER0000000000000001"
ONE = "/reconciliations/house/2026-11-01"


class Records:
    """The records' collection in memory, as far as the list asks it."""

    def __init__(self, house: CountingHouse) -> None:
        self._house = house

    async def find(
        self, filter: Any, *, fields: Sequence[str], sort: Sequence[tuple[str, int]], limit: int
    ) -> list[dict[str, Any]]:
        before = filter.get("_id", {}).get("$lt", "~")
        ids = sorted((id for id in self._house.days.documents if id < before), reverse=True)
        return [self._house.days.documents[id] for id in ids[:limit]]


def client(house: CountingHouse, records: Any) -> httpx.AsyncClient:
    app = FastAPI()
    problem.install(app)
    app.include_router(reconciliation_routes(house.engine, records, lambda: ["", "tea"]))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://payment.test")


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(trade_bill(paid(ORDER, "99.00")), fund_bill(moved(f"T-{ORDER}", "99.00")))


@pytest.fixture
async def house(provider: FakeProvider) -> CountingHouse:
    house = CountingHouse(provider)
    await house.paid(ORDER)
    house.clock.now = MORNING
    return house


@pytest.fixture
async def http(house: CountingHouse) -> AsyncIterator[httpx.AsyncClient]:
    async with client(house, Records(house)) as http:
        yield http


async def test_started_looked_at_and_closed(house: CountingHouse, http: httpx.AsyncClient) -> None:
    started = await http.post("/reconciliations/2026-11-01?by=li")
    assert started.status_code == 202
    assert (started.json()["reconciliation_id"], started.json()["status"]) == ("house/2026-11-01", "fetching")
    await house.drain()
    day = (await http.get(ONE)).json()
    assert (day["status"], day["open"], day["started_by"]) == ("done", 1, "li")
    (one,) = day["differences"]
    assert (one["kind"], one["bill_minor"], one["our_minor"], one["state"]) == ("payment-amount", 9_900, 10_000, "open")
    assert one["meaning"]["zh"] == "支付金额不一致"

    closed = await http.post(f"{ONE}/differences/{one['n']}/close", json={"by": "li", "remark": "客服补差"})
    assert (closed.status_code, closed.json()["state"], closed.json()["by"]) == (200, "closed", "li")
    repeated = await http.post(f"{ONE}/differences/{one['n']}/close", json={"by": "wang", "remark": "again"})
    assert repeated.json() == closed.json()
    assert (await http.get(ONE)).json()["open"] == 0


async def test_the_list_has_counts_and_goes_on(house: CountingHouse, http: httpx.AsyncClient) -> None:
    for day in ("2026-10-30", "2026-10-31", "2026-11-01"):
        await http.post(f"/reconciliations/{day}")
        await house.drain()
    first = (await http.get("/reconciliations?limit=2")).json()
    assert [row["day"] for row in first["reconciliations"]] == ["2026-11-01", "2026-10-31"]
    assert [row["open"] for row in first["reconciliations"]] == [1, 1]
    assert "differences" not in first["reconciliations"][0]
    rest = (await http.get("/reconciliations", params={"limit": 2, "after": first["next"]})).json()
    assert [row["day"] for row in rest["reconciliations"]] == ["2026-10-30"]
    assert rest["next"] is None


@pytest.mark.parametrize("day", ["2026-11-03", "2026-08-03", "20261101", "2026-13-01", "yesterday"])
async def test_a_day_that_cannot_be_reconciled(house: CountingHouse, http: httpx.AsyncClient, day: str) -> None:
    answer = await http.post(f"/reconciliations/{day}")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-date")
    assert house.days.documents == {}


async def test_today_is_todays_date_in_china(house: CountingHouse, http: httpx.AsyncClient) -> None:
    house.clock.now = day_range(DAY)[0] - timedelta(seconds=1)
    assert (await http.post("/reconciliations/2026-11-01")).status_code == 422
    house.clock.now += timedelta(seconds=1)
    assert (await http.post("/reconciliations/2026-11-01")).status_code == 202
    await house.drain()


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("POST", "/reconciliations/2026-11-01?shop=gone", "unknown-shop"),
        ("GET", "/reconciliations/tea/2026-11-01", "unknown-reconciliation"),
        ("POST", "/reconciliations/tea/2026-11-01/differences/1/close", "unknown-reconciliation"),
        ("POST", f"{ONE}/differences/7/close", "unknown-difference"),
    ],
)
async def test_what_is_not_there(
    house: CountingHouse, http: httpx.AsyncClient, method: str, path: str, code: str
) -> None:
    await house.start()
    answer = await http.request(method, path, json={"by": "li", "remark": "x"} if method == "POST" else None)
    assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_remark_is_needed_to_close(house: CountingHouse, http: httpx.AsyncClient) -> None:
    await house.start()
    assert (await http.post(f"{ONE}/differences/1/close", json={"by": "li", "remark": ""})).status_code == 422


async def test_the_house_has_no_shop_name(house: CountingHouse, http: httpx.AsyncClient) -> None:
    assert (await http.post("/reconciliations/2026-11-01?shop=house")).json()["shop"] == ""
    await house.drain()
    answer = await http.post("/reconciliations/2026-11-01?shop=tea")
    await house.drain()
    assert answer.json()["reconciliation_id"] == "tea/2026-11-01"
    assert (await http.get("/reconciliations/tea/2026-11-01")).json()["problem"] == "NO_MERCHANT_ACCOUNT"


async def test_a_payment_that_cannot_be_read_does_not_hold_up_its_day(house: CountingHouse) -> None:
    await house.paid("ORDER-TORN")
    payments = Documents()
    payments.insert_new({"_id": id, "state": one["state"]} for id, one in house.payments.documents.items())
    payments.update_all([Update({"_id": "ORDER-TORN"}, {"$set": {"state.status": "torn"}})])
    house.provider.trades = trade_bill(paid(ORDER), paid("ORDER-TORN"))
    house.provider.funds = fund_bill(moved(f"T-{ORDER}", "100.00"), moved("T-ORDER-TORN", "100.00"))
    collection: Any = MemoryCollection(PAYMENTS.name, {PAYMENTS.name: payments}, Direct())
    Reconciler(house.engine, house, PaymentBooks(collection)).join()
    day = await house.start()
    assert (day.status, [(one.kind, one.subject) for one in day.differences]) == (
        "done",
        [("order-unknown", "ORDER-TORN")],
    )


# ── the real database ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.real
@pytest.mark.parametrize("mongo_driver", ["motor", "pymongo"])
async def test_a_day_is_found_by_what_was_paid_and_what_was_accepted(database: Database, house: CountingHouse) -> None:
    start, end = day_range(DAY)
    await house.ordered("ORDER-NEVER-PAID")
    house.clock.now = start - timedelta(days=2)
    await house.paid("ORDER-LONG-AGO")
    house.clock.now = end - timedelta(milliseconds=1)
    await house.refunded("ORDER-LONG-AGO", "CASE-AT-THE-END", "PROCESSING")
    store = database.store(PAYMENTS)
    books = PaymentBooks(database.collection(PAYMENTS.name))
    await books.prepare()
    await books.prepare()
    known = await house.payments.load(list(house.payments.documents))
    fresh = [_as_new(record, shift) for record, shift in ((one, 2 if "LONG" in id else 0) for id, one in known.items())]
    assert await store.save(fresh) == set()
    assert await books.ids_of("", start, end) == ["ORDER-LONG-AGO", ORDER]
    assert await books.ids_of("", end, end + timedelta(days=1)) == []
    assert await books.ids_of("tea", start, end) == []
    found = await books.payments([ORDER, "ORDER-LONG-AGO", "NOWHERE"])
    assert {one.order_id for one in found} == {ORDER, "ORDER-LONG-AGO"}


def _as_new(record: Any, days: int) -> Any:
    """The record as if it had never been saved, paid so many days earlier."""
    state = record.state
    if state is not None and state.receipt is not None and days:
        receipt = state.receipt.model_copy(update={"paid_at": state.receipt.paid_at - timedelta(days=days)})
        state = state.model_copy(update={"receipt": receipt})
    return replace(record, version=0, state=state, fresh=record.journal, pruned=False)


@pytest.mark.real
async def test_a_day_is_found_without_reading_the_other_days(database: Database) -> None:
    books = PaymentBooks(database.collection(PAYMENTS.name))
    await books.prepare()
    start, end = day_range(DAY)
    days = [start + timedelta(days=shift, hours=1) for shift in range(-20, 20)]
    both = [{"paid_at": at, "accepted_at": at} for at in days]
    await database.collection(PAYMENTS.name).insert_new(
        {"_id": f"O{n}", "state": {"shop": "", "receipt": times, "refunds": [times, both[0]]}}
        for n, times in enumerate(both)
    )
    await database._database.command({"profile": 2})
    assert await books.ids_of("", start, end) == ["O20"]
    await database._database.command({"profile": 0})
    noted = database._database["system.profile"].find({"op": "query"})
    read = [query["docsExamined"] for query in await noted.to_list(None)]
    assert read == [1, 1]


@pytest.mark.real
async def test_the_list_comes_from_the_real_database(database: Database, house: CountingHouse) -> None:
    await house.start()
    records = await house.days.load(list(house.days.documents))
    fresh = [replace(one, version=0, fresh=one.journal) for one in records.values()]
    assert await database.store(RECONCILIATIONS).save(fresh) == set()
    async with client(house, database.collection(RECONCILIATIONS.name)) as http:
        rows = (await http.get("/reconciliations")).json()["reconciliations"]
    assert [(row["reconciliation_id"], row["status"], row["open"]) for row in rows] == [("house/2026-11-01", "done", 1)]
