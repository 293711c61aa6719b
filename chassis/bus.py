"""Kafka through FastStream: one batch subscriber per service, manual acknowledgement.

Offsets are noted only for what is saved *and* said, and are committed in the background every 200 ms, when partitions
are taken away, and on stop: a commit awaited in the loop triples the latency of a case. A crash repeats at most that
much work, and repeats change nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from chassis import clock
from chassis.consumer import PatientConsumer
from chassis.delivery import Delivery, Receiver, in_order
from chassis.sending import Sender

COMMIT_EVERY_SECONDS = 0.2
SESSION_TIMEOUT_MS = 10_000
HEARTBEATS_PER_SESSION = 3
STOP_DEADLINE_SECONDS = 10.0
LOOK_SECONDS = 5.0
STUCK_AFTER_SECONDS = 60.0
STUCK_EXIT_CODE = 70
METADATA_MS = 60_000
"""How long a partition that was added may go unseen (five minutes, if nobody says otherwise)."""

log = structlog.get_logger()


class KafkaBus(ConsumerRebalanceListener):  # type: ignore[misc]
    """Reads the topics of one consumer group and writes to any topic."""

    def __init__(
        self,
        servers: str,
        group: str,
        *,
        fetch_wait_ms: int = 500,
        gather_ms: int = 0,
        metadata_ms: int = METADATA_MS,
        batch_max: int = 500,
        session_ms: int | None = None,
    ) -> None:
        self._servers = servers
        self._group = group
        self._fetch_wait_ms = fetch_wait_ms
        self._gather_ms = gather_ms
        self._batch_max = batch_max
        self._session_ms = session_ms or SESSION_TIMEOUT_MS
        self._broker = KafkaBroker(
            servers,
            client_id=group,
            metadata_max_age_ms=metadata_ms,
            consumer_only=True,
            graceful_timeout=STOP_DEADLINE_SECONDS,
            logger=None,
            apply_types=False,
        )
        self._sender = Sender(servers, group)
        self._receiver: Receiver | None = None
        self._topics: tuple[str, ...] = ()
        self._consumer: AIOKafkaConsumer | None = None
        self._noted: dict[TopicPartition, int] = {}
        self._hearing: dict[TopicPartition, int] = {}
        self._in_hand = asyncio.Lock()
        self._draining = False
        self._progress_at = clock.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False

    def listen(self, topics: Sequence[str], receiver: Receiver) -> None:
        """Hear `topics` as one member of the group. Call before `start`."""
        self._receiver = receiver
        self._topics = tuple(name for topic in topics for name in (topic, f"{topic}.dead"))
        subscriber = self._broker.subscriber(
            *topics,
            batch=True,
            group_id=self._group,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest",
            max_records=self._batch_max,
            fetch_max_wait_ms=self._fetch_wait_ms,
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=self._session_ms // HEARTBEATS_PER_SESSION,
            listener=self,
            parser=_keep_raw,
            decoder=_no_decoding,
        )
        subscriber(self._hear)

    async def start(self) -> None:
        """Connect, join the group, begin to hear. Raises KafkaError when no broker answers."""
        await self._sender.start()
        await self._broker.connect()
        config = self._broker.config.broker_config
        built_from: Any = config.builder  # made by `connect`, used by `start`
        config.builder = partial(PatientConsumer, gather_ms=self._gather_ms, **built_from.keywords)
        await self._broker.start()
        self._started = True
        self._tasks = [asyncio.create_task(self._commit_for_ever()), asyncio.create_task(self._watch())]

    async def stop_hearing(self) -> None:
        """Finish the batch in hand, commit it, leave the group. Messages can still be sent. A second call finds nothing
        to do: what did not end in time the first time is not waited for again."""
        if self._draining:
            return
        self._draining = True
        if self._receiver is not None:
            self._receiver.stopping.set()
        for task in self._tasks:
            task.cancel()
        async with _in_time("the batch in hand"), self._in_hand:
            await self._commit()
        for subscriber in self._broker.subscribers:
            async with _in_time("leaving the group"):
                await subscriber.stop()

    async def stop(self) -> None:
        """Stop hearing, then sending. Bounded: an idempotent producer without a broker would wait for ever."""
        await self.stop_hearing()
        async with _in_time("the consumer's connections"):
            await self._broker.stop()
        async with _in_time("the last messages"):
            await self._sender.stop()
        self._started = False

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        """Put a record in line (see `relay.Publisher`)."""
        return await self._sender.send(topic, key, body, headers)

    async def ping(self) -> bool:
        """Whether the broker answers and, where topics are heard, partitions are ours."""
        if not self._started or not await self._sender.ping():
            return False
        return self._receiver is None or bool(self._assigned())

    async def obstacle(self) -> str | None:
        """Why this member cannot do its work, in words; None: nothing keeps it. Without this look a topic that is not
        there would silently not be heard, or be made by the broker with one partition: aiokafka allows it to."""
        client = AIOKafkaAdminClient(bootstrap_servers=self._servers, request_timeout_ms=int(LOOK_SECONDS * 1_000))
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await client.start()
                there = frozenset(await client.list_topics())
        except (KafkaError, TimeoutError, OSError):
            return f"no Kafka answers at {self._servers}"
        finally:
            await client.close()
        missing = [name for name in self._topics if name not in there]
        return f"topics are missing: {', '.join(missing)}. Make them with: tuidan topics create" if missing else None

    async def lags(self) -> dict[tuple[str, str, str], float]:
        """Records that are there and not heard to the end, by group, topic and partition, of the partitions that are
        ours. The end is asked for: what the consumer knows of it stands still while it hears. Raises KafkaError."""
        consumer = self._find_consumer()
        ours = self._assigned()
        if consumer is None or not ours:
            return {}
        ends = await consumer.end_offsets(list(ours))
        found = {}
        for place in ours:
            came_to = self._hearing.get(place, await consumer.position(place))
            found[self._group, place.topic, str(place.partition)] = float(max(0, ends[place] - came_to))
        return found

    def _assigned(self) -> frozenset[TopicPartition]:
        consumer = self._find_consumer()
        return frozenset() if consumer is None else frozenset(consumer.assignment())

    def _find_consumer(self) -> AIOKafkaConsumer | None:
        if self._consumer is None:
            for subscriber in self._broker.subscribers:
                self._consumer = getattr(subscriber, "consumer", None)
        return self._consumer

    async def _hear(self, batch: KafkaMessage) -> None:
        """Hear one batch. Never raises: FastStream would log and go on, and the records would be passed over."""
        records = batch.raw_message if isinstance(batch.raw_message, tuple) else (batch.raw_message,)
        deliveries = [
            Delivery(
                r.topic,
                r.partition,
                r.offset,
                r.key or b"",
                r.value or b"",
                tuple((name, value or b"") for name, value in r.headers),  # a header may have no value at all
            )
            for r in records
        ]
        assert self._receiver is not None
        async with self._in_hand:
            if self._draining:
                return
            done = False
            for one in deliveries:
                place = TopicPartition(one.topic, one.partition)
                self._hearing[place] = min(one.offset, self._hearing.get(place, one.offset))
            try:
                while not done and not self._draining:
                    done = await self._receiver.receive(deliveries)
            finally:
                self._hearing.clear()
            if done:
                for (topic, partition), offset in in_order(deliveries).items():
                    self._noted[TopicPartition(topic, partition)] = offset
                self._progress_at = clock.monotonic()

    async def _commit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_SECONDS)
            await self._commit()

    async def _commit(self) -> None:
        """Commit what is noted. A failure only means that the work is repeated."""
        consumer = self._find_consumer()
        if consumer is None or not self._noted:
            return
        ours = consumer.assignment()
        noted = {place: offset for place, offset in self._noted.items() if place in ours}
        try:
            if noted:
                await consumer.commit(noted)
        except Exception as problem:  # why: a lost commit repeats work, and repeats change nothing
            log.warning("could not commit offsets, they will be committed later", problem=str(problem))
            return
        for place, offset in noted.items():
            if self._noted.get(place) == offset:
                del self._noted[place]

    async def on_partitions_revoked(self, revoked: Any) -> None:
        """Before partitions go to another member: finish the batch in hand and commit it."""
        async with self._in_hand:
            await self._commit()
            self._noted.clear()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Partitions came to us."""
        log.info("partitions assigned", count=len(assigned))

    async def _watch(self) -> None:
        """Leave the process when records wait but nothing moves: a consumer that is stuck looks alive from outside. And
        when nothing will be sent any more: what waits for that waits for ever."""
        while True:
            await asyncio.sleep(STUCK_AFTER_SECONDS / 4)
            if self._sender.has_died:
                log.critical("nothing can be sent any more: leaving, to be started again")
                os._exit(STUCK_EXIT_CODE)
            consumer = self._find_consumer()
            if consumer is None or self._in_hand.locked():
                self._progress_at = clock.monotonic()
                continue
            if not await self._lags(consumer):
                self._progress_at = clock.monotonic()
            elif clock.monotonic() - self._progress_at > STUCK_AFTER_SECONDS:
                log.critical("records wait but nothing moves: leaving, to be started again")
                os._exit(STUCK_EXIT_CODE)

    async def _lags(self, consumer: AIOKafkaConsumer) -> bool:
        try:
            async with asyncio.timeout(STUCK_AFTER_SECONDS / 4):
                for place in consumer.assignment():
                    end = consumer.highwater(place)
                    if end is not None and end > await consumer.position(place):
                        return True
        except TimeoutError:
            return True  # it does not even know where it stands
        except KafkaError as problem:
            log.info("partitions change hands while the watch looks", problem=str(problem))
        return False


@contextlib.asynccontextmanager
async def _in_time(what: str) -> AsyncIterator[None]:
    """A step of the stop: it may take its time and it may fail, the steps after it come all the same."""
    try:
        async with asyncio.timeout(STOP_DEADLINE_SECONDS):
            yield
    except (Exception, asyncio.CancelledError) as problem:  # why: what is unfinished is repeated by whoever comes next
        ours = asyncio.current_task()
        if isinstance(problem, asyncio.CancelledError) and ours is not None and ours.cancelling():
            raise  # it is really us who is cancelled, not one of aiokafka's own tasks
        log.warning("stopped before it was finished", unfinished=what, problem=repr(problem)[:300])


async def _keep_raw(records: Any, parse: Any) -> KafkaMessage:
    """Hand the raw records on: FastStream's own parser decodes headers and would drop a batch with a broken one."""
    consumer = parse.__self__._consumer
    return KafkaMessage(body=b"", raw_message=records, consumer=consumer, message_id="", correlation_id="")


async def _no_decoding(message: KafkaMessage) -> KafkaMessage:
    return message
