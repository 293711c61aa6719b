"""The table of differences, row by row, and the borders of a day in China."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

import pytest

from services.payment.bills import FundLine, TradeLine, day_range, read_fund_bill, read_trade_bill
from services.payment.differences import KINDS, Difference, Kind, Side, compare_funds, compare_order
from services.payment.model import Payment
from tests.unit.payment.bill_files import Cells, fund_bill, moved, paid, refunded, trade_bill

DAY = date(2026, 11, 1)
SIDE = Side("", DAY)
NOON = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
START, END = day_range(DAY)


def ours(*refunds: dict[str, Any], amount: int | None = 10_000, at: datetime = NOON, **more: Any) -> Payment:
    """Our record of O1; unpaid when `amount` is None."""
    receipt = None
    if amount is not None:
        receipt = {"amount": {"amount_minor": amount}, "transaction_id": "T-O1", "paid_at": at}
    status = "opened" if amount is None else "paid"
    known = {"order_id": "O1", "status": status, "amount": {"amount_minor": 10_000}, "receipt": receipt}
    return Payment.model_validate({**known, "refunds": refunds, **more})


def refund(status: str = "settled", at: datetime | None = NOON, **more: Any) -> dict[str, Any]:
    known = {"case_id": "C1", "number": "C1-1", "amount": {"amount_minor": 4_000}, "status": status, "accepted_at": at}
    return {**known, **more}


def compare(payment: Payment | None, *cells: Cells, side: Side = SIDE) -> list[Difference]:
    return compare_order(payment, read_trade_bill(trade_bill(*cells)), side)


def kinds(found: list[Difference]) -> list[str]:
    return [one.kind for one in found]


PAID = paid("O1")
REFUNDED = refunded("O1", "C1-1")
FAILED = refunded("O1", "C1-1", state="FAIL")
PAID_OUT = {"number": "P1", "status": "paid"}
WAITING = {"number": "P1", "status": "waiting"}
NOT_MADE = {"number": "P1", "status": "unknown"}
RETURNED = refund("refused", returned=True)
OUTSIDE = {"status": "settled", "provider_code": "OUTSIDE"}

ROWS: list[tuple[str, Payment | None, list[Cells], list[Kind]]] = [
    ("both paid", ours(), [PAID], []),
    ("both refunded", ours(refund()), [PAID, REFUNDED], []),
    ("an order not paid on either side", ours(amount=None), [], []),
    ("on its way on both sides", ours(refund("accepted")), [PAID, refunded("O1", "C1-1", state="PROCESSING")], []),
    ("abnormal on both sides", ours(refund("abnormal")), [PAID, refunded("O1", "C1-1", state="CHANGE")], []),
    ("paid in the bill only", ours(amount=None), [PAID], ["payment-not-known-here"]),
    ("closed here, paid in the bill", ours(amount=None, status="closed"), [PAID], ["payment-not-known-here"]),
    ("paid here only", ours(), [], ["payment-not-in-bill"]),
    ("another amount paid", ours(), [paid("O1", "100.01")], ["payment-amount"]),
    ("another currency paid", ours(), [paid("O1", 货币种类="USD")], ["payment-amount"]),
    ("another transaction", ours(), [paid("O1", 微信订单号="T-OTHER")], ["payment-amount"]),
    ("paid, then revoked there", ours(), [PAID, refunded("O1", "", 交易状态="REVOKED")], ["payment-revoked"]),
    ("an order nobody knows", None, [PAID, REFUNDED], ["order-unknown", "order-unknown"]),
    ("another shop's order", ours(shop="tea"), [PAID], ["order-unknown"]),
    ("arrived there, on its way here", ours(refund("accepted")), [PAID, REFUNDED], ["refund-not-settled-here"]),
    ("arrived there, unknown here", ours(refund("unknown", None)), [PAID, REFUNDED], ["refund-not-settled-here"]),
    ("arrived there, refused here", ours(refund("refused", None)), [PAID, REFUNDED], ["refund-not-settled-here"]),
    (
        "accepted there, unknown here",
        ours(refund("unknown", None)),
        [PAID, refunded("O1", "C1-1", state="PROCESSING")],
        ["refund-not-accepted-here"],
    ),
    ("with the merchant on both sides", ours(RETURNED), [PAID, REFUNDED], []),
    ("with the merchant, and paid outside", ours(RETURNED | OUTSIDE), [PAID, REFUNDED], []),
    ("with the merchant, and paid out", ours(RETURNED | {"payout": PAID_OUT}), [PAID, REFUNDED], []),
    ("with the merchant, not in the bill", ours(RETURNED), [PAID], ["refund-not-in-bill"]),
    ("arrived here, not in the bill", ours(refund()), [PAID], ["refund-not-in-bill"]),
    ("accepted here, not in the bill", ours(refund("accepted")), [PAID], ["refund-not-in-bill"]),
    ("made by hand on the platform", ours(), [PAID, refunded("O1", "BYHAND")], ["refund-not-ours"]),
    ("made by hand, failed", ours(), [PAID, refunded("O1", "BYHAND", state="FAIL")], []),
    ("made by hand, heard of", ours(refund(number="BYHAND", found=True)), [PAID, refunded("O1", "BYHAND")], []),
    ("another amount refunded", ours(refund()), [PAID, refunded("O1", "C1-1", "39.99")], ["refund-amount"]),
    ("failed there, arrived here", ours(refund()), [PAID, FAILED], ["refund-failed-there"]),
    ("failed there, replaced here", ours(refund(number="C1-2", closed_numbers=["C1-1"])),
     [PAID, FAILED, refunded("O1", "C1-2")], []),
    ("on its way there that morning, closed and replaced here since",
     ours(refund(number="C1-2", closed_numbers=["C1-1"])),
     [PAID, refunded("O1", "C1-1", state="PROCESSING"), refunded("O1", "C1-2")], []),
    ("a dead number arrived as well", ours(refund(number="C1-2", closed_numbers=["C1-1"])),
     [PAID, REFUNDED, refunded("O1", "C1-2")], ["refund-twice"]),
    ("a dead number arrived, and its successor was refused",
     ours(refund("refused", number="C1-2", closed_numbers=["C1-1"])), [PAID, REFUNDED], ["refund-not-settled-here"]),
    ("a dead number arrived, and its successor waits for the balance",
     ours(refund("parked", number="C1-2", closed_numbers=["C1-1"])), [PAID, REFUNDED], ["refund-not-settled-here"]),
    ("a dead number is on its way in an old bill, and its successor was refused",
     ours(refund("refused", number="C1-2", closed_numbers=["C1-1"])),
     [PAID, refunded("O1", "C1-1", state="PROCESSING")], []),
    ("a dead number arrived, and its money was paid outside",
     ours(refund(number="C1-2", closed_numbers=["C1-1"]) | OUTSIDE), [PAID, REFUNDED], ["refund-twice"]),
    ("the same number twice", ours(refund()), [PAID, REFUNDED, REFUNDED], ["refund-twice"]),
    ("a transfer and a refund", ours(refund(payout=PAID_OUT)), [PAID, REFUNDED], ["refund-twice"]),
    ("a refund and a transfer that is not made yet", ours(refund("paying-out", None, payout=NOT_MADE)),
     [PAID, REFUNDED], ["refund-not-settled-here"]),
    ("a refund on its way and a transfer that is not made yet", ours(refund("paying-out", None, payout=NOT_MADE)),
     [PAID, refunded("O1", "C1-1", state="PROCESSING")], ["refund-not-accepted-here"]),
    ("a refund and a transfer that waits", ours(refund("paying-out", payout=WAITING)), [PAID, REFUNDED],
     ["refund-twice"]),
    ("a transfer instead of the refund", ours(refund(payout=PAID_OUT)), [PAID], []),
    ("paid back outside", ours(refund(proof="cash, receipt 7", provider_code="OUTSIDE")), [PAID], []),
    ("paid back outside, and erased since", ours(refund(provider_code="OUTSIDE")), [PAID], []),
    ("refused on both sides", ours(refund("refused", None)), [PAID], []),
]  # fmt: skip


@pytest.mark.parametrize(("payment", "cells", "found"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_every_row_of_the_table(payment: Payment | None, cells: list[Cells], found: list[Kind]) -> None:
    assert kinds(compare(payment, *cells)) == found


def test_no_kind_is_without_a_meaning_and_a_test() -> None:
    assert set(KINDS) == set(get_args(Kind))
    tried = {kind for row in ROWS for kind in row[3]} | {"fund-line-missing", "fund-line-extra", "fund-amount"}
    assert tried == set(KINDS)
    assert [kind for kind, row in KINDS.items() if row.loud] == ["refund-twice"]


def test_a_difference_says_both_amounts_and_where() -> None:
    (one,) = compare(ours(refund()), PAID, refunded("O1", "C1-1", "39.99"))
    assert (one.subject, one.order_id, one.bill_minor, one.our_minor) == ("C1-1", "O1", 3_999, 4_000)


def test_a_refund_the_provider_has_confirmed_is_missed_no_more() -> None:
    assert compare(ours(refund()), PAID, side=Side("", DAY, {"C1-1"})) == []


# ── days ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("at", "is_expected"),
    [
        (START - timedelta(milliseconds=1), False),
        (START, True),
        (END - timedelta(milliseconds=1), True),
        (END, False),
    ],
)
def test_only_what_happened_on_that_day_in_china_must_be_in_its_bill(at: datetime, is_expected: bool) -> None:
    assert kinds(compare(ours(at=at))) == (["payment-not-in-bill"] if is_expected else [])
    later = ours(refund(at=at), at=NOON - timedelta(days=3))
    assert kinds(compare(later)) == (["refund-not-in-bill"] if is_expected else [])


def test_a_refund_accepted_before_midnight_and_heard_of_after_it_stands_in_the_bill_of_the_day_before() -> None:
    heard_after = ours(refund(at=END + timedelta(seconds=3)))
    line = refunded("O1", "C1-1", 交易时间="2026-11-01 23:59:59")
    assert compare(heard_after, PAID, line) == []
    next_day = Side("", DAY + timedelta(days=1))
    assert kinds(compare(heard_after, side=next_day)) == ["refund-not-in-bill"], "asked for, and then confirmed"
    assert compare(heard_after, side=Side("", next_day.day, {"C1-1"})) == []


def test_money_that_arrived_days_later_is_no_difference() -> None:
    assert compare(ours(refund(settled_at=NOON + timedelta(days=3))), PAID, REFUNDED) == []


# ── the account ──────────────────────────────────────────────────────────────────────────────────────────────────────
def trades(*cells: Cells) -> list[TradeLine]:
    return read_trade_bill(trade_bill(*cells))


def funds(*cells: Cells) -> list[FundLine]:
    return read_fund_bill(fund_bill(*cells))


OUT = moved("R-C1-1", "40.00", "退款", comes_in=False)
IN = moved("T-O1", "100.00")


def test_each_line_has_its_movement() -> None:
    found = compare_funds(trades(PAID, REFUNDED), funds(OUT, IN), DAY)
    assert (found.differences, found.at_border, found.others) == ([], 0, {})


def test_commission_comes_back_inside_the_refund_or_beside_it() -> None:
    inside = moved("R-C1-1", "39.76", "退款", comes_in=False)
    assert compare_funds(trades(REFUNDED), funds(inside), DAY).differences == []
    beside = moved("R-C1-1", "0.24", "退还交易手续费")
    found = compare_funds(trades(REFUNDED), funds(OUT, beside), DAY)
    assert found.differences == []
    assert found.others["+退还交易手续费"].amount_minor == 24


def test_fees_and_withdrawals_are_added_up_and_nobody_is_bothered() -> None:
    fee = moved("T-O1", "0.60", "扣除交易手续费", comes_in=False, 业务名称="交易")
    taken = moved("W1", "50.00", "提现", comes_in=False)
    found = compare_funds(trades(PAID), funds(IN, fee, fee, taken), DAY)
    assert found.differences == []
    assert {word: (one.count, one.amount_minor) for word, one in found.others.items()} == {
        "-扣除交易手续费": (2, 120),
        "-提现": (1, 5_000),
    }


def test_no_movement_for_a_line() -> None:
    found = compare_funds(trades(PAID, REFUNDED), funds(IN), DAY).differences
    assert [(one.kind, one.subject, one.bill_minor) for one in found] == [("fund-line-missing", "C1-1", 4_000)]


def test_a_movement_without_a_line() -> None:
    found = compare_funds(trades(PAID), funds(IN, OUT), DAY).differences
    assert [(one.kind, one.subject, one.bill_minor) for one in found] == [("fund-line-extra", "R-C1-1", 4_000)]


def test_the_same_refund_left_the_account_twice() -> None:
    found = compare_funds(trades(REFUNDED), funds(OUT, OUT), DAY).differences
    assert kinds(found) == ["fund-line-extra"]


def test_another_amount_moved() -> None:
    found = compare_funds(trades(PAID), funds(moved("T-O1", "99.00")), DAY).differences
    assert [(one.kind, one.bill_minor, one.our_minor) for one in found] == [("fund-amount", 10_000, 9_900)]


def test_a_refund_that_failed_may_have_moved_money_or_not() -> None:
    failed = refunded("O1", "C1-1", state="FAIL")
    assert compare_funds(trades(failed), funds(OUT), DAY).differences == []
    assert compare_funds(trades(failed), [], DAY).differences == []


def test_what_a_coupon_of_the_merchant_paid_moves_nothing() -> None:
    free = paid("O1", 应结订单金额="0.00")
    assert compare_funds(trades(free), [], DAY).differences == []


@pytest.mark.parametrize(
    ("at", "is_judged"),
    [
        ("2026-11-01 00:04:59", False),
        ("2026-11-01 00:05:00", True),
        ("2026-11-01 23:54:59", True),
        ("2026-11-01 23:55:00", False),
    ],
)
def test_near_midnight_the_other_half_may_be_in_another_days_bill(at: str, is_judged: bool) -> None:
    missing = compare_funds(trades(paid("O1", at=at)), [], DAY)
    extra = compare_funds([], funds(moved("T-O1", "100.00", 记账时间=at)), DAY)
    for found, kind in ((missing, "fund-line-missing"), (extra, "fund-line-extra")):
        assert kinds(found.differences) == ([kind] if is_judged else [])
        assert found.at_border == (0 if is_judged else 1)


def test_paid_outside_and_by_the_provider_too_is_twice() -> None:
    outside = ours(refund(proof="cash, receipt 7", provider_code="OUTSIDE"))
    assert kinds(compare(outside, PAID, REFUNDED)) == ["refund-twice"]
