"""Kafka in memory: topics with partitions, consumer groups whose members come, go, die and freeze, offsets that are
committed in the background. Delivers at least once, in order within a partition and in any order across partitions."""

from __future__ import annotations

import asyncio
import contextvars
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chassis.delivery import Delivery
from chassis.relay import TooLarge
from chassis.sending import SEND_DEADLINE_SECONDS, Unsent
from tests.simulation.sea import Sea, later

PARTITIONS = 4
BATCH_MAX = 100
SESSION_SECONDS = 10.0
HEARTBEAT_SECONDS = 3.0
RECORD_BYTES_MAX = 1_048_576
"""What the producer of a service takes, without what the protocol adds. Others may have larger ones."""

Place = tuple[str, int]
Send = tuple[Place, bytes, bytes, tuple[tuple[str, bytes], ...], asyncio.Future[None]]


@dataclass
class Weather:
    """What goes wrong with the broker now. `down`: nobody is answered, what is sent waits. Shares of sends: `unstored`
    (nothing is kept, no acknowledgement), `unacknowledged` (kept, no acknowledgement). `held`: partitions that give
    nothing yet."""

    down: bool = False
    unstored: float = 0.0
    unacknowledged: float = 0.0
    held: set[int] = field(default_factory=set)


class SimBroker:
    """The topics. `draw`: a number from 0 to 1 for each question of chance."""

    def __init__(self, sea: Sea, draw: Callable[[], float], partitions: int = PARTITIONS) -> None:
        self.sea = sea
        self.weather = Weather()
        self.records: dict[Place, list[Delivery]] = defaultdict(list)
        self.history: dict[str, list[Delivery]] = defaultdict(list)
        self.groups: dict[str, Group] = {}
        self.emptied = 0
        self.partitions = partitions
        self._draw = draw
        self._waiting: list[Send] = []
        self.stirred: Callable[[], None] = lambda: None
        """Called when a process learns something that its polls could see."""

    def group(self, name: str) -> Group:
        """The consumer group of that name."""
        return self.groups.setdefault(name, Group(name, self))

    def places(self, topics: Iterable[str]) -> list[Place]:
        """All partitions of these topics."""
        return [(topic, number) for topic in topics for number in range(self.partitions)]

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        """See `relay.Publisher`. Records of one sender reach a partition in the order of the calls."""
        await self.sea.cross(f"send {topic} {_id_of(headers)}")
        size = len(key) + len(body) + sum(len(name) + len(value) for name, value in headers)
        if size > RECORD_BYTES_MAX:
            raise TooLarge(f"{topic}: {size} bytes")
        place = (topic, zlib.crc32(key) % self.partitions)
        draw = self._draw()
        if draw < self.weather.unstored:
            return _no_acknowledgement(topic)
        stored = asyncio.get_running_loop().create_future()
        send = (place, key, body, tuple(headers), stored)
        if self.weather.down:
            self._waiting.append(send)
        else:
            # In line at once: an idempotent producer keeps the order of its calls, whatever the network does.
            self._store(send)
        if draw > 1 - self.weather.unacknowledged:
            return _no_acknowledgement(topic)
        return asyncio.ensure_future(self._acknowledged(topic, stored))

    def put(self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]) -> None:
        """A record of somebody who is none of the services."""
        send = ((topic, zlib.crc32(key) % self.partitions), key, body, tuple(headers), asyncio.Future[None]())
        if self.weather.down:
            self._waiting.append(send)
        else:
            self._store(send)

    async def _acknowledged(self, topic: str, stored: asyncio.Future[None]) -> object:
        try:
            await asyncio.wait_for(asyncio.shield(stored), SEND_DEADLINE_SECONDS)
        except TimeoutError as problem:
            raise _unsent(topic) from problem
        await later(self.sea.delay() + self.sea.delay(), lambda: None)
        await self.sea.cross(f"acknowledged {topic}")
        self.stirred()
        return None

    def _store(self, send: Send) -> None:
        place, key, body, headers, stored = send
        records = self.records[place]
        delivery = Delivery(place[0], place[1], len(records), key, body, headers)
        records.append(delivery)
        self.history[place[0]].append(delivery)
        if not stored.done():
            stored.set_result(None)
        for group in self.groups.values():
            group.wake(place)

    def empty(self) -> None:
        """The whole broker is lost with everything in it: topics, offsets, groups."""
        self.emptied += 1
        self.records.clear()
        for group in self.groups.values():
            group.forget()

    def back(self) -> None:
        """It answers again, and has what waited for it."""
        self.weather.down = False
        waiting, self._waiting = self._waiting, []
        for send in waiting:
            self._store(send)
        for group in self.groups.values():
            group.wake(None)

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.weather = Weather()
        self.back()


