"""One collection of MongoDB's documents, in memory: for a simulated world that reads and writes thousands of times a
second and still must be told what the database would tell it.

It knows the operators that the services use and refuses every other (NotImplementedError). What it does not know: a
limit on the size of a document, ids that are not text, and any order but that of the ids or of insertion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import count, islice
from typing import Any

from chassis.changes import Step, changed, equalities, steps
from chassis.filters import matching, steps_of
from chassis.pipelines import results, sorted_by
from chassis.projection import BulkResult, Document, Update
from chassis.store import Unstorable
from chassis.values import MISSING, copied, stored

Documented = dict[str, Any]


class Documents:
    """`documents`: by id, in the order of insertion. Never change one in place: whoever read it before must not see
    it change, so an update puts a new one in its place."""

    def __init__(self) -> None:
        self.documents: dict[str, Documented] = {}
        self.turns: Iterator[int] = count()
        """A number for whoever needs one that nobody else has: each save of records."""

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────
    def find(
        self,
        filter: Document,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[Documented]:
        """Documents that match, with only `fields` when given (dots allowed). The caller may change what it gets."""
        found: Iterable[Documented] = self.matching(filter)
        if sort:
            found = sorted_by(found, sort)
        if limit:
            found = islice(found, limit)
        if fields:
            only = _tree(tuple(fields))
            return [_projected(document, only) for document in found]
        return [copied(document) for document in found]

    def matching(self, filter: Document) -> Iterator[Documented]:
        """The stored documents themselves that match. Do not change them."""
        candidates, rest = self._candidates(filter)
        if not rest:
            return iter(candidates)
        match = matching(rest)
        return (document for document in candidates if match(document))

    def _candidates(self, filter: Document) -> tuple[Iterable[Documented], Document]:
        """Documents to look at, found by id if the filter names ids, and what is left of the filter."""
        wanted = filter.get("_id", MISSING)
        if wanted.__class__ is str:
            document = self.documents.get(wanted)
            rest = {name: value for name, value in filter.items() if name != "_id"} if len(filter) > 1 else {}
            return (() if document is None else (document,)), rest
        if wanted.__class__ is dict and "$in" in wanted:
            # In the order of the ids, as the database finds them in its index.
            ids = sorted({id for id in wanted["$in"] if isinstance(id, str) and id in self.documents})
            rest = {name: value for name, value in filter.items() if name != "_id"}
            if len(wanted) > 1:
                rest["_id"] = {name: value for name, value in wanted.items() if name != "$in"}
            return [self.documents[id] for id in ids], rest
        return self.documents.values(), filter

    def aggregate(
        self, pipeline: Sequence[Document], others: Mapping[str, Documents] | None = None
    ) -> list[Documented]:
        """The result of an aggregation pipeline; `others`: the collections that `$lookup` may name."""

        def look_up(name: str, filter: Document) -> Iterable[Documented]:
            other = (others or {}).get(name)
            return () if other is None else other.matching(filter)

        start, rest = (pipeline[0]["$match"], pipeline[1:]) if pipeline and "$match" in pipeline[0] else ({}, pipeline)
        return [copied(row) for row in results(self.matching(start), rest, look_up)]

    def count(self, filter: Document) -> int:
        """How many documents match."""
        return sum(1 for _ in self.matching(filter))

    # ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────
    def update_all(self, updates: Iterable[Update]) -> BulkResult:
        """Apply all updates, each to the first document that matches. Raises Unstorable: before any of them when one
        cannot be written down, after all others when one cannot be applied."""
        prepared = [(stored(update.filter), stored(update.change), update.upsert) for update in updates]
        matched = upserted = 0
        duplicates: set[int] = set()
        problem: Unstorable | None = None
        for position, (filter, change, upsert) in enumerate(prepared):
            try:
                made_of = steps(change)
                found = next(self.matching(filter), None)
                if found is not None:
                    self.documents[found["_id"]] = changed(found, made_of)
                    matched += 1
                elif upsert:
                    made = self._made(filter, made_of)
                    if made is None:
                        duplicates.add(position)
                    else:
                        self.documents[made["_id"]] = made
                        upserted += 1
            except Unstorable as refused:
                problem = problem or refused
        if problem is not None:
            raise problem
        return BulkResult(matched, upserted, frozenset(duplicates))

    def _made(self, filter: Document, change: Iterable[Step]) -> Documented | None:
        """The document that an update makes when none matched; None when its id is taken."""
        begun = equalities(filter)
        id = _id_of(begun)
        made = changed(begun, change, inserting=True)
        return None if id in self.documents else made

    def insert_new(self, documents: Iterable[Document]) -> frozenset[int]:
        """Insert documents; returns the positions of those whose `_id` was there before, which are left as they
        were."""
        duplicates: set[int] = set()
        for position, document in enumerate([stored(document) for document in documents]):
            id = _id_of(document)
            if id in self.documents:
                duplicates.add(position)
            else:
                self.documents[id] = {"_id": id, **document}
        return frozenset(duplicates)

    def delete(self, filter: Document) -> None:
        """Delete every document that matches."""
        for document in list(self.matching(filter)):
            del self.documents[document["_id"]]


def _id_of(document: Document) -> str:
    id = document.get("_id", MISSING)
    if not isinstance(id, str):
        raise NotImplementedError(f"an _id that is {'missing' if id is MISSING else type(id).__name__}")
    return id


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=1024)
def _tree(fields: tuple[str, ...]) -> dict[str, Any]:
    """The wanted fields by their first step, each with what is wanted below it; nothing below: all of it."""
    tree: dict[str, Any] = {"_id": {}}
    for field in dict.fromkeys(fields):
        if any(other.startswith(f"{field}.") for other in fields):
            raise NotImplementedError(f"field {field} and one below it")
        below = tree
        for step in steps_of(field):
            below = below.setdefault(step, {})
    return tree


def _projected(document: Documented, tree: Mapping[str, Any]) -> Documented:
    made: Documented = {}
    for name, value in document.items():
        below = tree.get(name)
        if below is None:
            continue
        if not below:
            made[name] = copied(value)
        elif value.__class__ is dict:
            made[name] = _projected(value, below)
        elif value.__class__ is list:
            made[name] = _projected_items(value, below)
    return made


def _projected_items(items: Iterable[Any], tree: Mapping[str, Any]) -> list[Any]:
    """Objects of an array with the wanted fields only; what is neither object nor array has none."""
    return [
        _projected(item, tree) if item.__class__ is dict else _projected_items(item, tree)
        for item in items
        if item.__class__ is dict or item.__class__ is list
    ]
