"""How records of one kind stand in their documents. Every store keeps them by this, none does it its own way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from chassis.record import Aggregate, Record
from chassis.store import entries_to_documents, from_document, readable, to_document


class Keeping:
    """Records of one kind as documents and back."""

    def __init__(self, aggregate: Aggregate[Any]) -> None:
        self._state = aggregate.state
        self._found_by = aggregate.found_by

    def document(self, record: Record[Any]) -> dict[str, Any]:
        """The changeable part of a record, and what it is found by."""
        made = to_document(record)
        if self._found_by is not None and record.state is not None:
            found = self._found_by(record.state)
            made["found_by"] = {**found.fields, "terms": list(found.terms)}
        return made

    def entries(self, record: Record[Any]) -> list[dict[str, Any]]:
        """What a save writes of the journal: all of it where old entries were dropped, else what is fresh."""
        return entries_to_documents(record.journal if record.pruned else record.fresh)

    def record(self, document: Mapping[str, Any]) -> Record[Any]:
        """Read a record back. Raises ValidationError when it cannot be read."""
        return from_document(document, self._state)

    def readable(self, documents: Iterable[Mapping[str, Any]]) -> list[Record[Any]]:
        """Read records back, without those that cannot be read."""
        return readable(documents, self._state)
