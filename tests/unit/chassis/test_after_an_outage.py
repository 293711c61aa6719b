"""What was heard before the store went away, and is decided when it is back."""

from __future__ import annotations

import asyncio

import pytest

from chassis import delivery as delivery_module
from chassis.delivery import Delivery, Receiver
from chassis.memory import MemoryStore
from tests.support.waiting import until
from tests.unit.chassis.jars import COMMANDS, JARS, PolishJar, headers_of
from tests.unit.chassis.rig import Shaky, rig


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
    store.away, store.unanswered = True, 1
    receiving = asyncio.create_task(receiver.receive([record]))
    await until(lambda: not store.unanswered, "the first try")
    process.clock.later(20)
    store.away = False
    assert await receiving
    await until(lambda: process.polisher.attempts)
    assert await other.sweep() == 0, "the first is performing it just now"
    assert other.polisher.attempts == []
    process.polisher.gate.set()
    await process.settle()
