"""The two buses there are, behind one face: in memory, and Kafka through `KafkaBus`."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import count
from typing import Protocol

from chassis import bus as bus_module
from chassis import clock
from chassis.bus import KafkaBus
from chassis.delivery import Delivery, Receiver
from chassis.failures import HandlerFailed
from chassis.memory import MemoryBroker, MemoryBus
from chassis.record import Heard
from chassis.store import StoreUnavailable
from contracts.message import Message
from tests.simulation import broker as simulated
from tests.simulation.broker import SimBroker
from tests.simulation.member import SimBus
from tests.simulation.sea import StillWater
from tests.support.kafka import Broker, Raw
from tests.support.waiting import until
from tests.unit.chassis.jars import DropJar, PutMarbles, headers_of

BATCH_MAX = 20

_names = count(1)


def new_name(what: str) -> str:
    """A topic or group that nobody has used before."""
    return f"{what}-{next(_names)}"


class Ears:
    """Stands for an engine: remembers what it heard. `away`: its store does not answer. `gates` are waited for, and
    `failures` counts how often a message still fails, by message id."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.tries: dict[str, int] = defaultdict(int)
        self.away = False
        self.gates: dict[str, asyncio.Event] = {}
        self.failures: dict[str, int] = {}
        self.listens_to: tuple[type[Message], ...] = (PutMarbles, DropJar)

    def hears(self, message: type[Message]) -> bool:
        return message in self.listens_to

    async def hear(self, heard: Heard) -> object:
        self.tries[heard.id] += 1
        if self.away:
            raise StoreUnavailable("away")
        if heard.id in self.gates:
            await self.gates[heard.id].wait()
        if isinstance(heard.message, DropJar) or self.failures.get(heard.id, 0) >= self.tries[heard.id]:
            raise HandlerFailed("the jar is broken") from ZeroDivisionError("the jar is broken")
        await asyncio.sleep(0)
        self.heard.append(heard)
        return None

    @property
    def ids(self) -> list[str]:
        return [heard.id for heard in self.heard]


class Member(Protocol):
    """One member of a consumer group."""

    async def start(self) -> None: ...

    async def stop(self) -> None:
        """Finish and leave."""

    async def crash(self) -> None:
        """Be gone, without a word to anyone."""


class Bench(Protocol):
    """A broker with topics, to put records on and to make members for."""

    def topic(self, partitions: int = 1) -> str: ...

    def member(self, group: str, topic: str, ears: Ears) -> Member: ...

    async def write(self, topic: str, *records: Raw) -> None: ...

    async def read(self, topic: str, expected: int = 0) -> list[Delivery]: ...

    async def committed(self, group: str, topic: str) -> int: ...


def raw(message: Message, id: str) -> Raw:
    """A message as another service would put it on a topic."""
    return Raw(message.model_dump_json().encode(), message.key_value.encode(), [*headers_of(message, id)])


class MemoryMember:
    def __init__(self, broker: MemoryBroker, group: str, topic: str, ears: Ears) -> None:
        self._receiver = Receiver("tests", ears, broker, clock.now)
        self._bus = MemoryBus(broker, group, [topic], self._receiver)
        self._pumping: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._pumping = asyncio.create_task(self._pump())

    async def _pump(self) -> None:
        while not self._receiver.stopping.is_set():
            await self._bus.pump(BATCH_MAX)
            await asyncio.sleep(0)

    async def stop(self) -> None:
        self._receiver.stopping.set()
        if self._pumping is not None:
            await self._pumping

    async def crash(self) -> None:
        assert self._pumping is not None
        self._pumping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._pumping


class MemoryBench:
    def __init__(self) -> None:
        self.broker = MemoryBroker()

    def topic(self, partitions: int = 1) -> str:
        return new_name("topic")

    def member(self, group: str, topic: str, ears: Ears) -> Member:
        return MemoryMember(self.broker, group, topic, ears)

    async def write(self, topic: str, *records: Raw) -> None:
        for record in records:
            headers = [(name, value or b"") for name, value in record.headers]
            await (await self.broker.send(topic, record.key or b"", record.body or b"", headers))

    async def read(self, topic: str, expected: int = 0) -> list[Delivery]:
        await until(lambda: len(self.broker.topics[topic]) >= expected, f"{expected} records on {topic}")
        return list(self.broker.topics[topic])

    async def committed(self, group: str, topic: str) -> int:
        return self.broker.committed.get((group, topic), 0)


