"""Records of a Kafka cluster as an operator looks at them: read without a group, so that nobody's place is moved."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiokafka.partitioner import DefaultPartitioner
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

ANSWER_SECONDS = 15.0
AT_ONCE = 500
Headers = tuple[tuple[str, bytes], ...]
Counted = Callable[[int, int], None]
"""Is told how many records of how many were read."""


class Place(NamedTuple):
    """A partition."""

    topic: str
    partition: int


class Span(NamedTuple):
    """Offsets of a partition: the first one, and the one after the last."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as it lies there. `at`: its timestamp, UTC."""

    place: Place
    offset: int
    at: datetime
    key: bytes
    body: bytes
    headers: Headers

    def header(self, name: str) -> str:
        """The last header of this name as text, empty where there is none."""
        return next((value.decode(errors="replace") for key, value in reversed(self.headers) if key == name), "")


class KafkaRefused(Exception):
    """The cluster does not answer, or says no; the text holds its reason."""


def partition_of(key: bytes, partitions: int) -> int:
    """Where a topic of so many partitions keeps a key: the services' own choice, which is Java's as well."""
    every = list(range(partitions))
    return int(DefaultPartitioner()(key, every, every))


class Records:
    """Reads and writes records of one cluster. Every method raises KafkaRefused."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._settings = {"bootstrap.servers": address, "log_level": 0}
        self._consumer = Consumer(
            {
                **self._settings,
                "group.id": "tuidan-operator",  # the client wants a name; nothing is ever joined or committed
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
            }
        )
        self._producer: Producer | None = None

    def close(self) -> None:
        self._consumer.close()

    def topics(self) -> dict[str, int]:
        """Every topic, and its partitions."""
        known = self._answered(lambda: self._consumer.list_topics(timeout=ANSWER_SECONDS)).topics
        return {name: len(topic.partitions) for name, topic in sorted(known.items())}

    def span(self, place: Place) -> Span:
        """What a partition holds now."""
        asked = TopicPartition(place.topic, place.partition)
        low, high = self._answered(lambda: self._consumer.get_watermark_offsets(asked, timeout=ANSWER_SECONDS))
        return Span(low, max(low, high))

    def since(self, place: Place, at: datetime) -> Span:
        """What a partition holds that came at a time or later. Where the cluster knows no times it is all it holds."""
        span = self.span(place)
        if span.first == span.end:
            return span
        asked = [TopicPartition(place.topic, place.partition, int(at.timestamp() * 1_000))]
        (found,) = self._answered(lambda: self._consumer.offsets_for_times(asked, timeout=ANSWER_SECONDS))
        if found.offset >= 0:
            return Span(max(span.first, found.offset), span.end)
        # Nothing that came later, or a broker that does not look: the youngest record tells which.
        youngest = [record.at for record in self.read({place: Span(span.end - 1, span.end)})]
        is_older = found.offset == OFFSET_END and youngest and youngest[-1] < at
        return Span(span.end, span.end) if is_older else span

    def read(
        self, spans: Mapping[Place, Span], counted: Counted | None = None, key: bytes | None = None
    ) -> Iterator[Raw]:
        """Everything in these spans, or of it what has this key; in order within each partition."""
        left = {place: span for place, span in spans.items() if span.first < span.end}
        total, seen = sum(span.end - span.first for span in left.values()), 0
        if not left:
            return
        places = [TopicPartition(place.topic, place.partition, span.first) for place, span in left.items()]
        self._consumer.assign(places)
        try:
            while left:
                for message in self._batch():
                    place = Place(str(message.topic()), int(message.partition() or 0))
                    if place not in left:
                        continue
                    offset = self._offset(place, message)
                    if offset is not None and offset < left[place].end:
                        seen += 1
                        if key is None or message.key() == key:
                            yield _record(place, offset, message)
                    if offset is None or offset + 1 >= left[place].end:
                        del left[place]
                if counted is not None:
                    counted(seen, total)
        finally:
            self._consumer.unassign()

    def write(self, place: Place, key: bytes, body: bytes, headers: Iterable[tuple[str, bytes]]) -> None:
        """Put one record on a partition; returns when every copy that must have it has it."""
        if self._producer is None:
            self._producer = Producer({**self._settings, "enable.idempotence": True, "acks": "all"})
        failed: list[str] = []

        def arrived(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failed.append(error.str())

        made: list[tuple[str, str | bytes | None]] = list(headers)
        try:
            self._producer.produce(
                place.topic, body, key=key, partition=place.partition, headers=made, on_delivery=arrived
            )
        except (KafkaException, BufferError) as problem:
            raise KafkaRefused(f"{place.topic}: {problem}") from problem
        if self._producer.flush(ANSWER_SECONDS):
            raise KafkaRefused(f"{place.topic}: not acknowledged within {ANSWER_SECONDS:g} s")
        if failed:
            raise KafkaRefused(f"{place.topic}: {failed[0]}")

    def _batch(self) -> list[Message]:
        """What has come; `consume` alone would wait until there is all that it may return."""
        first = self._answered(lambda: self._consumer.poll(ANSWER_SECONDS))
        if first is None:
            raise self._silent()
        return [first, *self._answered(lambda: self._consumer.consume(AT_ONCE, timeout=0))]

    def _offset(self, place: Place, message: Message) -> int | None:
        """Where the record lies; None at a partition's end."""
        error = message.error()
        if error is not None:
            if error.code() == KafkaError._PARTITION_EOF:
                return None
            raise KafkaRefused(f"{place.topic}: {error.str()}")
        return int(message.offset() or 0)

    def _answered(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except KafkaException as refused:
            error: KafkaError = refused.args[0]
            if error.code() in {KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN}:
                raise self._silent() from refused
            raise KafkaRefused(error.str()) from refused

    def _silent(self) -> KafkaRefused:
        return KafkaRefused(f"no Kafka answers at {self._address} within {ANSWER_SECONDS:g} s")


@contextmanager
def records(address: str) -> Iterator[Records]:
    """A cluster's records, as long as the block."""
    opened = Records(address)
    try:
        yield opened
    finally:
        opened.close()


def _record(place: Place, offset: int, message: Message) -> Raw:
    _, milliseconds = message.timestamp()
    pairs: Any = message.headers() or ()
    headers = tuple((str(name), _bytes(value)) for name, value in pairs)
    at = datetime.fromtimestamp(milliseconds / 1_000, UTC)
    return Raw(place, offset, at, _bytes(message.key()), _bytes(message.value()), headers)


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else b""
