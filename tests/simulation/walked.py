"""Which roads worlds have walked: how often each record heard each kind of message it can hear. A promise about a road
that nobody walks is kept by chance, however many worlds there are."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chassis.record import Aggregate, Record
from contracts.message import Message
from services.inventory.handlers import RESERVATIONS
from services.inventory.receiving import PRODUCTS, RECEIPTS
from services.notify.handlers import NOTICES
from services.order.handlers import ORDERS
from services.payment.accounts import ACCOUNTS
from services.payment.handlers import PAYMENTS
from services.payment.reconciliation import RECONCILIATIONS

AGGREGATES: tuple[Aggregate[Any], ...] = (
    *(ORDERS, PAYMENTS, ACCOUNTS, RECONCILIATIONS),
    *(RESERVATIONS, RECEIPTS, PRODUCTS, NOTICES),
)

HEARD: Counter[str] = Counter()
"""How often in this process, by road: `orders hears order-paid.v1`."""


def roads() -> frozenset[str]:
    """All there are."""
    return frozenset(_road(one, kind) for one in AGGREGATES for kind in one.handlers)


def count() -> None:
    """Count from now on, in this process and its copies. Call once."""
    find = Aggregate.handler

    def found(aggregate: Aggregate[Any], record: Record[Any], message: Message) -> Any:
        HEARD[_road(aggregate, type(message))] += 1
        return find(aggregate, record, message)

    Aggregate.handler = found  # type: ignore[assignment,method-assign]


def _road(aggregate: Aggregate[Any], kind: type[Message]) -> str:
    return f"{aggregate.name} hears {kind.wire}"
