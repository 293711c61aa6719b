"""From a broker's raw record to something heard, whatever the broker. A record that cannot be read or handled goes to
the dead letters with everything it came with; it never stops the records behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from pydantic import ValidationError

from chassis import telemetry
from chassis.clock import Clock
from chassis.failures import HandlerFailed, without_values
from chassis.record import Heard
from chassis.relay import Publisher, TooLarge
from chassis.store import StoreUnavailable
from contracts.message import CATALOGUE, Command, Envelope, Message

TRIES_MAX = 4
RETRY_FIRST_SECONDS = 0.05
OUTAGE_BACKOFF_MAX_SECONDS = 5.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record as a broker hands it over: raw bytes, nothing parsed."""

    topic: str
    partition: int
    offset: int
    key: bytes
    body: bytes
    headers: tuple[tuple[str, bytes], ...]


class Unreadable(Exception):
    """The record is not one of our messages, or not in a form we understand."""


class Hearer(Protocol):
    """What a delivery needs of an engine."""

    def hears(self, message: type[Message]) -> bool: ...

    async def hear(self, heard: Heard) -> object: ...


def read(delivery: Delivery, clock: Clock) -> Heard:
    """Parse one record. Raises Unreadable with a reason a person can use."""
    try:
        envelope = Envelope.from_headers(delivery.headers)
    except (ValueError, UnicodeDecodeError) as problem:
        raise Unreadable(f"envelope: {problem}") from problem
    message_type = CATALOGUE.get(envelope.type)
    if message_type is None:
        raise Unreadable(f"unknown message type {envelope.type!r}")
    try:
        message = message_type.model_validate_json(delivery.body)
    except ValidationError as problem:
        raise Unreadable(f"body of {envelope.type}: {without_values(problem)}") from problem
    return Heard(message, envelope.id, clock(), envelope.saga, envelope.traceparent)


class Receiver:
    """Hears deliveries one by one, with bounded retries, then dead-letters. Waits out a store that is away: that is
    nobody's fault, and the message stays first in line."""

    def __init__(self, service: str, hearer: Hearer, publisher: Publisher, clock: Clock) -> None:
        self._service = service
        self._hearer = hearer
        self._publisher = publisher
        self._clock = clock
        self.stopping = asyncio.Event()

    async def receive(self, deliveries: Iterable[Delivery]) -> bool:
        """Hear a batch. True when each was handled, skipped or dead-lettered: its offsets may be committed."""
        outcomes = await asyncio.gather(*(self._receive_one(delivery) for delivery in deliveries))
        return all(outcomes)

    async def _receive_one(self, delivery: Delivery) -> bool:
        try:
            heard = read(delivery, self._clock)
        except Unreadable as problem:
            return await self._bury(delivery, problem, attempts=1)
        kind = type(heard.message)
        if not self._hearer.hears(kind):
            if issubclass(kind, Command):
                return await self._bury(delivery, Unreadable(f"{heard.message.wire} is not heard here"), attempts=1)
            return True
        with telemetry.context(cause=heard.id, case=heard.saga, key=heard.message.key_value):
            return await self._hear(delivery, heard)

    async def _hear(self, delivery: Delivery, heard: Heard) -> bool:
        failures = 0
        outages = 0
        while True:
            try:
                with telemetry.HANDLING_SECONDS.labels(heard.message.wire).time():
                    await self._hearer.hear(heard)
                telemetry.MESSAGES_HEARD.labels(heard.message.wire, "handled").inc()
                return True
            except (HandlerFailed, TooLarge) as problem:
                failures += 1
                if failures >= TRIES_MAX:
                    return await self._bury(delivery, problem, attempts=failures)
                pause = RETRY_FIRST_SECONDS * 2**failures
            except Exception as problem:  # why: a store or broker that is away; waiting is the only right answer
                outages += 1
                if not isinstance(problem, StoreUnavailable):
                    log.exception("could not hear a message, trying again", wire=heard.message.wire)
                elif outages == 1:
                    log.warning("the store is away, waiting for it", problem=str(problem)[:300])
                pause = min(OUTAGE_BACKOFF_MAX_SECONDS, 0.1 * 2 ** min(outages, 6))
            if await self._stopped_within(pause):
                return False
            # It is heard now. By the time of the first try a record that is saved after an outage would be old at
            # once, and the sweep of another process would say beside us what we are about to say.
            heard = replace(heard, at=self._clock())

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True

    async def _bury(self, delivery: Delivery, problem: Exception, attempts: int) -> bool:
        """Put a record on `<topic>.dead` with its original bytes and why. When it is too large for that, without its
        body and at last without its headers: `dead_offset` still says where it is."""
        cause = problem.__cause__ if isinstance(problem, HandlerFailed) and problem.__cause__ else problem
        why = [
            ("dead_topic", delivery.topic.encode()),
            ("dead_partition", str(delivery.partition).encode()),
            ("dead_offset", str(delivery.offset).encode()),
            ("dead_service", self._service.encode()),
            ("dead_error", type(cause).__name__.encode()),
            ("dead_reason", str(problem)[:500].encode()),
            ("dead_attempts", str(attempts).encode()),
            ("dead_at", self._clock().isoformat().encode()),
        ]
        left_out = ("dead_left_out", str(len(delivery.body)).encode())
        letters = [
            (delivery.body, [*delivery.headers, *why]),
            (b"", [*delivery.headers, *why, left_out]),
            (b"", [*why, left_out]),
        ]
        while True:
            body, headers = letters[0]
            try:
                await (await self._publisher.send(f"{delivery.topic}.dead", delivery.key, body, headers))
                break
            except TooLarge as refused:
                log.warning("a dead letter is too large", topic=delivery.topic, problem=str(refused)[:300])
                if len(letters) > 1:
                    letters.pop(0)
                elif await self._stopped_within(1.0):
                    return False
            except Exception:  # why: without its dead letter the record may not be passed over
                log.exception("could not write a dead letter, trying again", topic=delivery.topic)
                if await self._stopped_within(1.0):
                    return False
        telemetry.DEAD_LETTERS.labels(delivery.topic, type(cause).__name__).inc()
        log.error(
            "dead letter",
            topic=delivery.topic,
            partition=delivery.partition,
            offset=delivery.offset,
            error=type(cause).__name__,
            attempts=attempts,
        )
        return True


def in_order(deliveries: Sequence[Delivery]) -> dict[tuple[str, int], int]:
    """The offset to commit per (topic, partition): one past the last record of the batch."""
    places: dict[tuple[str, int], int] = {}
    for delivery in deliveries:
        place = (delivery.topic, delivery.partition)
        places[place] = max(places.get(place, 0), delivery.offset + 1)
    return places
