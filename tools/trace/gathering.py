"""Every record of one order. An order's messages have its id as their key, so of each topic one partition is read, and
of the later topics only what came since the order was placed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from contracts import CATALOGUE, order
from tools.dead.letters import ENDING, REPLAY_OF
from tools.records import Counted, Place, Raw, Records, Span, partition_of
from tools.topics.listing import of_contracts

FIRST = order.EVENTS.name
"""The topic that says first that there is an order; it is read from its beginning."""
BEFORE = timedelta(hours=1)
"""By how much clocks may differ, and what is said of an order before it counts as placed may have come earlier."""


@dataclass(slots=True)
class Gathered:
    """An order's records, and how much was read for them. `missing`: topics that the cluster does not have."""

    records: list[Raw]
    read: int = 0
    partitions: int = 0
    missing: tuple[str, ...] = ()


def gather(
    cluster: Records, order_id: str, since: datetime | None, counted: Counted, *, every_partition: bool = False
) -> Gathered:
    """Every record of this order that the cluster holds; `since`: only what came then or later. `every_partition`: also
    where its key would not lie now, for topics that were given more partitions meanwhile. Raises KafkaRefused."""
    known = cluster.topics()
    wanted = of_contracts(CATALOGUE.values())
    there = {name: known[name] for name in wanted if name in known}
    found = Gathered([], missing=tuple(name for name in wanted if name not in known))
    key = order_id.encode()

    def places(name: str) -> Iterator[Place]:
        partitions = range(there[name]) if every_partition else (partition_of(key, there[name]),)
        return (Place(name, partition) for partition in partitions)

    def read(names: list[str], since: datetime | None) -> list[Raw]:
        spans = {place: _span(cluster, place, since) for name in names for place in places(name)}
        found.partitions += len(spans)
        found.read += sum(span.end - span.first for span in spans.values())
        return [record for record in cluster.read(spans, counted, key) if not record.header(REPLAY_OF)]

    first = read([FIRST] if FIRST in there else [], since)
    found.records = first + read([name for name in there if name != FIRST], since or _placed(first))
    return found


def _span(cluster: Records, place: Place, since: datetime | None) -> Span:
    return cluster.span(place) if since is None else cluster.since(place, since)


def _placed(first: list[Raw]) -> datetime | None:
    """From when on there can be anything about the order; None where its placing is no longer on the topic."""
    placing = (order.OrderPlaced.wire, order.OrderNotPlaced.wire)
    placed = [record.at for record in first if record.header("ce_type") in placing]
    return min(placed) - BEFORE if placed else None


def is_dead(record: Raw) -> bool:
    """Whether it lies on a topic for dead letters."""
    return record.place.topic.endswith(ENDING)
