"""Records on their way to Kafka, each acknowledged by all in-sync replicas, in the order of the calls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from chassis.relay import TooLarge

SEND_DEADLINE_SECONDS = 20.0
PING_SECONDS = 2.0

log = structlog.get_logger()


class Unsent(Exception):
    """The broker has not acknowledged in time; nobody knows whether it has the record."""


class Sender:
    """One connection to write with. Not FastStream's way to a topic, which costs five times as much of the processor
    (docs/performance.md)."""

    def __init__(self, servers: str, name: str) -> None:
        self._servers = servers
        self._name = name
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Raises KafkaError when no broker answers."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._servers, client_id=self._name, enable_idempotence=True, acks="all", linger_ms=0
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer

    async def stop(self) -> None:
        """Send what is in line. Without a broker that waits for ever: an idempotent producer never gives up."""
        if self._producer is not None:
            await self._producer.stop()

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        """Put a record in line (see `relay.Publisher`)."""
        if self._producer is None:
            raise Unsent(f"{topic}: not connected")
        try:
            async with asyncio.timeout(SEND_DEADLINE_SECONDS):
                future = await self._producer.send(topic, body, key=key, headers=list(headers))
                future.add_done_callback(self._note_end)
        except MessageSizeTooLargeError as problem:
            raise TooLarge(f"{topic}: {problem}") from problem
        except TimeoutError as problem:
            raise Unsent(
                f"{topic}: not taken within {SEND_DEADLINE_SECONDS:.0f} s: no room, or no such topic"
            ) from problem
        return _within(future, topic)

    def _note_end(self, sent: asyncio.Future[Any]) -> None:
        """A batch that the broker refused for good leaves a hole in the numbers by which it knows the batches of an
        idempotent producer, and aiokafka fills none (its issue 1017): whatever followed on that partition would be out
        of order until this process ends. So the producer becomes another one, whose numbers begin anew; what waits in
        line keeps its place."""
        if self._producer is not None and not sent.cancelled() and isinstance(sent.exception(), KafkaError):
            numbers = self._producer._txn_manager
            if numbers.has_pid():
                log.warning("a broker has refused a record for good", problem=repr(sent.exception())[:300])
                numbers.__init__(numbers.transactional_id, numbers.transaction_timeout_ms)

    @property
    def has_died(self) -> bool:
        """Whether nothing will ever be sent any more: aiokafka's own task for it ends, for good, when Kafka answers the
        wish for a new number (see `_note_end`) with an error that it does not expect."""
        return self._producer is not None and self._producer._sender.sender_task.done()

    async def ping(self) -> bool:
        """Whether a broker answers, and what is put in line is sent."""
        if self._producer is None or self.has_died:
            return False
        try:
            async with asyncio.timeout(PING_SECONDS):
                await self._producer.client.fetch_all_metadata()
        except (KafkaError, TimeoutError, OSError):
            return False
        return True


async def _within(future: Awaitable[object], topic: str) -> object:
    try:
        return await asyncio.wait_for(asyncio.shield(future), SEND_DEADLINE_SECONDS)
    except MessageSizeTooLargeError as problem:
        raise TooLarge(f"{topic}: {problem}") from problem
    except TimeoutError as problem:
        raise Unsent(f"no acknowledgement from {topic} within {SEND_DEADLINE_SECONDS:.0f} s") from problem
