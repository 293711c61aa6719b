"""Login codes, tokens and subscribe messages."""

import json
from typing import Any

import pytest

from sandbox.app import advance
from sandbox.subscribe import openid_of
from sandbox.subscribe_fields import wrong_field
from tests.unit.sandbox.shop import OPENID, Shop, text

VALUES = {
    "character_string1": "T20261123000001",
    "amount2": "¥128.50",
    "thing3": "不想要了",
    "thing4": "1-3个工作日到账",
    "time5": "2026年11月23日 15:01",
}


async def token(shop: Shop, **more: Any) -> dict[str, Any]:
    asked = {
        "grant_type": "client_credential",
        "appid": text(shop.keys, "appid.txt"),
        "secret": text(shop.keys, "appsecret.txt"),
    }
    answer = await shop.http.post("/cgi-bin/stable_token", json=asked | more)
    found: dict[str, Any] = answer.json()
    return found


def template(shop: Shop, name: str = "refund-arrived") -> str:
    found: str = json.loads(text(shop.keys, "templates.json"))[name]["template_id"]
    return found


async def send(shop: Shop, token: str, values: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    message = {
        "touser": OPENID,
        "template_id": template(shop),
        "page": "pages/order/detail?id=1",
        "data": {name: {"value": value} for name, value in (values or VALUES).items()},
        "miniprogram_state": "formal",
        "lang": "zh_CN",
    }
    answer = await shop.http.post(
        "/cgi-bin/message/subscribe/send", params={"access_token": token}, json=message | more
    )
    found: dict[str, Any] = answer.json()
    return found


async def accept(shop: Shop, count: int = 1) -> Any:
    body = {"openid": OPENID, "template_ids": [template(shop)], "count": count}
    answer = await shop.http.post("/_customer/subscribe", json=body)
    return answer.json()["remaining"][template(shop)]


async def test_one_accept_is_one_message(shop: Shop) -> None:
    good = (await token(shop))["access_token"]
    assert (await send(shop, good))["errcode"] == 43101
    assert await accept(shop, 2) == 2
    assert await send(shop, good) == {"errcode": 0, "errmsg": "ok"}
    assert (await send(shop, good))["errcode"] == 0
    assert (await send(shop, good))["errcode"] == 43101

    lines = (await shop.get("/_ledger/messages"))["lines"]
    assert [(line["channel"], line["to"], line["template_name"]) for line in lines] == [
        ("wechat", OPENID, "refund-arrived")
    ] * 2
    assert lines[0]["values"] == VALUES
    assert (await shop.get("/_ledger/summary"))["messages"] == {"wechat": {"refund-arrived": 2}}


async def test_the_default_quota_is_a_setting(make_shop: Any) -> None:
    shop = await make_shop(subscribe_quota_default=1)
    good = (await token(shop))["access_token"]
    assert [(await send(shop, good))["errcode"] for _ in range(2)] == [0, 43101]


async def test_refusals_of_a_message(shop: Shop) -> None:
    good = (await token(shop))["access_token"]
    await accept(shop)
    assert (await send(shop, "nonsense"))["errcode"] == 40001
    assert (await send(shop, good, touser="nobody"))["errcode"] == 40003
    assert (await send(shop, good, template_id="nothing"))["errcode"] == 40037
    assert (await send(shop, good, data={"thing3": "x"}))["errcode"] == 47001
    long = await send(shop, good, VALUES | {"thing3": "长" * 21})
    assert long["errcode"] == 47003
    assert "data.thing3.value" in long["errmsg"]
    assert (await send(shop, good, {"thing3": "只有一个"}))["errcode"] == 47003
    assert (await shop.get("/_ledger/summary"))["messages"] == {}
    assert (await send(shop, good))["errcode"] == 0


async def test_a_rule_can_make_sending_fail(shop: Shop) -> None:
    good = (await token(shop))["access_token"]
    await accept(shop, 5)
    fault = {"kind": "error-before", "http": 500, "code": "45009"}
    rule = {"call": "subscribe", "match": {"openid": OPENID}, "times": 1, "fault": fault}
    await shop.control("POST", "/faults/rules", [rule])
    assert (await send(shop, good))["errcode"] == 45009
    assert (await send(shop, good))["errcode"] == 0


@pytest.mark.parametrize(
    ("field", "right", "wrong"),
    [
        ("thing1", ["长" * 20], ["长" * 21, "", "  "]),
        ("phrase1", ["退款中"], ["退款处理完成", "refund"]),
        ("amount1", ["¥128.50", "128.5元", "0"], ["128.50 CNY", "¥¥1", "12345678901"]),
        ("character_string1", ["A-1_2*3", "x" * 32], ["订单1", "x" * 33]),
        ("number1", ["1", "-1.5"], ["x"]),
        ("time1", ["15:01", "2019年10月1日 15:01", "2019年10月1日~2019年10月3日", "2019-10-01"], ["soon", "25:00"]),
        ("date1", ["2019年10月1日"], ["15:01"]),
        ("phone_number1", ["+86-0766-66888866"[:17]], ["电话"]),
        ("name1", ["王小明", "John Smith"], ["长" * 11, "x" * 21]),
        ("letter1", ["abc"], ["a1"]),
        ("symbol1", ["!!"], ["abc"]),
        ("car_number1", ["粤A8Z888挂"], ["粤A8Z888挂挂"]),
    ],
)
def test_the_limits_of_each_kind(field: str, right: list[str], wrong: list[str]) -> None:
    fields = {field: "label"}
    assert [value for value in right if wrong_field(fields, {field: value}) is not None] == []
    assert [value for value in wrong if wrong_field(fields, {field: value}) is None] == []
    assert wrong_field(fields, {field: right[0], "thing9": "x"}) == "thing9"


async def test_a_stable_token_stays_the_same_and_is_renewed_before_it_ends(shop: Shop) -> None:
    first = await token(shop)
    assert (await token(shop))["access_token"] == first["access_token"]
    await accept(shop, 10)
    await advance(shop.app, 7200 - 299)
    second = await token(shop)
    assert second["access_token"] != first["access_token"]
    assert (await send(shop, first["access_token"]))["errcode"] == 0
    await advance(shop.app, 300)
    assert (await send(shop, first["access_token"]))["errcode"] == 40001
    assert (await send(shop, second["access_token"]))["errcode"] == 0


async def test_a_forced_token_ends_the_old_one(shop: Shop) -> None:
    first = await token(shop)
    assert (await token(shop, force_refresh=True))["access_token"] == first["access_token"]
    await advance(shop.app, 31)
    second = await token(shop, force_refresh=True)
    assert second["access_token"] != first["access_token"]
    await accept(shop)
    assert (await send(shop, first["access_token"]))["errcode"] == 40001


async def test_who_gets_no_token(shop: Shop) -> None:
    assert (await token(shop, appid="wx0"))["errcode"] == 40013
    assert (await token(shop, secret="x"))["errcode"] == 40125
    assert (await token(shop, grant_type="password"))["errcode"] == 40002


async def test_a_login_code_works_once(shop: Shop) -> None:
    asked = {
        "appid": text(shop.keys, "appid.txt"),
        "secret": text(shop.keys, "appsecret.txt"),
        "js_code": "customer-1:first",
        "grant_type": "authorization_code",
    }
    first = (await shop.http.get("/sns/jscode2session", params=asked)).json()
    assert first["openid"] == openid_of("customer-1")
    assert first["session_key"]
    assert (await shop.http.get("/sns/jscode2session", params=asked)).json()["errcode"] == 40163
    again = asked | {"js_code": "customer-1:second"}
    assert (await shop.http.get("/sns/jscode2session", params=again)).json()["openid"] == first["openid"]
    for change, errcode in (
        ({"js_code": ""}, 40029),
        ({"appid": "wx0"}, 40013),
        ({"secret": "x"}, 40125),
        ({"grant_type": "x"}, 40002),
    ):
        answer = await shop.http.get("/sns/jscode2session", params=asked | change)
        assert answer.json()["errcode"] == errcode


async def test_an_unknown_template_cannot_be_accepted(shop: Shop) -> None:
    answer = await shop.http.post("/_customer/subscribe", json={"openid": OPENID, "template_ids": ["nothing"]})
    assert (answer.status_code, answer.json()["detail"]["template_ids"]) == (404, ["nothing"])
