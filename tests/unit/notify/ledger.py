"""The quota ledger without a database."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from chassis.projection import Document
from chassis.store import StoreUnavailable
from services.notify.model import Overtaken
from services.notify.subscriptions import Subscriptions


class Shelf:
    """What a collection does for the ledger. `away`: it does not answer."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, Any]] = {}
        self.away = False

    async def find(
        self,
        filter: Document,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[dict[str, Any]]:
        self._answer()
        found = [one for one in self.documents.values() if all(one[name] == value for name, value in filter.items())]
        for name, direction in reversed(sort):
            found.sort(key=lambda one: one[name], reverse=direction < 0)
        return found[:limit] if limit else found

    async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]:
        self._answer()
        known = set()
        for position, document in enumerate(documents):
            if document["_id"] in self.documents:
                known.add(position)
            self.documents.setdefault(document["_id"], dict(document))
        return frozenset(known)

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Document | None = None) -> None:
        self._answer()

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailable("away")


def ledger() -> Subscriptions:
    return Subscriptions(Shelf())


async def nobody_is_overtaken(_: Overtaken) -> None:
    return None


async def still_wanted(*_: object) -> bool:
    return True
