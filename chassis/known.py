"""Records as this process itself has last saved them: the next message about one of them need not ask the store.

Whether nobody else has saved one since is not known from here. Its next save says so, by the version; and whatever is
decided without a save (a refusal, a repeat, "nothing to do") is decided again on what is stored.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from chassis.record import Record
from chassis.room import text_of

KNOWN_MAX = 512
"""As many as may be under way at once."""
TEXT_MAX = 8_000_000
"""Characters of what they have said, which is most of a record: it takes some six bytes of memory for each, so all
that are kept take fifty megabytes at most. An order of twenty lines has thirteen thousand, one of 2,000 a million."""


class Known:
    """The last `size_max` records that were saved here, fewer where they are large."""

    def __init__(self, size_max: int = KNOWN_MAX, text_max: int = TEXT_MAX) -> None:
        self._size_max = size_max
        self._text_max = text_max
        self._records: OrderedDict[str, Record[Any]] = OrderedDict()
        self._sizes: dict[str, int] = {}
        self._text = 0

    def among(self, ids: Iterable[str]) -> dict[str, Record[Any]]:
        """Those that are known."""
        return {id: self._records[id] for id in ids if id in self._records}

    def saved(self, record: Record[Any]) -> None:
        """`record` is stored now, as a load would show it."""
        wake_at = record.wake_at and _in_milliseconds(record.wake_at)
        version = record.version + 1
        shown = replace(record, version=version, fresh=(), pruned=False, wake_at=wake_at, unsaid_before=record.unsaid)
        self.forget([record.id])
        self._records[record.id] = shown
        self._sizes[record.id] = size = text_of(record)
        self._text += size
        while len(self._records) > self._size_max or self._text > self._text_max:
            self.forget([next(iter(self._records))])

    def marked(self, id: str, said: frozenset[str]) -> None:
        """These ids were taken off what the stored record has still to say."""
        if (record := self._records.get(id)) is not None:
            left = tuple(one for one in record.unsaid if one not in said)
            self._records[id] = replace(record, unsaid=left, unsaid_before=left)

    def forget(self, ids: Iterable[str]) -> None:
        """What is stored may be another by now."""
        for id in ids:
            self._records.pop(id, None)
            self._text -= self._sizes.pop(id, 0)


def _in_milliseconds(time: datetime) -> datetime:
    """A timer is recognised by its time, and stores keep no more of it."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
