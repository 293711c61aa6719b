"""What may be different between two evidences of one world."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from contracts.message import CATALOGUE, Command
from tests.simulation.evidence import Evidence, Row, Violation
from tests.simulation.judge.hearing import origin
from tests.simulation.judge.reading import Message, Reading, Stored

NOT_COMPARED = ("touched_at", "attempts")
"""When and how often something was taken up; no part of what is known."""

BY_THE_CLOCK = ("reconciliations", "recounts")
"""Collections in which something is noted when its time comes, whatever is heard."""


def same_after_replay(before: Evidence, after: Evidence) -> list[Violation]:
    """I09: every record of every topic was heard once more, by groups that began at the first, and nothing has changed:
    no document, no line in the provider's ledgers, no wish. New in the topics are only answers that repeat what they
    say and letters about records that lie there already. Orders in which a timer came due meanwhile are left out, as
    are the nights' reconciliations: time has passed for them.
    """
    return list(_replayed(Reading(before), Reading(after)))


def _replayed(before: Reading, after: Reading) -> Iterator[Violation]:
    moved = tuple(_moved(before, after))
    was, now = before.evidence, after.evidence
    yield from _same_lines("I09", was.money, now.money, "money")
    yield from _same_lines("I09", was.messages, now.messages, "messages")
    for line in now.money[len(was.money) :]:
        if not (moved and line["out_trade_no"] in (None, *moved)):
            yield Violation("I09", "money", f"a line because of a replay: {dict(line)}")
    for line in now.messages[len(was.messages) :]:
        if not any(value in moved for value in line["values"].values()):
            yield Violation("I09", "messages", f"a line because of a replay: {dict(line)}")
    yield from _same_documents(before, after, moved)
    for message in after.first.values():
        if message.id not in before.first and _is_wish(message) and message.key not in moved:
            yield Violation("I09", message.key, f"{message.wire} {message.id} was said because of a replay")
    new = {origin(letter) for letter in after.letters} - {origin(letter) for letter in before.letters}
    for place_of_origin in sorted(new):
        yield Violation(
            "I09", "/".join(place_of_origin[1:]), f"buried by {place_of_origin[0]} only when it was replayed"
        )


def _moved(before: Reading, after: Reading) -> Iterator[str]:
    """The orders in which a timer came due between the two."""
    for record in before.records:
        wake_at = record.document["wake_at"]
        if wake_at is not None and wake_at <= after.evidence.at and record.id and record.collection not in BY_THE_CLOCK:
            case_id = record.id.partition("/")[0]
            yield case_id.rpartition("-")[0] if record.collection == "notices" else case_id


def _same_documents(before: Reading, after: Reading, moved: tuple[str, ...]) -> Iterator[Violation]:
    for place in sorted(_places(before.evidence) | _places(after.evidence)):
        was, now = before.stored(*place), after.stored(*place)
        for id in sorted(was.keys() | now.keys()):
            if place[1] not in BY_THE_CLOCK and not (moved and id.startswith(moved)):
                yield from _same_document(f"{place[0]}: {place[1]}/{id}", was.get(id), now.get(id))


def _is_wish(message: Message) -> bool:
    kind = CATALOGUE.get(message.wire)
    return kind is not None and issubclass(kind, Command)


def _places(evidence: Evidence) -> set[tuple[str, str]]:
    return {(service, name) for service, collections in evidence.documents.items() for name in collections}


def _same_document(subject: str, was: Row | None, now: Row | None) -> Iterator[Violation]:
    if was is None or now is None:
        yield Violation("I09", subject, "appeared" if was is None else "is gone")
        return
    different = [
        name for name in was.keys() | now.keys() if name not in NOT_COMPARED and was.get(name) != now.get(name)
    ]
    if different:
        yield Violation("I09", subject, f"changed: {', '.join(sorted(different))}; {_difference(was, now, different)}")


def _difference(was: Row, now: Row, names: Iterable[str]) -> str:
    """The first value that differs, down to the field."""
    name = sorted(names, key=lambda one: one != "state")[0]
    old, new = was.get(name), now.get(name)
    while isinstance(old, Mapping) and isinstance(new, Mapping):
        inner = next(one for one in sorted(old.keys() | new.keys()) if old.get(one) != new.get(one))
        name, old, new = f"{name}.{inner}", old.get(inner), new.get(inner)
    return f"{name} was {str(old)[:160]}, is {str(new)[:160]}"


def since(before: Evidence, after: Evidence) -> list[Violation]:
    """Between two evidences of one world, the later one after the other: ledgers and topics only grow, a record's
    version goes up by the entries that were saved and never down, its journal loses nothing but passing entries,
    committed offsets may go back but records do not, and an ended case stays as it ended unless a person lets it go on.
    """
    return list(_grown(Reading(before), Reading(after)))


def _grown(before: Reading, after: Reading) -> Iterator[Violation]:
    yield from _same_lines("I01", before.evidence.money, after.evidence.money, "money")
    yield from _same_lines("I07", before.evidence.messages, after.evidence.messages, "messages")
    for topic, deliveries in before.evidence.topics.items():
        now = after.evidence.topics.get(topic, ())
        if list(now[: len(deliveries)]) != list(deliveries):
            yield Violation("I08", topic, "what stood in it has changed")
    for place, records in before.by_place.items():
        now_there = after.of(*place)
        for id, record in records.items():
            if id not in now_there:
                yield Violation("I05", record.name, "is gone")
            else:
                yield from _record_grown(record, now_there[id])
    for order_id, story in before.stories.items():
        for case in story.cases.values():
            then = after.stories[order_id].cases.get(case.case_id) if order_id in after.stories else None
            gone_on = then is not None and (then.status == case.status or then.resumed > case.resumed)
            if case.status != "open" and not gone_on:
                yield Violation("I05", case.case_id, f"was {case.status}, is {then.status if then else 'gone'}")


def _record_grown(was: Stored, now: Stored) -> Iterator[Violation]:
    old, new = was.document["version"], now.document["version"]
    heard_then = {entry["heard"] for entry in was.journal}
    fresh = sum(entry["heard"] not in heard_then for entry in now.journal)
    if new < old or (new - old > fresh and not now.may_be_pruned) or (fresh and new == old):
        yield Violation("I05", was.name, f"version {old}, then {new} with {fresh} new entries")
    heard_now = {entry["heard"] for entry in now.journal}
    lost = [entry["heard"] for entry in was.journal if not entry["passing"] and entry["heard"] not in heard_now]
    if lost:
        yield Violation("I05", was.name, f"its journal lost {lost}")


def _same_lines(invariant: str, was: Sequence[Row], now: Sequence[Row], what: str) -> Iterator[Violation]:
    if list(now[: len(was)]) != list(was):
        yield Violation(invariant, what, "a line of the ledger has changed")
