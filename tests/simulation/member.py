"""One member of a consumer group of the simulated broker: the part that a service has in its own process."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from chassis import bus
from chassis.delivery import Delivery, Receiver, in_order
from chassis.engine import Engine
from chassis.relay import Relay
from tests.simulation import broker as settings
from tests.simulation.broker import BATCH_MAX, Place, SimBroker
from tests.simulation.sea import later


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

    async def obstacle(self) -> str | None:
        return None

    async def lags(self) -> dict[tuple[str, ...], float]:
        return {}

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

    def has_work(self) -> bool:
        """Whether it has something to fetch or to commit."""
        return bool(self.noted) or self._anything()

    def lost(self) -> None:
        """Its process is dead or frozen: after a session time without a heartbeat its partitions go to others."""
        self._outside(settings.SESSION_SECONDS, self._group.leave, self)

    def lost_while(self, lost: Callable[[], bool]) -> None:
        """The same, if it is still lost then."""
        self._outside(settings.SESSION_SECONDS, lambda: self._group.leave(self) if lost() else None)

    def evict(self, within: float) -> None:
        """It is no member any more and finds out at one of its next heartbeats."""
        asyncio.get_running_loop().call_later(within, self._found_out, context=self.context)

    def found_alive(self) -> None:
        """Its process goes on after a freeze."""
        self.evict(settings.HEARTBEAT_SECONDS / 2)

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
        _, late = await asyncio.wait((finishing,), timeout=settings.SESSION_SECONDS)
        if late and self in self._group.members:
            self._group.members.remove(self)
            self.evict(settings.HEARTBEAT_SECONDS)

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
