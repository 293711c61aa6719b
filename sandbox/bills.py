"""Bills: which day, which lines, and the file that is downloaded.

Rules: pay.weixin.qq.com/doc/v3/merchant/4012556654 (trade bill), get-fund-flow-bill.html, /4012084430 (download),
/4013071254 (codes).
"""

import gzip
import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from sandbox.bill_lines import (
    FUND_COLUMNS,
    TRADE_COLUMNS,
    Line,
    china_day,
    china_midnight,
    fund_lines,
    payment_line,
    refund_line,
)
from sandbox.clock import Clock, rfc3339_utc
from sandbox.errors import WechatPayError
from sandbox.ledger import Ledger
from sandbox.parties import party_of
from sandbox.store import Store

DAY_SECONDS = 24 * 3600
READY_SECONDS = 10 * 3600
FROZEN_SECONDS = 9 * 3600
OLDEST = timedelta(days=92)
LINK_SECONDS = 300
DISTURBANCE = "bill-disturbance"
NOT_THERE = WechatPayError(400, "NO_STATEMENT_EXIST", "请求的账单文件不存在")


class Disturbance(BaseModel):
    """How bills are spoiled, to try their readers; the defaults spoil nothing."""

    model_config = ConfigDict(extra="forbid")
    extra_column: bool = Field(default=False, description="a column no document names, in the middle")
    shuffle_columns: bool = Field(default=False, description="the columns in another order")
    wrong_hash: bool = Field(default=False, description="hash_value of another file")
    torn: bool = Field(default=False, description="the file breaks off in the middle; hash_value is that of the rest")
    drop: list[str] = Field(default=[], description="out_refund_no, out_trade_no or out_bill_no that is left out")
    add_unknown: int = Field(default=0, ge=0, le=1000, description="so many refunds nobody made (trade bills)")