def _id_of(headers: Sequence[tuple[str, bytes]]) -> str:
    return next((value.decode("utf-8", "replace") for name, value in headers if name == "ce_id"), "")


def _unsent(topic: str) -> Unsent:
    return Unsent(f"no acknowledgement from {topic} within {SEND_DEADLINE_SECONDS:.0f} s")


def _no_acknowledgement(topic: str) -> Awaitable[object]:
    async def wait() -> object:
        await asyncio.sleep(SEND_DEADLINE_SECONDS)
        raise _unsent(topic)

    return asyncio.ensure_future(wait())


class Member(Protocol):
    """What a group needs of its members (`member.SimBus`). `positions`: where each reads next, on the partitions it
    has; `noted`: what it will commit."""

    positions: dict[Place, int]
    noted: dict[Place, int]
    topics: tuple[str, ...]

    def wake(self) -> None:
        """There may be something to fetch."""

    def evict(self, within: float) -> None:
        """It is no member any more, and finds out within so many seconds."""

    async def give_back(self) -> None:
        """Finish the batch in hand, commit it, and have no partitions any more."""

    def has_work(self) -> bool:
        """Whether it has something to fetch or to commit."""


class Group:
    """One consumer group: who its members are, who has which partitions, and how far it came."""

    def __init__(self, name: str, broker: SimBroker) -> None:
        self.name = name
        self.broker = broker
        self.members: list[Member] = []
        self.committed: dict[Place, int] = {}
        self._balancing: asyncio.Task[None] | None = None
        self._again = False

    def join(self, member: Member) -> None:
        """One more member; everybody gives back what they have first."""
        if member not in self.members:
            self.members.append(member)
        self._rebalance()

    def leave(self, member: Member) -> None:
        """A member has said goodbye, or was silent for a whole session."""
        if member in self.members:
            self.members.remove(member)
            self._rebalance()

    def wake(self, place: Place | None) -> None:
        """There may be something new on a partition (None: on any)."""
        for member in list(self.members):
            if place is None or place in member.positions:
                member.wake()

    def reset(self) -> None:
        """Everything is heard once more, from the beginning."""
        self.committed = {}
        for member in self.members:
            member.positions = dict.fromkeys(member.positions, 0)
            member.noted.clear()
            member.wake()

    def forget(self) -> None:
        """The group is unknown to the broker: its members find out, and join anew."""
        self.committed = {}
        members, self.members = self.members, []
        for member in members:
            member.evict(HEARTBEAT_SECONDS)

    def rewind(self, place: Place, records: int) -> None:
        """Some records of a partition come once more."""
        for member in self.members:
            if place in member.positions:
                member.positions[place] = max(0, member.positions[place] - records)
                member.wake()

    def commit(self, member: Member, offsets: dict[Place, int]) -> bool:
        """Note how far a member came; refused to one who is not a member (any more), or has lost the partition."""
        if member not in self.members or self.broker.weather.down:
            return False
        for place, offset in offsets.items():
            if place in member.positions:
                self.committed[place] = offset
        return True

    def _rebalance(self) -> None:
        self._again = True
        if self._balancing is None:
            # Nobody's task: whoever joined or left may die meanwhile.
            loop = asyncio.get_running_loop()
            self._balancing = loop.create_task(self._balance(), context=contextvars.Context())

    async def _balance(self) -> None:
        try:
            while self._again:
                self._again = False
                await asyncio.gather(*(member.give_back() for member in list(self.members)))
            self._assign()
        finally:
            self._balancing = None

    def _assign(self) -> None:
        for member in self.members:
            member.positions = {}
        topics = sorted({topic for member in self.members for topic in member.topics})
        for number, place in enumerate(self.broker.places(topics)):
            if self.members:
                member = self.members[number % len(self.members)]
                member.positions[place] = self.committed.get(place, 0)
        for member in self.members:
            member.wake()
