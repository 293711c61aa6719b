"""Refunds: once per number, never more than was paid, and every refusal the documents know."""

import json
from collections.abc import Awaitable, Callable

import pytest

from sandbox.app import advance, settle
from tests.unit.sandbox.shop import NOTIFY, Shop

MakeShop = Callable[..., Awaitable[Shop]]
DOCUMENTED = {
    *("refund_id", "out_refund_no", "transaction_id", "out_trade_no", "channel", "user_received_account"),
    *("create_time", "status", "funds_account", "amount", "promotion_detail"),
}


async def test_a_refund_from_acceptance_to_callback(shop: Shop) -> None:
    await shop.paid("order-0001")
    code, accepted = await shop.refund("refund-1", "order-0001", 40)
    assert (code, accepted["status"]) == (200, "PROCESSING")
    assert set(accepted) == DOCUMENTED
    assert accepted["amount"]["payer_refund"] == 40
    await settle(shop.app)

    code, arrived = await shop.refund_state("refund-1")
    assert (code, arrived["status"]) == (200, "SUCCESS")
    assert set(arrived) == DOCUMENTED | {"success_time"}
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS", "REFUND.SUCCESS"]
    resource = shop.receiver.heard[1]["resource"]
    assert (resource["refund_status"], resource["out_refund_no"]) == ("SUCCESS", "refund-1")
    assert "status" not in resource
    assert resource["amount"] == {"total": 100, "refund": 40, "payer_total": 100, "payer_refund": 40}
    assert (await shop.trade_state("order-0001"))[1]["trade_state"] == "REFUND"


async def test_a_refund_settles_when_its_time_comes(make_shop: MakeShop) -> None:
    shop = await make_shop(refund_settle_seconds=3600)
    await shop.paid("order-0001")
    await shop.refund("refund-1", "order-0001", 100)
    await settle(shop.app)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "PROCESSING"
    await advance(shop.app, 3599)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "PROCESSING"
    await advance(shop.app, 2)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "SUCCESS"
    assert shop.receiver.events() == ["TRANSACTION.SUCCESS", "REFUND.SUCCESS"]


async def test_the_same_refund_number_refunds_once(shop: Shop) -> None:
    await shop.paid("order-0001")
    answers = [await shop.refund("refund-1", "order-0001", 30) for _ in range(5)]
    await settle(shop.app)
    assert {code for code, _ in answers} == {200}
    assert len({answer["refund_id"] for _, answer in answers}) == 1
    assert (await shop.refund("refund-1", "order-0001", 30))[1]["status"] == "SUCCESS"
    summary = await shop.get("/_ledger/summary")
    assert summary["refunds_accepted"] == summary["refunded"] == {"count": 1, "amount_minor": 30}


async def test_a_refund_number_with_another_amount_is_refused(shop: Shop) -> None:
    await shop.paid("order-0001")
    await shop.paid("order-0002")
    await shop.refund("refund-1", "order-0001", 30)
    assert (await shop.refund("refund-1", "order-0001", 31))[1]["code"] == "INVALID_REQUEST"
    assert (await shop.refund("refund-1", "order-0002", 30))[1]["code"] == "INVALID_REQUEST"
    assert (await shop.get("/_ledger/summary"))["refunded"]["amount_minor"] == 30


async def test_refunds_never_exceed_what_was_paid(shop: Shop) -> None:
    await shop.paid("order-0001")
    assert (await shop.refund("refund-1", "order-0001", 60))[0] == 200
    code, refused = await shop.refund("refund-2", "order-0001", 41)
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")
    assert (await shop.refund("refund-3", "order-0001", 40))[0] == 200
    code, refused = await shop.refund("refund-4", "order-0001", 1)
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")
    summary = await shop.get("/_ledger/summary")
    assert summary["refunds_accepted"] == {"count": 2, "amount_minor": 100}
    assert summary["refused_numbers"] == ["refund-2", "refund-4"]


async def test_an_order_takes_fifty_refunds(shop: Shop) -> None:
    await shop.paid("order-0001")
    for place in range(50):
        assert (await shop.refund(f"refund-{place}", "order-0001", 1))[0] == 200
    code, refused = await shop.refund("refund-50", "order-0001", 1)
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")


async def test_unknown_and_unpaid_orders(shop: Shop) -> None:
    code, refused = await shop.refund("refund-1", "order-0404", 1)
    assert (code, refused["code"]) == (404, "RESOURCE_NOT_EXISTS")
    await shop.prepay("order-0001")
    code, refused = await shop.refund("refund-1", "order-0001", 1)
    assert (code, refused["code"]) == (404, "RESOURCE_NOT_EXISTS")
    code, refused = await shop.refund_state("refund-1")
    assert (code, refused["code"]) == (404, "RESOURCE_NOT_EXISTS")


async def test_a_short_balance_refuses_and_the_same_number_works_after_a_top_up(shop: Shop) -> None:
    await shop.paid("order-0001")
    await shop.control("PUT", "/balance", {"balance_minor": 39})
    code, refused = await shop.refund("refund-1", "order-0001", 40)
    assert (code, refused["code"]) == (403, "NOT_ENOUGH")
    assert (await shop.refund_state("refund-1"))[0] == 404
    assert (await shop.get("/_ledger/summary"))["refused_numbers"] == ["refund-1"]

    await shop.control("PUT", "/balance", {"balance_minor": 40})
    assert (await shop.refund("refund-1", "order-0001", 40))[0] == 200
    summary = await shop.get("/_ledger/summary")
    assert (summary["balance_minor"], summary["refused_numbers"]) == (0, [])


