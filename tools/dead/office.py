"""What `tuidan dead` does with a cluster: find letters, hand records out again, note that it was done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from tools.dead.letters import ENDING, Letter, dead_topic, handed_out, in_old_order, letters, note, topic_of
from tools.records import Counted, Headers, Place, Raw, Records, partition_of

Say = Callable[[str], None]


class NoSuchLetter(Exception):
    """There is no such letter; the text says what to type."""


class Original(NamedTuple):
    """A record as it was before it died."""

    key: bytes
    body: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Ready:
    """A letter that can be handed out again, and the record that will be; `place`: where it goes."""

    letter: Letter
    original: Original
    place: Place


@dataclass(frozen=True, slots=True)
class Left:
    """A letter that is left where it is, and why."""

    letter: Letter
    why: str


class Office:
    """The dead letters of one cluster. Every method raises KafkaRefused."""

    def __init__(self, records: Records, counted: Counted | None = None) -> None:
        self._records = records
        self._counted = counted
        self.topics = records.topics()

    def found(self, topics: Iterable[str] = ()) -> list[Letter]:
        """The letters on these topics, or on all; a topic may be named with or without its ending. Raises
        NoSuchLetter where there is no such topic."""
        wanted = {dead_topic(name) for name in topics}
        there = {name for name in self.topics if name.endswith(ENDING)}
        if missing := sorted(wanted - there):
            known = ", ".join(sorted(there)) or "none"
            raise NoSuchLetter(f"没有这个主题 · there is no topic {', '.join(missing)}; there are: {known}")
        places = [Place(name, n) for name in sorted(wanted or there) for n in range(self.topics[name])]
        spans = {place: self._records.span(place) for place in places}
        return letters(self._records.read(spans, self._counted))

    def named(self, ids: Sequence[str]) -> list[Letter]:
        """The letters of these ids. Raises NoSuchLetter for the first that is none."""
        for one in ids:
            if topic_of(one) is None:
                raise NoSuchLetter(f"{one}: 应为 · an id is like payment.commands.dead:0:17; see: tuidan dead list")
        known = {letter.id: letter for letter in self.found({topic_of(one) or "" for one in ids})}
        for one in ids:
            if one not in known:
                raise NoSuchLetter(f"没有这封死信 · there is no letter {one}, or its topic keeps it no longer")
        return [known[one] for one in dict.fromkeys(ids)]

    def sorted_out(self, chosen: Iterable[Letter], *, again: bool) -> tuple[list[Ready], list[Left]]:
        """Which of these can be handed out, in the order in which their records had come, and which not and why."""
        ready: list[Ready] = []
        left: list[Left] = []
        for letter in in_old_order(chosen):
            made = self._ready(letter, again=again)
            (ready if isinstance(made, Ready) else left).append(made)  # type: ignore[arg-type]
        return ready, left

    def hand_out(self, one: Ready, at: datetime, by: str) -> None:
        """Put the record back on its topic, then note that beside its letter. Dying between the two leaves a replay
        that is not noted, and a second one, which changes nothing: whoever heard the message knows its id."""
        letter = one.letter
        self._records.write(
            one.place, one.original.key, one.original.body, handed_out(one.original.headers, letter, at, by)
        )
        self._records.write(letter.record.place, letter.record.key, b"", note(letter, at, by))

    def _ready(self, letter: Letter, *, again: bool) -> Ready | Left:
        if letter.source is None:
            return Left(letter, "不是本系统的死信 · it does not say where it came from: no letter of ours")
        if letter.replays and not again:
            last = letter.replays[-1]
            return Left(letter, f"已重放 · was replayed at {last.at} by {last.by}; once more: --again")
        partitions = self.topics.get(letter.source.topic)
        if partitions is None:
            return Left(letter, f"原主题不存在 · its topic {letter.source.topic} is not there: tuidan topics create")
        original = self._original(letter)
        if original is None:
            place = f"{letter.source.topic}:{letter.source.partition}:{letter.offset}"
            return Left(letter, f"原消息已不在 · it was too large for a letter, and its original is gone from {place}")
        # An order's messages share a partition; where partitions were added since, that is another one now.
        partition = partition_of(original.key, partitions) if original.key else letter.source.partition % partitions
        return Ready(letter, original, Place(letter.source.topic, partition))

    def _original(self, letter: Letter) -> Original | None:
        if letter.is_whole:
            return Original(letter.record.key, letter.record.body, letter.original_headers)
        found = self._at(letter)
        if found is None or (letter.message_id and found.header("ce_id") != letter.message_id):
            return None
        return Original(found.key, found.body, found.headers)

    def _at(self, letter: Letter) -> Raw | None:
        """What lies where the letter's record had been."""
        assert letter.source is not None
        if letter.source.partition >= self.topics[letter.source.topic]:
            return None
        span = self._records.span(letter.source)
        if not span.first <= letter.offset < span.end:
            return None
        here = span._replace(first=letter.offset, end=letter.offset + 1)
        return next((one for one in self._records.read({letter.source: here}) if one.offset == letter.offset), None)
