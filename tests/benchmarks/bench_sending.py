"""What it costs to put one record on a topic: `python -m tests.benchmarks.bench_sending`

Processor time of this process, the broker in memory included, per record of 400 bytes with eight headers, fifty under
way at a time: through the bus, as the services send, and by the bare client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaProducer

from chassis.bus import KafkaBus
from tests.support.kafka import running_broker

COUNT = 3_000
TOGETHER = 50
BODY = b"x" * 400
HEADERS = [(f"ce_{number}", b"y" * 30) for number in range(8)]

Send = Callable[[bytes], Awaitable[Awaitable[object]]]


async def spent(send: Send) -> float:
    """Microseconds a record."""
    began = time.process_time()
    for start in range(0, COUNT, TOGETHER):
        sent = [await send(b"%d" % number) for number in range(start, start + TOGETHER)]
        await asyncio.gather(*sent)
    return (time.process_time() - began) / COUNT * 1_000_000


async def measure(address: str) -> None:
    """Print both."""
    bus = KafkaBus(address, "bench")
    await bus.start()
    producer = AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True, acks="all", linger_ms=0)
    await producer.start()
    ways: dict[str, Send] = {
        "the bus": lambda key: bus.send("bench", key, BODY, HEADERS),
        "the bare client": lambda key: producer.send("bench", BODY, key=key, headers=HEADERS),
    }
    for send in ways.values():
        await spent(send)  # everything is loaded and connected then
    for name, send in ways.items():
        print(f"{name:16} {await spent(send):6.0f} µs a record", flush=True)
    await producer.stop()
    await bus.stop()


if __name__ == "__main__":
    with running_broker() as broker:
        broker.create_topic("bench")
        asyncio.run(measure(broker.address))
