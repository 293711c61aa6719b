"""Subscribe messages: accepts, the rules of their fields, and refusals."""

from typing import Any

import pytest

from sandbox.subscribe_fields import wrong_field
from tests.unit.sandbox.miniprogram import VALUES, accept, send, token
from tests.unit.sandbox.shop import OPENID, Shop


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
    assert (await send(shop, good, touser="nobody"))["errcode"] == 40003
    assert (await send(shop, good, template_id="nothing"))["errcode"] == 40037
    assert (await send(shop, good, data={"thing3": "x"}))["errcode"] == 47001
    long = await send(shop, good, VALUES | {"thing3": "长" * 21})
    assert long["errcode"] == 47003
    assert "data.thing3.value" in long["errmsg"]
    assert (await send(shop, good, {"thing3": "只有一个"}))["errcode"] == 47003
    empty = await send(shop, good, VALUES | {"thing4": " "})
    assert (empty["errcode"], empty["errmsg"].partition(" rid")[0]) == (
        47003,
        "argument invalid! data.thing4.value is empty",
    )
    assert (await send(shop, good, miniprogram_state="beta"))["errcode"] == 47003
    assert (await send(shop, good, lang="fr_FR"))["errcode"] == 47003
    assert (await send(shop, good, page="http://elsewhere/"))["errcode"] == 41030
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
        (
            "time1",
            ["15:01", "2019年10月1日 15:01", "2019年10月1日~2019年10月3日", "2019-10-01"],
            ["soon", "25:00", "2019年13月1日"],
        ),
        ("date1", ["2019年10月1日", "2019年10月1日 15:01~2019年10月3日 15:01"], ["15:01", "2019年10月32日"]),
        ("phone_number1", ["+86-0766-66888866"[:17]], ["电话"]),
        ("name1", ["王小明", "John Smith"], ["长" * 11, "x" * 21, "王 John Smith"]),
        ("letter1", ["abc"], ["a1", "a" * 33]),
        ("symbol1", ["!!"], ["abc", "!" * 6]),
        ("car_number1", ["粤A8Z888挂"], ["粤A8Z888挂挂", "粤A挂888", "A88888888"]),
    ],
)
def test_the_limits_of_each_kind(field: str, right: list[str], wrong: list[str]) -> None:
    fields = {field: "label"}
    assert [value for value in right if wrong_field(fields, {field: value}) is not None] == []
    assert [value for value in wrong if wrong_field(fields, {field: value}) is None] == []
    assert wrong_field(fields, {field: right[0], "thing9": "x"}) == "thing9"


def test_an_enum_takes_its_values_only() -> None:
    enums = {"enum1": ["已取消", "已退款"]}
    assert wrong_field({"enum1": "状态"}, {"enum1": "已退款"}, enums) is None
    assert wrong_field({"enum1": "状态"}, {"enum1": "退款中"}, enums) == "enum1"


async def test_the_released_pages_are_a_setting(make_shop: Any) -> None:
    shop = await make_shop(subscribe_pages=("pages/order/detail",), subscribe_quota_default=5)
    good = (await token(shop))["access_token"]
    assert (await send(shop, good))["errcode"] == 0
    assert (await send(shop, good, page="pages/order/list"))["errcode"] == 41030


async def test_an_unknown_template_cannot_be_accepted(shop: Shop) -> None:
    answer = await shop.http.post("/_customer/subscribe", json={"openid": OPENID, "template_ids": ["nothing"]})
    assert (answer.status_code, answer.json()["detail"]["template_ids"]) == (404, ["nothing"])
