"""Exports, hiding and forgetting in a real MongoDB, as in the twin in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chassis.mongo import Database
from chassis.record import Heard, Record, hear
from services.order.exporting import checksum, digest_of, exported
from services.order.exports import EXPORTED, EXPORTS, Exports, Mismatch
from services.order.handlers import ORDERS
from services.order.lists import OrderLists, Wanted
from services.order.model import Order
from tests.support.fixtures import database, mongo_driver, mongo_url
from tests.unit.order.test_deleting import HIDE, cancelled, erase
from tests.unit.order.told import Told

__all__ = ["database", "mongo_driver", "mongo_url"]


async def kept(database: Database, order: Told) -> Record[Order]:
    """The order's record, stored as it is and read back."""
    store = database.store(ORDERS)
    fresh = replace(order.record, fresh=order.record.journal, unsaid=(), version=0)
    assert await store.save([fresh]) == set()
    return (await store.load(["o1"]))["o1"]


def exports_in(database: Database) -> Exports:
    orders, exports, exported_orders = (database.collection(name) for name in (ORDERS.name, EXPORTS, EXPORTED))
    return Exports(orders, exports, exported_orders, database.keeping(ORDERS))


async def test_exports_are_known_as_they_stand(database: Database) -> None:
    order = cancelled()
    await kept(database, order)
    exports = exports_in(database)
    page = await exports.page(before=order.now, after="", limit=5)
    assert [(one["order_id"], one["sha256"]) for one in page["orders"]] == [("o1", digest_of(order.order))]
    sha256 = checksum(exported([order.order]))
    assert await exports.covering(order.order) is None
    for _ in range(2):
        assert (await exports.register(["o1"], sha256, "s1", order.now))["orders"] == 1
    assert await exports.covering(order.order) == sha256
    assert await exports.digest("o1", sha256) == digest_of(order.order)
    assert await exports.order_ids(sha256) == ["o1"]
    assert await exports.order_ids("0" * 64) is None
    with pytest.raises(Mismatch):
        await exports.register(["o1"], "0" * 64, "s1", order.now)


async def test_hidden_and_erased_orders_in_the_database(database: Database) -> None:
    order = cancelled()
    record = await kept(database, order)
    lists = OrderLists(database.collection(ORDERS.name), database.keeping(ORDERS))
    await lists.prepare()

    async def listed(*, hidden: bool) -> int:
        return len((await lists.page(Wanted(customer_id="c1", hidden=hidden)))["orders"])

    assert await listed(hidden=False) == 1
    hidden = hear(ORDERS, record, Heard(HIDE, "hide", order.now)).record
    await database.store(ORDERS).save([hidden])
    assert (await listed(hidden=False), await listed(hidden=True)) == (0, 1)
    again = (await database.store(ORDERS).load(["o1"]))["o1"]
    order.record = again
    gone = hear(ORDERS, replace(again, unsaid=()), Heard(erase(order), "erase", order.now)).record
    await database.store(ORDERS).save([gone])
    (document,) = await database.collection(ORDERS.name).find({"_id": "o1"})
    assert [value for value in ("张三", "13800001111", "openid-1") if value in repr(document)] == []
    exports = exports_in(database)
    assert (await exports.page(before=order.now, after="", limit=5))["orders"] == []
