"""Figures that are looked up when somebody asks: the oldest unsaid message, what cannot be looked up, how often."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, Gauge

from chassis.engine import Engine
from chassis.memory import MemoryBroker, MemoryStore
from chassis.readings import EVERY_SECONDS, UNKNOWN, Readings, Series, unsaid_ages
from chassis.record import Heard, Record, hear
from contracts.message import message_id
from tests.unit.chassis.jars import T0, PutMarbles, jar_aggregate


class Hands:
    """A clock whose hands are moved."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def gauge() -> Gauge:
    return Gauge("tuidan_test_seconds", "for a test", ["kind"], registry=CollectorRegistry())


def shown(gauge: Gauge) -> dict[str, float]:
    return {sample.labels["kind"]: sample.value for metric in gauge.collect() for sample in metric.samples}


async def test_the_oldest_unsaid_message_is_as_old_as_its_decision() -> None:
    jars = jar_aggregate()
    store = MemoryStore(jars)
    now = T0
    engine = Engine("test", {jars: store}, MemoryBroker(), lambda: now)
    look = unsaid_ages(engine)
    assert await look() == {("jars",): 0.0}
    for number in range(3):
        wish = Heard(PutMarbles(jar_id=f"jar{number}"), message_id("unsaid", number), T0 + timedelta(seconds=number))
        await store.save([hear(jars, Record(f"jar{number}"), wish).record])
    now = T0 + timedelta(seconds=60)
    assert await look() == {("jars",): 60.0}
    # A relay that took it up a moment ago and failed has not made it younger.
    [oldest] = [record for record in await store.unsaid(now, 3) if record.id == "jar0"]
    assert await store.claim(oldest, now)
    assert await look() == {("jars",): 60.0}
    said = (await store.load(["jar0"]))["jar0"].unsaid
    await store.mark_said({"jar0": said})
    assert await look() == {("jars",): 59.0}


async def test_whoever_asks_often_is_told_what_was_found_a_moment_ago(gauge: Gauge) -> None:
    hands, found = Hands(), [1.0]
    readings = Readings(hands)

    async def look() -> Series:
        return {("a",): found[0]}

    readings.add(gauge, look)
    await readings.take()
    found[0] = 2.0
    hands.at += EVERY_SECONDS - 0.1
    await readings.take()
    assert shown(gauge) == {"a": 1.0}
    hands.at += 0.2
    await readings.take()
    assert shown(gauge) == {"a": 2.0}


async def test_a_figure_that_cannot_be_looked_up_is_not_shown_and_hides_no_other(gauge: Gauge) -> None:
    hands, other = Hands(), Gauge("tuidan_other_seconds", "for a test", ["kind"], registry=CollectorRegistry())
    readings, away = Readings(hands), [False]

    async def look() -> Series:
        if away[0]:
            raise ConnectionError("away")
        return {("a",): 1.0}

    async def steady() -> Series:
        return {("b",): 5.0}

    readings.add(gauge, look)
    readings.add(other, steady)
    await readings.take()
    assert (shown(gauge), shown(other)) == ({"a": 1.0}, {"b": 5.0})
    away[0] = True
    hands.at += EVERY_SECONDS
    await readings.take()
    assert (shown(gauge), shown(other)) == ({}, {"b": 5.0})
    away[0] = False
    hands.at += EVERY_SECONDS
    await readings.take()
    assert shown(gauge) == {"a": 1.0}


async def test_a_figure_without_labels_is_no_number_while_it_cannot_be_looked_up() -> None:
    hands, single = Hands(), Gauge("tuidan_single_products", "for a test", registry=CollectorRegistry())
    readings, away = Readings(hands), [False]

    async def look() -> Series:
        if away[0]:
            raise ConnectionError("away")
        return {(): 2.0}

    async def shown_then() -> float:
        await readings.take()
        hands.at += EVERY_SECONDS
        ((sample,),) = [metric.samples for metric in single.collect()]
        return sample.value

    readings.add(single, look, UNKNOWN)
    assert await shown_then() == 2.0
    away[0] = True
    assert math.isnan(await shown_then())
    away[0] = False
    assert await shown_then() == 2.0


async def test_a_series_that_is_gone_is_not_shown_any_more(gauge: Gauge) -> None:
    """As the partitions that went to another member."""
    hands, found = Hands(), ["a", "b"]
    readings = Readings(hands)

    async def look() -> Series:
        return {(name,): 1.0 for name in found}

    readings.add(gauge, look)
    await readings.take()
    found.remove("a")
    hands.at += EVERY_SECONDS
    await readings.take()
    assert shown(gauge) == {"b": 1.0}
