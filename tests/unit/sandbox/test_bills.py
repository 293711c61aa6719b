"""Bills: the documented columns, the right day, a file that its hash proves, and readers put to the test."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from sandbox.app import advance, settle, world_of
from sandbox.bill_lines import china_day, china_midnight
from sandbox.parties import Party, keep_party
from tests.unit.sandbox.shop import OPENID, Shop

MakeShop = Callable[..., Awaitable[Shop]]
HOUR = 3600.0
ALL = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,"
    "手续费,费率,订单金额,申请退款金额,费率备注"
)
SUCCESS = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,商品名称,商户数据包,手续费,费率,订单金额,费率备注"
)
REFUND = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,"
    "应结订单金额,代金券金额,退款申请时间,退款成功时间,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,"
    "退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
RECHARGE_REFUND = REFUND.replace("手续费", "返还手续费").removesuffix(",费率备注")
FUND = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,"
    "备注,业务凭证号"
)


async def at_noon(shop: Shop) -> str:
    """Let it be the next noon in China; says the day."""
    now = world_of(shop.app).clock.now()
    await advance(shop.app, china_midnight(china_day(now)) + 36 * HOUR - now)
    return china_day(world_of(shop.app).clock.now())


async def business_day(make_shop: MakeShop, **settings: Any) -> tuple[Shop, str]:
    """A shop on the day after: two payments, a refund that arrived, one that did not, and a transfer."""
    shop = await make_shop(merchant_balance_minor=0, enforce_refund_spacing=False, **settings)
    day = await at_noon(shop)
    await shop.prepay("order-0001", 1000, attach="附加,数据")
    pay = {"out_trade_no": "order-0001", "coupon_minor": 250, "coupon_type": "COUPON", "bank": "招商银行信用卡0403"}
    assert (await shop.http.post("/_customer/pay", json=pay)).status_code == 200
    await shop.paid("order-0002", 200)
    fault = {"kind": "status", "settle_seconds": 3 * 24 * HOUR}
    await shop.control("POST", "/faults/rules", [{"call": "refund", "nth": 2, "fault": fault}])
    await advance(shop.app, 60)
    await shop.refund("refund-1", "order-0001", 400, 1000)
    await advance(shop.app, 60)
    await shop.refund("refund-2", "order-0002", 50, 200)
    await settle(shop.app)
    await advance(shop.app, 22 * HOUR)
    return shop, day


async def bill(shop: Shop, day: str, **more: Any) -> tuple[int, dict[str, Any]]:
    if "account_type" in more:
        code, body = await shop.pay.fundflow_bill(bill_date=day, **more)
    else:
        code, body = await shop.pay.trade_bill(bill_date=day, **more)
    return code, json.loads(body)


async def file_of(shop: Shop, day: str, **more: Any) -> str:
    code, link = await bill(shop, day, **more)
    assert code == 200, link
    code, content = await shop.pay.download_bill(link["download_url"])
    assert code == 200
    plain = gzip.decompress(content)
    assert hashlib.sha1(plain, usedforsecurity=False).hexdigest() == link["hash_value"]
    assert link["hash_type"] == "SHA1"
    return plain.decode("utf-8")


def read(text: str) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Lines and summary, read by header name; every cell must begin with a backtick."""
    assert text.startswith("\ufeff")
    assert text.endswith("\r\n")
    rows = list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline="")))
    *lines, summary_header, summary = rows[1:]
    for row in (*lines, summary):
        assert all(value.startswith("`") for value in row)

    def named(header: list[str], row: list[str]) -> dict[str, str]:
        return {name: value[1:] for name, value in zip(header, row, strict=True)}

    return [named(rows[0], row) for row in lines], named(summary_header, summary)


