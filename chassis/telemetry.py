"""Logs, metrics, and the personal data that must not be in them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client import Counter, Gauge, Histogram

from chassis import clock, tracing
from chassis.seldom import Seldom

MESSAGES_HEARD = Counter("tuidan_messages_heard_total", "Messages heard, by wire name and result", ["wire", "result"])
MESSAGES_SAID = Counter("tuidan_messages_said_total", "Messages sent to topics, by wire name", ["wire"])
DEAD_LETTERS = Counter("tuidan_dead_letters_total", "Records put on a dead-letter topic", ["topic", "error"])
CONFLICTS = Counter(
    "tuidan_save_conflicts_total",
    "Records that had changed when they were to be saved, and were decided again",
    ["kind"],
)
RECORDS_SWEPT = Counter("tuidan_records_swept_total", "Records whose unsaid messages a sweep took up", ["kind"])
EFFECTS_FAILED = Counter("tuidan_effects_failed_total", "Effects that raised instead of reporting", ["intent"])
BATCH_SIZE = Histogram(
    "tuidan_batch_messages", "Messages decided per save", ["kind"], buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
)
HANDLING_SECONDS = Histogram("tuidan_handling_seconds", "From delivery to saved and said, by wire name", ["wire"])
TIMERS_RUNG = Counter("tuidan_timers_rung_total", "Stored timers that rang", ["kind"])
READY = Gauge("tuidan_ready", "1 when the service is ready", ["service"])
PART_READY = Gauge(
    "tuidan_part_ready", "1 while this part of what a service needs (see /ready) is as it should be", ["part"]
)
LOOP_LAG_SECONDS = Histogram(
    "tuidan_loop_lag_seconds",
    "How late the event loop came back from a wait of 10 ms: what everything else in the process waits too",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
LAG_MESSAGES = Gauge(
    "tuidan_consumer_lag_messages",
    "Records of a partition that this member of the group has not heard to the end",
    ["group", "topic", "partition"],
)
UNSAID_OLDEST_SECONDS = Gauge(
    "tuidan_unsaid_oldest_seconds", "Age of the oldest message that is decided and not said yet; 0: none", ["kind"]
)
PROVIDER_SECONDS = Histogram(
    "tuidan_provider_seconds",
    "From a call to a provider to its answer, or to the end of waiting for one",
    ["provider", "call"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PROVIDER_ANSWERS = Counter(
    "tuidan_provider_answers_total",
    "Calls to a provider by its own code; OK: done; a word of ours where it said nothing",
    ["provider", "call", "code"],
)
PROBE_SECONDS = 0.01

CODES_MAX = 150
"""Codes of one provider that are counted each under its own name. What comes then is counted as `other`: a code is a
word from outside, and a label must not grow with what somebody sends us."""
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_codes: dict[str, set[str]] = {}

_NOISY = ("aiokafka", "faststream", "httpx", "httpcore", "pymongo", "uvicorn.access")
"""Libraries of which warnings are enough, and each of them now and then."""

_PERSONAL = re.compile(r"phone|openid|name|address|real_name", re.IGNORECASE)
_KEPT = {"event", "logger", "level", "service", "filename", "func_name", "hostname"}
_NUMBER = re.compile(r"(?<![0-9A-Za-z])(\+?[0-9]{3})[0-9]{4,10}([0-9]{4})(?![0-9A-Za-z])")


def masked(value: str) -> str:
    """A phone number with its middle hidden, or what begins a name: `138****5678`, `张*`."""
    if len(value) >= 11:
        return f"{value[:3]}****{value[-4:]}"
    return value[:1] + "*" * max(1, len(value) - 1)


def _mask(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name not in _KEPT:
            event[name] = _masked_under(name, value)
    return event


def _masked_under(name: str, value: Any) -> Any:
    """`value` without personal data, however deep it lies; `name` is the field it stands in."""
    if isinstance(value, Mapping):
        return {key: _masked_under(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked_under(name, inner) for inner in value]
    if _PERSONAL.search(name) and isinstance(value, str | int):
        return masked(str(value))
    if isinstance(value, str) and name in {"exception", "problem", "reason"}:
        return _NUMBER.sub(r"\1****\2", value)
    return value


def configure(service: str, level: str = "INFO") -> None:
    """JSON lines on standard output for our own logs and for libraries'."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(ensure_ascii=False)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ],
        )
    )
    handler.addFilter(Seldom(_NOISY))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    structlog.contextvars.bind_contextvars(service=service)


@contextlib.contextmanager
def context(*, cause: str | None = None, case: str | None = None, key: str | None = None) -> Iterator[None]:
    """Put order, case and cause on every log line inside."""
    found = {"cause": cause, "case": case, "order": key}
    with structlog.contextvars.bound_contextvars(**{name: value for name, value in found.items() if value}):
        yield


@dataclass(slots=True)
class Call:
    """One call to a provider. `code` is the provider's word for how it ended."""

    code: str = "OK"


@contextlib.contextmanager
def provider_call(provider: str, call: str) -> Iterator[Call]:
    """Measure one call. An exception that has a `code` names it; any other is counted by its type."""
    began, made = clock.monotonic(), Call()
    with tracing.span(provider, f"ask {call}", tracing.current()):
        try:
            yield made
        except BaseException as problem:
            code = getattr(problem, "code", None) or getattr(problem, "errcode", None)
            made.code = str(
                code or ("cancelled" if isinstance(problem, asyncio.CancelledError) else type(problem).__name__)
            )
            raise
        finally:
            code = _counted_as(provider, made.code)
            PROVIDER_SECONDS.labels(provider, call).observe(max(0.0, clock.monotonic() - began))
            PROVIDER_ANSWERS.labels(provider, call, code).inc()
            tracing.note(code=code)


def _counted_as(provider: str, code: str) -> str:
    known = _codes.setdefault(provider, set())
    if code not in known and (len(known) >= CODES_MAX or not _CODE.match(code)):
        return "other"
    known.add(code)
    return code


async def watch_loop_lag(
    sleep: Callable[[float], Awaitable[object]] = clock.pause, monotonic: Callable[[], float] = clock.monotonic
) -> None:
    """Measure the event loop's lag (s) for ever: who blocks the loop, even in a library, is seen here."""
    while True:
        began = monotonic()
        await sleep(PROBE_SECONDS)
        LOOP_LAG_SECONDS.observe(max(0.0, monotonic() - began - PROBE_SECONDS))