class SimMember:
    def __init__(self, broker: SimBroker, group: str, topic: str, ears: Ears) -> None:
        self._bus = SimBus(broker, group, batch_max=BATCH_MAX)
        self._bus.listen([topic], Receiver("tests", ears, self._bus, clock.now))

    async def start(self) -> None:
        await self._bus.start()

    async def stop(self) -> None:
        await self._bus.stop()

    async def crash(self) -> None:
        """As the simulation kills: nothing of it runs any more, and the group finds out a session later."""
        for task in self._bus.tasks:
            task.cancel()
        await asyncio.gather(*self._bus.tasks, return_exceptions=True)
        self._bus.lost()


class SimBench:
    """The broker that simulated worlds have."""

    def __init__(self) -> None:
        self.broker = SimBroker(StillWater(), lambda: 0.5, partitions=1)

    def topic(self, partitions: int = 1) -> str:
        self.broker.partitions = partitions
        return new_name("topic")

    def member(self, group: str, topic: str, ears: Ears) -> Member:
        return SimMember(self.broker, group, topic, ears)

    async def write(self, topic: str, *records: Raw) -> None:
        for record in records:
            headers = [(name, value or b"") for name, value in record.headers]
            self.broker.put(topic, record.key or b"", record.body or b"", headers)

    async def read(self, topic: str, expected: int = 0) -> list[Delivery]:
        await until(lambda: len(self.broker.history[topic]) >= expected, f"{expected} records on {topic}")
        return list(self.broker.history[topic])

    async def committed(self, group: str, topic: str) -> int:
        return self.broker.group(group).committed.get((topic, 0), 0)


class KafkaMember:
    def __init__(self, broker: Broker, group: str, topic: str, ears: Ears) -> None:
        self.bus = KafkaBus(broker.address, group, fetch_wait_ms=20, batch_max=BATCH_MAX)
        self.bus.listen([topic], Receiver("tests", ears, self.bus, clock.now))

    async def start(self) -> None:
        await self.bus.start()

    async def stop(self) -> None:
        await self.bus.stop()

    async def crash(self) -> None:
        """Nothing is committed any more, the batch in hand is dropped, connections end."""
        for task in self.bus._tasks:
            task.cancel()
        self.bus._noted.clear()
        for subscriber in self.bus._broker.subscribers:
            running: Sequence[asyncio.Task[None]] = getattr(subscriber, "tasks", ())
            for loop in running:
                loop.cancel()
        await self.bus._broker.stop()
        await self.bus._sender.stop()


class KafkaBench:
    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def topic(self, partitions: int = 1) -> str:
        name = new_name("topic")
        self.broker.create_topic(f"{name}.dead")
        return self.broker.create_topic(name, partitions)

    def member(self, group: str, topic: str, ears: Ears) -> KafkaMember:
        return KafkaMember(self.broker, group, topic, ears)

    async def write(self, topic: str, *records: Raw) -> None:
        self.broker.write_all(topic, records)

    async def read(self, topic: str, expected: int = 0) -> list[Delivery]:
        return [
            Delivery(
                record.topic,
                record.partition,
                record.offset,
                record.key or b"",
                record.value or b"",
                tuple((name, value or b"") for name, value in record.headers),
            )
            for record in await self.broker.read(topic, expected)
        ]

    async def committed(self, group: str, topic: str) -> int:
        return await self.broker.committed(group, topic)


def quick_groups(setattr: Callable[[object, str, object], None]) -> None:
    """The mock broker lets a group form again a session time-out after somebody left it."""
    setattr(bus_module, "SESSION_TIMEOUT_MS", 1_500)
    setattr(simulated, "SESSION_SECONDS", 0.05)
    setattr(simulated, "HEARTBEAT_SECONDS", 0.01)
