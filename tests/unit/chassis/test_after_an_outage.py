"""What was heard before the store went away, and is decided when it is back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from chassis import delivery as delivery_module
from chassis import relay as relay_module
from chassis.delivery import Delivery, Receiver
from chassis.memory import MemoryStore
from chassis.record import Heard
from chassis.store import StoreUnavailable
from tests.support.waiting import until
from tests.unit.chassis.jars import COMMANDS, JARS, PolishJar, headers_of
from tests.unit.chassis.rig import Rig, Shaky, rig


def away_for(seconds: float, store: Shaky, process: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store answers nobody at first, and so much time goes by."""
    outages = [seconds]

    def away_at_first() -> None:
        if outages:
            process.clock.later(outages.pop())
            raise StoreUnavailable("away")

    monkeypatch.setattr(store, "_answer", away_at_first)


async def test_what_is_decided_after_an_outage_is_not_swept_at_once_by_another_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Shaky(MemoryStore(JARS))
    process = rig(store, JARS)
    other = rig(store, JARS, topics=process.topics, clock=process.clock)
    process.polisher.gate = asyncio.Event()
    receiver = Receiver("jars", process.engine, process.topics, process.clock)
    monkeypatch.setattr(delivery_module, "OUTAGE_BACKOFF_MAX_SECONDS", 0)
    message = PolishJar(jar_id="a")
    record = Delivery(COMMANDS.name, 0, 0, b"a", message.model_dump_json().encode(), tuple(headers_of(message, "h")))
    away_for(20, store, process, monkeypatch)
    assert await receiver.receive([record])
    await until(lambda: process.polisher.attempts)
    assert await other.sweep() == 0, "the first is performing it just now"
    assert other.polisher.attempts == []
    process.polisher.gate.set()
    await process.settle()


async def test_an_outcome_that_is_stored_after_an_outage_is_heard_then_and_not_when_it_was_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Shaky(MemoryStore(JARS))
    process = rig(store, JARS)
    process.polisher.gate = asyncio.Event()
    monkeypatch.setattr(relay_module, "REPORT_BACKOFF_SECONDS", 0)
    await process.engine.hear(Heard(PolishJar(jar_id="a"), "h", process.clock()))
    await until(lambda: process.polisher.attempts)
    away_for(20, store, process, monkeypatch)
    known_at = process.clock()
    process.polisher.gate.set()
    await process.settle()
    assert (await process.jar("a")).polished == 1
    assert (await process.record("a")).touched_at == known_at + timedelta(seconds=20)
