"""Spans and what carries them on: messages, timers, the sweep, HTTP; and nothing at all when tracing is off."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanProcessor
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


class Stubborn(SpanProcessor):
    """Its collector is away, and it tries again whatever time it is given."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.was_waited_for = False

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self.let_go.is_set()

    def shutdown(self) -> None:
        self.let_go.wait(5)
        self.was_waited_for = True


def test_a_collector_that_is_away_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "STOP_SECONDS", 0.01)
    stubborn = Stubborn()
    tracing.begin("tests", stubborn)
    tracing.end()
    assert not stubborn.was_waited_for
    assert not tracing.is_on()
    stubborn.let_go.set()


# uvicorn sends itself the signal once more in the end, and that ends the process.
TOLD_TO_STOP = """
import asyncio, os, signal, socket
from contextlib import asynccontextmanager
from fastapi import FastAPI
from opentelemetry.sdk.trace import SpanProcessor
from chassis import serving, tracing
from chassis.settings import HttpSettings

class Last(SpanProcessor):
    def shutdown(self):
        print("the last spans are sent", flush=True)

@asynccontextmanager
async def lifespan(app):
    tracing.begin("tests", Last())
    asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGTERM)
    yield

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
serving.serve(FastAPI(lifespan=lifespan), "tests", HttpSettings(http_port=port, log_level="ERROR"))
"""


def test_the_last_spans_of_a_service_that_is_told_to_stop_are_sent() -> None:
    done = subprocess.run([sys.executable, "-c", TOLD_TO_STOP], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout.strip()) == (-signal.SIGTERM, "the last spans are sent"), done.stderr
