"""Abnormal refunds: sent to another card, or back to the merchant, and only from the state ABNORMAL."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from wechatpayv3.async_.type import RequestType

from sandbox.app import advance, settle
from sandbox.banks import BANK_NAMES
from tests.unit.sandbox.shop import OPENID, Shop

MakeShop = Callable[..., Awaitable[Shop]]
CARD = {"bank_type": "CMB_DEBIT", "bank_account": "6225880137000403", "real_name": "张三"}


async def abnormal(shop: Shop, number: str = "refund-1") -> str:
    """A refund that is ABNORMAL; says its refund_id."""
    await shop.paid("order-0001")
    fault = {"kind": "status", "refund_status": "ABNORMAL"}
    await shop.control("POST", "/faults/rules", [{"call": "refund", "times": 1, "fault": fault}])
    _, accepted = await shop.refund(number, "order-0001", 60)
    await settle(shop.app)
    return str(accepted["refund_id"])


async def apply(shop: Shop, refund_id: str, kind: str = "USER_BANK_CARD", **more: Any) -> tuple[int, dict[str, Any]]:
    asked: dict[str, Any] = {"out_refund_no": "refund-1", **(CARD if kind == "USER_BANK_CARD" else {}), **more}
    code, body = await shop.pay.abnormal_refund(refund_id=refund_id, type=kind, **asked)
    return code, json.loads(body)


async def test_the_money_goes_to_the_customers_card(make_shop: MakeShop) -> None:
    shop = await make_shop(card_settle_seconds=3600)
    refund_id = await abnormal(shop)
    code, accepted = await apply(shop, refund_id)
    assert (code, accepted["status"], accepted["channel"]) == (200, "PROCESSING", "OTHER_BANKCARD")
    assert accepted["user_received_account"] == "招商银行借记卡0403"
    code, again = await apply(shop, refund_id)
    assert (code, again["code"]) == (400, "INVALID_REQUEST")

    await advance(shop.app, 3700)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "SUCCESS"
    assert shop.receiver.events()[-2:] == ["REFUND.ABNORMAL", "REFUND.SUCCESS"]
    assert shop.receiver.heard[-1]["resource"]["user_received_account"] == "招商银行借记卡0403"
    assert (await shop.get("/_ledger/summary"))["refunded"] == {"count": 1, "amount_minor": 60}
    assert await shop.get("/_ledger/check") == {"ok": True, "violations": []}


async def test_the_other_card_may_take_no_money_either(shop: Shop) -> None:
    refund_id = await abnormal(shop)
    fault = {"kind": "status", "refund_status": "ABNORMAL"}
    await shop.control("POST", "/faults/rules", [{"call": "abnormal-refund", "times": 1, "fault": fault}])
    assert (await apply(shop, refund_id))[1]["status"] == "PROCESSING"
    await settle(shop.app)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "ABNORMAL"
    assert (await apply(shop, refund_id))[0] == 200
    await settle(shop.app)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "SUCCESS"
    assert shop.receiver.events()[-3:] == ["REFUND.ABNORMAL", "REFUND.ABNORMAL", "REFUND.SUCCESS"]
    assert await shop.get("/_ledger/check") == {"ok": True, "violations": []}


async def test_money_that_goes_back_to_the_merchant_did_not_reach_the_customer(shop: Shop) -> None:
    refund_id = await abnormal(shop)
    code, accepted = await apply(shop, refund_id, "MERCHANT_BANK_CARD")
    assert (code, accepted["user_received_account"]) == (200, "商户结算银行账户")
    await settle(shop.app)
    assert (await shop.refund_state("refund-1"))[1]["status"] == "SUCCESS"
    summary = await shop.get("/_ledger/summary")
    assert (summary["refunded"]["count"], summary["refunds_returned"]) == (0, {"count": 1, "amount_minor": 60})
    sums = await shop.get(f"/_ledger/customers/{OPENID}")
    assert sums == {
        "openid": OPENID,
        "paid_minor": 100,
        "refunded_minor": 0,
        "refunds_on_their_way_minor": 0,
        "refunds_returned_to_merchant_minor": 60,
        "transferred_minor": 0,
        "transfers_on_their_way_minor": 0,
    }
    assert await shop.get("/_ledger/check") == {"ok": True, "violations": []}


async def test_only_an_abnormal_refund_is_sent_elsewhere(shop: Shop) -> None:
    await shop.paid("order-0001")
    _, accepted = await shop.refund("refund-1", "order-0001", 60)
    code, refused = await apply(shop, accepted["refund_id"])
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")
    await settle(shop.app)
    code, refused = await apply(shop, accepted["refund_id"], "MERCHANT_BANK_CARD")
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")


async def test_both_numbers_must_fit(shop: Shop) -> None:
    refund_id = await abnormal(shop)
    code, refused = await apply(shop, refund_id, out_refund_no="refund-2")
    assert (code, refused["code"]) == (400, "INVALID_REQUEST")
    path = f"/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund"
    named = {"sub_mchid": "1900008888", "out_refund_no": "refund-1", "type": "MERCHANT_BANK_CARD"}
    code, body = await shop.pay._core.request(path, method=RequestType.POST, data=named)
    assert (code, json.loads(body)["code"]) == (404, "RESOURCE_NOT_EXISTS")
    code, refused = await apply(shop, "50300000000000000000000000000")
    assert (code, refused["code"]) == (404, "RESOURCE_NOT_EXISTS")
    assert (await shop.refund_state("refund-1"))[1]["status"] == "ABNORMAL"


@pytest.mark.parametrize(
    "change",
    [
        {"bank_type": "CMB_CREDIT"},
        {"bank_type": "BOSH_DEBIT"},
        {"bank_type": None},
        {"bank_account": None},
        {"real_name": None},
        {"bank_account": "12345"},
        {"bank_account": "card number"},
        {"real_name": " "},
    ],
)
async def test_the_card_must_be_whole_and_of_one_of_the_banks(shop: Shop, change: dict[str, Any]) -> None:
    refund_id = await abnormal(shop)
    code, refused = await apply(shop, refund_id, **change)
    assert (code, refused["code"]) == (400, "PARAM_ERROR")
    assert (await shop.refund_state("refund-1"))[1]["status"] == "ABNORMAL"


async def test_fifteen_banks_take_a_refund(shop: Shop) -> None:
    assert len(BANK_NAMES) == 15
    refund_id = await abnormal(shop)
    code, accepted = await apply(shop, refund_id, bank_type="NBCB_DEBIT")
    assert (code, accepted["user_received_account"]) == (200, "宁波银行借记卡0403")
