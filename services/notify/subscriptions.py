"""The quota ledger: one document per fact about a customer's subscriptions, kept under the fact's own id, so hearing it
twice changes nothing.

    subscriptions  {_id, openid, template_id, what, source, at}
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol

from chassis.batcher import Batcher
from chassis.projection import Document
from services.notify.quota import Fact, Quota, quota

NAME = "subscriptions"
FACTS_MAX = 50
"""Of the newest facts the quota is made. Older ones say nothing: they were used up or outlived."""


TEMPLATES_MAX = 20


class Documents(Protocol):
    """What is needed of a collection: `mongo.Collection`, or a stand-in."""

    async def find(
        self,
        filter: Document,
        *,
        fields: Sequence[str] | None = None,
        sort: Sequence[tuple[str, int]] = (),
        limit: int = 0,
    ) -> list[dict[str, Any]]: ...

    async def insert_new(self, documents: Iterable[Document]) -> frozenset[int]: ...

    async def ensure_index(self, keys: Sequence[tuple[str, int]], *, partial: Document | None = None) -> None: ...


class Deletable(Protocol):
    """What is needed to forget: `mongo.Collection`, or a stand-in."""

    async def delete(self, filter: Document) -> None: ...


async def forget(documents: Deletable, order_id: str) -> None:
    """Drop what was learnt by calls about this order: such facts name it and its customer."""
    await documents.delete({"_id": {"$gt": f"send/{order_id}-", "$lt": f"send/{order_id}."}})


class Subscriptions:
    """Reads and writes the ledger. Every method raises StoreUnavailable when the database does not answer."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._noting: Batcher[Fact, None] = Batcher(self._note_all)

    async def prepare(self) -> None:
        """Make the indexes that `quota` and `quotas` read."""
        await self._documents.ensure_index([("openid", 1), ("template_id", 1), ("at", -1)])
        await self._documents.ensure_index([("openid", 1), ("at", -1)])

    async def note(self, facts: Iterable[Fact]) -> None:
        """Write down what was heard."""
        await asyncio.gather(*(self._noting.submit(fact) for fact in facts))

    async def _note_all(self, facts: Sequence[Fact]) -> Sequence[None]:
        await self._documents.insert_new({"_id": fact.id, **fact.model_dump(exclude={"id"})} for fact in facts)
        return [None] * len(facts)

    async def quota(self, openid: str, template_id: str) -> Quota:
        """What is known about one customer and one template."""
        found = await self._documents.find(
            {"openid": openid, "template_id": template_id}, sort=[("at", -1)], limit=FACTS_MAX
        )
        return quota(Fact.model_validate({**document, "id": document["_id"]}) for document in found)

    async def quotas(self, openid: str) -> dict[str, Quota]:
        """What is known about one customer, by template that anything was heard about."""
        found = await self._documents.find({"openid": openid}, sort=[("at", -1)], limit=FACTS_MAX * TEMPLATES_MAX)
        facts: dict[str, list[Fact]] = {}
        for document in found:
            of_one = facts.setdefault(document["template_id"], [])
            if len(of_one) < FACTS_MAX:
                of_one.append(Fact.model_validate({**document, "id": document["_id"]}))
        return {template_id: quota(facts[template_id]) for template_id in sorted(facts)}

    async def known_empty(self, openid: str, template_id: str, at: datetime) -> bool:
        """Whether a call would be useless: see `Quota.known_empty`."""
        return (await self.quota(openid, template_id)).known_empty(at)
