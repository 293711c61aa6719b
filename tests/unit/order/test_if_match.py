"""Changes by staff are made to the order they looked at, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.order.desk import Desk, paid_at_the_desk
from tests.unit.order.told import ID, STAFF, cancel, held, kept, refused, told

BY = {"by": STAFF.model_dump()}
SHIP = {"order_id": ID, "carrier": "SF", "tracking_number": "1", **BY}
CANCEL = {
    "order_id": ID,
    "request_id": "r1",
    "fingerprint": "f",
    "reason": {"family": "customer", "code": "changed-mind"},
    **BY,
}
CHANGES: list[tuple[str, dict[str, Any]]] = [
    (f"/orders/{ID}/ship", SHIP),
    (f"/orders/{ID}/deliver", {"order_id": ID, **BY}),
    (f"/orders/{ID}/complete", {"order_id": ID, **BY}),
    (f"/orders/{ID}/cancellation", CANCEL),
]


async def tag(desk: Desk) -> str:
    return str((await desk.http.get(f"/orders/{ID}")).headers["etag"])


async def test_the_order_that_was_looked_at_is_shipped_and_a_repeat_is_one() -> None:
    desk = await paid_at_the_desk()
    headers = {"If-Match": await tag(desk)}
    for _ in range(2):
        answer = await desk.http.post(f"/orders/{ID}/ship", json=SHIP, headers=headers)
        assert answer.json()["state"] == "shipped"
    assert await tag(desk) != headers["If-Match"]


async def test_a_repeat_that_names_another_parcel_is_not_answered_as_done() -> None:
    desk = await paid_at_the_desk()
    await desk.http.post(f"/orders/{ID}/ship", json=SHIP)
    answer = await desk.http.post(f"/orders/{ID}/ship", json={**SHIP, "tracking_number": "2"})
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong-state")


@pytest.mark.parametrize(("path", "body"), CHANGES, ids=[path for path, _ in CHANGES])
@pytest.mark.parametrize("seen", ['"1"', 'W/"4"', '"999"', '"four"', '"2", "3"'])
async def test_another_order_than_was_looked_at_stays_as_it_is(path: str, body: dict[str, Any], seen: str) -> None:
    desk = await paid_at_the_desk()
    before = await tag(desk)
    answer = await desk.http.post(path, json=body, headers={"If-Match": seen})
    assert (answer.status_code, answer.json()["code"]) == (412, "version-changed")
    assert await tag(desk) == before


@pytest.mark.parametrize("seen", ["*", "", None, '"1", "4"'])
async def test_any_version_when_none_is_named(seen: str | None) -> None:
    desk = await paid_at_the_desk()
    assert await tag(desk) == '"4"'
    headers = {} if not seen else {"If-Match": seen}
    answer = await desk.http.post(f"/orders/{ID}/ship", json=SHIP, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize("seen", [b"4", b'"4', b"{$gt: 0}", '"４"'.encode(), b'"4"' + b"x" * 2_000, b","])
async def test_what_is_no_tag_is_refused(seen: bytes) -> None:
    desk = await paid_at_the_desk()
    answer = await desk.http.post(f"/orders/{ID}/ship", json=SHIP, headers=[(b"If-Match", seen)])
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-request")
    assert answer.json()["errors"][0]["field"] == "header.If-Match"


@pytest.mark.parametrize("what", ["done", "resolve"])
async def test_a_task_is_dealt_with_as_it_was_looked_at(what: str) -> None:
    desk = await paid_at_the_desk()
    await desk.hears(cancel(), held(), refused(), kept(), told("refund-failed"))
    (task,) = (await desk.http.get(f"/orders/{ID}")).json()["tasks"]
    seen, body = await tag(desk), {"note": "called", **BY}
    if what == "resolve":
        body |= {"order_id": ID, "task_id": task["task_id"], "choice": "done"}
    path = f"/tasks/{task['task_id']}/{what}"
    stale = await desk.http.post(path, json=body, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version-changed")
    assert (await desk.http.post(path, json=body, headers={"If-Match": seen})).status_code == 200