async def test_the_columns_are_the_documented_ones_for_each_type(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    for bill_type, columns in (("ALL", ALL), ("SUCCESS", SUCCESS), ("REFUND", REFUND)):
        text = await file_of(shop, day, bill_type=bill_type)
        assert text.splitlines()[0] == "\ufeff" + columns
    assert (await file_of(shop, day, account_type="BASIC")).splitlines()[0] == "\ufeff" + FUND


async def test_payments_and_refunds_of_a_day(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    lines, summary = read(await file_of(shop, day))
    payment = lines[0]
    assert payment["交易时间"].startswith(f"{day} 12:0")
    assert (payment["商户订单号"], payment["用户标识"], payment["交易状态"]) == ("order-0001", OPENID, "SUCCESS")
    assert (payment["付款银行"], payment["商户数据包"]) == ("CMB_CREDIT", "附加，数据")
    assert [payment[name] for name in ("订单金额", "应结订单金额", "代金券金额")] == ["10.00", "10.00", "2.50"]
    assert (payment["商户退款单号"], payment["退款金额"], payment["退款状态"]) == ("0", "0.00", "")
    arrived, waiting = (line for line in lines if line["交易状态"] == "REFUND")
    assert (arrived["商户退款单号"], arrived["退款状态"], arrived["退款类型"]) == ("refund-1", "SUCCESS", "ORIGINAL")
    names = ("申请退款金额", "退款金额", "充值券退款金额", "订单金额")
    assert [arrived[name] for name in names] == ["4.00", "4.00", "1.00", "0.00"]
    assert (waiting["商户退款单号"], waiting["退款状态"]) == ("refund-2", "PROCESSING")
    assert summary == {
        "总交易单数": "4",
        "应结订单总金额": "12.00",
        "退款总金额": "4.50",
        "充值券退款总金额": "1.00",
        "手续费总金额": "0.00000",
        "订单总金额": "12.00",
        "申请退款总金额": "4.50",
    }


async def test_a_bill_is_not_brought_up_to_date(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    await advance(shop.app, 4 * 24 * HOUR)
    assert (await shop.refund_state("refund-2"))[1]["status"] == "SUCCESS"
    lines, _ = read(await file_of(shop, day, bill_type="REFUND"))
    assert [(line["商户退款单号"], line["退款状态"]) for line in lines] == [
        ("refund-1", "SUCCESS"),
        ("refund-2", "PROCESSING"),
    ]
    assert lines[0]["退款成功时间"] == lines[0]["退款申请时间"]
    assert lines[1]["退款成功时间"] == ""


@pytest.mark.parametrize(("status", "word"), [("SUCCESS", "SUCCESS"), ("ABNORMAL", "CHANGE"), ("CLOSED", "FAIL")])
async def test_how_a_refund_ended_in_the_words_of_bills(make_shop: MakeShop, status: str, word: str) -> None:
    shop = await make_shop()
    day = await at_noon(shop)
    await shop.paid("order-0001", 1000)
    fault = {"kind": "status", "settle_seconds": 3 * 24 * HOUR}
    await shop.control("POST", "/faults/rules", [{"call": "refund", "fault": fault}])
    await shop.refund("refund-1", "order-0001", 400, 1000)
    await shop.control("PUT", "/refunds/refund-1/status", {"status": status})
    await advance(shop.app, 22 * HOUR)
    (line,), _ = read(await file_of(shop, day, bill_type="REFUND"))
    assert (line["商户退款单号"], line["退款状态"]) == ("refund-1", word)


async def test_a_type_has_only_its_own_lines(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    lines, summary = read(await file_of(shop, day, bill_type="SUCCESS"))
    assert {line["交易状态"] for line in lines} == {"SUCCESS"}
    assert set(summary) == {"总交易单数", "应结订单总金额", "手续费总金额", "订单总金额"}
    lines, _ = read(await file_of(shop, day, bill_type="REFUND"))
    assert {line["交易状态"] for line in lines} == {"REFUND"}


async def test_a_refund_from_what_was_topped_up_stands_in_a_bill_of_its_own(make_shop: MakeShop) -> None:
    shop = await make_shop()
    day = await at_noon(shop)
    await shop.paid("order-0001", 1000)
    by_hand = {"out_trade_no": "order-0001", "amount_minor": 400, "from_available": True}
    made = (await shop.http.post("/_control/platform/refunds", json=by_hand)).json()
    await advance(shop.app, 24 * HOUR)
    lines, _ = read(await file_of(shop, day))
    assert [line["交易状态"] for line in lines] == ["SUCCESS"]
    assert (await bill(shop, day, bill_type="REFUND"))[1]["code"] == "NO_STATEMENT_EXIST"
    text = await file_of(shop, day, bill_type="RECHARGE_REFUND")
    (line,), summary = read(text)
    assert text.splitlines()[0] == "\ufeff" + RECHARGE_REFUND
    assert (line["商户退款单号"], line["申请退款金额"]) == (made["out_refund_no"], "4.00")
    assert (summary["总交易单数"], summary["申请退款总金额"]) == ("1", "4.00")
    lines, _ = read(await file_of(shop, day, account_type="BASIC"))
    assert [line["业务类型"] for line in lines if line["收支类型"] == "支出"] == ["退款"]


async def test_the_fund_flow_adds_up_to_the_balance(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    lines, summary = read(await file_of(shop, day, account_type="BASIC"))
    assert [(line["业务名称"], line["收支类型"], line["收支金额(元)"], line["业务凭证号"]) for line in lines] == [
        ("交易", "收入", "10.00", "order-0001"),
        ("交易", "收入", "2.00", "order-0002"),
        ("退款", "支出", "4.00", "refund-1"),
        ("退款", "支出", "0.50", "refund-2"),
    ]
    _, trade = await shop.trade_state("order-0001")
    assert lines[0]["微信支付业务单号"] == trade["transaction_id"]
    assert lines[-1]["账户结余(元)"] == "7.50"
    assert (await shop.get("/_ledger/summary"))["balance_minor"] == 750
    assert summary == {
        "资金流水总笔数": "4",
        "收入笔数": "2",
        "收入金额": "12.00",
        "支出笔数": "2",
        "支出金额": "4.50",
    }
    code, refused = await bill(shop, day, account_type="FEES")
    assert (code, refused["code"]) == (400, "NO_STATEMENT_EXIST")


async def test_a_days_bill_is_there_from_ten_the_next_day(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=0)
    day = await at_noon(shop)
    await shop.paid("order-0001")
    assert (await bill(shop, day))[1]["code"] == "INVALID_REQUEST"
    await advance(shop.app, 22 * HOUR - 60)
    code, early = await bill(shop, day)
    assert (code, early["code"]) == (400, "STATEMENT_CREATING")
    await advance(shop.app, 60)
    assert (await bill(shop, day))[0] == 200
    await advance(shop.app, 24 * HOUR)
    empty = china_day(world_of(shop.app).clock.now() - 24 * HOUR)
    assert (await bill(shop, empty))[1]["code"] == "NO_STATEMENT_EXIST"
    assert (await bill(shop, day, bill_type="REFUND"))[1]["code"] == "NO_STATEMENT_EXIST"
    assert (await bill(shop, empty, account_type="BASIC"))[1]["code"] == "NO_STATEMENT_EXIST"
    await advance(shop.app, 91 * 24 * HOUR)
    assert (await bill(shop, day))[1]["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("bill_date=2026-13-01", "PARAM_ERROR"),
        ("bill_date=20260101", "PARAM_ERROR"),
        ("bill_type=ALL", "PARAM_ERROR"),
        ("bill_date=2026-01-01&bill_type=SOME", "PARAM_ERROR"),
        ("bill_date=2026-01-01&tar_type=ZIP", "PARAM_ERROR"),
        ("bill_date=2026-01-01&page=2", "PARAM_ERROR"),
        ("bill_date=2999-01-01", "INVALID_REQUEST"),
        ("bill_date=2020-01-01", "INVALID_REQUEST"),
    ],
)
async def test_a_wrong_question_is_refused(shop: Shop, query: str, code: str) -> None:
    http, body = await shop.pay._core.request(f"/v3/bill/tradebill?{query}")
    assert (http, json.loads(body)["code"]) == (400, code)


async def test_a_link_works_for_five_minutes_and_only_signed(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    _, link = await bill(shop, day)
    unsigned = await shop.http.get(link["download_url"])
    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "SIGN_ERROR")
    code, _ = await shop.pay.download_bill(link["download_url"] + "x")
    assert code == 400
    await advance(shop.app, 299)
    assert (await shop.pay.download_bill(link["download_url"]))[0] == 200
    await advance(shop.app, 2)
    assert (await shop.pay.download_bill(link["download_url"]))[0] == 400


async def test_the_file_itself_is_not_signed_and_may_come_uncompressed(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    _, body = await shop.pay._core.request(f"/v3/bill/tradebill?bill_date={day}")
    link = json.loads(body)
    # With verification the client must fail: there is no signature to verify.
    path = link["download_url"].removeprefix(shop.pay._core._gate_way)
    with pytest.raises(Exception, match="does not support this algorithm"):
        await shop.pay._core.request(path)
    _, content = await shop.pay._core.request(path, skip_verify=True)
    raw = content if isinstance(content, bytes) else content.encode()
    assert hashlib.sha1(raw, usedforsecurity=False).hexdigest() == link["hash_value"]


async def test_a_bill_can_be_spoiled_for_its_readers(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    whole = await file_of(shop, day)
    await shop.control("PUT", "/bills", {"extra_column": True, "shuffle_columns": True})
    spoiled = await file_of(shop, day)
    lines, summary = read(spoiled)
    assert spoiled.splitlines()[0] != whole.splitlines()[0]
    assert {"新增字段"} | set(read(whole)[0][0]) == set(lines[0])
    for line, original in zip(lines, read(whole)[0], strict=True):
        assert {name: line[name] for name in original} == original
    assert summary == read(whole)[1]

    await shop.control("PUT", "/bills", {"drop": ["refund-1", "order-0002"], "add_unknown": 2})
    lines, summary = read(await file_of(shop, day))
    numbers = [line["商户退款单号"] if line["商户退款单号"] != "0" else line["商户订单号"] for line in lines]
    assert numbers == ["order-0001", "refund-2", "unknown-refund-0", "unknown-refund-1"]
    assert (summary["总交易单数"], summary["申请退款总金额"]) == ("4", "0.52")
    lines, _ = read(await file_of(shop, day, account_type="BASIC"))
    assert [line["业务凭证号"] for line in lines] == ["order-0001", "refund-2"]

    await shop.control("PUT", "/bills", {"wrong_hash": True})
    _, link = await bill(shop, day)
    _, content = await shop.pay.download_bill(link["download_url"])
    assert hashlib.sha1(gzip.decompress(content), usedforsecurity=False).hexdigest() != link["hash_value"]
    await shop.control("PUT", "/bills", {"torn": True})
    torn = await file_of(shop, day)
    assert torn == whole[: len(torn)]
    assert len(torn) < len(whole) - 100
    await shop.control("PUT", "/bills", {})
    assert await file_of(shop, day) == whole


async def test_a_service_providers_bill_names_the_sub_merchant(make_shop: MakeShop) -> None:
    shop, day = await business_day(make_shop)
    world = world_of(shop.app)
    keep_party(world.store, world.keys.mchid, "order-0002", Party("1900008888", None, "sp_openid"))
    lines, _ = read(await file_of(shop, day))
    shown = {line["商户订单号"]: line["特约商户号"] for line in lines}
    assert shown == {"order-0001": "0", "order-0002": "1900008888"}
    _, body = await shop.pay._core.request(f"/v3/bill/tradebill?bill_date={day}&sub_mchid=1900008888&tar_type=GZIP")
    _, content = await shop.pay.download_bill(json.loads(body)["download_url"])
    lines, _ = read(gzip.decompress(content).decode())
    assert {line["商户订单号"] for line in lines} == {"order-0002"}
    http, _ = await shop.pay._core.request(f"/v3/bill/tradebill?bill_date={day}&sub_mchid=1900000000")
    assert http == 400


async def test_a_transfer_stands_in_the_fund_flow_only(make_shop: MakeShop) -> None:
    shop = await make_shop(merchant_balance_minor=0)
    day = await at_noon(shop)
    await shop.paid("order-0001", 1000)
    code, _ = await shop.pay.mch_transfer_bills(
        out_bill_no="case1",
        transfer_amount=300,
        transfer_scene_id="1011",
        openid=OPENID,
        transfer_remark="退款",
        transfer_scene_report_infos=[{"info_type": "赔付原因", "info_content": "售完"}],
    )
    assert code == 200
    await advance(shop.app, 46 * HOUR)
    lines, _ = read(await file_of(shop, day, account_type="BASIC"))
    shown = [(line["业务类型"], line["收支类型"], line["收支金额(元)"], line["业务凭证号"]) for line in lines]
    assert shown == [("交易", "收入", "10.00", "order-0001"), ("商家转账", "支出", "3.00", "case1")]
    assert [line["商户订单号"] for line in read(await file_of(shop, day))[0]] == ["order-0001"]
    later = china_day(china_midnight(day) + 36 * HOUR)
    lines, _ = read(await file_of(shop, later, account_type="BASIC"))
    assert [(line["业务类型"], line["收支金额(元)"]) for line in lines] == [("商家转账退回", "3.00")]
