"""Ratings over the order service's HTTP."""

from __future__ import annotations

from typing import Any

from services.order.questionnaire import QUESTIONNAIRES
from services.order.rating_api import rating_routes
from tests.unit.order.desk import Desk
from tests.unit.order.told import (
    CASE,
    ID,
    OPENED,
    RESERVED,
    accepted,
    cancel,
    held,
    paid,
    place,
    released,
    settled,
    told,
)

BODY = {
    "order_id": ID,
    "case_id": CASE,
    "questionnaire": 1,
    "stars": 5,
    "answers": {"again": "yes"},
    "by": {"kind": "customer", "id": "c1"},
}
PATH = f"/orders/{ID}/cases/{CASE}/rating"


async def cancelled() -> Desk:
    desk = Desk()
    desk.opens(rating_routes(desk.engine))
    await desk.hears(place(), RESERVED, OPENED, paid(), cancel(), held(), accepted(), released())
    await desk.hears(told("refund-on-its-way"), settled(), told("refund-arrived"))
    return desk


async def test_rated_once_and_told_once_more_when_asked_once_more() -> None:
    desk = await cancelled()
    first = await desk.http.post(PATH, json=BODY)
    assert (first.status_code, first.json()["stars"], first.json()["remark"]) == (200, 5, "")
    assert (await desk.http.post(PATH, json=BODY)).json() == first.json()
    refused = await desk.http.post(PATH, json={**BODY, "stars": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "already-rated")
    (order,) = await desk.orders.find({"_id": ID})
    assert order["state"]["cases"][0]["rating"]["stars"] == 5


async def test_what_is_refused_is_said_as_a_problem() -> None:
    desk = await cancelled()
    wrongs: list[tuple[str, dict[str, Any], int, str]] = [
        (PATH, {"questionnaire": 9}, 422, "unknown-questionnaire"),
        (PATH, {"answers": {"again": "maybe"}}, 422, "unknown-answer"),
        (PATH, {"by": {"kind": "customer", "id": "c2"}}, 404, "unknown-order"),
        (f"/orders/{ID}/cases/o1-c9/rating", {"case_id": "o1-c9"}, 404, "unknown-case"),
        (f"/orders/{ID}/cases/o1-c9/rating", {}, 422, "invalid-request"),
        (f"/orders/o2/cases/{CASE}/rating", {}, 422, "invalid-request"),
    ]
    for path, change, status, code in wrongs:
        answer = await desk.http.post(path, json={**BODY, **change})
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_newest_questionnaire_is_shown_in_both_languages() -> None:
    desk = await cancelled()
    shown = (await desk.http.get("/questionnaire")).json()
    assert shown["version"] == QUESTIONNAIRES[-1].version
    assert shown["stars"] == {"min": 1, "max": 5}
    for question in shown["questions"]:
        assert question["zh"]
        assert question["en"]
        assert all(choice["zh"] and choice["en"] for choice in question["choices"])
