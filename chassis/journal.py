"""What a record has said, and because of what: how it recognises what it hears again, and what is still to be said."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

JOURNAL_MAX = 64
"""Entries kept before passing ones are dropped: a refund that is polled for days must not grow for days."""
PASSING_TEXT_MAX = 1_000_000
"""Characters that passing entries have said, before all but the last are dropped: an order of 2,000 lines says them all
each time that it asks again, and the database keeps no document of more than 16 MB."""
LAST_KEPT = 2


@dataclass(frozen=True, slots=True)
class Said:
    """One message as it will leave: `topic` is None for an intent, which is performed here. `body` is JSON."""

    id: str
    wire: str
    topic: str | None
    key: str
    body: str
    cause: str
    at: datetime
    saga: str | None = None
    traceparent: str | None = None

    @property
    def is_event(self) -> bool:
        """Whether it tells everybody: who somebody is it does not say, at most at which bank."""
        return self.topic is not None and self.topic.endswith(".events")

    @property
    def is_forgotten(self) -> bool:
        """Whether only its id is left: its words were erased with the record's personal data."""
        return not self.body


@dataclass(frozen=True, slots=True)
class Entry:
    """What was said because of one heard message. `passing`: its id need not be remembered for ever."""

    heard: str
    said: tuple[Said, ...]
    passing: bool = False


class Forgetting(NamedTuple):
    """Whether words were forgotten, and whether some wait until they are said."""

    forgot: bool = False
    waits: bool = False


def forgotten(
    journal: tuple[Entry, ...], unsaid: Collection[str], erased_at: datetime | None, *, since_before: bool
) -> tuple[tuple[Entry, ...], Forgetting]:
    """The journal without the words of what was said, once its record is erased (`since_before`: it was before now).
    What is still to be said keeps them until it is. Events that an erased record says hold no personal data: they are
    kept, and nobody waits for them. Those from before may name a bank, and go like everything else."""
    if erased_at is None:
        return journal, Forgetting()
    since = _since_erasure(journal, erased_at) if since_before else len(journal)
    concerned = [
        said
        for position, entry in enumerate(journal)
        for said in entry.said
        if not said.is_forgotten and not (position >= since and said.is_event)
    ]
    gone = {said.id for said in concerned if said.id not in unsaid}
    forgetting = Forgetting(bool(gone), waits=any(said.id in unsaid for said in concerned))
    if not gone:
        return journal, forgetting
    left = tuple(
        replace(entry, said=tuple(replace(said, body="") if said.id in gone else said for said in entry.said))
        for entry in journal
    )
    return left, forgetting


def _since_erasure(journal: tuple[Entry, ...], erased_at: datetime) -> int:
    """Where what an erased record said begins: at what it said when it was erased. Not at the first later time: another
    process, whose clock is ahead, may have written before."""
    times = [{said.at for said in entry.said} for entry in journal]
    return next((position for position, at in enumerate(times) if erased_at in at), 0)


def pruned(journal: tuple[Entry, ...], unsaid: Collection[str]) -> tuple[tuple[Entry, ...], bool]:
    """The journal without old passing entries of which everything is said, and whether there were any."""
    is_long = _passing_text(journal) > PASSING_TEXT_MAX
    if len(journal) <= JOURNAL_MAX and not is_long:
        return journal, False
    newest = LAST_KEPT if is_long else JOURNAL_MAX // 2
    kept = tuple(
        entry
        for position, entry in enumerate(journal)
        if not entry.passing or position >= len(journal) - newest or any(said.id in unsaid for said in entry.said)
    )
    return kept, len(kept) < len(journal)


def _passing_text(journal: tuple[Entry, ...]) -> int:
    return sum(len(said.body) for entry in journal if entry.passing for said in entry.said)
