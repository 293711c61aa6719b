"""One trace from the customer's request to the word that the customer gets, over all services."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import REGISTRY

from chassis import tracing
from tests.fuzz.town import town
from tests.support.shop import eventually, shop_at

HEARERS = {"gateway", "order", "payment", "inventory", "notify", "analytics"}
LEADS_OVER = {
    ("order", "HTTP POST"),
    ("payment", "hear refund-payment.v1"),
    ("payment", "perform send-refund"),
    ("wechatpay", "ask refund"),
    ("order", "hear refund-accepted.v1"),
    ("notify", "hear tell-customer.v2"),
    ("wechat", "ask send"),
}
"""Spans, by scope and name, that every such trace has."""


@pytest.fixture
def kept() -> Iterator[InMemorySpanExporter]:
    """Every span that is made, kept in memory."""
    exporter = InMemorySpanExporter()
    tracing.begin("tests", SimpleSpanProcessor(exporter))
    yield exporter
    tracing.end()


def scope_of(span: ReadableSpan) -> str:
    assert span.instrumentation_scope is not None
    return span.instrumentation_scope.name


def names_of(spans: Iterable[ReadableSpan]) -> set[tuple[str, str]]:
    return {(scope_of(span), span.name) for span in spans}


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore")  # a whole town is let go of in a hurry
async def test_one_trace_leads_from_the_request_to_the_word_that_the_customer_gets(kept: InMemorySpanExporter) -> None:
    with town() as place:
        async with shop_at(place.gateway, place.sandbox) as shop:
            await shop.opens(tea=10)
            await shop.accepts_messages()
            order = await shop.paid_order(tea=2)
            kept.clear()
            answer = await shop.cancels(order)
            assert answer.status_code == 202, answer.text
            await shop.comes_to(order, "cancelled")

            async def told() -> bool:
                return len(await shop.notices(order)) >= 2

            await eventually(told, "the customer has been told that the money comes, and that it has come")
            found = await _whole_trace(kept)

            async def counted() -> bool:
                labels = {"channel": "wechat", "outcome": "refund-on-its-way"}
                return (REGISTRY.get_sample_value("tuidan_notify_notices_total", labels) or 0) >= 1

            await eventually(counted, "what was told is counted, which it is after it was saved")
    by_id = {span.context.span_id: span for span in found}
    (root,) = [span for span in found if span.parent is None]
    assert (scope_of(root), root.name) == ("gateway", "HTTP POST")
    assert root.attributes is not None
    assert root.attributes["tuidan.route"] == "/mp/v1/orders/{order_id}/cancellation"
    assert all(span.parent.span_id in by_id for span in found if span.parent is not None), "a span hangs in the air"
    names = names_of(found)
    assert names >= LEADS_OVER, sorted(names)
    assert {scope for scope, _ in names} >= HEARERS
    wishes = [span for span in found if scope_of(span) == "order" and span.name.startswith("hear ") and span.parent]
    assert any(by_id[wish.parent.span_id].name == "HTTP POST" for wish in wishes if wish.parent), "the wish itself"
    asked = next(span for span in found if span.name == "ask refund")
    assert asked.parent is not None
    assert by_id[asked.parent.span_id].name == "perform send-refund"


async def _whole_trace(kept: InMemorySpanExporter) -> list[ReadableSpan]:
    """The trace of the cancellation, once everybody is in it and no span of it is open any more."""

    def trace() -> list[ReadableSpan]:
        spans = kept.get_finished_spans()
        roots = [
            span
            for span in spans
            if span.parent is None and (span.attributes or {}).get("tuidan.route", "").endswith("/cancellation")  # type: ignore[union-attr]
        ]
        return [span for span in spans if roots and span.context.trace_id == roots[0].context.trace_id]

    def is_whole(found: list[ReadableSpan]) -> bool:
        """Between a word that was said and its hearing no span is open: a reader who is behind, as analytics may be,
        is not missed by looking at parents alone."""
        ids, names = {span.context.span_id for span in found}, names_of(found)
        closed = all(span.parent.span_id in ids for span in found if span.parent is not None)
        return closed and names >= LEADS_OVER and {scope for scope, _ in names} >= HEARERS

    # What was judged is what is handed on: a moment later a span may have ended whose parent has not.
    seen: list[list[ReadableSpan]] = []

    async def whole() -> bool:
        seen[:] = [trace()]
        return is_whole(seen[0])

    await eventually(whole, "every service is in the trace and every span of it has ended")
    return seen[0]
