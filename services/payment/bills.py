"""Reads the provider's daily bills: the trade bill (payments and refunds of one day) and the fund-flow bill (what moved
in the merchant's account). Pure: bytes in, lines out.

Sources: pay.weixin.qq.com/docs/merchant/products/bill-download/format-trade.html and …/format-fundflow.html. A bill is
UTF-8 text: a header, one row per line, a header of sums, one row of sums. Every cell of a row starts with a backtick.
Columns are found by name: they differ by kind of bill and by what a merchant has switched on. Amounts are yuan there
and fen here, times are China time there and UTC here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Literal

from contracts.zone import CHINA

TradeKind = Literal["ALL", "SUCCESS", "REFUND", "RECHARGE_REFUND"]
"""The last: refunds from money that was topped up, which no other bill has
(pay.weixin.qq.com/doc/v3/merchant/4012556654)."""
TradeState = Literal["SUCCESS", "REFUND", "REVOKED"]

_BOM = "\ufeff"
_SUMS_START_WITH = ("总交易单数", "资金流水总笔数")
_FULL_WIDTH = str.maketrans({"（": "(", "）": ")", "，": ","})
# Columns of older bills, which some merchants still get, behind the present name.
_OLDER_NAMES = {
    "应结订单金额": ("总金额",),
    "订单金额": ("应结订单金额", "总金额"),
    "申请退款金额": ("退款金额",),
    "手续费": ("返还手续费",),  # of refunds from what was topped up
    "应结订单总金额": ("总交易额",),
    "退款总金额": ("总退款金额",),
}
_AMOUNT = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,8})?")


class UnreadableBill(Exception):
    """A bill is not what the provider's document says; `line` counts from 1, 0 means the whole file."""

    def __init__(self, line: int, column: str, why: str, *, bill: str = "bill") -> None:
        super().__init__(f"{bill}, line {line}, column {column or '-'}: {why}")
        self.line = line
        self.column = column
        self.why = why


@dataclass(frozen=True, slots=True)
class TradeLine:
    """One payment, one refund, or (`state` REVOKED, only where a customer's code is scanned) one payment taken back.
    `at`: when it was paid, or when the provider accepted the refund, not when the money arrived. `amount_minor`: what
    was paid or asked back, fen; `settled_minor`: what of it moves in the merchant's account, less a coupon of the
    merchant's own. `fee_minor` is the provider's commission, negative when it is given back. `refund_state`: SUCCESS,
    PROCESSING, CHANGE (the card is shut: abnormal) or FAIL; a bill is never written anew, so it may be old."""

    line: int
    at: datetime
    order_id: str
    transaction_id: str
    state: TradeState
    currency: str
    amount_minor: int
    settled_minor: int
    fee_minor: int
    refund_number: str = ""
    refund_id: str = ""
    refund_state: str = ""

    @property
    def is_refund(self) -> bool:
        return self.state == "REFUND"


@dataclass(frozen=True, slots=True)
class FundLine:
    """One movement of the merchant's account. `number`: transaction or refund id of the provider; `business` and `kind`
    are its words (交易, 扣除交易手续费, 退款, 提现 …); `amount_minor` is fen, `comes_in` its direction."""

    line: int
    at: datetime
    number: str
    flow_number: str
    business: str
    kind: str
    comes_in: bool
    amount_minor: int


def day_of(at: datetime) -> date:
    """The day of a bill that a moment belongs to: bills are cut at midnight in China."""
    return at.astimezone(CHINA).date()


def day_range(day: date) -> tuple[datetime, datetime]:
    """When a bill's day begins, and when the next one does (UTC)."""
    start = datetime.combine(day, time(), CHINA).astimezone(UTC)
    return start, start + timedelta(days=1)


