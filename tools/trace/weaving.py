"""From the records of one order to a tree: what was said because of what. Pure.

A message names its cause. Most causes are messages. The others were heard inside one service only: what came of an
effect, recognised because its id is made from the message that asked for it; or a request, a timer, word from a
provider, which stand in the tree as what they are, something that this service heard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from contracts.message import message_id
from tools.dead.letters import AT, BY
from tools.records import Raw
from tools.trace.gathering import is_dead

EFFECTS_DEEP, SAID_AT_ONCE = 3, 8
"""How far an unknown cause is looked for below a message: effects in a row, and things said at once."""


@dataclass(slots=True)
class Knot:
    """One message of the tree, or, without a `wire`, something that only `service` heard. `times`: how often it was
    said; `effects`: how many of them lie between it and its cause; `died`: its dead letters, error
    and time; `replayed`: when and by whom."""

    id: str
    at: datetime
    service: str
    cause: str = ""
    wire: str = ""
    topic: str = ""
    partition: int = -1
    offset: int = -1
    case: str = ""
    body: bytes = b""
    times: int = 1
    effects: int = 0
    died: list[str] = field(default_factory=list)
    replayed: list[str] = field(default_factory=list)
    children: list[Knot] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Messages here and below."""
        return bool(self.wire) + sum(child.size for child in self.children)


def woven(records: Iterable[Raw]) -> list[Knot]:
    """The roots of the tree, the oldest first."""
    knots = _knots(records)
    unknown = {knot.cause for knot in knots.values() if knot.cause and knot.cause not in knots}
    outcomes = _outcomes(knots, unknown)
    heard: dict[str, Knot] = {}
    roots: list[Knot] = []
    for knot in knots.values():
        parent = knots.get(knot.cause)
        if parent is None and knot.cause in outcomes:
            of, knot.effects = outcomes[knot.cause]
            parent = knots[of]
        if parent is None and knot.cause:
            parent = heard.setdefault(knot.cause, Knot(knot.cause, knot.at, knot.service))
            parent.at = min(parent.at, knot.at)
        (roots if parent is None or parent is knot else parent.children).append(knot)
    roots += heard.values()
    roots += _ringleaders(knots, roots)
    for knot in (*knots.values(), *heard.values()):
        knot.children.sort(key=_place)
    return sorted(roots, key=_place)


def walked(roots: Iterable[Knot]) -> Iterator[Knot]:
    """Every knot, each before its children."""
    for root in roots:
        yield root
        yield from walked(root.children)


def _place(knot: Knot) -> tuple[datetime, str, int]:
    return knot.at, knot.topic, knot.offset


def _ringleaders(knots: Mapping[str, Knot], roots: Iterable[Knot]) -> list[Knot]:
    """Where causes go in a ring, as no service says, the oldest of it becomes a root: nothing may be left out."""
    found: list[Knot] = []
    left = {knot.id: knot for knot in knots.values()}
    for knot in walked(roots):
        left.pop(knot.id, None)
    while left:
        first = min(left.values(), key=_place)
        knots[first.cause].children.remove(first)
        found.append(first)
        for knot in walked([first]):
            left.pop(knot.id, None)
    return found


def _knots(records: Iterable[Raw]) -> dict[str, Knot]:
    knots: dict[str, Knot] = {}
    copies: defaultdict[str, list[Raw]] = defaultdict(list)
    for record in sorted(records, key=lambda one: (one.at, one.place, one.offset)):
        copies[record.header("ce_id") or _name(record)].append(record)
    for id, all_of_it in copies.items():
        alive = [record for record in all_of_it if not is_dead(record)]
        first = (alive or all_of_it)[0]
        knots[id] = Knot(
            id,
            _time(first),
            first.header("ce_source") or "?",
            first.header("ce_cause"),
            first.header("ce_type") or "?",
            first.header("dead_topic") or first.place.topic,
            first.place.partition,
            first.offset,
            first.header("ce_saga"),
            first.body,
            len([record for record in alive if not record.header(AT)]) or 1,
            died=[_death(record) for record in all_of_it if is_dead(record)],
            replayed=[f"{record.header(AT)} by {record.header(BY)}" for record in alive if record.header(AT)],
        )
    return knots


def _name(record: Raw) -> str:
    return f"{record.place.topic}:{record.place.partition}:{record.offset}"


def _death(record: Raw) -> str:
    return f"{record.header('dead_error') or '?'} in {record.header('dead_service') or '?'} ({_name(record)})"


def _time(record: Raw) -> datetime:
    """When it was decided; the record's own time where it does not say."""
    try:
        return datetime.fromisoformat(record.header("ce_time")).astimezone(UTC)
    except ValueError:
        return record.at


def _outcomes(knots: Mapping[str, Knot], unknown: set[str]) -> dict[str, tuple[str, int]]:
    """Of the causes that are no message those that are what came of an effect: the message that led to it, and how
    many effects in a row. Ids are made from their causes, so they can be made again here (`relay`, `record`)."""
    found: dict[str, tuple[str, int]] = {}
    for id in knots:
        level = [id]
        for effects in range(1, EFFECTS_DEEP + 1):
            if len(found) == len(unknown):
                return found
            intents = (message_id(heard, position) for heard in level for position in range(SAID_AT_ONCE))
            level = [message_id(intent, "report") for intent in intents]
            found.update({outcome: (id, effects) for outcome in level if outcome in unknown})
    return found
