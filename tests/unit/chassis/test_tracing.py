"""Spans and what carries them on: messages, timers, the sweep, HTTP; and nothing at all when tracing is off."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chassis import timers, tracing
from chassis.memory import MemoryStore
from chassis.record import Record, hear
from chassis.telemetry import provider_call
from tests.unit.chassis.jars import JARS, T0, PutMarbles, RemindOfJar, heard, seconds
from tests.unit.chassis.rig import rig

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = PARENT[:-1] + "0"
TRACE = 0x0AF7651916CD43DD8448EB211C80319C


@pytest.fixture
def kept() -> Iterator[InMemorySpanExporter]:
    """Every span that is made, kept in memory."""
    exporter = InMemorySpanExporter()
    tracing.begin("tests", SimpleSpanProcessor(exporter))
    yield exporter
    tracing.end()


async def test_a_message_that_is_swept_up_later_belongs_to_its_trace(kept: InMemorySpanExporter) -> None:
    store = MemoryStore(JARS)
    wish = heard(PutMarbles(jar_id="a"), "h", traceparent=PARENT)
    await store.save([hear(JARS, Record("a"), wish).record])  # and then the process died
    process = rig(store, JARS)
    process.clock.later(60)
    assert await process.engine.relay.sweep(process.engine.stores) == 1
    (sent,) = process.topics.sent
    assert sent.envelope.traceparent == PARENT


async def test_what_is_said_carries_the_span_in_which_it_was_decided(kept: InMemorySpanExporter) -> None:
    process = rig(MemoryStore(JARS), JARS)
    await process.engine.hear(heard(PutMarbles(jar_id="a"), "h", traceparent=PARENT))
    (span,) = kept.get_finished_spans()
    assert span.parent is not None
    assert (span.context.trace_id, span.parent.span_id) == (TRACE, int(PARENT.split("-")[2], 16))
    (sent,) = process.topics.sent
    assert sent.envelope.traceparent == f"00-{TRACE:032x}-{span.context.span_id:016x}-01"
    assert dict(span.attributes or {}) == {"tuidan.key": "a", "tuidan.message": "h"}


async def test_a_timer_goes_on_in_the_trace_of_what_had_set_it(kept: InMemorySpanExporter) -> None:
    process = rig(MemoryStore(JARS), JARS)
    await process.engine.hear(heard(RemindOfJar(jar_id="a", at=T0 + seconds(5)), "h", traceparent=PARENT))
    await process.engine.hear(heard(PutMarbles(jar_id="a"), "p", traceparent=PARENT))
    process.clock.later(10)
    assert await timers.ring(process.engine) == 1
    last = process.topics.sent[-1].envelope.traceparent
    assert last is not None
    assert last.split("-")[1] == f"{TRACE:032x}"


async def test_what_began_unsampled_is_followed_unsampled(kept: InMemorySpanExporter) -> None:
    process = rig(MemoryStore(JARS), JARS)
    await process.engine.hear(heard(PutMarbles(jar_id="a"), "h", traceparent=UNSAMPLED))
    assert kept.get_finished_spans() == ()
    (sent,) = process.topics.sent
    assert sent.envelope.traceparent is not None
    assert sent.envelope.traceparent.split("-")[1::2] == [f"{TRACE:032x}", "00"]


async def test_an_error_is_seen_and_its_words_are_not(kept: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError), provider_call("wechat", "send"):
        raise ValueError("13800138000")
    (span,) = kept.get_finished_spans()
    assert (span.status.is_ok, span.status.description, span.events) == (False, "ValueError", ())
    assert dict(span.attributes or {}) == {"tuidan.code": "ValueError"}


@pytest.mark.parametrize(("begins", "trace"), [(True, None), (False, TRACE)])
async def test_who_stands_outside_has_no_say_in_our_traces(
    kept: InMemorySpanExporter, begins: bool, trace: int | None
) -> None:
    async def nothing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def unheard(_: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"traceparent", PARENT.encode())]}
    await tracing.Traced(nothing, "gateway", begins)(scope, unheard, unheard)  # type: ignore[arg-type]
    (span,) = kept.get_finished_spans()
    assert (span.parent is None) == begins
    assert (span.context.trace_id == TRACE) == (trace == TRACE)
    assert (span.attributes or {})["tuidan.status"] == 204


async def test_without_an_address_there_is_nothing() -> None:
    tracing.configure("tests", "")
    assert not tracing.is_on()
    process = rig(MemoryStore(JARS), JARS)
    await process.engine.hear(heard(PutMarbles(jar_id="a"), "h"))
    await process.engine.hear(heard(PutMarbles(jar_id="b"), "h2", traceparent=PARENT))
    assert [sent.envelope.traceparent for sent in process.topics.sent] == [None, PARENT]
    assert tracing.current() is None
    assert tracing.headers() == ()


def test_without_an_address_nothing_that_makes_or_sends_spans_is_loaded() -> None:
    code = """
import sys
import services.gateway.main, services.notify.main
from chassis import tracing
tracing.configure("tests", "")
sys.exit(any(name.startswith(("opentelemetry.sdk.trace", "opentelemetry.exporter")) for name in sys.modules))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