def read_trade_bill(raw: bytes, kind: TradeKind = "ALL") -> list[TradeLine]:
    """The lines of a trade bill; none for an empty file (no statement for that day). Raises UnreadableBill."""
    sheet = _sheet(raw)
    if sheet is None:
        return []
    lines = [_trade_line(row, kind) for row in sheet.rows]
    came = [one for one in lines if one.state == "SUCCESS"]
    went = [one for one in lines if one.state != "SUCCESS"]
    sheet.check_count("总交易单数", len(lines))
    if kind == "RECHARGE_REFUND":
        return lines  # what its other sums are of no document says
    sheet.check_sum("应结订单总金额", sum(one.settled_minor for one in came))
    if kind in ("ALL", "SUCCESS"):
        sheet.check_sum("订单总金额", sum(one.amount_minor for one in came), required=False)
    if kind != "SUCCESS":
        sheet.check_sum("退款总金额", sum(one.settled_minor for one in went))
        sheet.check_sum("申请退款总金额", sum(one.amount_minor for one in went), required=False)
    return lines


def read_fund_bill(raw: bytes) -> list[FundLine]:
    """The lines of a fund-flow bill; none for an empty file. Raises UnreadableBill."""
    sheet = _sheet(raw)
    if sheet is None:
        return []
    lines = [_fund_line(row) for row in sheet.rows]
    came = [one.amount_minor for one in lines if one.comes_in]
    went = [one.amount_minor for one in lines if not one.comes_in]
    sheet.check_count("资金流水总笔数", len(lines))
    sheet.check_count("收入笔数", len(came))
    sheet.check_sum("收入金额", sum(came))
    sheet.check_count("支出笔数", len(went))
    sheet.check_sum("支出金额", sum(went))
    return lines


# ── rows and cells ───────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class _Row:
    """One row with the names of its columns."""

    line: int
    columns: dict[str, int]
    cells: list[str]

    def find(self, name: str) -> str | None:
        """The cell under this name or an older one, None when the bill has no such column."""
        for candidate in (name, *_OLDER_NAMES.get(name, ())):
            if candidate in self.columns:
                return self.cells[self.columns[candidate]]
        return None

    def text(self, name: str) -> str:
        found = self.find(name)
        if found is None:
            raise UnreadableBill(self.line, name, "the column is missing")
        return found

    def fen(self, name: str) -> int:
        """An exact amount."""
        fen = _yuan(self, name) * 100
        if fen != fen.to_integral_value():
            raise UnreadableBill(self.line, name, f"{self.text(name)!r} is no whole number of fen")
        return int(fen)

    def fen_about(self, name: str) -> int:
        """Commission is shown with five decimals: the nearest fen. No such column: none was taken."""
        if self.find(name) is None:
            return 0
        return int((_yuan(self, name) * 100).to_integral_value(ROUND_HALF_UP))

    def time(self, name: str) -> datetime:
        text = self.text(name)
        try:
            return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=CHINA).astimezone(UTC)
        except (ValueError, OverflowError) as problem:  # the latter: 0001-01-01, as programs write that there is none
            raise UnreadableBill(self.line, name, f"{text!r} is no time like 2026-11-01 20:30:00") from problem


def _yuan(row: _Row, name: str) -> Decimal:
    text = row.text(name)
    if not _AMOUNT.fullmatch(text):
        raise UnreadableBill(row.line, name, f"{text!r} is no amount like 12.30")
    try:
        return Decimal(text)
    except InvalidOperation as problem:
        raise UnreadableBill(row.line, name, f"{text!r} is no amount like 12.30") from problem


@dataclass(frozen=True, slots=True)
class _Sheet:
    rows: list[_Row]
    sums: _Row

    def check_count(self, name: str, counted: int) -> None:
        said = _yuan(self.sums, name)  # written as 20 or as 20.0
        if said != counted:
            raise UnreadableBill(self.sums.line, name, f"says {said}, the lines are {counted}")

    def check_sum(self, name: str, added: int, *, required: bool = True) -> None:
        if not required and self.sums.find(name) is None:
            return
        said = self.sums.fen(name)
        if said != added:
            raise UnreadableBill(self.sums.line, name, f"says {said} fen, the lines add up to {added} fen")