class Bills:
    """Makes bill files of the state and the ledger, and keeps each for as long as its link works."""

    def __init__(self, store: Store, ledger: Ledger, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock

    @property
    def disturbance(self) -> Disturbance:
        """How bills are spoiled now."""
        kept = self._store.kept(DISTURBANCE)
        return Disturbance() if kept is None else Disturbance.model_validate_json(kept)

    def disturb(self, disturbance: Disturbance) -> None:
        """Spoil bills from now on."""
        self._store.keep(DISTURBANCE, disturbance.model_dump_json())

    def trade_bill(self, mchid: str, day: str, bill_type: str, sub_mchid: str | None = None) -> str:
        """The file of one day: payments by success time, refunds by acceptance. WechatPayError says why not.

        Refunds from what was topped up (``Refunds.ask_by_hand``) stand in RECHARGE_REFUND and nowhere else. With
        ``sub_mchid`` only what a service provider did for that sub-merchant.
        """
        begin = self._begin(day)
        lines = []
        if bill_type in ("ALL", "SUCCESS"):
            sql = "SELECT * FROM trades WHERE mchid = ? AND success_at >= ? AND success_at < ?"
            lines += [payment_line(row) for row in self._store.all(sql, mchid, begin, begin + DAY_SECONDS)]
        if bill_type != "SUCCESS":
            lines += self._refund_lines(mchid, begin, "REFUND" if bill_type == "ALL" else bill_type)
        lines = [self._with_party(line, mchid) for line in sorted(lines, key=lambda line: line["交易时间"])]
        lines = [line for line in lines if sub_mchid in (None, line["特约商户号"])]
        lines = self._spoiled(lines, bill_type)
        if not lines:
            raise NOT_THERE
        summary = _trade_summary(lines, bill_type)
        return self._file(TRADE_COLUMNS[bill_type], lines, summary)

    def _with_party(self, line: Line, mchid: str) -> Line:
        party = party_of(self._store, mchid, line["商户订单号"])
        return {**line, "特约商户号": "0" if party is None else party.sub_mchid}

    def _refund_lines(self, mchid: str, begin: float, bill: str) -> list[Line]:
        known_until = begin + DAY_SECONDS + FROZEN_SECONDS
        lines = []
        sql = "SELECT * FROM refunds WHERE mchid = ? AND created_at >= ? AND created_at < ? AND bill = ?"
        for refund in self._store.all(sql, mchid, begin, begin + DAY_SECONDS, bill):
            trade = self._store.one(
                "SELECT * FROM trades WHERE mchid = ? AND out_trade_no = ?", mchid, refund["out_trade_no"]
            )
            assert trade is not None
            lines.append(refund_line(refund, trade, known_until))
        return lines

    def fund_flow_bill(self, mchid: str, day: str, account_type: str) -> str:
        """The file of one day's movements of the balance. There is one account: OPERATION and FEES are empty."""
        begin = self._begin(day)
        if account_type != "BASIC":
            raise NOT_THERE
        flow = self._ledger.flow(mchid, rfc3339_utc(begin + DAY_SECONDS))
        dropped = set(self.disturbance.drop)
        lines = fund_lines(flow, rfc3339_utc(begin), self._own_numbers(mchid))
        lines = [line for line in lines if line["业务凭证号"] not in dropped]
        if not lines:
            raise NOT_THERE
        return self._file(FUND_COLUMNS, lines, _fund_summary(lines))

    def _own_numbers(self, mchid: str) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for table, theirs, ours in (
            ("trades", "out_trade_no", "transaction_id"),
            ("refunds", "out_refund_no", "refund_id"),
            ("transfers", "out_bill_no", "transfer_bill_no"),
        ):
            for row in self._store.all(f"SELECT {theirs} AS t, {ours} AS o FROM {table} WHERE mchid = ?", mchid):
                found[(theirs, row["t"])] = row["o"] or ""
        return found

    def _begin(self, day: str) -> float:
        """When the day begins; refused: malformed, not over yet, too old, not ten o'clock of the next day yet."""
        try:
            asked = date.fromisoformat(day)
        except ValueError:
            raise WechatPayError(400, "PARAM_ERROR", "参数错误: bill_date格式应为yyyy-MM-DD") from None
        if asked.isoformat() != day:
            raise WechatPayError(400, "PARAM_ERROR", "参数错误: bill_date格式应为yyyy-MM-DD")
        now = self._clock.now()
        today = date.fromisoformat(china_day(now))
        if asked >= today:
            raise WechatPayError(400, "INVALID_REQUEST", "账单日期必须早于今天")
        if today - asked > OLDEST:
            raise WechatPayError(400, "INVALID_REQUEST", "仅支持三个月内的账单下载申请")
        begin = china_midnight(day)
        if now < begin + DAY_SECONDS + READY_SECONDS:
            raise WechatPayError(400, "STATEMENT_CREATING", "账单生成中")
        return begin

    def _spoiled(self, lines: list[Line], bill_type: str) -> list[Line]:
        disturbance = self.disturbance
        dropped = set(disturbance.drop)
        kept = [line for line in lines if _number_of(line) not in dropped]
        if bill_type in ("SUCCESS", "RECHARGE_REFUND") or not kept:
            return kept
        model = kept[-1]
        unknown = [_stranger(model, place) for place in range(disturbance.add_unknown)]
        return kept + unknown

    def _file(self, columns: Sequence[str], lines: list[Line], summary: dict[str, str]) -> str:
        disturbance = self.disturbance
        shown = list(columns)
        if disturbance.shuffle_columns:
            shown.reverse()
        if disturbance.extra_column:
            shown.insert(len(shown) // 2, "新增字段")
        rows = [",".join(shown), *(_cells(line.get(name, "新") for name in shown) for line in lines)]
        rows += [",".join(summary), _cells(summary.values())]
        # The byte order mark and the line ends are those of the real file.
        whole = "\ufeff" + "".join(f"{row}\r\n" for row in rows)
        return whole[: len(whole) // 2] if disturbance.torn else whole

    def publish(self, mchid: str, content: str, *, compressed: bool) -> dict[str, Any]:
        """Keep the file for five minutes: its token and the SHA-1 of the file before compression."""
        token = secrets.token_urlsafe(48)
        now = self._clock.now()
        self._store.run("DELETE FROM bill_files WHERE expires_at <= ?", now)
        self._store.run(
            "INSERT INTO bill_files VALUES (?, ?, ?, ?, ?)", token, mchid, content, int(compressed), now + LINK_SECONDS
        )
        hashed = content + "." if self.disturbance.wrong_hash else content
        return {"token": token, "hash_value": hashlib.sha1(hashed.encode(), usedforsecurity=False).hexdigest()}

    def download(self, mchid: str, token: str) -> tuple[bytes, bool]:
        """The file and whether it is compressed; a link that is over or another merchant's: 400 INVALID_REQUEST."""
        sql = "SELECT * FROM bill_files WHERE token = ? AND mchid = ? AND expires_at > ?"
        row = self._store.one(sql, token, mchid, self._clock.now())
        if row is None:
            raise WechatPayError(400, "INVALID_REQUEST", "账单下载地址无效或已过期")
        content = row["content"].encode()
        return (gzip.compress(content, mtime=0), True) if row["gzip"] else (content, False)


def _cells(values: Iterable[str]) -> str:
    return ",".join(f"`{value}" for value in values)


def _number_of(line: Line) -> str:
    """The number of the merchant that a line of a trade bill is about."""
    refund = line["商户退款单号"]
    return line["商户订单号"] if refund == "0" else refund


def _stranger(model: Line, place: int) -> Line:
    """A refund nobody made, for an order nobody knows."""
    return {
        **model,
        "交易状态": "REFUND",
        "微信订单号": f"42009999{place:020}",
        "商户订单号": f"unknown-order-{place}",
        "退款申请时间": model["交易时间"],
        "退款成功时间": model["交易时间"],
        "微信退款单号": f"50309999{place:020}",
        "商户退款单号": f"unknown-refund-{place}",
        "退款金额": "0.01",
        "申请退款金额": "0.01",
        "充值券退款金额": "0.00",
        "退款类型": "ORIGINAL",
        "退款状态": "SUCCESS",
        "应结订单金额": "0.00",
        "代金券金额": "0.00",
        "订单金额": "0.00",
    }


def _total(lines: list[Line], column: str) -> str:
    fen = sum(round(float(line[column]) * 100) for line in lines)
    return f"{fen // 100}.{fen % 100:02}"


def _trade_summary(lines: list[Line], bill_type: str) -> dict[str, str]:
    summary = {"总交易单数": str(len(lines)), "应结订单总金额": _total(lines, "应结订单金额")}
    if bill_type != "SUCCESS":
        summary |= {"退款总金额": _total(lines, "退款金额"), "充值券退款总金额": _total(lines, "充值券退款金额")}
    summary |= {"手续费总金额": "0.00000", "订单总金额": _total(lines, "订单金额")}
    if bill_type != "SUCCESS":
        summary["申请退款总金额"] = _total(lines, "申请退款金额")
    return summary


def _fund_summary(lines: list[Line]) -> dict[str, str]:
    income = [line for line in lines if line["收支类型"] == "收入"]
    spent = [line for line in lines if line["收支类型"] == "支出"]
    return {
        "资金流水总笔数": str(len(lines)),
        "收入笔数": str(len(income)),
        "收入金额": _total(income, "收支金额(元)"),
        "支出笔数": str(len(spent)),
        "支出金额": _total(spent, "收支金额(元)"),
    }
