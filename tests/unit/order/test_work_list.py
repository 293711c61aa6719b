"""The staff's list of open cases: what each waits for."""

from __future__ import annotations

from typing import Any

from contracts.message import OrderId
from services.order.api import routes
from tests.unit.order.desk import Desk
from tests.unit.order.test_deciding import APPROVAL, UNDO
from tests.unit.order.told import ANYTHING_GOES, OPENED, RESERVED, cancel, paid, place


async def with_order(desk: Desk, order_id: str, policy: Any) -> None:
    """A paid order whose cancellation this policy decides."""
    of_order = {"order_id": OrderId(order_id)}
    wishes = [place(), RESERVED, OPENED, paid(), cancel(policy=policy)]
    for message in wishes:
        more = {"asked": message.asked.model_copy(update=of_order)} if hasattr(message, "asked") else {}
        await desk.hears(message.model_copy(update={**of_order, **more}))


async def listed(desk: Desk, query: str) -> list[str]:
    answer = await desk.http.get(f"/cases{query}")
    return [case["case_id"] for case in answer.json()["cases"]]


async def test_each_is_found_by_what_it_waits_for() -> None:
    desk = Desk()
    desk.opens(routes(desk.engine, desk.catalogue, desk.views, desk.lists))
    for order_id, policy in (("a", APPROVAL), ("b", UNDO), ("c", ANYTHING_GOES)):
        await with_order(desk, order_id, policy)
    assert await listed(desk, "?status=open") == ["a-c1", "b-c1", "c-c1"]
    assert await listed(desk, "?waits_for=approval") == ["a-c1"]
    assert await listed(desk, "?waits_for=undo-window") == ["b-c1"]
    assert await listed(desk, "?waits_for=person") == ["a-c1"]
    assert (await desk.http.get("/cases?waits_for=nothing")).status_code == 422
