"""What a place for records must be able to do. `mongo_records.MongoRecords` and `memory.MemoryStore` do it; one
contract test holds both to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from chassis.journal import Entry, Said
from chassis.record import Record

S = TypeVar("S", bound=BaseModel)

RESTORING = "restoring"
"""A collection that is there while a backup is put back, and after one that was cut: what is there is not all."""


class StoreUnavailable(Exception):
    """The store did not answer: nobody knows whether the last write happened. Hear the message again; what was heard
    is remembered with what was written, so nothing happens twice."""


class Unstorable(Exception):
    """The store will never take this, however often it is asked: too large, or nothing it knows how to keep."""


NEVER_CLAIMED = -1
"""`attempts` of a record of which nothing was tried: who claims it makes the first attempt."""


UNANSWERED_MAX = 10_000


class Unanswered:
    """Saves of this process of which nobody told what became of them, by record. One that was done after all is told
    by the mark that stands in the record."""

    def __init__(self) -> None:
        self._tokens: dict[str, str] = {}

    @contextlib.contextmanager
    def asking(self, ids: Sequence[str], token: str) -> Iterator[None]:
        """Inside, a save under this token is under way."""
        try:
            yield
        except Exception:
            if len(self._tokens) + len(ids) > UNANSWERED_MAX:
                self._tokens.clear()  # what is forgotten is found by a sweep
            self._tokens.update(dict.fromkeys(ids, token))
            raise
        for id in ids:
            self._tokens.pop(id, None)

    def marked(self, record: Record[Any], document: Mapping[str, Any]) -> Record[Any]:
        """The record, with `saved_here` where this document was saved by such a save. Told once."""
        token = self._tokens.pop(record.id, None) if self._tokens else None
        return replace(record, saved_here=True) if token is not None and document.get("saved_by") == token else record


class Store(Protocol):
    """Records of one kind, one document each. Every call may raise StoreUnavailable."""

    async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
        """The records that exist among `ids`. `certain`: none is missing only because the server that answers has been
        replaced and does not know it yet; takes longer. Raises ValidationError when one of them cannot be read."""

    async def save(self, records: Sequence[Record[Any]]) -> set[str]:
        """Save each record if its stored version is still `record.version` (absent when 0), and nothing of what it had
        to say was marked as said meanwhile, with the version one higher. Returns the ids that lost: someone else had
        saved or marked them, nothing of ours was written. Raises Unstorable when one of them can never be saved; the
        others may have been."""

    async def mark_said(self, said: Mapping[str, Iterable[str]]) -> None:
        """Take message ids (by record id) off the list of what is still to say."""

    async def unsaid(self, before: datetime, limit: int) -> list[Record[Any]]:
        """Records last touched before `before` that still have something to say, oldest first; without those that
        cannot be read."""

    async def claim(self, record: Record[Any], at: datetime) -> bool:
        """Become the one who says what `record` still has to say: true for exactly one of several claimants who saw
        the same `touched_at`. Counts one more attempt."""

    async def renew(self, ids: Sequence[str], at: datetime) -> None:
        """Records that still have something to say count as touched at `at`: who has that in hand keeps others off."""

    async def hand_over(self, records: Sequence[Record[Any]], at: datetime) -> None:
        """Records of whose intents none was tried: those that are still as they are known count as touched at `at`,
        long ago, and as never claimed."""

    async def due(self, at: datetime, limit: int) -> list[tuple[str, datetime]]:
        """Record ids whose timer should have rung by `at`, with the time it was set to, earliest first."""

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the store answers."""


def to_document(record: Record[Any]) -> dict[str, Any]:
    """The changeable part of a record as plain data, as every store keeps it."""
    return {
        "state": None if record.state is None else record.state.model_dump(),
        "unsaid": list(record.unsaid),
        "wake_at": record.wake_at,
        "touched_at": record.touched_at,
        "attempts": record.attempts,
    }


def entries_to_documents(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Journal entries as plain data. Absent fields are left out: a journal is most of a document's size."""
    return [
        {
            "heard": entry.heard,
            "passing": entry.passing,
            "said": [
                {
                    name: value
                    for name in ("id", "wire", "topic", "key", "body", "at", "saga", "traceparent")
                    if (value := getattr(said, name)) is not None
                }
                for said in entry.said
            ],
        }
        for entry in entries
    ]


def from_document(document: Mapping[str, Any], state: type[S]) -> Record[S]:
    """Read a record back."""
    return Record(
        id=document["_id"],
        version=document["version"],
        state=None if document["state"] is None else state.model_validate(document["state"]),
        journal=tuple(
            Entry(
                entry["heard"],
                tuple(
                    Said(
                        id=said["id"],
                        wire=said["wire"],
                        topic=said.get("topic"),
                        key=said["key"],
                        body=said["body"],
                        cause=entry["heard"],
                        at=said["at"],
                        saga=said.get("saga"),
                        traceparent=said.get("traceparent"),
                    )
                    for said in entry["said"]
                ),
                entry["passing"],
            )
            for entry in document["journal"]
        ),
        unsaid=tuple(document["unsaid"]),
        unsaid_before=tuple(document["unsaid"]),
        wake_at=document["wake_at"],
        touched_at=document["touched_at"],
        attempts=document["attempts"],
    )
