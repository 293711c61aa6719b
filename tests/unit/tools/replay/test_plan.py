"""What the file says: every odd row is named, every cancellation finds its purchase or a reason why not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.unit.tools.replay.shop_year import HEADER, write_year
from tools.replay import independent
from tools.replay.matching import NO_CUSTOMER, NO_EARLIER_PURCHASE, NOT_ENOUGH_LEFT
from tools.replay.plan import Plan, make
from tools.replay.rows import FILE, KINDS, fen


@pytest.fixture
def year(tmp_path: Path) -> Path:
    return write_year(tmp_path)


@pytest.fixture
def plan(year: Path) -> Plan:
    return make(year, None)


@pytest.mark.parametrize(
    ("text", "minor"), [("1.00", 100), ("2.5", 250), ("1.005", 101), ("0.001", 0), ("-11062.06", -1106206), ("7", 700)]
)
def test_one_in_the_file_is_a_hundred_fen_and_half_a_fen_goes_up(text: str, minor: int) -> None:
    assert fen(text) == minor
    assert independent._minor(text) == minor


def test_rows_that_are_no_goods_are_named_and_counted(plan: Plan) -> None:
    found = {tally.kind: (tally.purchase_rows, tally.cancellation_rows) for tally in plan.no_goods}
    assert found == {
        "postage": (1, 0),
        "stock-correction": (1, 0),
        "zero-price": (2, 0),
        "bad-debt": (1, 0),
        "gift-voucher": (1, 0),
        "discount": (0, 1),
        "manual": (1, 0),
    }
    assert found.keys() <= KINDS.keys()


def test_a_purchase_invoice_is_an_order_of_its_customer(plan: Plan) -> None:
    first = plan.orders[0]
    assert [order.invoice for order in plan.orders] == ["100001", "100002", "100003", "100008", "100010"]
    assert (first.customer_id, first.group, first.total_minor) == ("17001", "United Kingdom", 8 * 255 + 4 * 101)
    assert [(line.line_no, line.product_id, line.quantity) for line in first.lines] == [
        (1, "20001", 6),
        (2, "20002A", 4),
        (3, "20001", 2),
    ]


def test_a_row_without_customer_belongs_to_a_guest_of_its_invoice(plan: Plan) -> None:
    assert plan.orders[2].customer_id == "guest-100003"
    assert plan.orders[2].occurred_at.isoformat() == "2011-02-01T11:00:00+08:00"


def test_a_cancellation_takes_the_latest_purchase_with_enough_left(plan: Plan) -> None:
    cases = {(case.number, case.invoice): case.lines for case in plan.cancellations}
    assert cases[("C10001", "100002")] == ((1, 3),)


def test_what_no_purchase_has_whole_is_taken_from_several_latest_first(plan: Plan) -> None:
    cases = {(case.number, case.invoice): case.lines for case in plan.cancellations}
    assert cases[("C10002", "100002")] == ((1, 7),)
    assert cases[("C10002", "100001")] == ((1, 3), (2, 4), (3, 2))


def test_what_matches_nothing_is_listed_with_the_reason(plan: Plan) -> None:
    assert {(row.number, row.why) for row in plan.unmatched} == {
        ("C10003", NOT_ENOUGH_LEFT),
        ("C10004", NO_CUSTOMER),
        ("C10005", NO_EARLIER_PURCHASE),
    }
    assert plan.cancelled_rows == 8


def test_steps_come_in_order_and_an_order_before_its_cancellation(plan: Plan) -> None:
    steps = list(plan.steps())
    assert [step.occurred_at for step in steps] == sorted(step.occurred_at for step in steps)
    names = [getattr(step, "number", step.invoice) for step in steps]
    assert names.index("100008") < names.index("C10006")


def test_a_product_has_its_usual_name_and_all_prices_it_was_sold_at(plan: Plan) -> None:
    products = {product.product_id: product for product in plan.products}
    assert products["20001"].name == "RED MUG"
    assert products["20001"].offers_minor == (255, 210)
    assert products["20001"].opening == 18
    assert (products["20001"].category, products["DCGS0003"].category) == ("goods", "special")


def test_a_shorter_replay_is_a_part_of_the_whole(year: Path, plan: Plan) -> None:
    shorter = make(year, 1)
    assert shorter.orders == plan.orders[:1]
    assert shorter.cancellations == tuple(case for case in plan.cancellations if case.invoice == "100001")
    assert [product.offers_minor for product in shorter.products] == [(255, 210), (125, 101)]
    assert (shorter.whole, plan.whole) == (False, True)


def test_an_unreadable_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(f"{HEADER}\n1,2,x,many,2011-01-01T00:00:00,1,1,UK\n")
    with pytest.raises(ValueError, match=r"broken\.csv, line 2"):
        make(path, None)


@pytest.mark.parametrize("refused", [frozenset(), frozenset({("C10002", "100001")})])
def test_the_independent_sums_of_the_small_year(year: Path, refused: frozenset[tuple[str, str]]) -> None:
    expected = independent.compute(year, None, refused)
    given = expected.figures["cancellations", "month"]
    assert given["2011-02"].quantity == (17 - 9 if refused else 17)
    assert expected.stock["20002A"] == (7, 0 if refused else 4)
    assert expected.figures["orders", "group"]["France"] == (1, 4, 775)
    assert expected.unmatched == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("invoices", "orders", "total", "cases", "pieces", "refunded"),
    [(2000, 2000, 104_991_981, 419, 15_774, 4_000_340), (None, 19_773, 1_027_143_306, 3_725, 250_220, 48_715_062)],
)
def test_plan_and_independent_computation_agree_on_the_real_file(
    invoices: int | None, orders: int, total: int, cases: int, pieces: int, refunded: int
) -> None:
    plan, expected = make(FILE, invoices), independent.compute(FILE, invoices)
    price = {(order.invoice, line.line_no): line.unit_price_minor for order in plan.orders for line in order.lines}
    assert {
        order.invoice: (f"{order.occurred_at:%Y-%m}", order.quantity, order.total_minor) for order in plan.orders
    } == expected.orders
    assert {
        (case.number, case.invoice): (
            f"{case.occurred_at:%Y-%m}",
            case.lines,
            case.quantity,
            sum(quantity * price[case.invoice, line_no] for line_no, quantity in case.lines),
        )
        for case in plan.cancellations
    } == expected.cases
    assert {product.product_id: product.opening for product in plan.products} == {
        code: bought for code, (bought, _) in expected.stock.items()
    }
    reasons: Counter[str] = Counter()
    for case in plan.cancellations:
        reasons[case.code] += case.quantity
    assert {key: row.quantity for key, row in expected.figures["cancellations", "reason"].items()} == reasons
    assert (len(plan.orders), sum(order.total_minor for order in plan.orders)) == (orders, total)
    assert (len(plan.cancellations), sum(reasons.values())) == (cases, pieces)
    assert sum(case.amount_minor for case in expected.cases.values()) == refunded
    assert (len(plan.unmatched), plan.cancelled_rows) == (expected.unmatched, 8_704)
