"""Bills as the provider writes them, from the columns of its documents and not from our reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

Cells = dict[str, str]

TRADE_COLUMNS = [
    "交易时间",
    "公众账号ID",
    "商户号",
    "特约商户号",
    "设备号",
    "微信订单号",
    "商户订单号",
    "用户标识",
    "交易类型",
    "交易状态",
    "付款银行",
    "货币种类",
    "应结订单金额",
    "代金券金额",
    "微信退款单号",
    "商户退款单号",
    "退款金额",
    "充值券退款金额",
    "退款类型",
    "退款状态",
    "商品名称",
    "商户数据包",
    "手续费",
    "费率",
    "订单金额",
    "申请退款金额",
    "费率备注",
]
REFUND_COLUMNS = [*TRADE_COLUMNS[:14], "退款申请时间", "退款成功时间", *TRADE_COLUMNS[14:]]
RECHARGE_COLUMNS = ["返还手续费" if name == "手续费" else name for name in REFUND_COLUMNS if name != "费率备注"]
FUND_COLUMNS = [
    "记账时间",
    "微信支付业务单号",
    "资金流水单号",
    "业务名称",
    "业务类型",
    "收支类型",
    "收支金额(元)",
    "账户结余(元)",
    "资金变更提交申请人",
    "备注",
    "业务凭证号",
]


def paid(order: str, yuan: str = "100.00", at: str = "2026-11-01 20:00:00", **more: str) -> Cells:
    """A payment's line; its transaction is T-<order>."""
    known = {
        "交易时间": at,
        "微信订单号": f"T-{order}",
        "商户订单号": order,
        "交易状态": "SUCCESS",
        "货币种类": "CNY",
        "应结订单金额": yuan,
        "微信退款单号": "0",
        "商户退款单号": "0",
        "退款金额": "0.00",
        "商品名称": "茶叶",
        "手续费": "0.60000",
        "订单金额": yuan,
        "申请退款金额": "0.00",
    }
    return {**dict.fromkeys(REFUND_COLUMNS, ""), **known, **more}


def refunded(order: str, number: str, yuan: str = "40.00", state: str = "SUCCESS", **more: str) -> Cells:
    """A refund's line; its number at the provider is R-<number>."""
    known = {
        "交易时间": "2026-11-01 20:30:00",
        "退款申请时间": "2026-11-01 20:30:00",
        "微信订单号": f"T-{order}",
        "商户订单号": order,
        "交易状态": "REFUND",
        "货币种类": "CNY",
        "应结订单金额": "0.00",
        "微信退款单号": f"R-{number}",
        "商户退款单号": number,
        "退款金额": yuan,
        "退款状态": state,
        "手续费": "-0.24000",
        "订单金额": "0.00",
        "申请退款金额": yuan,
    }
    return {**dict.fromkeys(REFUND_COLUMNS, ""), **known, **more}


def moved(number: str, yuan: str, kind: str = "交易", *, comes_in: bool = True, **more: str) -> Cells:
    """A movement of the account."""
    known = {
        "记账时间": "2026-11-01 20:00:01",
        "微信支付业务单号": number,
        "资金流水单号": f"F-{number}",
        "业务名称": kind,
        "业务类型": kind,
        "收支类型": "收入" if comes_in else "支出",
        "收支金额(元)": yuan,
        "账户结余(元)": "1.00",
    }
    return {**dict.fromkeys(FUND_COLUMNS, ""), **known, **more}


def trade_bill(*lines: Cells, columns: Sequence[str] = TRADE_COLUMNS, **sums: str) -> bytes:
    """A trade bill that adds up, unless `sums` say otherwise."""
    came = [line for line in lines if line["交易状态"] == "SUCCESS"]
    went = [line for line in lines if line["交易状态"] != "SUCCESS"]
    added = {
        "总交易单数": str(len(lines)),
        "应结订单总金额": _sum(came, "应结订单金额"),
        "退款总金额": _sum(went, "退款金额"),
        "充值券退款总金额": "0.00",
        "手续费总金额": _sum(lines, "手续费"),
        "订单总金额": _sum(came, "订单金额"),
        "申请退款总金额": _sum(went, "申请退款金额"),
    }
    return written(columns, lines, {**added, **sums})


def fund_bill(*lines: Cells, **sums: str) -> bytes:
    """A fund-flow bill that adds up, unless `sums` say otherwise."""
    came = [line for line in lines if line["收支类型"] == "收入"]
    went = [line for line in lines if line["收支类型"] == "支出"]
    added = {
        "资金流水总笔数": f"{len(lines)}.0",
        "收入笔数": f"{len(came)}.0",
        "收入金额": _sum(came, "收支金额(元)"),
        "支出笔数": f"{len(went)}.0",
        "支出金额": _sum(went, "收支金额(元)"),
    }
    return written(FUND_COLUMNS, lines, {**added, **sums})


def written(columns: Sequence[str], lines: Iterable[Cells], sums: Mapping[str, str], end: str = "\r\n") -> bytes:
    rows = [",".join(columns), *(_row(line.get(name, "") for name in columns) for line in lines)]
    rows += [",".join(sums), _row(sums.values())]
    return ("\ufeff" + "".join(f"{row}{end}" for row in rows)).encode()


def _row(cells: Iterable[str]) -> str:
    return ",".join(f"`{cell}" for cell in cells)


def _sum(lines: Iterable[Mapping[str, Any]], column: str) -> str:
    return f"{sum((Decimal(line[column]) for line in lines), Decimal('0.00'))}"
