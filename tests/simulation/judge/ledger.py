"""The provider's money book, folded line by line: what each case has under its numbers, what was wrong on the way."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from contracts.message import message_id
from tests.simulation.evidence import Row
from tests.simulation.judge.stories import Story

OURS = re.compile(r"(?P<case>.+-c[0-9]+)-(?P<n>[0-9]+)")
BY_HAND = re.compile(r"2000[0-9]{24}")
"""Numbers that the merchant platform makes up for a refund somebody makes by hand."""

ARRIVED = ("refund-success", "transfer-success")
CLOSED = ("refund-closed", "refund-left-closed")
CAME_BACK = ("refund-closed", "refund-returned", "transfer-returned")
PAYOUTS_BY_ITSELF, PAYOUTS_TRIED = 5, 60
"""How many transfers of a case are looked for, without and with decisions of people."""
FINDING = timedelta(minutes=15)
"""A transfer may be on its way to the provider when a refund made by hand is found; clocks may differ."""


@dataclass(slots=True)
class Purse:
    """One case's money. `sent`: fen by number that were accepted; `live`: those that did not come back; `arrived`:
    those that reached the customer; `closed`: refund numbers that are dead; `numbers`: everything that was tried."""

    case_id: str
    sent: dict[str, int] = field(default_factory=dict)
    live: dict[str, int] = field(default_factory=dict)
    arrived: dict[str, int] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)

    @property
    def arrived_minor(self) -> int:
        return sum(self.arrived.values())


@dataclass(slots=True)
class Wrong:
    """One line that must not be, and which promise it breaks."""

    invariant: str
    subject: str
    found: str


class Books:
    """The folded money book. `paid`: the customer's own money by order. `purses` by case, `by_hand` by order: fen by
    number that people sent back on the merchant platform. To fold it one has to know the cases, those that people
    decided about (their transfers may be many), to which case a refund made by hand belongs, and since when the payment
    service knew of it."""

    def __init__(
        self,
        money: Sequence[Row],
        stories: Mapping[str, Story],
        *,
        resumed: Collection[str],
        adopted: Mapping[str, str],
        found: Mapping[str, str],
    ) -> None:
        self._adopted = adopted
        self._found = {number: _time(at) for number, at in found.items()}
        self._payouts = _payout_numbers(stories, resumed) if _has_transfers(money) else {}
        self.paid: dict[str, int] = {}
        self._payers: dict[str, tuple[str, str]] = {}
        self.purses: dict[str, Purse] = {}
        self.by_hand: dict[str, dict[str, int]] = {}
        self.wrong: list[Wrong] = []
        for line in money:
            self._add(line)

    def purse(self, case_id: str) -> Purse:
        """A case's money; an empty purse for one that has none."""
        return self.purses.get(case_id) or Purse(case_id)

    def _add(self, line: Row) -> None:
        kind = line["kind"]
        if kind == "payment":
            order_id = line["out_trade_no"]
            self.paid[order_id] = self.paid.get(order_id, 0) + line["amount_minor"]
            self._payers[order_id] = line["openid"], line["mchid"]
        elif kind.startswith("refund-"):
            self._add_refund(line, kind, line["out_refund_no"])
        elif kind.startswith("transfer-"):
            self._add_transfer(line, kind, line["out_bill_no"])

    def _add_refund(self, line: Row, kind: str, number: str) -> None:
        ours = OURS.fullmatch(number)
        if ours is None:
            self._add_by_hand(line, kind, number)
            return
        purse = self.purses.setdefault(ours["case"], Purse(ours["case"]))
        purse.numbers.add(number)
        n = int(ours["n"])
        if number != f"{ours['case']}-{n}" or n < 1:
            self.wrong.append(Wrong("I02", number, "is no refund number of ours"))
        if n > 1 and f"{ours['case']}-{n - 1}" not in purse.closed:
            self.wrong.append(Wrong("I02", number, f"{kind} before {ours['case']}-{n - 1} was closed"))
        if line["out_trade_no"] != _order_of(ours["case"]):
            self.wrong.append(Wrong("I02", number, f"is a refund of order {line['out_trade_no']}"))
        self._move(purse, kind, number, line)

    def _add_transfer(self, line: Row, kind: str, number: str) -> None:
        case_id = self._payouts.get(number)
        if case_id is None:
            if kind != "transfer-refused":
                self.wrong.append(Wrong("I03", number, f"{kind}: a transfer that belongs to no case"))
            return
        payer, there = self._payers.get(_order_of(case_id)), (line["openid"], line["mchid"])
        if there != payer:
            self.wrong.append(
                Wrong("I03", number, f"{kind}: to and from {there}, {case_id} was paid by and to {payer}")
            )
        purse = self.purses.setdefault(case_id, Purse(case_id))
        purse.numbers.add(number)
        self._move(purse, kind, number, line)

    def _add_by_hand(self, line: Row, kind: str, number: str) -> None:
        if not BY_HAND.fullmatch(number):
            self.wrong.append(Wrong("I02", number, f"{kind}: neither ours nor made by hand on the merchant platform"))
            return
        sent = self.by_hand.setdefault(line["out_trade_no"], {})
        if kind == "refund-accepted":
            sent[number] = line["amount_minor"]
        elif kind in CAME_BACK:
            sent.pop(number, None)
        case_id = self._adopted.get(number)
        if case_id is not None:
            purse = self.purses.setdefault(case_id, Purse(case_id))
            purse.numbers.add(number)
            _note(purse, kind, number, line["amount_minor"])

    def _move(self, purse: Purse, kind: str, number: str, line: Row) -> None:
        _note(purse, kind, number, line["amount_minor"])
        if not kind.endswith("-accepted"):
            return
        if len(purse.live) > 1:
            self.wrong.append(Wrong("I02", purse.case_id, f"money goes back twice: {sorted(purse.live.items())}"))
        order_id = _order_of(purse.case_id)
        back = sum(sum(one.live.values()) for one in self._purses_of(order_id)) + self._by_hand_before(order_id, line)
        if back > self.paid.get(order_id, 0):
            what = f"{back} fen went or go back, {self.paid.get(order_id, 0)} were paid ({number})"
            self.wrong.append(Wrong("I01", order_id, what))

    def _purses_of(self, order_id: str) -> list[Purse]:
        adopted = set(self._adopted.values())
        return [
            purse for case_id, purse in self.purses.items() if _order_of(case_id) == order_id and case_id not in adopted
        ]

    def _by_hand_before(self, order_id: str, line: Row) -> int:
        """What was made by hand and could be known when this line's money was sent: people do not ask first."""
        sent = self.by_hand.get(order_id)
        if not sent:
            return 0
        at = _time(line["time"])
        return sum(
            amount
            for number, amount in sent.items()
            if (known := self._found.get(number)) is not None and known + FINDING < at
        )


def _note(purse: Purse, kind: str, number: str, amount: int) -> None:
    if kind.endswith("-accepted"):
        purse.sent[number] = purse.live[number] = amount
    elif kind in ARRIVED:
        purse.arrived[number] = purse.arrived.get(number, 0) + amount
    elif kind in CAME_BACK:
        purse.live.pop(number, None)
    if kind in CLOSED:
        purse.closed.add(number)


def payout_number(case_id: str, n: int) -> str:
    """The number of a case's nth transfer, by the rule that decision 0015 gives."""
    return message_id(case_id, f"payout/{n}").replace("-", "")


def _payout_numbers(stories: Mapping[str, Story], resumed: Collection[str]) -> dict[str, str]:
    return {
        payout_number(case_id, n): case_id
        for story in stories.values()
        for case_id in story.cases
        for n in range(1, PAYOUTS_TRIED if case_id in resumed else PAYOUTS_BY_ITSELF)
    }


def _has_transfers(money: Sequence[Row]) -> bool:
    return any(line["kind"].startswith("transfer-") for line in money)


def _order_of(case_id: str) -> str:
    return case_id.rpartition("-c")[0]


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
