"""Given what an order has heard, what does it know and say? No broker, no database, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chassis.record import Decided, Heard, Record, hear
from contracts import inventory, notify, payment
from contracts.message import CaseId, CustomerId, Message, Money, OrderId, ProductId, RefundNumber, Woke
from contracts.order import (
    Actor,
    CancelLine,
    CancelOrder,
    Contact,
    PlaceOrder,
    Reason,
    Reference,
    ShipOrder,
    WantedLine,
)
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.offer import PriceRules, Product, ReadyToPlace
from services.order.policies import Policy, ReadyToCancel, Rule

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # a Monday
ID = OrderId("o1")
CASE = CaseId("o1-c1")
TEA = Product(product_id=ProductId("tea"), name="茶", category="goods", offers_minor=(300,), currency="CNY")
CUP = Product(product_id=ProductId("cup"), name="杯", category="goods", offers_minor=(1000,), currency="CNY")
CUSTOMER = Actor(kind="customer", id="c1")
STAFF = Actor(kind="staff", id="s1", role="supervisor")
ANYTHING_GOES = Policy(version=1, rules=(Rule(name="anything", way="allow"),))
CHANGED_MIND = Reason(family="customer", code="changed-mind")


@dataclass
class Told:
    """One order and everything it has said, in order."""

    record: Record[Order] = field(default_factory=lambda: Record("o1"))
    now: datetime = START
    said: list[str] = field(default_factory=list)
    last: list[str] = field(default_factory=list)
    heard: int = 0

    @property
    def order(self) -> Order:
        assert self.record.state is not None
        return self.record.state

    def hears(self, *messages: Message) -> Told:
        """Let the order hear each message, a second apart."""
        for message in messages:
            self.heard += 1
            self.decide(Heard(message, f"m{self.heard}", self.now))
            self.now += timedelta(seconds=1)
        return self

    def decide(self, heard: Heard) -> Decided[Order]:
        decided = hear(ORDERS, self.record, heard)
        self.record = decided.record
        self.last = [said.wire.rpartition(".v")[0] for said in decided.says]
        self.said.extend(self.last)
        return decided

    def after(self, wait: timedelta) -> Told:
        """Time passes; if the order's timer comes due it rings."""
        self.now += wait
        due = self.record.wake_at
        assert due is not None, "no timer is set"
        assert due <= self.now, f"the timer rings at {due}, not by {self.now}"
        return self.hears(Woke(record_id="o1", due=due))

    def rings(self) -> Told:
        """Time passes until the order's timer comes due."""
        due = self.record.wake_at
        assert due is not None, "no timer is set"
        return self.after(due - self.now)


def place(lines: Sequence[tuple[Product, int]] = ((TEA, 3), (CUP, 1)), rules: PriceRules | None = None) -> ReadyToPlace:
    """A wish to order, with the shop's products."""
    return ReadyToPlace(
        order_id=ID,
        asked=PlaceOrder(
            order_id=ID,
            customer_id=CustomerId("c1"),
            customer_group="g",
            contact=Contact(name="张三", phone="13800001111", openid="openid-1"),
            lines=tuple(
                WantedLine(product_id=product.product_id, quantity=quantity, unit_price_minor=product.offers_minor[0])
                for product, quantity in lines
            ),
            fingerprint="f1",
        ),
        products=(TEA, CUP),
        rules=rules or PriceRules(),
    )


def cancel(
    *lines: tuple[int, int],
    order_id: str = ID,
    request: str = "r1",
    fingerprint: str = "f",
    by: Actor = CUSTOMER,
    reason: Reason = CHANGED_MIND,
    policy: Policy = ANYTHING_GOES,
    confirmed: bool = False,
    confirmed_minor: int = 0,
    reference: Reference | None = None,
) -> ReadyToCancel:
    """A wish to cancel: (line number, pieces) each, or everything."""
    asked = CancelOrder(
        order_id=OrderId(order_id),
        request_id=request,
        fingerprint=fingerprint,
        lines=tuple(CancelLine(line_no=line_no, quantity=quantity) for line_no, quantity in lines),
        reason=reason,
        by=by,
        confirmed=confirmed,
        confirmed_minor=confirmed_minor,
        reference=reference,
    )
    return ReadyToCancel(order_id=OrderId(order_id), asked=asked, policy=policy)


RESERVED = inventory.StockReserved(order_id=ID)
OPENED = payment.PaymentOpened(order_id=ID)
CLOSED = payment.PaymentClosed(order_id=ID, case_id=CASE)
CLOSE_REFUSED = payment.PaymentCloseRefused(order_id=ID, case_id=CASE, reason="already-paid")
SHIP = ShipOrder(order_id=ID, carrier="SF", tracking_number="SF1", by=STAFF)


def paid(amount: int = 1900) -> payment.PaymentReceived:
    return payment.PaymentReceived(order_id=ID, amount=Money(amount_minor=amount), transaction_id="wx1", paid_at=START)


def held(case: str = CASE) -> inventory.StockHeld:
    return inventory.StockHeld(order_id=ID, case_id=CaseId(case))


def kept(case: str = CASE) -> inventory.StockKept:
    return inventory.StockKept(order_id=ID, case_id=CaseId(case))


def released(case: str = CASE) -> inventory.StockReleased:
    return inventory.StockReleased(order_id=ID, case_id=CaseId(case), lines=())


def accepted(case: str = CASE, amount: int = 1900) -> payment.RefundAccepted:
    return payment.RefundAccepted(
        order_id=ID,
        case_id=CaseId(case),
        refund_number=RefundNumber(f"{case}-1"),
        amount=Money(amount_minor=amount),
        route="支付用户零钱",
        accepted_at=START,
    )


def refused(case: str = CASE) -> payment.RefundRefused:
    return payment.RefundRefused(
        order_id=ID,
        case_id=CaseId(case),
        refund_number=RefundNumber(f"{case}-1"),
        reason="account-abnormal",
        provider_code="USER_ACCOUNT_ABNORMAL",
    )


def settled(case: str = CASE, amount: int = 1900) -> payment.RefundSettled:
    return payment.RefundSettled(
        order_id=ID,
        case_id=CaseId(case),
        refund_number=RefundNumber(f"{case}-1"),
        amount=Money(amount_minor=amount),
        settled_at=START,
    )


def told(outcome: notify.Outcome, case: str = CASE) -> notify.CustomerTold:
    return notify.CustomerTold(order_id=ID, case_id=CaseId(case), outcome=outcome, channel="wechat", told_at=START)


def paid_order() -> Told:
    """An order that was placed, set aside and paid."""
    return Told().hears(place(), RESERVED, OPENED, paid())
