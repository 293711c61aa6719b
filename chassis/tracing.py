"""Traces by OpenTelemetry: what one request of a customer set off, in whichever services. Off unless an address is
set; then nothing that makes or sends spans is even loaded.

A trace begins with a request at the gateway. Its `traceparent` (W3C Trace Context) goes from service to service as an
HTTP header, and from message to message: it is stored with what is still to be said, so that what a sweep says later
belongs to it all the same. A decision never looks at it. Spans carry ids of orders, cases and messages, and nothing
about people: no texts of exceptions, no queries, no bodies.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis.joining import PROBES

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

HEADER = b"traceparent"
STOP_SECONDS = 2.0

_provider: TracerProvider | None = None


def configure(service: str, endpoint: str, share: float = 1.0) -> None:
    """Send spans to `endpoint` (OTLP over HTTP, such as `http://collector:4318/v1/traces`) from now on; empty: none.
    `share`: of the traces that begin here, how many (0 to 1); one that began elsewhere is followed as it was begun."""
    if not endpoint:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    begin(service, BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)), share)


def begin(service: str, processor: SpanProcessor, share: float = 1.0) -> None:
    """Hand spans to `processor` from now on."""
    global _provider  # noqa: PLW0603 - one process sends its spans to one place
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.namespace": "tuidan"}),
        sampler=ParentBasedTraceIdRatio(share),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(processor)
    _provider = provider


def end() -> None:
    """Send what is left, within two seconds, and no more spans after that."""
    global _provider
    ending, _provider = _provider, None
    if ending is not None:
        # In a thread that nobody has to wait for: the SDK tries a collector that is away again and again, whatever
        # time it is given, and a service that is to stop would be killed for it.
        sending = threading.Thread(target=ending.shutdown, name="last-spans", daemon=True)
        sending.start()
        sending.join(STOP_SECONDS)


def is_on() -> bool:
    """Whether spans are made."""
    return _provider is not None


def current() -> str | None:
    """The `traceparent` of what is being done now; None outside of any span, and when tracing is off."""
    if _provider is None:
        return None
    from opentelemetry import trace

    return _written(trace.get_current_span())


@contextlib.contextmanager
def span(scope: str, name: str, parent: str | None, **attributes: str | int | None) -> Iterator[str | None]:
    """Do something inside a span of its own, behind `parent` (a `traceparent`; None: a trace begins here). Gives the
    `traceparent` of the span; when tracing is off that of `parent`. `attributes` that are None are left out."""
    if _provider is None:
        yield parent
        return
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace import Status, StatusCode
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    # An empty context, not the present one: a task may have been started by somebody else's message.
    behind = TraceContextTextMapPropagator().extract({"traceparent": parent or ""}, context=Context())
    given = {f"tuidan.{key}": value for key, value in attributes.items() if value is not None}
    begun = _provider.get_tracer(scope).start_span(name, context=behind, attributes=given)
    with trace.use_span(begun, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield _written(begun)
        except BaseException as problem:
            begun.set_status(Status(StatusCode.ERROR, type(problem).__name__))
            raise


def note(**attributes: str | int) -> None:
    """Put more attributes on the span that is open now."""
    if _provider is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attributes({f"tuidan.{key}": value for key, value in attributes.items()})


def headers() -> tuple[tuple[bytes, bytes], ...]:
    """What a request to another service carries."""
    found = current()
    return () if found is None else ((HEADER, found.encode()),)


def _written(found: Any) -> str | None:
    context = found.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


class Traced:
    """ASGI: a span for each request. `begins`: a trace begins here, whatever the caller says: who stands outside has no
    say in ours."""

    def __init__(self, app: ASGIApp, service: str, begins: bool) -> None:
        self._app = app
        self._service = service
        self._begins = begins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if _provider is None or scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                # By its template: what a path says of whom is no name of a span.
                template = getattr(scope.get("route"), "path", "")
                note(route=template, status=int(message["status"]))
            await send(message)

        given = None if self._begins else dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
        with span(self._service, f"HTTP {scope['method']}", given or None):
            await self._app(scope, receive, answer)
