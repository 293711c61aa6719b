"""What becomes of an order, told to the order service's own handlers: the documents of finished orders, with
placeholders where one order differs from another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.keeping import Keeping
from chassis.record import Heard, Record, hear
from contracts import inventory, notify, payment
from contracts.message import CaseId, CustomerId, Message, Money, OrderId, ProductId, RefundNumber
from contracts.order import (
    Actor,
    CancelLine,
    CancelOrder,
    CompleteOrder,
    Contact,
    DeliverOrder,
    PlaceOrder,
    Reason,
    ShipOrder,
    WantedLine,
)
from services.order.handlers import ORDERS
from services.order.model import Order
from services.order.offer import PriceRules, Product, ReadyToPlace
from services.order.policies import Policy, ReadyToCancel, Rule

BEGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""When every life begins; no other time of these documents is in that year."""
ORDER, CUSTOMER, NAME, PHONE, OPENID = "@order", "@customer", "@name", "10000000001", "@openid"
AT_ONCE = Policy(version=0, rules=(Rule(name="anything", way="allow"),))
_STAFF = Actor(kind="staff", id="s1", role="warehouse")
_ID, _CASE = OrderId(ORDER), CaseId(f"{ORDER}-c1")


def product_of(line: int) -> str:
    """The placeholder of a line's product."""
    return f"@p{line}@"


def name_of(line: int) -> str:
    """The placeholder of a line's name."""
    return f"@n{line}@"


@dataclass(frozen=True, slots=True)
class Life:
    """A finished order as a document. `share`: how many of all orders live so."""

    document: dict[str, Any]
    lines: int
    share: float


def lives() -> list[Life]:
    """Completed, cancelled as a whole, and completed with a piece cancelled; of one to four lines."""
    shares = {"completed": 0.82, "cancelled": 0.12, "in part": 0.06}
    sizes = {1: 0.5, 2: 0.3, 3: 0.15, 4: 0.05}
    return [
        Life(_document(lines, kind), lines, share * size)
        for kind, share in shares.items()
        for lines, size in sizes.items()
    ]


def _document(lines: int, kind: str) -> dict[str, Any]:
    """The document of such an order, everything said, nothing sealed."""
    record: Record[Order] = Record(ORDER)
    at = BEGIN
    for number, (message, wait) in enumerate(_messages(lines, kind)):
        at += wait
        record = hear(ORDERS, record, Heard(message, f"heard {number}", at)).record
    assert record.state is not None
    assert record.wake_at is None, "a finished order waits for nothing"
    done = replace(record, unsaid=(), pruned=True)
    keeping = Keeping(ORDERS)
    made = {
        **keeping.document(done),
        "journal": keeping.entries(done),
        "version": len(done.journal),
        "saved_by": "seed",
    }
    return {"_id": ORDER, **made}


def _messages(lines: int, kind: str) -> list[tuple[Message, timedelta]]:
    """What such an order hears, each with the time since the one before."""
    minute, day = timedelta(minutes=1), timedelta(days=1)
    total = sum(_price(line) * 2 for line in range(1, lines + 1))
    paid = payment.PaymentReceived(order_id=_ID, amount=_money(total), transaction_id="wx-seed", paid_at=BEGIN)
    begun: list[tuple[Message, timedelta]] = [
        (_placed(lines), timedelta()),
        (inventory.StockReserved(order_id=_ID), timedelta(seconds=1)),
        (payment.PaymentOpened(order_id=_ID), timedelta(seconds=1)),
        (paid, 3 * minute),
    ]
    if kind == "in part":
        begun += _cancelled((CancelLine(line_no=1, quantity=1),), _price(1))
    if kind == "cancelled":
        return [*begun, *_cancelled((), total)]
    return [
        *begun,
        (ShipOrder(order_id=_ID, carrier="SF", tracking_number="SF1", by=_STAFF), day),
        (inventory.StockDispatched(order_id=_ID), timedelta(seconds=1)),
        (payment.ShippingRecorded(order_id=_ID, outcome="recorded"), timedelta(seconds=1)),
        (DeliverOrder(order_id=_ID, by=_STAFF), 2 * day),
        (CompleteOrder(order_id=_ID, by=_STAFF), 7 * day),
    ]


def _cancelled(lines: tuple[CancelLine, ...], amount: int) -> list[tuple[Message, timedelta]]:
    second, number = timedelta(seconds=1), RefundNumber(f"{_CASE}-1")

    def told(outcome: notify.Outcome) -> notify.CustomerTold:
        return notify.CustomerTold(order_id=_ID, case_id=_CASE, outcome=outcome, channel="wechat", told_at=BEGIN)

    wish = CancelOrder(
        order_id=_ID,
        request_id="seed",
        fingerprint="seed",
        lines=lines,
        reason=Reason(family="customer", code="changed-mind"),
        by=Actor(kind="customer", id=CUSTOMER),
    )
    return [
        (ReadyToCancel(order_id=_ID, asked=wish, policy=AT_ONCE), timedelta(minutes=9)),
        (inventory.StockHeld(order_id=_ID, case_id=_CASE), second),
        (
            payment.RefundAccepted(
                order_id=_ID,
                case_id=_CASE,
                refund_number=number,
                amount=_money(amount),
                route="支付用户零钱",
                accepted_at=BEGIN,
            ),
            second,
        ),
        (inventory.StockReleased(order_id=_ID, case_id=_CASE, lines=()), second),
        (told("refund-on-its-way"), second),
        (
            payment.RefundSettled(
                order_id=_ID, case_id=_CASE, refund_number=number, amount=_money(amount), settled_at=BEGIN
            ),
            timedelta(minutes=2),
        ),
        (told("refund-arrived"), second),
    ]


def _placed(lines: int) -> ReadyToPlace:
    numbers = range(1, lines + 1)
    return ReadyToPlace(
        order_id=_ID,
        asked=PlaceOrder(
            order_id=_ID,
            customer_id=CustomerId(CUSTOMER),
            customer_group="seed",
            contact=Contact(name=NAME, phone=PHONE, openid=OPENID),
            lines=tuple(
                WantedLine(product_id=ProductId(product_of(line)), quantity=2, unit_price_minor=_price(line))
                for line in numbers
            ),
            fingerprint="seed",
        ),
        products=tuple(
            Product(
                product_id=ProductId(product_of(line)),
                name=name_of(line),
                category="seed",
                offers_minor=(_price(line),),
                currency="CNY",
            )
            for line in numbers
        ),
        rules=PriceRules(),
    )


def _price(line: int) -> int:
    return 1_000 + 730 * line


def _money(amount_minor: int) -> Money:
    return Money(amount_minor=amount_minor)
