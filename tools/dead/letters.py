"""Dead letters as `chassis.delivery` writes them, and the notes of their replays beside them. Pure.

A note is a record without a body on the letter's own topic and partition, with `replay_of` naming the letter
(docs/decisions/0038)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tools.records import Headers, Place, Raw

ENDING = ".dead"
REPLAY_OF, REPLAY_AT, REPLAY_BY = "replay_of", "replay_at", "replay_by"
"""Headers of a note."""
FROM, AT, BY = "replayed_from", "replayed_at", "replayed_by"
"""Headers of a record that was handed out again."""


@dataclass(frozen=True, slots=True)
class Note:
    """A replay that was made: when (UTC, RFC 3339) and by whom."""

    at: str
    by: str


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `source` and `offset`: where the record had been; None where it is no letter of ours."""

    record: Raw
    source: Place | None
    offset: int
    replays: tuple[Note, ...] = field(default=())

    @property
    def id(self) -> str:
        """What it is called: `topic:partition:offset` of the letter itself."""
        return f"{self.record.place.topic}:{self.record.place.partition}:{self.record.offset}"

    @property
    def wire(self) -> str:
        """The message's wire name, empty where nobody can tell."""
        return self.record.header("ce_type")

    @property
    def message_id(self) -> str:
        return self.record.header("ce_id")

    @property
    def died_at(self) -> datetime:
        """The record's own time where the letter does not say. A time without a zone says none: it cannot be compared
        with those of other letters."""
        try:
            said = datetime.fromisoformat(self.record.header("dead_at"))
        except ValueError:
            return self.record.at
        return said if said.tzinfo else self.record.at

    @property
    def is_whole(self) -> bool:
        """Whether the original's body and headers are in it: what was too large for a letter is not."""
        return not self.record.header("dead_left_out")

    @property
    def original_headers(self) -> Headers:
        """The headers that the record came with before it died, and before it was ever handed out again."""
        return tuple(one for one in self.record.headers if not one[0].startswith(("dead_", "replayed_")))


def letters(records: Iterable[Raw]) -> list[Letter]:
    """The letters among the records of their topics, the oldest first, each with its replays."""
    notes: dict[str, list[Note]] = {}
    found: list[Letter] = []
    for record in records:
        if of := record.header(REPLAY_OF):
            notes.setdefault(of, []).append(Note(record.header(REPLAY_AT), record.header(REPLAY_BY)))
        else:
            found.append(_letter(record))
    noted = [Letter(one.record, one.source, one.offset, tuple(notes.get(one.id, ()))) for one in found]
    return sorted(noted, key=lambda one: (one.died_at, one.id))


def in_old_order(chosen: Iterable[Letter]) -> list[Letter]:
    """Letters as their records had come: what is about one order goes out in the order in which it was said."""
    return sorted(chosen, key=lambda one: (one.source or one.record.place, one.offset))


def handed_out(headers: Headers, letter: Letter, at: datetime, by: str) -> Headers:
    """The headers of a record that is handed out again: its own, and what was done with it."""
    return (*headers, (FROM, letter.id.encode()), (AT, at.isoformat().encode()), (BY, by.encode()))


def note(letter: Letter, at: datetime, by: str) -> Headers:
    """The headers of the note of a replay."""
    return ((REPLAY_OF, letter.id.encode()), (REPLAY_AT, at.isoformat().encode()), (REPLAY_BY, by.encode()))


def dead_topic(name: str) -> str:
    """The topic of a topic's dead letters; one of those is its own."""
    return name if name.endswith(ENDING) else f"{name}{ENDING}"


def topic_of(letter_id: str) -> str | None:
    """The topic in a letter's id, or None where it is none."""
    topic, *numbers = letter_id.rsplit(":", 2)
    fits = len(numbers) == 2 and all(number.isdigit() for number in numbers) and topic.endswith(ENDING)
    return topic if fits else None


def _letter(record: Raw) -> Letter:
    topic, partition, offset = (record.header(f"dead_{name}") for name in ("topic", "partition", "offset"))
    if not topic or not partition.isdecimal() or not offset.isdecimal():
        return Letter(record, None, -1)
    return Letter(record, Place(topic, int(partition)), int(offset))


def unreplayed(found: Sequence[Letter]) -> list[Letter]:
    """Those that nobody has handed out again."""
    return [one for one in found if not one.replays]
