"""Whatever leaves an order, in whatever parts: what goes back is what the preview said, never more than is left of the
payment, and in the end exactly what was paid."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import assume, given
from hypothesis import strategies as some

from chassis.record import Refusal
from contracts import inventory, payment
from contracts.exchange import ExchangeGoods
from contracts.message import CaseId, Money, ProductId, RefundNumber
from contracts.order import CancelLine, WantedLine
from services.order.model import Order
from services.order.offer import Coupon, PriceRules, Product
from services.order.pieces import pieces_to_cancel
from services.order.preview import cancel_preview
from services.order.variants import ReadyToExchange
from tests.unit.order.roads import choose
from tests.unit.order.told import (
    ANYTHING_GOES,
    CHANGED_MIND,
    CUSTOMER,
    ID,
    OPENED,
    RESERVED,
    STAFF,
    Told,
    accepted,
    cancel,
    held,
    kept,
    paid,
    place,
    refused,
    released,
    settled,
    told,
)

PRICES = (0, 1, 7, 333, 1000)
GOODS = {
    id: Product(
        product_id=ProductId(id), name=id, category="goods", offers_minor=PRICES, currency="CNY", variant_of="tea"
    )
    for id in ("black", "green")
}


@dataclass
class Customer:
    """An order, and what went back of it so far (fen), as WeChat would count it."""

    order: Told
    back: int = 0
    by_hand: int = 0

    @property
    def state(self) -> Order:
        return self.order.order

    @property
    def left(self) -> int:
        return self.state.total_minor - self.back

    def cancels(self, *lines: tuple[int, int], granted: bool = True) -> None:
        """Some pieces, or everything that is left; `granted`: whether WeChat takes the refund."""
        wish = cancel(*lines, request=f"r{len(self.state.cases)}", by=STAFF)
        pieces = pieces_to_cancel(self.state, [CancelLine(line_no=no, quantity=quantity) for no, quantity in lines])
        shown = cancel_preview(self.state, wish.asked, CHANGED_MIND, pieces, ANYTHING_GOES, self.order.now)
        self.order.hears(wish)
        case = self.state.cases[-1]
        amount = case.amount.amount_minor
        assert shown["amount_minor"] == amount == sum(line.amount_minor for line in case.lines)
        assert [line["amount_minor"] for line in shown["lines"]] == [line.amount_minor for line in case.lines]
        assert 0 <= amount <= self.left
        self.order.hears(held(case.case_id))
        if not amount:
            self.order.hears(released(case.case_id), told("order-cancelled", case.case_id))
        elif granted:
            self._ends(case.case_id, amount, stock=True)
        else:
            self.order.hears(refused(case.case_id), kept(case.case_id), told("refund-failed", case.case_id))
            choose(self.order, "done")

    def gets_by_hand(self, amount: int) -> None:
        """A refund that somebody makes on the merchant platform."""
        if not 0 < amount <= self.left:
            return
        self.by_hand += 1
        number = RefundNumber(f"platform-{self.by_hand}")
        found = payment.RefundFound(
            order_id=ID, refund_number=number, amount=Money(amount_minor=amount), found_at=self.order.now
        )
        self.order.hears(found)
        case = self.state.cases[-1]
        self._ends(case.case_id, amount, stock=bool(case.lines))
        if any(task.done_at is None for task in self.state.tasks):
            choose(self.order, "done")

    def exchanges(self, line_no: int, quantity: int) -> None:
        """Some pieces of a line for the other kind."""
        number = len(self.state.exchanges) + 1
        old = next(line.product_id for line in self.state.lines if line.line_no == line_no)
        asked = ExchangeGoods(
            order_id=ID,
            request_id=f"x{number}",
            fingerprint="f",
            line_no=line_no,
            quantity=quantity,
            product_id=ProductId("green" if old == "black" else "black"),
            by=CUSTOMER,
        )
        case = CaseId(f"{ID}-x{number}")
        self.order.hears(
            ReadyToExchange(order_id=ID, asked=asked, products=tuple(GOODS.values())),
            inventory.StockSwapped(order_id=ID, case_id=case),
            inventory.StockReleased(order_id=ID, case_id=case, lines=(), exchanged=True),
        )

    def _ends(self, case: CaseId, amount: int, *, stock: bool) -> None:
        self.back += amount
        self.order.hears(accepted(case, amount), *([released(case)] if stock else []))
        self.order.hears(told("refund-on-its-way", case), settled(case, amount), told("refund-arrived", case))


def customer(lines: list[tuple[str, int, int]], coupon: int, rules: PriceRules) -> Customer:
    """Who has paid for these goods: kind, pieces, price (fen)."""
    wish = place(rules=rules)
    wanted = tuple(WantedLine(product_id=ProductId(id), quantity=n, unit_price_minor=price) for id, n, price in lines)
    asked = wish.asked.model_copy(update={"lines": wanted, "coupon": "c" if coupon else ""})
    update = {"asked": asked, "products": tuple(GOODS.values()), "coupon": Coupon(code="c", amount_minor=coupon)}
    order = Told()
    try:
        order.hears(wish.model_copy(update=update))
    except Refusal:  # nothing to pay
        assume(False)
    order.hears(RESERVED, OPENED, paid(order.order.total_minor))
    return Customer(order)


LINES = some.lists(
    some.tuples(some.sampled_from(list(GOODS)), some.integers(1, 5), some.sampled_from(PRICES)), min_size=1, max_size=4
)
RULES = some.builds(
    PriceRules,
    freight_minor=some.sampled_from([0, 1, 500]),
    discount_percent=some.sampled_from([0, 7, 33, 100]),
)
STEPS = some.lists(some.tuples(some.sampled_from("crxh"), some.integers(0, 9), some.integers(1, 1500)), max_size=8)


@given(LINES, some.sampled_from([0, 1, 50, 5000]), RULES, STEPS)
def test_all_parts_of_an_order_add_up_to_what_was_paid(
    lines: list[tuple[str, int, int]], coupon: int, rules: PriceRules, steps: list[tuple[str, int, int]]
) -> None:
    who = customer(lines, coupon, rules)
    for what, which, number in steps:
        left = [line for line in who.state.lines if line.left]
        if who.state.state != "paid":
            break
        line = left[which % len(left)]
        pieces = 1 + number % line.left
        if what == "h":
            who.gets_by_hand(number)
        elif what == "x":
            who.exchanges(line.line_no, pieces)
        else:
            who.cancels((line.line_no, pieces), granted=what == "c")
        _check(who)
    if who.state.state == "paid":
        who.cancels()
    _check(who)
    assert who.state.state == "cancelled"
    assert who.back == who.state.total_minor
    assert not any(line.left for line in who.state.lines)


def _check(who: Customer) -> None:
    order = who.state
    assert order.open_case is None
    assert order.refunded_minor == order.cancelled_minor == who.back <= order.total_minor
    assert sum(line.paid_minor - line.moved_minor for line in order.lines) == order.total_minor
    assert all(0 <= line.refunded_minor <= line.paid_minor - line.moved_minor for line in order.lines)
    assert all(line.share(line.left) >= 0 for line in order.lines if line.left)
