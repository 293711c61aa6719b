"""Do the services agree with each other inside one backup? Three streams in the order of their ids are walked together,
so memory does not grow. What is asked holds at every moment of a running system: who says something has stored it
before anybody hears it.

- What the order has heard of its payment and of its refunds, payment knows.
- A refund, and a hold on stock, is of a case (or an exchange) that the order knows.
- A case whose refund was accepted holds its stock, unless its road moves none.
- Of a case that is completed the refund has arrived in payment's books, and its goods are released.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chassis.mongo import plain
from tools.backup.folder import Manifest, documents

SHOWN_MAX = 100
FOUND = "found/"
"""A refund made by hand has no case yet (`services/payment/byhand.py`)."""
HOLDS_STOCK = "paid"
LET_GO = ("released", "taking-again", "taken-again")
"""How inventory has a case whose goods were released, whatever came after."""

State = Mapping[str, Any]


@dataclass(slots=True)
class Agreement:
    """What was compared, and what does not agree: all counted, some kept."""

    orders: int = 0
    refunds: int = 0
    found: int = 0
    differences: list[str] = field(default_factory=list)

    def wrong(self, text: str) -> None:
        self.found += 1
        if len(self.differences) < SHOWN_MAX:
            self.differences.append(text)


def compare(folder: Path, manifest: Manifest) -> Agreement:
    """Raises BackupDamaged."""
    agreement = Agreement()
    orders = _states(folder, manifest, "tuidan_order", "orders")
    payments = _Beside(_states(folder, manifest, "tuidan_payment", "payments"))
    reservations = _Beside(_states(folder, manifest, "tuidan_inventory", "reservations"))
    for order_id, order in orders:
        agreement.orders += 1
        for other in (*payments.before(order_id), *reservations.before(order_id)):
            _without_order(other, agreement)
        _judge(order_id, order, payments.at(order_id), reservations.at(order_id), agreement)
    for other in (*payments.rest(), *reservations.rest()):
        _without_order(other, agreement)
    return agreement


def _judge(id: str, order: State, payment: State | None, reservation: State | None, agreement: Agreement) -> None:
    receipt = (payment or {}).get("receipt")
    refunds = {str(one["case_id"]): one for one in (payment or {}).get("refunds", ())}
    holds = (reservation or {}).get("cases", {})
    paid = order.get("paid")
    if paid is not None and (receipt is None or receipt["amount"] != paid):
        agreement.wrong(f"{id}: the order is paid {paid['amount_minor']}, payment has another receipt, or none")
    cases = {str(case["case_id"]): case for case in order.get("cases", ())}
    known = {*cases, *(str(one["exchange_id"]) for one in order.get("exchanges", ()))}
    for case_id, case in cases.items():
        if case.get("refund") is None:
            continue
        if case_id not in refunds:
            agreement.wrong(f"{case_id}: the order has heard of its refund, payment has none")
        elif refunds[case_id]["amount"] != case["amount"]:
            agreement.wrong(f"{case_id}: the amounts of its refund differ")
        if case["road"] == HOLDS_STOCK and case_id not in holds:
            agreement.wrong(f"{case_id}: its refund was accepted, and no stock was held for it")
        elif case.get("status") == "completed":
            _judge_completed(case_id, case, refunds.get(case_id, {}), holds.get(case_id, {}), agreement)
    for case_id in refunds:
        agreement.refunds += 1
        if case_id not in known and not case_id.startswith(FOUND):
            agreement.wrong(f"{case_id}: payment has a refund, the order knows no such case")
    for case_id in holds:
        if case_id not in known:
            agreement.wrong(f"{case_id}: stock is held, the order knows no such case")


def _judge_completed(id: str, case: State, refund: State, hold: State, agreement: Agreement) -> None:
    """A case ends when the others have said that they are done."""
    if refund and refund.get("status") != "settled":
        agreement.wrong(f"{id}: completed, and payment has its refund as {refund.get('status')}")
    if case["road"] == HOLDS_STOCK and hold.get("status") not in LET_GO:
        agreement.wrong(f"{id}: completed, and its stock is {hold.get('status')}")


def _without_order(other: tuple[str, State], agreement: Agreement) -> None:
    id, state = other
    agreement.wrong(f"{id}: payment or inventory know it ({state.get('status')}), there is no such order")


def _states(folder: Path, manifest: Manifest, database: str, collection: str) -> Iterator[tuple[str, State]]:
    part = manifest.part(database, collection)
    for document in documents(folder, part) if part else ():
        found = plain(document)
        if found.get("state") is not None:
            yield str(found["_id"]), found["state"]


class _Beside:
    """A stream in the order of ids that is asked in the order of ids."""

    def __init__(self, states: Iterable[tuple[str, State]]) -> None:
        self._states = iter(states)
        self._next = next(self._states, None)

    def before(self, id: str) -> list[tuple[str, State]]:
        """What comes before `id`. The database compares strings by their bytes, as UTF-8 sorts."""
        passed = []
        while self._next is not None and self._next[0].encode() < id.encode():
            passed.append(self._next)
            self._next = next(self._states, None)
        return passed

    def at(self, id: str) -> State | None:
        """What has this id."""
        if self._next is None or self._next[0] != id:
            return None
        state = self._next[1]
        self._next = next(self._states, None)
        return state

    def rest(self) -> Iterator[tuple[str, State]]:
        """Everything that is left."""
        while self._next is not None:
            yield self._next
            self._next = next(self._states, None)
