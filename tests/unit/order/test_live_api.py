"""The question a gateway asks every second: which of these orders have changed."""

from __future__ import annotations

from typing import Any

import pytest

from chassis.mongo import Database
from services.order.api import routes
from services.order.handlers import ORDERS
from services.order.live_api import live_routes
from tests.unit.order.desk import Desk
from tests.unit.order.told import ID, OPENED, RESERVED, paid, place


async def opened() -> Desk:
    desk = Desk()
    desk.opens(routes(desk.engine, desk.catalogue, desk.views, desk.lists), live_routes(desk.orders))
    await desk.hears(place())
    return desk


async def versions(desk: Desk, *ids: object) -> Any:
    return (await desk.http.post("/orders/versions", json={"order_ids": ids})).json()


async def test_a_version_grows_with_every_change_and_is_the_orders_tag() -> None:
    desk = await opened()
    for message in (RESERVED, OPENED, paid()):
        before = (await versions(desk, ID))["versions"][ID]
        await desk.hears(message)
        shown = await desk.http.get(f"/orders/{ID}")
        assert (await versions(desk, ID))["versions"] == {ID: before + 1}
        assert shown.headers["etag"] == f'"{before + 1}"'
    known = await versions(desk, ID)
    await desk.hears(OPENED)
    assert await versions(desk, ID) == known, "nothing has changed"


async def test_what_is_not_there_is_left_out() -> None:
    desk = await opened()
    assert set((await versions(desk, ID, "o9", "$gt"))["versions"]) == {ID}
    assert (await versions(desk))["versions"] == {}
    wrongs: list[list[Any]] = [[{"$gt": ""}], [None], [1], ["o"] * 501]
    for wrong in wrongs:
        assert (await desk.http.post("/orders/versions", json={"order_ids": wrong})).status_code == 422


@pytest.mark.real
async def test_it_is_answered_from_the_index_of_ids(database: Database) -> None:
    await database.collection(ORDERS.name).insert_new([{"_id": f"o{n}", "version": n} for n in range(200)])
    desk = Desk()
    desk.opens(live_routes(database.collection(ORDERS.name)))
    await database._database.command({"profile": 2})
    found = (await versions(desk, "o3", "o7", "no"))["versions"]
    await database._database.command({"profile": 0})
    assert found == {"o3": 3, "o7": 7}
    (query,) = await database._database["system.profile"].find({"op": "query"}).to_list(None)
    assert "COLLSCAN" not in query["planSummary"]
    assert query["docsExamined"] == 2
