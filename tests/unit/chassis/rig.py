"""What surrounds an engine in these tests: topics, a clock and a store that fail on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from chassis.engine import Engine
from chassis.record import Aggregate, Record
from chassis.store import Store, StoreUnavailable
from contracts.message import CATALOGUE, Envelope, Message
from tests.unit.chassis.jars import T0, Jar, Polish, Polished, jar_aggregate, seconds

SWEEP_AFTER = timedelta(seconds=15)


class BrokerAway(Exception):
    """The broker does not answer."""


class ProcessDied(BaseException):
    """The process ends at this very place."""


@dataclass(frozen=True)
class Sent:
    """One message as it was put on a topic."""

    topic: str
    key: str
    message: Message
    envelope: Envelope

    @property
    def id(self) -> str:
        return self.envelope.id


@dataclass
class Topics:
    """A publisher that remembers. `refuses` says which bodies raise; `held` keeps acknowledgements back."""

    sent: list[Sent] = field(default_factory=list)
    refuses: Callable[[bytes], bool] = field(default=lambda _: False)
    held: asyncio.Event | None = None

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        if self.refuses(body):
            raise BrokerAway(topic)
        envelope = Envelope.from_headers(headers)
        message = CATALOGUE[envelope.type].model_validate_json(body)
        self.sent.append(Sent(topic, key.decode(), message, envelope))
        return self._acknowledged(self.held)

    async def _acknowledged(self, held: asyncio.Event | None) -> None:
        if held is not None:
            await held.wait()

    @property
    def messages(self) -> list[Message]:
        return [sent.message for sent in self.sent]

    @property
    def ids(self) -> list[str]:
        return [sent.id for sent in self.sent]


@dataclass
class Clock:
    """A clock that stands still until it is told."""

    at: datetime = T0

    def __call__(self) -> datetime:
        return self.at

    def later(self, number: float) -> datetime:
        self.at += seconds(number)
        return self.at


class Shaky:
    """A store that is `away`, does not answer the next few calls, loses the answers of the next few saves, or stops
    before each save until it is let go."""

    def __init__(self, kept: Store) -> None:
        self.kept = kept
        self.away = False
        self.unanswered = 0
        self.replies_lost = 0
        self.deposed = 0
        """So many reads are answered by a server that was replaced before anything was stored."""
        self.saves = 0
        self.before_save: Callable[[], Awaitable[object]] | None = None

    def _answer(self) -> None:
        if self.unanswered:
            self.unanswered -= 1
            raise StoreUnavailable("no answer")
        if self.away:
            raise StoreUnavailable("away")

    async def load(self, ids: Sequence[str], *, certain: bool = False) -> dict[str, Record[Any]]:
        self._answer()
        if self.deposed and not certain:
            self.deposed -= 1
            return {}
        return await self.kept.load(ids, certain=certain)

    async def save(self, records: Sequence[Record[Any]]) -> set[str]:
        self._answer()
        if self.before_save is not None:
            await self.before_save()
        self.saves += 1
        lost = await self.kept.save(records)
        if self.replies_lost:
            self.replies_lost -= 1
            raise StoreUnavailable("the answer was lost")
        return lost

    async def mark_said(self, said: Mapping[str, Iterable[str]]) -> None:
        self._answer()
        await self.kept.mark_said(said)

    async def unsaid(self, before: datetime, limit: int) -> list[Record[Any]]:
        self._answer()
        return await self.kept.unsaid(before, limit)

    async def claim(self, record: Record[Any], at: datetime) -> bool:
        self._answer()
        return await self.kept.claim(record, at)

    async def renew(self, ids: Sequence[str], at: datetime) -> None:
        self._answer()
        await self.kept.renew(ids, at)

    async def hand_over(self, records: Sequence[Record[Any]], at: datetime) -> None:
        self._answer()
        await self.kept.hand_over(records, at)

    async def due(self, at: datetime, limit: int) -> list[tuple[str, datetime]]:
        self._answer()
        return await self.kept.due(at, limit)

    async def ping(self) -> None:
        self._answer()


class Polisher:
    """Performs `Polish`: remembers every attempt; `fails` is raised, `gate` is waited for."""

    def __init__(self) -> None:
        self.attempts: list[int] = []
        self.fails: BaseException | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self, intent: Polish, attempt: int) -> Polished:
        self.attempts.append(attempt)
        if self.gate is not None:
            await self.gate.wait()
        if self.fails is not None:
            raise self.fails
        return Polished(jar_id=intent.jar_id)


@dataclass
class Rig:
    """One process: an engine with everything around it. Several may share a store."""

    engine: Engine
    store: Store
    topics: Topics
    clock: Clock
    polisher: Polisher

    async def record(self, id: str) -> Record[Any]:
        return (await self.store.load([id]))[id]

    async def jar(self, id: str) -> Jar:
        state = (await self.record(id)).state
        assert isinstance(state, Jar)
        return state

    async def sweep(self) -> int:
        """What the loops of a service do every second."""
        await self.engine.relay.renew(self.engine.stores)
        return await self.engine.relay.sweep(self.engine.stores)

    async def flush(self, *, everything: bool = True) -> None:
        await self.engine.relay.flush(self.engine.stores, everything=everything)

    async def settle(self) -> None:
        """Wait for running effects."""
        await self.engine.relay.drain(10)


def rig(
    store: Store,
    jars: Aggregate[Any] | None = None,
    *,
    topics: Topics | None = None,
    clock: Clock | None = None,
) -> Rig:
    topics, clock, polisher = topics or Topics(), clock or Clock(), Polisher()
    engine = Engine("jars", {jars or jar_aggregate(): store}, topics, clock, sweep_after=SWEEP_AFTER)
    engine.perform(Polish, polisher)
    return Rig(engine, store, topics, clock, polisher)
