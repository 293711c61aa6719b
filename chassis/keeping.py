"""How records of one kind stand in their documents. Every store keeps them by this, none does it its own way.

Personal data is sealed on its way into a document and opened on its way out: whoever decides sees it plainly, whoever
reads the disk does not. Sealed are the fields marked `Private` in the state, and the bodies of messages that carry such
fields. What was stored plainly before there were keys is read as it is, and sealed with the record's next save.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from pydantic import ValidationError

from chassis import private
from chassis.personal import Damaged, KeyMissing, Ring, key_of
from chassis.private import private_fields, with_private
from chassis.record import Aggregate, Record
from chassis.store import entries_to_documents, from_document, to_document

TORN_TOLD_MAX = 10_000
_TORN = (ValidationError, KeyError, TypeError, Damaged)

log = structlog.get_logger()


class Keeping:
    """Records of one kind as documents and back. Without a ring nothing is sealed: for tests, and for records about
    nobody."""

    def __init__(self, aggregate: Aggregate[Any], ring: Ring | None = None) -> None:
        self.aggregate = aggregate
        self.ring = ring
        self._private = private_fields(aggregate.state)
        self._personal: dict[str, bool] = {}
        self._torn: set[str] = set()

    # ── into a document ──────────────────────────────────────────────────────────────────────────────────────────────
    def document(self, record: Record[Any]) -> dict[str, Any]:
        """The changeable part of a record, and what it is found by."""
        made = to_document(record)
        made["state"] = self._sealed(made["state"], record.id)
        if self.aggregate.found_by is not None and record.state is not None:
            found = self.aggregate.found_by(record.state)
            terms = [*found.terms, *(self.term(one) for one in found.personal if self.ring is not None)]
            made["found_by"] = {**found.fields, "terms": terms}
        return made

    def entries(self, record: Record[Any]) -> list[dict[str, Any]]:
        """What a save writes of the journal: all of it where old entries were dropped, else what is fresh."""
        made = entries_to_documents(record.journal if record.pruned else record.fresh)
        if self.ring is not None:
            for entry in made:
                for said in entry["said"]:
                    if self.is_personal(said["wire"]):
                        said["body"] = self.ring.seal(said["body"], self._place(record.id))
        return made

    def term(self, personal: str) -> str:
        """The term that stands for a personal one: a keyed hash, and what of."""
        assert self.ring is not None, "nobody is searched for without keys"
        return f"{personal.partition('/')[0]}/{self.ring.digest(personal)}"

    # ── out of a document ────────────────────────────────────────────────────────────────────────────────────────────
    def record(self, document: Mapping[str, Any]) -> Record[Any]:
        """Read a record back. Raises ValidationError when it cannot be read, KeyMissing or Damaged when it cannot be
        opened."""
        record = from_document(self.opened(document), self.aggregate.state)
        if self.ring is not None and None in self._keys_of_journal(document):
            # It was stored before there were keys: the whole journal is written anew with the next save.
            return replace(record, pruned=True)
        return record

    async def first_readable(
        self, look: Callable[[int], Awaitable[Sequence[Mapping[str, Any]]]], limit: int
    ) -> list[Record[Any]]:
        """Read back what `look(how many)` finds first, without what cannot be read: as many more are looked for, else
        those, which stay the first for good, would hold up all others."""
        torn = 0
        while True:
            found = await look(limit + torn)
            records = self._readable(found)
            if len(found) < limit + torn or len(found) - len(records) == torn:
                return records
            torn = len(found) - len(records)

    def _readable(self, documents: Iterable[Mapping[str, Any]]) -> list[Record[Any]]:
        """Those that can be read; each other is told to the log, once."""
        found: list[Record[Any]] = []
        for document in documents:
            try:
                found.append(self.record(document))
            except (*_TORN, KeyMissing) as problem:
                if document["_id"] in self._torn:
                    continue
                if len(self._torn) >= TORN_TOLD_MAX:
                    self._torn.clear()
                self._torn.add(document["_id"])
                log.error("a stored record cannot be read", record=document["_id"], error=type(problem).__name__)
        return found

    def is_readable(self, document: Mapping[str, Any]) -> bool:
        """Whether a record can be read back; one that cannot is told to the log. Raises KeyMissing: then none can."""
        try:
            self.record(document)
        except _TORN as problem:
            log.error("a stored record cannot be read", record=document["_id"], error=type(problem).__name__)
            return False
        return True

    def opened(self, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """A document, or the parts of one that were asked for, with everything open. Raises KeyMissing, Damaged."""
        ring = self.ring
        if ring is None:
            return document
        place = self._place(document["_id"])
        made = dict(document)
        if self._private and "state" in made:
            made["state"] = with_private(made["state"], self._private, lambda text: ring.open(text, place))
        if "journal" in made:
            made["journal"] = [
                {**entry, "said": [{**said, "body": ring.open(said["body"], place)} for said in entry["said"]]}
                for entry in made["journal"]
            ]
        return made

    # ── another key ──────────────────────────────────────────────────────────────────────────────────────────────────
    def keys_of(self, document: Mapping[str, Any]) -> set[int | None]:
        """The numbers of the keys that a document was sealed with; None among them: something stands there plainly."""
        found = set(self._keys_of_journal(document))

        def look(text: str) -> str:
            found.add(key_of(text))
            return text

        with_private(document["state"], self._private, look)
        return found

    def anew(self, document: Mapping[str, Any]) -> dict[str, Any] | None:
        """What to set in a document so that all of it is sealed with the newest key, and found by everything that
        records are found by now; None when that is so already. Raises KeyMissing."""
        assert self.ring is not None, "nothing is sealed without keys"
        record = replace(self.record(document), pruned=True)
        made = self.document(record)
        found = {name: made[name] for name in ("found_by",) if name in made}
        if self.keys_of(document) <= {self.ring.current} and all(document.get(name) == found[name] for name in found):
            return None
        return {"state": made["state"], "journal": self.entries(record), **found}

    def _keys_of_journal(self, document: Mapping[str, Any]) -> Iterator[int | None]:
        for entry in document["journal"]:
            for said in entry["said"]:
                if self.is_personal(said["wire"]):
                    yield key_of(said["body"])

    def is_personal(self, wire: str) -> bool:
        """Whether messages of this name are sealed."""
        if wire not in self._personal:
            self._personal[wire] = private.is_personal(wire)
        return self._personal[wire]

    def _sealed(self, state: Any, id: str) -> Any:
        ring, place = self.ring, self._place(id)
        if ring is None or not self._private:
            return state
        return with_private(state, self._private, lambda text: ring.seal(text, place))

    def _place(self, id: str) -> str:
        return f"{self.aggregate.name}/{id}"