async def test_the_opening_balance_is_a_setting(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=0)
    await shop.paid("order-0001", 100)
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == 100


async def test_the_total_must_be_the_orders(shop: Shop) -> None:
    await shop.paid("order-0001", 100)
    code, refused = await shop.refund("refund-1", "order-0001", 10, total=200)
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")


async def test_a_year_after_the_payment_it_is_too_late(shop: Shop) -> None:
    await shop.paid("order-0001")
    await advance(shop.app, 365 * 24 * 3600 + 60)
    code, refused = await shop.refund("refund-1", "order-0001", 10)
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")


async def test_spacing_is_kept_when_asked_for(make_shop: MakeShop) -> None:
    shop = await make_shop(enforce_refund_spacing=True)
    await shop.paid("order-0001")
    assert (await shop.refund("refund-1", "order-0001", 10))[0] == 200
    code, refused = await shop.refund("refund-2", "order-0001", 10)
    assert (code, refused["code"]) == (429, "FREQUENCY_LIMITED")
    await advance(shop.app, 60)
    assert (await shop.refund("refund-2", "order-0001", 10))[0] == 200
    assert (await shop.get("/_ledger/summary"))["refusals"]["count"] == 0


async def test_a_refund_by_transaction_id(shop: Shop) -> None:
    await shop.paid("order-0001")
    _, trade = await shop.trade_state("order-0001")
    code, body = await shop.pay.refund(
        out_refund_no="refund-1",
        transaction_id=trade["transaction_id"],
        amount={"refund": 5, "total": 100, "currency": "CNY"},
    )
    assert (code, json.loads(body)["out_trade_no"]) == (200, "order-0001")


@pytest.mark.parametrize(
    "change",
    [
        {"out_refund_no": "refund 1"},
        {"out_refund_no": "x" * 65},
        {"reason": "长" * 27},
        {"notify_url": f"{NOTIFY}?a=1"},
        {"funds_account": "SAVINGS"},
        {"amount": {"refund": 10, "total": 100}},
        {"amount": {"refund": 10, "total": 100, "currency": "CNY", "note": "x"}},
        {"amount": {"refund": 0, "total": 100, "currency": "CNY"}},
        {"amount": {"refund": 10.5, "total": 100, "currency": "CNY"}},
    ],
)
async def test_a_malformed_refund_is_refused(shop: Shop, change: dict[str, object]) -> None:
    await shop.paid("order-0001")
    order = {
        "out_refund_no": "refund-1",
        "out_trade_no": "order-0001",
        "amount": {"refund": 10, "total": 100, "currency": "CNY"},
    }
    code, body = await shop.pay.refund(**(order | change))
    assert (code, json.loads(body)["code"]) == (400, "PARAM_ERROR")


async def test_an_abnormal_refund_may_still_arrive(shop: Shop) -> None:
    await shop.paid("order-0001")
    fault = {"kind": "status", "refund_status": "ABNORMAL"}
    await shop.control("POST", "/faults/rules", [{"call": "refund", "fault": fault}])
    await shop.refund("refund-1", "order-0001", 100)
    await settle(shop.app)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "ABNORMAL"
    assert shop.receiver.events()[-1] == "REFUND.ABNORMAL"
    assert (await shop.get("/_ledger/summary"))["refunded"]["count"] == 0
    assert (await shop.refund("refund-2", "order-0001", 1))[1]["code"] == "INVALID_REQUEST"

    await shop.control("PUT", "/refunds/refund-1/status", {"status": "SUCCESS"})
    await settle(shop.app)
    assert shop.receiver.events()[-1] == "REFUND.SUCCESS"
    assert (await shop.get("/_ledger/summary"))["refunded"] == {"count": 1, "amount_minor": 100}
    assert (await shop.get("/_ledger/check")) == {"ok": True, "violations": []}


async def test_a_closed_refund_is_dead_and_a_new_number_works(shop: Shop) -> None:
    await shop.paid("order-0001")
    fault = {"kind": "status", "refund_status": "CLOSED"}
    await shop.control("POST", "/faults/rules", [{"call": "refund", "times": 1, "fault": fault}])
    await shop.refund("refund-1", "order-0001", 100)
    await settle(shop.app)
    assert shop.receiver.events()[-1] == "REFUND.CLOSED"
    assert (await shop.trade_state("order-0001"))[1]["trade_state"] == "SUCCESS"
    assert (await shop.refund("refund-1", "order-0001", 100))[1]["status"] == "CLOSED"
    assert (await shop.refund("refund-2", "order-0001", 100))[0] == 200
    await settle(shop.app)
    summary = await shop.get("/_ledger/summary")
    assert summary["refunds_closed"] == summary["refunded"] == {"count": 1, "amount_minor": 100}
    assert (await shop.get("/_ledger/check"))["ok"]
    moved = await shop.http.put("/_control/refunds/refund-1/status", json={"status": "SUCCESS"})
    assert (moved.status_code, moved.json()["detail"]["status"]) == (409, "CLOSED")
