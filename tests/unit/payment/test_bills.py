"""Bills are read by the names of their columns, exactly, or not at all."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.payment.bills import (
    FundLine,
    TradeLine,
    UnreadableBill,
    day_of,
    day_range,
    read_fund_bill,
    read_trade_bill,
    yuan,
)
from tests.unit.payment.bill_files import (
    FUND_COLUMNS,
    REFUND_COLUMNS,
    TRADE_COLUMNS,
    fund_bill,
    moved,
    paid,
    refunded,
    trade_bill,
    written,
)

# As the provider's document shows it (pay.weixin.qq.com/docs/merchant/products/bill-download/structure/fund-bill.html),
# with the row of sums that belongs to this one line.
OFFICIAL = """记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额（元）,账户结余（元）,资金变更提交申请人,备注,业务凭证号
`2018-02-01 04:21:23,`50000305742018020103387128253,`1900009231201802015884652186,`退款,`退款,`支出,`0.02,`0.17,`system,`缺货,`REF4200000068201801293084726067
资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额
`1.0,`0.0,`0.00,`1.0,`0.02
"""  # noqa: E501
OLD = """交易时间,公众账号ID,商户号,子商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,总金额,企业红包金额,微信退款单号,商户退款单号,退款金额,企业红包退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率
`2014-11-10 16:33:45,`wx2421b1c4370ec43b,`10000100,`0,`1000,`1001690740201411100005734289,`1415640626,`openid,`MICROPAY,`SUCCESS,`CFT,`CNY,`0.01,`0.0,`0,`0,`0,`0,`,`,`被扫支付测试,`订单额外描述,`0,`0.60%
总交易单数,总交易额,总退款金额,总企业红包退款金额,手续费总金额
`1,`0.01,`0.0,`0.0,`0
"""  # noqa: E501


def test_a_payment_and_a_refund_in_fen_and_utc() -> None:
    payment, refund = read_trade_bill(trade_bill(paid("O1"), refunded("O1", "C1-1")))
    assert payment == TradeLine(
        line=2,
        at=datetime(2026, 11, 1, 12, 0, tzinfo=UTC),
        order_id="O1",
        transaction_id="T-O1",
        state="SUCCESS",
        currency="CNY",
        amount_minor=10_000,
        settled_minor=10_000,
        fee_minor=60,
    )
    assert (refund.is_refund, refund.refund_number, refund.refund_id, refund.refund_state) == (
        True,
        "C1-1",
        "R-C1-1",
        "SUCCESS",
    )
    assert (refund.amount_minor, refund.settled_minor, refund.fee_minor) == (4_000, 4_000, -24)


def test_the_documents_own_example() -> None:
    (line,) = read_fund_bill(OFFICIAL.encode())
    assert line == FundLine(
        line=2,
        at=datetime(2018, 1, 31, 20, 21, 23, tzinfo=UTC),
        number="50000305742018020103387128253",
        flow_number="1900009231201802015884652186",
        business="退款",
        kind="退款",
        comes_in=False,
        amount_minor=2,
    )


def test_a_bill_with_the_columns_of_long_ago() -> None:
    (line,) = read_trade_bill(OLD.encode())
    assert (line.order_id, line.amount_minor, line.settled_minor) == ("1415640626", 1, 1)


def test_other_columns_and_another_order_change_nothing() -> None:
    lines = (paid("O1"), refunded("O1", "C1-1"))
    shuffled = ["新列", *reversed(TRADE_COLUMNS)]
    assert read_trade_bill(trade_bill(*lines, columns=shuffled)) == read_trade_bill(trade_bill(*lines))


def test_a_bill_of_refunds_shows_when_they_were_asked_for() -> None:
    line = refunded("O1", "C1-1", 交易时间="2026-10-20 08:00:00", 退款申请时间="2026-11-01 23:59:59")
    (refund,) = read_trade_bill(trade_bill(line, columns=REFUND_COLUMNS), "REFUND")
    assert refund.at == datetime(2026, 11, 1, 15, 59, 59, tzinfo=UTC)


def test_a_bill_of_payments_has_no_columns_for_refunds() -> None:
    columns = [name for name in TRADE_COLUMNS if "退款" not in name]
    sums = {"总交易单数": "1", "应结订单总金额": "100.00", "手续费总金额": "0.6", "订单总金额": "100.00"}
    (payment,) = read_trade_bill(written(columns, [paid("O1")], sums), "SUCCESS")
    assert payment.amount_minor == 10_000
    with pytest.raises(UnreadableBill, match="column 退款总金额: the column is missing"):
        read_trade_bill(written(columns, [paid("O1")], sums), "ALL")


def test_a_comma_in_a_products_name_and_unix_line_ends() -> None:
    raw = trade_bill(paid("O1", 商品名称="茶叶, 绿\u2028茶")).replace(b"\r\n", b"\n")
    assert [line.order_id for line in read_trade_bill(raw)] == ["O1"]


def test_no_statement_is_an_empty_bill() -> None:
    assert read_trade_bill(b"") == []
    assert read_fund_bill(b"\xef\xbb\xbf\r\n") == []


@pytest.mark.parametrize("column", ["交易时间", "商户订单号", "微信订单号", "交易状态", "货币种类", "商户退款单号"])
def test_a_missing_column_is_named(column: str) -> None:
    columns = [name for name in TRADE_COLUMNS if name != column]
    with pytest.raises(UnreadableBill, match=f"column {column}: the column is missing") as caught:
        read_trade_bill(trade_bill(refunded("O1", "C1-1"), columns=columns))
    assert (caught.value.line, caught.value.column) == (2, column)


@pytest.mark.parametrize(
    ("spoiled", "line", "column"),
    [
        (paid("O1", 订单金额="12.345"), 3, "订单金额"),
        (paid("O1", 订单金额="1,2"), 3, "订单金额"),
        (paid("O1", 应结订单金额="NaN"), 3, "应结订单金额"),
        (paid("O1", 应结订单金额="1e3"), 3, "应结订单金额"),
        (paid("O1", at="2026/11/01 20:00"), 3, "交易时间"),
        (paid("O1", at="0001-01-01 00:00:00"), 3, "交易时间"),
        (paid("O1", 交易状态="PAID"), 3, "交易状态"),
        (refunded("O1", "0"), 3, "商户退款单号"),
    ],
)
def test_a_cell_that_cannot_be_read_is_named(spoiled: dict[str, str], line: int, column: str) -> None:
    good = paid("O0")
    whole = written(TRADE_COLUMNS, [good, spoiled], {"总交易单数": "2", "应结订单总金额": "0.00", "退款总金额": "0.00"})
    with pytest.raises(UnreadableBill) as caught:
        read_trade_bill(whole)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("总交易单数", "3"),
        ("应结订单总金额", "100.01"),
        ("订单总金额", "99.99"),
        ("退款总金额", "0.00"),
        ("申请退款总金额", "40.01"),
    ],
)
def test_sums_that_do_not_add_up(name: str, value: str) -> None:
    with pytest.raises(UnreadableBill) as caught:
        read_trade_bill(trade_bill(paid("O1"), refunded("O1", "C1-1"), **{name: value}))
    assert (caught.value.line, caught.value.column) == (5, name)


@pytest.mark.parametrize("name", ["资金流水总笔数", "收入笔数", "收入金额", "支出笔数", "支出金额"])
def test_sums_of_the_account_that_do_not_add_up(name: str) -> None:
    lines = (moved("T-O1", "100.00"), moved("R-1", "40.00", "退款", comes_in=False))
    assert len(read_fund_bill(fund_bill(*lines))) == 2
    with pytest.raises(UnreadableBill) as caught:
        read_fund_bill(fund_bill(*lines, **{name: "7"}))
    assert caught.value.column == name


def test_a_direction_nobody_knows() -> None:
    line = moved("T-O1", "1.00") | {"收支类型": "冻结"}
    with pytest.raises(UnreadableBill, match="收支类型"):
        read_fund_bill(fund_bill(line))


NO_END = "does not end with one header and one row of sums"


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("订单\n".encode("gbk"), "not UTF-8"),
        (trade_bill(paid("O1")).rsplit(b"\r\n", 2)[0], NO_END),
        (b"\r\n".join(trade_bill(paid("O1")).split(b"\r\n")[:2]), NO_END),
        (trade_bill(paid("O1")) + b"`1,`2\r\n", NO_END),
        (trade_bill(paid("O1")) * 2, NO_END),
        (
            trade_bill(paid("O1"), columns=[*TRADE_COLUMNS, "商户订单号"]),
            "column 商户订单号: the column is there twice",
        ),
        (trade_bill(paid("O1", 商品名称="a,`b")), "line 2, column -: 28 cells under 27 columns"),
        (trade_bill(paid("O1"), more="1").replace(b",`1\r\n", b"\r\n"), "line 4, column -: 7 cells under 8 columns"),
    ],
)
def test_a_file_that_is_no_bill(raw: bytes, why: str) -> None:
    with pytest.raises(UnreadableBill, match=why):
        read_trade_bill(raw)


def test_every_column_that_is_needed_from_the_account() -> None:
    for column in ("记账时间", "微信支付业务单号", "业务类型", "收支类型", "收支金额(元)"):
        columns = [name for name in FUND_COLUMNS if name != column]
        sums = {"资金流水总笔数": "1", "收入笔数": "1", "收入金额": "1.00", "支出笔数": "0", "支出金额": "0.00"}
        with pytest.raises(UnreadableBill, match="the column is missing"):
            read_fund_bill(written(columns, [moved("T-1", "1.00")], sums))


def test_days_are_cut_at_midnight_in_china() -> None:
    start, end = day_range(date(2026, 11, 1))
    assert (start, end) == (datetime(2026, 10, 31, 16, tzinfo=UTC), datetime(2026, 11, 1, 16, tzinfo=UTC))
    assert day_of(start) == date(2026, 11, 1)
    assert day_of(end) == date(2026, 11, 2)


@given(fen=st.integers(0, 10**12), many=st.integers(1, 3))
def test_no_fen_is_lost(fen: int, many: int) -> None:
    lines = [paid(f"O{n}", yuan(fen)) for n in range(many)]
    assert [line.amount_minor for line in read_trade_bill(trade_bill(*lines))] == [fen] * many
