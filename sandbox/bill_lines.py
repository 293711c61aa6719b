"""What stands in bills: one dictionary per line, column name to cell. Amounts are yuan, times are China's.

Columns: pay.weixin.qq.com/docs/merchant/products/bill-download/format-trade.html and format-fundflow.html. A bill of
one type has exactly the columns of that type, in that order.
"""

import sqlite3
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sandbox.banks import bank_type_of
from sandbox.clock import CHINA, rfc3339_china
from sandbox.coupons import refund_amounts

Line = dict[str, str]

_PAYMENT = (
    *("交易时间", "公众账号ID", "商户号", "特约商户号", "设备号", "微信订单号", "商户订单号", "用户标识", "交易类型"),
    *("交易状态", "付款银行", "货币种类", "应结订单金额", "代金券金额"),
)
_REFUND = ("微信退款单号", "商户退款单号", "退款金额", "充值券退款金额", "退款类型", "退款状态")
_GOODS = ("商品名称", "商户数据包", "手续费", "费率", "订单金额")
TRADE_COLUMNS = {
    "ALL": (*_PAYMENT, *_REFUND, *_GOODS, "申请退款金额", "费率备注"),
    "SUCCESS": (*_PAYMENT, *_GOODS, "费率备注"),
    "REFUND": (*_PAYMENT, "退款申请时间", "退款成功时间", *_REFUND, *_GOODS, "申请退款金额", "费率备注"),
    # WxJava, WxPayBillResult.java: no document shows it.
    "RECHARGE_REFUND": (
        *(*_PAYMENT, "退款申请时间", "退款成功时间", *_REFUND),
        *("商品名称", "商户数据包", "返还手续费", "费率", "订单金额", "申请退款金额"),
    ),
}
FUND_COLUMNS = (
    *("记账时间", "微信支付业务单号", "资金流水单号", "业务名称", "业务类型", "收支类型", "收支金额(元)"),
    *("账户结余(元)", "资金变更提交申请人", "备注", "业务凭证号"),
)
# Kinds of ledger lines as 业务名称 and 业务类型. A coupon's line is part of the payment or refund it belongs to.
BUSINESS = {
    "opening": ("充值/提现", "充值"),
    "balance-set": ("充值/提现", "充值"),
    "payment": ("交易", "交易"),
    "coupon": ("交易", "交易"),
    "refund-accepted": ("退款", "退款"),
    "coupon-refunded": ("退款", "退款"),
    "refund-closed": ("退款", "退款关闭退还"),
    "coupon-restored": ("退款", "退款关闭退还"),
    "transfer-accepted": ("商家转账", "商家转账"),
    "transfer-returned": ("商家转账", "商家转账退回"),
}
# 退款状态 of a refund that has come to an end; CHANGE: the card takes no money, it lies in between.
STATES = {"SUCCESS": "SUCCESS", "ABNORMAL": "CHANGE", "CLOSED": "FAIL", "PROCESSING": "PROCESSING"}
NUMBERS = ("out_bill_no", "out_refund_no", "out_trade_no")


def yuan(fen: int) -> str:
    """Fen as yuan with two decimals."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02}"


def moment(seconds: float) -> str:
    """A moment as bills write it, such as ``2015-01-01 10:00:00``."""
    return datetime.fromtimestamp(seconds, CHINA).strftime("%Y-%m-%d %H:%M:%S")


def cell(text: str | None) -> str:
    """A text of the merchant's own, with what would break a line of the file replaced."""
    return (text or "").replace("\r", "\\r").replace("\n", "\\n").replace(",", "，")


def _of_trade(trade: sqlite3.Row) -> Line:
    return {
        "公众账号ID": trade["appid"],
        "商户号": trade["mchid"],
        "设备号": "",
        "微信订单号": trade["transaction_id"],
        "商户订单号": trade["out_trade_no"],
        "用户标识": trade["openid"],
        "交易类型": "JSAPI",
        "付款银行": bank_type_of(trade["bank"]),
        "货币种类": "CNY",
        "商品名称": cell(trade["description"]),
        "商户数据包": cell(trade["attach"]),
        "手续费": "0.00000",
        "返还手续费": "0.00000",
        "费率": "0.00%",
        "费率备注": "",
    }


