"""Stories of cancelled orders, told over the public door and judged by the sandbox's ledgers."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.shop import TEA_PRICE, Shop, eventually


async def test_an_unpaid_order_is_cancelled(shop: Shop) -> None:
    order = await shop.order(tea=2)
    prepay = await shop.starts_to_pay(order)
    assert (await shop.cancels(order)).status_code == 202
    await shop.comes_to(order, "cancelled")
    assert await shop.money(order) == {}
    assert await shop.on_shelf("tea") == 100
    refused = await shop.sandbox.post("/_customer/pay", json={"prepay_id": prepay})
    assert refused.status_code == 409, "the payment was closed at the provider"
    assert await shop.notices(order) == [], "no short message is paid for, to whatever number was typed"
    inbox = (await shop.customer("GET", "/mp/v1/inbox")).json()["notices"]
    told = [(one["outcome"], one["channel"]) for one in inbox if one["order_id"] == order]
    assert told == [("order-cancelled", "inbox")]


async def test_a_paid_order_gives_back_money_and_stock(shop: Shop) -> None:
    order = await shop.paid_order(tea=2, cup=1)
    assert await shop.on_shelf("tea") == 98
    assert (await shop.cancels(order)).status_code == 202
    await shop.comes_to(order, "cancelled")
    money = await shop.money(order)
    assert money["payment"] == money["refund-success"] == 3 * TEA_PRICE
    assert (await shop.on_shelf("tea"), await shop.on_shelf("cup")) == (100, 100)
    assert await shop.notices(order) == ["refund-on-its-way", "refund-arrived"]


async def test_an_order_is_cancelled_in_two_parts(shop: Shop) -> None:
    order = await shop.paid_order(tea=3)
    assert (await shop.cancels(order, (1, 1))).status_code == 202
    after = await shop.comes_to(order, "paid")
    assert after["partly_cancelled"]
    assert (await shop.money(order))["refund-success"] == TEA_PRICE
    assert await shop.on_shelf("tea") == 98
    assert (await shop.cancels(order, (1, 2))).status_code == 202
    await shop.comes_to(order, "cancelled")
    assert (await shop.money(order))["refund-success"] == 3 * TEA_PRICE
    assert await shop.on_shelf("tea") == 100


async def test_a_coupon_is_given_back_to_the_fen_over_two_cancellations(shop: Shop) -> None:
    code = f"{shop.name}-100"
    put = await shop.staff("PUT", f"/admin/v1/coupons/{code}", {"amount_minor": 100, "minimum_minor": 500})
    assert put.status_code == 204, put.text
    order = await shop.paid_order(coupon=code, tea=3)
    assert (await shop.money(order))["payment"] == 800
    await shop.cancels(order, (1, 1))
    await shop.comes_to(order, "paid")
    assert (await shop.money(order))["refund-success"] == 266
    await shop.cancels(order)
    await shop.comes_to(order, "cancelled")
    assert (await shop.money(order))["refund-success"] == 800


async def test_a_customer_who_accepts_messages_is_told_by_wechat_and_by_sms_when_the_quota_is_used_up(
    shop: Shop,
) -> None:
    order = await shop.paid_order(tea=2)
    await shop.accepts_messages()
    for key in ("first", "second"):
        await shop.cancels(order, (1, 1), key=key)
        await shop.comes_to(order, "paid" if key == "first" else "cancelled")
    assert await shop.channels(order) == ["wechat", "wechat", "sms-tencent", "sms-tencent"]


async def test_a_refund_refused_for_good_is_compensated(shop: Shop) -> None:
    order = await shop.paid_order(tea=2)
    await shop.trouble("refund", "error-before", nth=None, http=403, code="USER_ACCOUNT_ABNORMAL")
    assert (await shop.cancels(order)).status_code == 202
    after = await shop.comes_to(order, "paid")
    assert "refund-accepted" not in await shop.money(order)
    assert await shop.on_shelf("tea") == 98, "the stock still belongs to the order"
    assert [case["status"] for case in after["cases"]] == ["undone"]
    assert [task["kind"] for task in after["tasks"]] == ["refund-refused"]
    assert await shop.notices(order) == ["refund-failed"]
    parcel = {"carrier": "SF", "tracking_number": "SF1"}
    shipped = await shop.staff("POST", f"/admin/v1/orders/{order}/ship", parcel)
    assert shipped.json()["state"] == "shipped", "shipping is no longer blocked"


async def test_the_shops_own_fault_is_paid_by_transfer_and_the_customer_confirms_it_on_the_phone(shop: Shop) -> None:
    order = await shop.paid_order(tea=2)
    await shop.trouble("refund", "error-before", nth=None, http=403, code="USER_ACCOUNT_ABNORMAL")
    reason = {"reason": {"family": "merchant", "code": "out-of-stock"}}
    cancelled = await shop.staff("POST", f"/admin/v1/orders/{order}/cancellation", reason)
    case = cancelled.json()["case_id"]
    path = f"/mp/v1/orders/{order}/cases/{case}/transfer"

    async def to_confirm() -> bool:
        return (await shop.customer("GET", path)).status_code == 200

    await eventually(to_confirm, "the customer can confirm")
    ticket = (await shop.customer("GET", path)).json()
    confirmed = await shop.sandbox.post("/_customer/transfer/confirm", json={"package_info": ticket["package"]})
    assert confirmed.status_code == 200, confirmed.text
    after = await shop.comes_to(order, "cancelled")
    assert "refund-accepted" not in await shop.money(order)
    assert after["cases"][0]["refund"]["received_minor"] == 2 * TEA_PRICE
    assert await shop.notices(order) == ["refund-to-confirm", "refund-arrived"]


async def test_a_refused_refund_is_tried_another_way_when_staff_choose_so(shop: Shop) -> None:
    order = await shop.paid_order(tea=2)
    await shop.trouble("refund", "error-before", nth=None, http=403, code="NO_AUTH")
    await shop.cancels(order)
    undone = await shop.comes_to(order, "paid")
    (task,) = undone["tasks"]
    assert "cancel-by-transfer" in task["choices"]
    path = f"/admin/v1/tasks/{task['task_id']}/resolution"
    wrong = await shop.staff("POST", path, {"choice": "give-back"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "not-a-choice")
    await shop.no_trouble()
    chosen = await shop.staff("POST", path, {"choice": "cancel-by-transfer", "note": "as agreed on the phone"})
    assert chosen.status_code == 200, chosen.text
    await shop.comes_to(order, "cancelled")
    assert (await shop.money(order))["refund-success"] == 2 * TEA_PRICE, "the first road was open again"


async def test_wechat_is_told_of_the_parcel_and_of_a_cancelled_order_it_is_not(shop: Shop) -> None:
    order, cancelled = await shop.paid_order(tea=1), await shop.paid_order(tea=1)
    await shop.cancels(cancelled)
    await shop.comes_to(cancelled, "cancelled")
    parcel = {"carrier": "SF", "tracking_number": "SF1"}
    await shop.staff("POST", f"/admin/v1/orders/{order}/ship", parcel)

    async def recorded() -> bool:
        return any(moment["what"] == "shipping-recorded" for moment in (await shop.show(order))["timeline"])

    await eventually(recorded, "WeChat knows of the parcel")
    (told,) = [one for one in (await shop.show(order))["timeline"] if one["what"] == "shipping-recorded"]
    assert told["detail"]["outcome"] == "recorded"
    late = await shop.staff("POST", f"/admin/v1/orders/{cancelled}/ship", parcel)
    assert late.status_code == 409


@pytest.mark.parametrize("kind", ["error-after", "error-before", "drop-after", "drop-before"])
async def test_an_unknown_refund_is_resolved_by_asking(shop: Shop, kind: str) -> None:
    order = await shop.paid_order(tea=1)
    await shop.trouble("refund", kind, http=500)
    assert (await shop.cancels(order)).status_code == 202
    await shop.comes_to(order, "cancelled")
    money = await shop.money(order)
    assert money["refund-accepted"] == money["refund-success"] == TEA_PRICE, "once, under one number"


async def test_a_payment_that_comes_too_late_is_refunded_by_itself(shop: Shop) -> None:
    order = await shop.order(tea=1)
    prepay = await shop.starts_to_pay(order)
    assert (await shop.cancels(order)).status_code == 202
    await shop.comes_to(order, "cancelled")
    await shop.pays(prepay, late=True)

    async def refunded() -> bool:
        return (await shop.money(order)).get("refund-success") == TEA_PRICE

    await eventually(refunded, "the late payment is refunded")
    after = await shop.comes_to(order, "cancelled")
    assert [case["road"] for case in after["cases"]] == ["unpaid", "late-payment"]
    assert await shop.on_shelf("tea") == 100, "stock came back once"


async def test_two_requests_at_once_open_one_case(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    answers = await asyncio.gather(*(shop.cancels(order) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["case_id"] for answer in answers}) == 1
    await shop.comes_to(order, "cancelled")
    assert (await shop.money(order))["refund-accepted"] == TEA_PRICE


async def test_callbacks_that_come_twice_count_once(shop: Shop) -> None:
    order = await shop.order(tea=1)
    await shop.trouble("pay-callback", "callback-doubled", nth=None)
    await shop.trouble("refund-callback", "callback-doubled", nth=None)
    await shop.pays(await shop.starts_to_pay(order))
    await shop.comes_to(order, "paid")
    assert (await shop.cancels(order)).status_code == 202
    after = await shop.comes_to(order, "cancelled")
    told = [moment["what"] for moment in after["timeline"]]
    assert (told.count("paid"), told.count("refund-arrived")) == (1, 1)
    assert (await shop.money(order))["refund-success"] == TEA_PRICE
    assert await shop.notices(order) == ["refund-on-its-way", "refund-arrived"]


async def test_the_timeline_tells_every_step(shop: Shop) -> None:
    order = await shop.paid_order(tea=1)
    await shop.cancels(order)
    after = await shop.comes_to(order, "cancelled")
    told = [moment["what"] for moment in after["timeline"]]
    assert told[:7] == [
        "placed",
        "stock-reserved",
        "payment-opened",
        "paid",
        "cancellation-accepted",
        "stock-held",
        "refund-accepted",
    ]
    assert set(told[7:9]) == {"stock-released", "customer-told"}, "asked for together: either may come first"
    assert told[9:] == ["refund-arrived", "customer-told", "cancellation-completed"]
