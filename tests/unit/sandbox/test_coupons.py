"""Coupons: the customer pays less, gets back no more than that, and every fen is somewhere."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.app import settle
from sandbox.coupons import discount_share
from tests.unit.sandbox.shop import OPENID, Shop

MakeShop = Callable[..., Awaitable[Shop]]


async def pay(shop: Shop, number: str, total: int, **means: Any) -> dict[str, Any]:
    assert (await shop.prepay(number, total))[0] == 200
    answer = await shop.http.post("/_customer/pay", json={"out_trade_no": number, **means})
    assert answer.status_code == 200, answer.text
    paid: dict[str, Any] = answer.json()
    return paid


@pytest.mark.parametrize(
    ("coupon_type", "shown", "balance", "settlement", "settlement_total"),
    [("COUPON", "CASH", 1000, 400, 1000), ("DISCOUNT", "NOCASH", 750, 300, 750)],
)
async def test_a_payment_with_a_coupon_and_its_refund(
    make_shop: MakeShop, coupon_type: str, shown: str, balance: int, settlement: int, settlement_total: int
) -> None:
    shop = await make_shop(merchant_balance_minor=0)
    paid = await pay(shop, "order-0001", 1000, coupon_minor=250, coupon_type=coupon_type)
    assert paid["amount"] == {"total": 1000, "currency": "CNY", "payer_total": 750, "payer_currency": "CNY"}
    assert [(item["type"], item["amount"]) for item in paid["promotion_detail"]] == [(shown, 250)]
    summary = await shop.get("/_ledger/summary")
    assert (summary["paid"]["amount_minor"], summary["balance_minor"]) == (750, balance)

    code, refund = await shop.refund("refund-1", "order-0001", 400, 1000)
    assert code == 200
    assert refund["amount"] == {
        "total": 1000,
        "refund": 400,
        "from": [],
        "payer_total": 750,
        "payer_refund": 300,
        "settlement_refund": settlement,
        "settlement_total": settlement_total,
        "discount_refund": 100,
        "currency": "CNY",
    }
    assert [(item["type"], item["amount"], item["refund_amount"]) for item in refund["promotion_detail"]] == [
        (coupon_type, 250, 100)
    ]
    await settle(shop.app)
    assert shop.receiver.heard[0]["resource"] == (await shop.trade_state("order-0001"))[1] | {
        "trade_state": "SUCCESS",
        "trade_state_desc": "支付成功",
    }
    amount = {"total": 1000, "refund": 400, "payer_total": 750, "payer_refund": 300}
    assert shop.receiver.heard[1]["resource"]["amount"] == amount
    summary = await shop.get("/_ledger/summary")
    assert summary["refunded"] == {"count": 1, "amount_minor": 300}
    assert summary["balance_minor"] == balance - settlement
    assert await shop.get("/_ledger/check") == {"ok": True, "violations": []}


async def test_a_closed_refund_gives_the_coupon_back_too(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=0, enforce_refund_spacing=False)
    await pay(shop, "order-0001", 1000, coupon_minor=250)
    fault = {"kind": "status", "refund_status": "CLOSED"}
    await shop.control("POST", "/faults/rules", [{"call": "refund", "times": 1, "fault": fault}])
    await shop.refund("refund-1", "order-0001", 1000, 1000)
    await settle(shop.app)
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == 1000
    _, second = await shop.refund("refund-2", "order-0001", 1000, 1000)
    assert second["amount"]["payer_refund"] == 750
    await settle(shop.app)
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == 0
    assert (await shop.get(f"/_ledger/customers/{OPENID}"))["refunded_minor"] == 750
    assert await shop.get("/_ledger/check") == {"ok": True, "violations": []}


async def test_the_balance_must_hold_what_leaves_it(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=0, enforce_refund_spacing=False)
    await pay(shop, "order-0001", 1000, coupon_minor=500, coupon_type="DISCOUNT")
    await shop.control("PUT", "/balance", {"balance_minor": 499})
    code, refused = await shop.refund("refund-1", "order-0001", 1000, 1000)
    assert (code, refused["code"]) == (403, "NOT_ENOUGH")
    await shop.control("PUT", "/balance", {"balance_minor": 500})
    assert (await shop.refund("refund-1", "order-0001", 1000, 1000))[0] == 200
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == 0


async def test_a_coupon_never_pays_the_whole_order(shop: Shop) -> None:
    await shop.prepay("order-0001", 100)
    answer = await shop.http.post("/_customer/pay", json={"out_trade_no": "order-0001", "coupon_minor": 100})
    assert (answer.status_code, answer.json()["detail"]["reason"]) == (409, "coupon-too-large")
    assert (await shop.trade_state("order-0001"))[1]["trade_state"] == "NOTPAY"


async def test_without_a_coupon_nothing_is_promoted(shop: Shop) -> None:
    paid = await pay(shop, "order-0001", 100)
    assert "promotion_detail" not in paid
    _, refund = await shop.refund("refund-1", "order-0001", 40)
    assert (refund["promotion_detail"], refund["amount"]["discount_refund"]) == ([], 0)


def test_a_refund_in_many_steps_is_never_a_fen_from_its_share() -> None:
    trade = cast(Any, {"total": 10, "coupon": 5})
    counting: list[Any] = []
    for taken in range(1, 11):
        counting.append({"refund": 1, "discount": discount_share(trade, counting, 1)})
        assert sum(part["discount"] for part in counting) == taken // 2


@pytest.mark.parametrize(("kept", "share"), [(1, 0), (0, 1)], ids=["too much was given", "too little was given"])
def test_a_part_stays_inside_its_refund_after_others_were_closed(kept: int, share: int) -> None:
    trade = cast(Any, {"total": 10, "coupon": 5})
    # Of ten refunds of one fen, those with the same part of the coupon are left.
    left: list[Any] = [{"refund": 1, "discount": kept}] * 5
    assert discount_share(trade, left, 1) == share


@given(
    total=st.integers(2, 400),
    coupon_share=st.floats(0, 1),
    steps=st.lists(st.tuples(st.integers(1, 60), st.booleans())),
)
def test_the_parts_of_a_coupon_add_up(total: int, coupon_share: float, steps: list[tuple[int, bool]]) -> None:
    coupon = min(int(total * coupon_share), total - 1)
    trade = cast(Any, {"total": total, "coupon": coupon})
    counting: list[Any] = []
    for refund, closes in steps:
        taken = sum(part["refund"] for part in counting)
        if taken + refund > total:
            continue
        discount = discount_share(trade, counting, refund)
        assert 0 <= discount <= refund
        counting.append({"refund": refund, "discount": discount})
        if closes:
            counting.pop(len(counting) // 2)
    taken = sum(part["refund"] for part in counting)
    if taken < total:
        counting.append({"refund": total - taken, "discount": discount_share(trade, counting, total - taken)})
    assert sum(part["discount"] for part in counting) == coupon
    assert all(0 <= part["discount"] <= part["refund"] for part in counting)
