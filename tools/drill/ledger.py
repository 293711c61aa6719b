"""The first of the three books: what really happened, as the sandbox wrote it down. Lines are folded one by one, so
memory grows with the refund numbers, not with the lines. Pure. Amounts are fen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

NOT_ENOUGH = "NOT_ENOUGH"
FINAL = ("refund-arrived", "refund-failed")
"""How a customer hears that a case has ended, one way or the other."""
WECHAT = "wechat"
ORDER_FIELDS = ("character_string1", "order")

_COUNTS = {
    "refund-accepted": "accepted",
    "transfer-accepted": "accepted",
    "refund-success": "arrived",
    "transfer-success": "arrived",
    "refund-closed": "came_back",
    "refund-returned": "came_back",
    "transfer-returned": "came_back",
    "refund-abnormal": "abnormal",
}


@dataclass(slots=True)
class Movement:
    """What happened under one refund or transfer number, first heard of at `first_at` (RFC 3339): how often it was
    accepted, arrived, came back to the merchant, was abnormal; `short`: refused at least once because the merchant's
    balance was short."""

    number: str
    is_transfer: bool
    amount_minor: int
    first_at: str
    accepted: int = 0
    arrived: int = 0
    came_back: int = 0
    abnormal: int = 0
    short: bool = False

    @property
    def on_its_way(self) -> int:
        """Acceptances whose money is neither here nor there."""
        return self.accepted - self.arrived - self.came_back


class Told(NamedTuple):
    """One final outcome that one channel has carried to a customer."""

    outcome: str
    channel: str


@dataclass(slots=True)
class Ledger:
    """The folded ledger, money before messages. `paid`: fen by payment number, which is the order's id; `payers`: whose
    openid paid it. `told`: final outcomes by order; `strangers`: messages that reached another than who paid.
    `violations`: what the sandbox itself found wrong."""

    paid: Counter[str] = field(default_factory=Counter)
    payers: dict[str, str] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    movements: dict[str, Movement] = field(default_factory=dict)
    told: defaultdict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))
    channels: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add_money(self, line: Mapping[str, Any]) -> None:
        """One line of `/_ledger/money`."""
        kind, amount = str(line["kind"]), int(line["amount_minor"])
        if kind == "payment":
            self.paid[str(line["out_trade_no"])] += amount
            self.payers[str(line["out_trade_no"])] = str(line.get("openid") or "")
        elif kind in _COUNTS or kind in ("refund-refused", "transfer-refused"):
            is_transfer = kind.startswith("transfer-")
            number = str(line["out_bill_no" if is_transfer else "out_refund_no"])
            moved = self.movements.setdefault(number, Movement(number, is_transfer, amount, str(line["time"])))
            if kind in _COUNTS:
                setattr(moved, _COUNTS[kind], getattr(moved, _COUNTS[kind]) + 1)
            elif line["code"] == NOT_ENOUGH:
                moved.short = True

    def add_message(self, line: Mapping[str, Any]) -> None:
        """One line of `/_ledger/messages`: it names its order."""
        outcome, channel, values = str(line["template_name"]), str(line["channel"]), line["values"]
        self.channels[channel] += 1
        order_id = next((str(values[name]) for name in ORDER_FIELDS if name in values), "")
        if channel == WECHAT and self.payers.get(order_id, "") not in ("", line["to"]):
            self.strangers.append(f"{order_id}: {outcome} went to {line['to']}, who has not paid it")
        if outcome in FINAL:
            self.told[order_id].append(Told(outcome, channel))

    @property
    def arrived_minor(self) -> int:
        """What has arrived at customers, by whatever road, as often as it did."""
        return sum(moved.amount_minor * moved.arrived for moved in self.movements.values())
