"""Stored documents, opened for the judge: what a service seals on the disk is plain to whoever has the keys."""

from __future__ import annotations

from collections.abc import Mapping

from chassis.keeping import Keeping
from chassis.personal import Ring
from services.notify.handlers import NOTICES
from services.order.handlers import ORDERS
from tests.simulation.evidence import Row

PERSONAL = {aggregate.name: aggregate for aggregate in (ORDERS, NOTICES)}
"""The kinds of records that hold personal data, by the collection they stand in."""


def opened(kind: str, documents: Mapping[str, Row], ring: Ring) -> dict[str, Row]:
    """The documents of one collection as their service reads them."""
    if kind not in PERSONAL:
        return dict(documents)
    keeping = Keeping(PERSONAL[kind], ring)
    return {id: keeping.opened(document) for id, document in documents.items()}
