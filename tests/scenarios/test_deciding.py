"""Stories of cancellations that wait: for approval, or for the end of the undo window; and of the rules that decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.shop import RULES, Shop

Json = dict[str, Any]


async def case_of(shop: Shop, order: str) -> Json:
    found: Json = (await shop.show(order))["cases"][-1]
    return found


async def test_taken_back_in_time_the_order_is_shipped_as_if_nothing_had_been(shop: Shop) -> None:
    order = await shop.paid_order(tea=2)
    case = (await shop.cancels(order, code="wrong-item")).json()
    assert case["waits_for"] == "approval"
    parcel = {"carrier": "SF", "tracking_number": "SF1"}
    early = await shop.staff("POST", f"/admin/v1/orders/{order}/ship", parcel)
    assert early.json()["code"] == "cancellation-open"
    path = f"/mp/v1/orders/{order}/cases/{case['case_id']}/withdrawal"
    assert (await shop.customer("POST", path, {})).json()["status"] == "undone"
    assert (await shop.staff("POST", f"/admin/v1/orders/{order}/ship", parcel)).status_code == 200
    assert set(await shop.money(order)) == {"payment"}
    assert await shop.on_shelf("tea") == 98


async def test_when_nobody_takes_it_back_it_begins_by_itself(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    assert (await shop.cancels(order, code="found-better")).json()["waits_for"] == "undo-window"
    after = await shop.comes_to(order, "cancelled")
    late = await shop.customer("POST", f"/mp/v1/orders/{order}/cases/{after['cases'][0]['case_id']}/withdrawal", {})
    assert (late.status_code, late.json()["code"]) == (409, "too-late")


async def test_approved_it_goes_its_way(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    case = (await shop.cancels(order, code="wrong-item")).json()
    path = f"/admin/v1/cases/{case['case_id']}/decision"
    assert (await shop.staff("POST", path, {"approve": True})).status_code == 200
    await shop.comes_to(order, "cancelled")
    again = await shop.staff("POST", path, {"approve": False, "note": "after all not"})
    assert again.json()["code"] == "already-decided"


async def test_rejected_the_customer_reads_why(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    case = (await shop.cancels(order, code="wrong-item")).json()
    path = f"/admin/v1/cases/{case['case_id']}/decision"
    assert (await shop.staff("POST", path, {"approve": False})).json()["code"] == "note-required"
    assert (await shop.staff("POST", path, {"approve": False, "note": "商品已打包"})).status_code == 200
    await shop.comes_to(order, "paid")
    assert (await case_of(shop, order))["status"] == "undone"
    assert await shop.notices(order) == ["cancellation-refused"]


async def test_asked_first_it_tells_what_would_happen_and_changes_nothing(shop: Shop) -> None:
    order = await shop.paid_order(tea=3)
    body = {"reason": {"family": "customer", "code": "found-better"}, "lines": [{"line_no": 1, "quantity": 2}]}
    told = (await shop.customer("POST", f"/mp/v1/orders/{order}/cancellation-preview", body)).json()
    assert (told["way"], told["amount_minor"], told["route"]) == ("allow", 600, "original")
    assert told["undo_until"] < told["expected_by"]
    assert (await shop.show(order))["cases"] == []
    too_many = {**body, "lines": [{"line_no": 1, "quantity": 4}]}
    answer = await shop.customer("POST", f"/mp/v1/orders/{order}/cancellation-preview", too_many)
    assert answer.json()["code"] == "more-than-was-bought"
    path = f"/mp/v1/orders/{order}/cancellation-preview"
    no_remark = {"reason": {"family": "customer", "code": "other"}}
    assert (await shop.customer("POST", path, no_remark)).json()["code"] == "remark-required"
    case = (await shop.cancels(order, (1, 2), code="wrong-item")).json()["case_id"]
    assert (await shop.customer("POST", path, body)).json()["open_case_id"] == case
    other = await shop.customer("POST", path, {**body, "lines": [{"line_no": 1, "quantity": 1}]})
    assert (other.json()["code"], other.json()["open_case_id"]) == ("cancellation-open", case)


async def test_rules_are_checked_tried_on_the_past_and_switched_by_one_person_at_a_time(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    await shop.cancels(order)
    await shop.comes_to(order, "cancelled")
    wrong = await shop.staff("POST", "/admin/v1/policies", {"rules": [{"name": "no", "way": "deny"}], "note": "x"})
    assert wrong.status_code == 422
    assert "give the sentence" in str(wrong.json()["errors"])
    nothing = [{"name": "closed", "way": "deny", "zh": "暂停取消", "en": "No cancellations for now."}]
    saved = (await shop.staff("POST", "/admin/v1/policies", {"rules": nothing, "note": "closed"})).json()["version"]
    now = datetime.now(UTC)
    period = {"since": (now - timedelta(days=1)).isoformat(), "until": (now + timedelta(days=1)).isoformat()}
    past = (await shop.staff("POST", f"/admin/v1/policies/{saved}/preview", period)).json()
    assert past["would"] == {"deny": past["cases"]}
    assert any(change["order_id"] == order and change["rule"] == "closed" for change in past["changes"])
    stale = await shop.staff("POST", f"/admin/v1/policies/{saved}/activation", {"instead_of": 99_999})
    assert (stale.status_code, stale.json()["code"]) == (409, "policy-changed")
    await shop.decides_by(nothing)
    try:
        denied = await shop.cancels(await shop.paid_order(tea=1))
        assert (denied.status_code, denied.json()["code"]) == (403, "policy-denied")
        assert denied.json()["detail"]["zh"] == "暂停取消"
    finally:
        await shop.decides_by(RULES)
