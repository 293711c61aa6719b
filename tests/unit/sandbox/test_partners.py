"""Service-provider mode, with `wechatpayv3` in its partner mode."""

import json
from typing import Any

import pytest
from wechatpayv3.async_.type import RequestType

from sandbox.app import settle
from tests.unit.sandbox.shop import NOTIFY, OPENID, Shop, text

SUB = "1900008888"
PATH = "/v3/pay/partner/transactions/jsapi"


@pytest.fixture
def provider(shop: Shop) -> Shop:
    shop.pay._partner_mode = True
    return shop


async def order(provider: Shop, number: str, **more: Any) -> tuple[int, dict[str, Any]]:
    asked = {"payer": {"sp_openid": OPENID}, "sub_mchid": SUB} | more
    code, answer = await provider.pay.pay(
        description="茶叶", out_trade_no=number, amount={"total": 100, "currency": "CNY"}, **asked
    )
    return code, json.loads(answer)


async def refund(provider: Shop, refund_no: str, number: str, sub_mchid: str = SUB) -> tuple[int, dict[str, Any]]:
    code, answer = await provider.pay.refund(
        out_refund_no=refund_no,
        out_trade_no=number,
        amount={"refund": 40, "total": 100, "currency": "CNY"},
        sub_mchid=sub_mchid,
    )
    return code, json.loads(answer)


async def query(provider: Shop, sub_mchid: str = SUB, **number: str) -> tuple[int, dict[str, Any]]:
    code, answer = await provider.pay.query(sub_mchid=sub_mchid, **number)
    return code, json.loads(answer)


async def test_a_payment_for_a_sub_merchant_from_order_to_refund(provider: Shop) -> None:
    assert (await order(provider, "order-0001"))[0] == 200
    await provider.http.post("/_customer/pay", json={"out_trade_no": "order-0001"})
    code, trade = await query(provider, out_trade_no="order-0001")
    names = {"sp_appid": text(provider.keys, "appid.txt"), "sp_mchid": text(provider.keys, "mchid.txt")}
    assert code == 200
    assert {name: trade[name] for name in (*names, "sub_mchid", "payer")} == {
        **names,
        "sub_mchid": SUB,
        "payer": {"sp_openid": OPENID},
    }
    assert not {"appid", "mchid", "sub_appid"} & set(trade)
    assert (await query(provider, transaction_id=trade["transaction_id"]))[1]["out_trade_no"] == "order-0001"

    assert (await refund(provider, "refund-1", "order-0001"))[0] == 200
    await settle(provider.app)
    code, body = await provider.pay.query_refund("refund-1", sub_mchid=SUB)
    assert (code, json.loads(body)["status"]) == (200, "SUCCESS")
    assert provider.receiver.events() == ["TRANSACTION.SUCCESS", "REFUND.SUCCESS"]
    for heard in provider.receiver.heard:
        resource = heard["resource"]
        assert (resource["sp_mchid"], resource["sub_mchid"]) == (names["sp_mchid"], SUB)
        assert "mchid" not in resource
    assert provider.receiver.heard[0]["resource"]["payer"] == {"sp_openid": OPENID}


async def test_the_sub_merchants_own_app(provider: Shop) -> None:
    payer = {"sub_openid": OPENID}
    assert (await order(provider, "order-0001", payer=payer, sub_appid="wxsub"))[0] == 200
    _, trade = await query(provider, out_trade_no="order-0001")
    assert (trade["sub_appid"], trade["payer"]) == ("wxsub", payer)


async def test_closing(provider: Shop) -> None:
    await order(provider, "order-0001")
    assert (await provider.pay.close("order-0001", sub_mchid=SUB))[0] == 204
    assert (await query(provider, out_trade_no="order-0001"))[1]["trade_state"] == "CLOSED"


async def test_only_listed_sub_merchants(provider: Shop) -> None:
    stranger = "1900001234"
    assert (await order(provider, "order-0001", sub_mchid=stranger)) == (
        403,
        {"code": "NO_AUTH", "message": "特约商户未授权服务商, 或特约商户号不存在"},
    )
    assert (await query(provider, stranger, out_trade_no="order-0001"))[1]["code"] == "NO_AUTH"
    assert (await refund(provider, "refund-1", "order-0001", stranger))[1]["code"] == "NO_AUTH"
    code, body = await provider.pay.close("order-0001", sub_mchid=stranger)
    assert (code, json.loads(body)["code"]) == (403, "NO_AUTH")


@pytest.mark.parametrize(
    "change",
    [
        {"payer": {"openid": OPENID}},
        {"payer": {"sp_openid": OPENID, "sub_openid": OPENID}},
        {"payer": {"sub_openid": OPENID}},
        {"description": "茶" * 128},
        {"sub_mchid": None},
        {"mchid": "1900000109"},
        {"colour": "green"},
    ],
)
async def test_a_malformed_order_is_refused(provider: Shop, change: dict[str, Any]) -> None:
    body = {
        "sp_appid": text(provider.keys, "appid.txt"),
        "sp_mchid": text(provider.keys, "mchid.txt"),
        "sub_mchid": SUB,
        "description": "茶叶",
        "out_trade_no": "order-0001",
        "notify_url": NOTIFY,
        "amount": {"total": 100},
        "payer": {"sp_openid": OPENID},
    }
    assert (await post(provider, body))[0] == 200
    code, answer = await post(provider, body | {"out_trade_no": "order-0002"} | change)
    assert (code, answer["code"]) == (400, "PARAM_ERROR")


async def post(provider: Shop, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    code, answer = await provider.pay._core.request(PATH, RequestType.POST, data=body)
    return code, json.loads(answer)


async def test_a_number_belongs_to_one_party(provider: Shop) -> None:
    await order(provider, "order-0001")
    assert (await order(provider, "order-0001"))[0] == 200
    code, answer = await order(provider, "order-0001", payer={"sub_openid": OPENID}, sub_appid="wxsub")
    assert (code, answer["code"]) == (400, "INVALID_REQUEST")


async def test_a_sub_merchants_payment_and_an_own_one_are_strangers(provider: Shop) -> None:
    await order(provider, "order-0001")
    await provider.http.post("/_customer/pay", json={"out_trade_no": "order-0001"})
    await refund(provider, "refund-1", "order-0001")
    provider.pay._partner_mode = False
    assert (await provider.trade_state("order-0001"))[0] == 404
    assert (await provider.pay.close("order-0001"))[0] == 404
    assert (await provider.refund("refund-2", "order-0001", 10))[1]["code"] == "RESOURCE_NOT_EXISTS"
    assert (await provider.refund_state("refund-1"))[0] == 404
    await provider.paid("order-0002")
    provider.pay._partner_mode = True
    assert (await query(provider, out_trade_no="order-0002"))[1]["code"] == "ORDER_NOT_EXIST"
    assert (await refund(provider, "refund-3", "order-0002"))[1]["code"] == "RESOURCE_NOT_EXISTS"
