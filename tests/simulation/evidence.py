"""What the judge is shown of one world: the provider's ledgers, every record on every topic, what is stored, and what
people asked. Plain data, gathered by `world`, so that a check can be tried on made-up evidence too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chassis.delivery import Delivery

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One wish of a person at the public door and what was answered. `status` 0: no answer came, nobody knows.
    `what` is the kind of action (`place`, `pay`, `cancel`, `ship`, `resolve`, …), `order_id` empty where there is none;
    `answer` is the JSON of the answer, `body` that of the wish."""

    at: datetime
    who: str
    what: str
    order_id: str
    body: Row
    status: int
    answer: Row


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request as it left for the public door, tries again each by itself. `id`: what it was called
    (`X-Request-Id`); `session`: whose token it carried, empty for a token of the stand-in; `status` as in `Asked`."""

    at: datetime
    who: str
    method: str
    path: str
    id: str
    session: str
    status: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the judge sees.

    `at`: virtual time. `final`: faults have ceased and everything had time to end. `money` and `messages`: the lines
    of the sandbox's two ledgers, oldest first (`/_ledger/money`, `/_ledger/messages`); `ledger_violations`: what its
    own sums found. `topics`: every record that was ever stored, by topic, in the order of storing (each has its
    partition and offset). `committed`: by (group, topic, partition) the next offset that group reads. `documents`: by
    service and collection, the documents as they are stored, but opened. `at_rest`: by name of the collection, those
    that hold personal data, as they lie on the disk. `asked`: what people wanted, `attempts`: what they sent for it,
    in its order. `initial_stock`: pieces received by product before
    anything happened. `logs`: lines written to the logs. `sizes`: entries kept in the memory of the services'
    processes, by what they are. `calm`: nothing failed, nothing was repeated, no process stopped. `emptied`: how often
    the broker lost everything it had; records that nobody had read by then are gone for ever, and offsets begin anew.
    `read_stale`: services that were once shown what a replaced primary last had. `restored`: the databases were put
    back as they had been before. `skewed`: some process had a wrong clock.
    `nightly`: each day's bills are compared in the night after it, which somebody waited for (nobody wakes a loop that
    has nothing to do while time is jumped over). `shipping`: by order, the parcels that WeChat was
    told of. `freight_minor`, `discount_percent`: what the house adds to an order (fen) and takes off its goods.
    `unpaid_minutes`: after how many an order ends that nobody pays (0: never).
    """

    at: datetime
    final: bool
    money: Sequence[Row]
    messages: Sequence[Row]
    ledger_violations: Sequence[Row]
    topics: Mapping[str, Sequence[Delivery]]
    committed: Mapping[tuple[str, str, int], int]
    documents: Mapping[str, Mapping[str, Mapping[str, Row]]]
    at_rest: Mapping[str, Mapping[str, Row]] = field(default_factory=dict)
    asked: Sequence[Asked] = ()
    attempts: Sequence[Attempt] = ()
    initial_stock: Mapping[str, int] = field(default_factory=dict)
    logs: Sequence[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    calm: bool = False
    emptied: int = 0
    read_stale: frozenset[str] = frozenset()
    restored: bool = False
    skewed: bool = False
    nightly: bool = False
    shipping: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    freight_minor: int = 0
    discount_percent: int = 0
    unpaid_minutes: int = 0


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which (I01 … I18, `liveness`), about what, and what was seen."""

    invariant: str
    subject: str
    found: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.subject}: {self.found}"