def _sheet(raw: bytes) -> _Sheet | None:
    """The rows and the row of sums; None for an empty file."""
    try:
        text = raw.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as problem:
        raise UnreadableBill(0, "", "not UTF-8") from problem
    # Not splitlines(): a product's name may hold a character that it takes for the end of a line.
    numbered = [(number, line.rstrip("\r")) for number, line in enumerate(text.split("\n"), start=1)]
    filled = [(number, line) for number, line in numbered if line.strip()]
    if not filled:
        return None
    ends = [index for index, (_, line) in enumerate(filled) if _cells(line)[0] in _SUMS_START_WITH]
    if not ends or ends[0] == 0 or ends[0] != len(filled) - 2:
        raise UnreadableBill(filled[-1][0], "", "the bill does not end with one header and one row of sums")
    header, sums_header, (sums_line, sums) = filled[0], filled[ends[0]], filled[-1]
    columns = _columns(*header)
    rows = [_row(number, columns, line) for number, line in filled[1 : ends[0]]]
    return _Sheet(rows, _row(sums_line, _columns(*sums_header), sums))


def _cells(line: str) -> list[str]:
    """A comma inside a product's name ends no cell: the next one starts with a backtick."""
    if line.startswith("`"):
        return [cell.strip() for cell in line[1:].split(",`")]
    return [cell.strip().removeprefix("`") for cell in line.split(",")]


def _columns(line: int, header: str) -> dict[str, int]:
    names = _cells(header.translate(_FULL_WIDTH))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UnreadableBill(line, twice, "the column is there twice")
    return {name: position for position, name in enumerate(names)}


def _row(line: int, columns: dict[str, int], text: str) -> _Row:
    cells = _cells(text)
    if len(cells) != len(columns):
        raise UnreadableBill(line, "", f"{len(cells)} cells under {len(columns)} columns")
    return _Row(line, columns, cells)


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────────────────────
_STATES: dict[str, TradeState] = {"SUCCESS": "SUCCESS", "REFUND": "REFUND", "REVOKED": "REVOKED"}


def _trade_line(row: _Row, kind: TradeKind) -> TradeLine:
    state = _STATES.get(row.text("交易状态"))
    if state is None or (kind == "SUCCESS" and state != "SUCCESS"):
        raise UnreadableBill(row.line, "交易状态", f"{row.text('交易状态')!r} is not expected in a bill of kind {kind}")
    came_in, is_refund = state == "SUCCESS", state == "REFUND"
    asked_at = row.find("退款申请时间") if is_refund else None
    number = row.text("商户退款单号") if is_refund else ""
    if is_refund and number in ("", "0"):
        raise UnreadableBill(row.line, "商户退款单号", "a refund without a number")
    return TradeLine(
        line=row.line,
        at=row.time("退款申请时间" if asked_at else "交易时间"),
        order_id=row.text("商户订单号"),
        transaction_id=row.text("微信订单号"),
        state=state,
        currency=row.text("货币种类"),
        amount_minor=row.fen("订单金额" if came_in else "申请退款金额"),
        settled_minor=row.fen("应结订单金额" if came_in else "退款金额"),
        fee_minor=row.fen_about("手续费"),
        refund_number=number,
        refund_id=row.text("微信退款单号") if is_refund else "",
        refund_state=row.text("退款状态") if is_refund else "",
    )


_DIRECTIONS = {"收入": True, "支出": False}


def _fund_line(row: _Row) -> FundLine:
    direction = row.text("收支类型")
    if direction not in _DIRECTIONS:
        raise UnreadableBill(row.line, "收支类型", f"{direction!r} is neither 收入 nor 支出")
    return FundLine(
        line=row.line,
        at=row.time("记账时间"),
        number=row.text("微信支付业务单号"),
        flow_number=row.text("资金流水单号"),
        business=row.text("业务名称"),
        kind=row.text("业务类型"),
        comes_in=_DIRECTIONS[direction],
        amount_minor=row.fen("收支金额(元)"),
    )


def yuan(minor: int | None) -> str:
    """Fen as people write them: 1230 → 12.30; a dash for nothing."""
    return "–" if minor is None else f"{Decimal(minor) / 100:.2f}"