def payment_line(trade: sqlite3.Row) -> Line:
    """One payment; the columns of refunds hold zeros."""
    rebate = trade["coupon"] if trade["coupon_type"] == "DISCOUNT" else 0
    return {
        **_of_trade(trade),
        "交易时间": moment(trade["success_at"]),
        "交易状态": "SUCCESS",
        "应结订单金额": yuan(trade["total"] - rebate),
        "代金券金额": yuan(trade["coupon"] - rebate),
        "微信退款单号": "0",
        "商户退款单号": "0",
        "退款金额": "0.00",
        "充值券退款金额": "0.00",
        "退款类型": "",
        "退款状态": "",
        "订单金额": yuan(trade["total"]),
        "申请退款金额": "0.00",
    }


def refund_line(refund: sqlite3.Row, trade: sqlite3.Row, known_until: float) -> Line:
    """One refund, on the day it was accepted; a state it reached after ``known_until`` is not in the bill."""
    amounts = refund_amounts(trade, refund)
    ended = refund["ended_at"] is not None and refund["ended_at"] < known_until
    arrived = ended and refund["status"] == "SUCCESS"
    prepaid = refund["discount"] if trade["coupon_type"] == "COUPON" else 0
    return {
        **_of_trade(trade),
        "交易时间": moment(refund["created_at"]),
        "交易状态": "REFUND",
        "应结订单金额": "0.00",
        "代金券金额": "0.00",
        "退款申请时间": moment(refund["created_at"]),
        "退款成功时间": moment(refund["ended_at"]) if arrived else "",
        "微信退款单号": refund["refund_id"],
        "商户退款单号": refund["out_refund_no"],
        "退款金额": yuan(amounts["settlement_refund"]),
        "充值券退款金额": yuan(prepaid),
        "退款类型": refund["channel"],
        "退款状态": STATES[refund["status"]] if ended else "PROCESSING",
        "订单金额": "0.00",
        "申请退款金额": yuan(refund["refund"]),
    }


def fund_lines(flow: Iterable[dict[str, Any]], since: str, numbers: dict[tuple[str, str], str]) -> list[Line]:
    """The movements of a balance at or after ``since``; ``flow`` begins with the first one ever.

    ``numbers`` gives WeChat Pay's own number for a (column, merchant's number).
    """
    balance = 0
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in flow:
        balance += line["change_minor"]
        named = next(((name, line[name]) for name in NUMBERS if line[name] is not None), None)
        business = BUSINESS[line["kind"]]
        key = (business, named or line["id"])
        entry = merged.setdefault(key, {**line, "change_minor": 0, "named": named, "business": business})
        entry["change_minor"] += line["change_minor"]
        entry["balance_minor"] = balance
    return [_fund_line(entry, numbers) for entry in merged.values() if entry["time"] >= since and entry["change_minor"]]


def _fund_line(entry: dict[str, Any], numbers: dict[tuple[str, str], str]) -> Line:
    booked = datetime.fromisoformat(entry["time"])
    named = entry["named"]
    business, kind = entry["business"]
    if entry["kind"] == "balance-set" and entry["change_minor"] < 0:
        kind = "提现"
    return {
        "记账时间": moment(booked.timestamp()),
        "微信支付业务单号": numbers.get(named, "") if named is not None else "",
        "资金流水单号": f"{entry['mchid']}{booked.astimezone(CHINA):%Y%m%d}{entry['id']:010}",
        "业务名称": business,
        "业务类型": kind,
        "收支类型": "收入" if entry["change_minor"] > 0 else "支出",
        "收支金额(元)": yuan(abs(entry["change_minor"])),
        "账户结余(元)": yuan(entry["balance_minor"]),
        "资金变更提交申请人": "system" if named is None else f"{entry['mchid']}API",
        "备注": "",
        "业务凭证号": "" if named is None else named[1],
    }


def china_midnight(day: str) -> float:
    """When a day begins in China, seconds since the epoch."""
    return datetime.fromisoformat(day).replace(tzinfo=CHINA).timestamp()


def china_day(seconds: float) -> str:
    """The day in China, such as ``2026-11-24``."""
    return rfc3339_china(seconds)[:10]
