"""The bare loop: as many records and writes as a cancellation needs, in as many processes, and nothing of Tuidan. Each
process hears its topic, finds what it knows, saves, says, and commits in the background. What it manages is what this
machine's Kafka, MongoDB and Python allow; the services' own share is the difference."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from chassis.mongo import Collection, Database
from chassis.projection import Update
from tools.bench.load import Seen
from tools.stack.plan import python_module

PROCESSES = 5
RECORDS, WRITES = 12, 36
"""Of one paid cancellation, as the benchmark of the services counts them."""
PARTITIONS = 4
BODY_BYTES = 250
ENTRY_BYTES = 500
KEPT_ENTRIES = 12
BATCH_MAX = 500
COMMIT_EVERY_SECONDS = 0.2
DONE = "bare-done"
PATIENCE_SECONDS = 120.0


def topic_of(hop: int) -> str:
    """Where the record of a hop travels; the last one goes to whoever has asked."""
    return DONE if hop == RECORDS else f"bare-{hop % PROCESSES}"


class Worker:
    """One process."""

    def __init__(self, number: int, collection: Collection, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer):
        self._number, self._collection = number, collection
        self._consumer, self._producer = consumer, producer
        self._noted: dict[TopicPartition, int] = {}

    async def work(self) -> None:
        """For ever."""
        committing = asyncio.create_task(self._commit_for_ever())
        try:
            while True:
                found = await self._consumer.getmany(timeout_ms=1_000, max_records=BATCH_MAX)
                records = [record for part in found.values() for record in part]
                if records:
                    await self._hear(records)
                    self._noted |= {place: part[-1].offset + 1 for place, part in found.items() if part}
        finally:
            committing.cancel()

    async def _hear(self, records: Sequence[ConsumerRecord]) -> None:
        ids = list({record.key.decode() for record in records})
        await self._collection.find({"_id": {"$in": ids}})
        await self._collection.update_all(_writes(records))
        sent = []
        for record in records:
            hop = int(record.value[:4]) + 1
            sent.append(await self._producer.send(topic_of(hop), _body(hop), key=record.key))
        await asyncio.gather(*sent)

    async def _commit_for_ever(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_SECONDS)
            noted, self._noted = self._noted, {}
            if noted:
                await self._consumer.commit(noted)


def _body(hop: int) -> bytes:
    return f"{hop:04}".encode().ljust(BODY_BYTES, b".")


def _writes(records: Sequence[ConsumerRecord]) -> Iterator[Update]:
    """Of each record its share of the writes; one document a case and kind, its journal bounded."""
    for record in records:
        hop, id = int(record.value[:4]), record.key.decode()
        for nth in range(hop * WRITES // RECORDS, (hop + 1) * WRITES // RECORDS):
            pushed = {"$each": [{"heard": f"{id}-{nth}", "said": "." * ENTRY_BYTES}], "$slice": -KEPT_ENTRIES}
            change = {"$set": {"hop": hop}, "$inc": {"version": 1}, "$push": {"journal": pushed}}
            yield Update({"_id": id if nth % 3 == 0 else f"{id}-{nth}"}, change, upsert=True)


async def _live(number: int, kafka: str, mongo: str) -> None:
    database = Database(mongo, f"bare_{number}", "pymongo")
    consumer = AIOKafkaConsumer(
        f"bare-{number}",
        bootstrap_servers=kafka,
        group_id=f"bare-{number}",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    producer = AIOKafkaProducer(bootstrap_servers=kafka, enable_idempotence=True, acks="all", linger_ms=0)
    await consumer.start()
    await producer.start()
    print("ready", flush=True)
    try:
        await Worker(number, database.collection("records"), consumer, producer).work()
    finally:
        await consumer.stop()
        await producer.stop()
        await database.close()


@contextlib.contextmanager
def workers(kafka: str, mongo: str) -> Iterator[list[int]]:
    """All processes, ready; their ids."""
    admin = AdminClient({"bootstrap.servers": kafka})
    topics = [NewTopic(name, PARTITIONS, 1) for name in (*(f"bare-{n}" for n in range(PROCESSES)), DONE)]
    for made in admin.create_topics(topics).values():
        made.result()
    running: list[subprocess.Popen[str]] = []
    try:
        for number in range(PROCESSES):
            command = (*python_module("tools.bench.bare"), str(number), kafka, mongo)
            running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        for one in running:
            assert one.stdout is not None
            if one.stdout.readline().strip() != "ready":
                raise RuntimeError(f"a process of the bare loop ended with {one.wait()}")
        yield [one.pid for one in running]
    finally:
        for one in running:
            one.terminate()
        for one in running:
            one.wait()


async def bare_loop(kafka: str, count: int, in_flight: int) -> Seen:
    """Drive so many cases through the loop, so many under way at any time."""
    seen, waiting = Seen(), dict[str, asyncio.Future[float]]()
    consumer = AIOKafkaConsumer(DONE, bootstrap_servers=kafka, auto_offset_reset="earliest", fetch_max_wait_ms=100)
    producer = AIOKafkaProducer(bootstrap_servers=kafka, acks="all")
    await consumer.start()
    await producer.start()

    async def read() -> None:
        async for record in consumer:
            if (future := waiting.pop(record.key.decode(), None)) is not None:
                future.set_result(time.perf_counter())

    async def drive(left: Iterator[str]) -> None:
        for id in left:
            began, future = time.perf_counter(), asyncio.get_running_loop().create_future()
            waiting[id] = future
            await producer.send_and_wait(topic_of(0), _body(0), key=id.encode())
            async with asyncio.timeout(PATIENCE_SECONDS):
                seen.told.append(await future - began)

    reading, run = asyncio.create_task(read()), uuid.uuid4().hex
    try:
        left, began = iter([f"{run}-{number}" for number in range(count)]), time.perf_counter()
        await asyncio.gather(*(drive(left) for _ in range(in_flight)))
        seen.seconds = time.perf_counter() - began
    finally:
        reading.cancel()
        await consumer.stop()
        await producer.stop()
    return seen


def main() -> None:
    """One process of the loop."""
    parser = argparse.ArgumentParser(description="One process of the bare loop (run by the benchmark).")
    parser.add_argument("number", type=int)
    parser.add_argument("kafka")
    parser.add_argument("mongo")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        import uvloop

        uvloop.run(_live(options.number, options.kafka, options.mongo))


if __name__ == "__main__":
    main()
