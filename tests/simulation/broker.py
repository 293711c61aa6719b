"""Kafka in memory: topics with partitions, consumer groups whose members come, go, die and freeze, offsets that are
committed in the background. Delivers at least once, in order within a partition and in any order across partitions."""

from __future__ import annotations

import asyncio
import contextvars
import zlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from chassis import bus
from chassis.bus import SEND_DEADLINE_SECONDS, Unsent
from chassis.delivery import Delivery, Receiver, in_order
from chassis.engine import Engine
from chassis.relay import Relay
from tests.simulation.sea import Sea, later

PARTITIONS = 4
BATCH_MAX = 100
SESSION_SECONDS = 10.0
HEARTBEAT_SECONDS = 3.0

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


class Group:
    """One consumer group: who its members are, who has which partitions, and how far it came."""

    def __init__(self, name: str, broker: SimBroker) -> None:
        self.name = name
        self.broker = broker
        self.members: list[SimBus] = []
        self.committed: dict[Place, int] = {}
        self._balancing: asyncio.Task[None] | None = None
        self._again = False

    def join(self, member: SimBus) -> None:
        """One more member; everybody gives back what they have first."""
        if member not in self.members:
            self.members.append(member)
        self._rebalance()

    def leave(self, member: SimBus) -> None:
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

    def commit(self, member: SimBus, offsets: dict[Place, int]) -> bool:
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


class SimBus:
    """One member of a group (see `service.Bus`): hears one batch at a time, and commits in the background."""

    _numbers = count(1)

    def __init__(self, broker: SimBroker, group: str, *, batch_max: int = BATCH_MAX) -> None:
        self.broker = broker
        self.batch_max = batch_max
        self.number = next(self._numbers)
        self.positions: dict[Place, int] = {}
        self.noted: dict[Place, int] = {}
        self.topics: tuple[str, ...] = ()
        self.context = contextvars.copy_context()
        self._group = broker.group(group)
        self._receiver: Receiver | None = None
        self._in_hand = asyncio.Lock()
        self._news = asyncio.Event()
        self._draining = False
        self._started = False
        self._hearing: asyncio.Task[None] | None = None
        self._committing: asyncio.Task[None] | None = None

    def listen(self, topics: Sequence[str], receiver: Receiver) -> None:
        self.topics, self._receiver = tuple(topics), receiver

    async def start(self) -> None:
        self._started = True
        if self._receiver is not None:
            self._hearing = asyncio.get_running_loop().create_task(self._hear())
            self._group.join(self)

    async def stop_hearing(self) -> None:
        if self._draining:
            return
        self._draining = True
        if self._receiver is not None:
            self._receiver.stopping.set()
        self._news.set()
        async with self._in_hand:
            await self._commit()
        if self._hearing is not None:
            self._hearing.cancel()
        self._group.leave(self)

    async def stop(self) -> None:
        await self.stop_hearing()
        self._started = False

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        return await self.broker.send(topic, key, body, headers)

    async def ping(self) -> bool:
        return self._started and not self.broker.weather.down and (self._receiver is None or bool(self.positions))

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """What runs on its behalf."""
        return [task for task in (self._hearing, self._committing) if task is not None]

    @property
    def relay(self) -> Relay | None:
        """The relay of the process this member belongs to, where it has one."""
        hearer = self._receiver._hearer if self._receiver is not None else None
        return hearer.relay if isinstance(hearer, Engine) else None

    def wake(self) -> None:
        """There may be something to fetch."""
        self._news.set()

    def lost(self) -> None:
        """Its process is dead or frozen: after a session time without a heartbeat its partitions go to others."""
        self._outside(SESSION_SECONDS, self._group.leave, self)

    def lost_while(self, lost: Callable[[], bool]) -> None:
        """The same, if it is still lost then."""
        self._outside(SESSION_SECONDS, lambda: self._group.leave(self) if lost() else None)

    def evict(self, within: float) -> None:
        """It is no member any more and finds out at one of its next heartbeats."""
        asyncio.get_running_loop().call_later(within, self._found_out, context=self.context)

    def found_alive(self) -> None:
        """Its process goes on after a freeze."""
        self.evict(HEARTBEAT_SECONDS / 2)

    def _found_out(self) -> None:
        if not self._draining and self not in self._group.members:
            asyncio.get_running_loop().create_task(self._rejoin(), context=self.context)

    async def _rejoin(self) -> None:
        async with self._in_hand:
            self.noted.clear()
            self.positions = {}
        if not self._draining:
            self._group.join(self)

    async def give_back(self) -> None:
        """Before partitions go to others: finish the batch in hand and commit it, within a session time."""

        async def finish() -> None:
            async with self._in_hand:
                await self._commit()
                self.noted.clear()
                self.positions = {}

        finishing = asyncio.get_running_loop().create_task(finish(), context=self.context)
        _, late = await asyncio.wait((finishing,), timeout=SESSION_SECONDS)
        if late and self in self._group.members:
            self._group.members.remove(self)
            self.evict(HEARTBEAT_SECONDS)

    def _outside(self, seconds: float, work: Callable[..., object], *args: object) -> None:
        asyncio.get_running_loop().call_later(seconds, work, *args, context=contextvars.Context())

    async def _hear(self) -> None:
        while not self._draining:
            async with self._in_hand:
                batch = await self._fetch()
                if batch:
                    await self._hear_batch(batch)
            if not batch:
                await self._news.wait()

    async def _hear_batch(self, batch: Sequence[Delivery]) -> None:
        assert self._receiver is not None
        done = False
        while not done and not self._draining:
            done = await self._receiver.receive(batch)
        if done:
            self.noted |= in_order(batch)
            if self._committing is None:
                self._committing = asyncio.get_running_loop().create_task(self._commit_soon())

    async def _fetch(self) -> list[Delivery]:
        self._news.clear()
        if self._draining or self.broker.weather.down or not self._anything():
            return []
        await self.broker.sea.cross("fetch")
        return await later(self.broker.sea.delay(), self._take)

    def _anything(self) -> bool:
        held = self.broker.weather.held
        return any(
            place[1] not in held and offset < len(self.broker.records.get(place, ()))
            for place, offset in self.positions.items()
        )

    def _take(self) -> list[Delivery]:
        found: list[Delivery] = []
        for place, offset in self.positions.items():
            if place[1] in self.broker.weather.held:
                continue
            records = self.broker.records.get(place, [])[offset : offset + self.batch_max - len(found)]
            found.extend(records)
            self.positions[place] = offset + len(records)
        return found

    async def _commit_soon(self) -> None:
        while self.noted:
            await asyncio.sleep(bus.COMMIT_EVERY_SECONDS)
            await self._commit()
        self._committing = None

    async def _commit(self) -> None:
        if not self.noted:
            return
        await self.broker.sea.cross("commit")
        noted = dict(self.noted)
        if await later(self.broker.sea.delay(), lambda: self._group.commit(self, noted)):
            for place, offset in noted.items():
                if self.noted.get(place) == offset:
                    del self.noted[place]
        elif self not in self._group.members:
            self.noted.clear()
            self._found_out()
