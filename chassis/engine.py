"""Runs the one idea: finds who hears a message, loads, decides, saves, says.

Whatever a service hears comes through `Engine.hear`: topics, HTTP, timers, outcomes of effects. Messages that arrive
while a batch is being saved form the next batch: one load, one save for all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol

import structlog

from chassis import telemetry, tracing
from chassis.batcher import Batcher
from chassis.clock import Clock
from chassis.failures import failed
from chassis.journal import Said
from chassis.known import Known
from chassis.personal import KeyMissing
from chassis.projection import BulkResult, Projection, Update
from chassis.record import Aggregate, Decided, Heard, Record, Refusal, Stale, hear, refused
from chassis.relay import Performer, Publisher, Relay, TooLarge
from chassis.room import Room
from chassis.store import Store, StoreUnavailable
from contracts.message import Event, Intent, Message, Woke

CONFLICTS_MAX = 20
WRITTEN_TOGETHER_MAX = 4_000
"""Updates of a projection per round trip, which has to be over in five seconds: an event may tell of 2,000 lines."""
Tallies = dict[str, list[Callable[[Said], None]]]
"""Who counts what is said, by wire name."""

log = structlog.get_logger()


class Writable(Protocol):
    """Where projections are written: `mongo.Collection`, or its stand-in in memory."""

    async def update_all(self, updates: Sequence[Update]) -> BulkResult: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a message: its decision, and the acknowledgements still awaited from the broker."""

    decided: Decided[Any]
    waits: tuple[Awaitable[None], ...]


class Reactor:
    """Hears messages for the records of one aggregate, one batch at a time."""

    def __init__(self, aggregate: Aggregate[Any], store: Store, relay: Relay, tallies: Tallies) -> None:
        self._aggregate = aggregate
        self._store = store
        self._relay = relay
        self._tallies = tallies
        self._known = Known()
        self._room = Room()
        self._batcher: Batcher[Heard, Outcome] = Batcher(self._flight, size_max=self._room.after(()))
        self._readings: Batcher[str, Record[Any] | None] = Batcher(self._read)

    def marked(self, id: str, said: frozenset[str]) -> None:
        """What a record had to say was marked as said outside of a save."""
        self._known.marked(id, said)

    async def hear(self, heard: Heard) -> Outcome:
        """Decide and save one message; what it says is in line for the topics when this returns."""
        return await self._batcher.submit(heard)

    async def read(self, id: str) -> Record[Any] | None:
        """One record as it is stored now."""
        return await self._readings.submit(id)

    async def _read(self, ids: Sequence[str]) -> list[Record[Any] | BaseException | None]:
        try:
            stored = await self._store.load(list(dict.fromkeys(ids)))
        except Exception as problem:  # why: one record that cannot be read must not hide the others
            if _concerns_all(problem):
                raise
            if len(ids) == 1:
                return [problem]
            return [found for id in ids for found in await self._read([id])]
        return [stored.get(id) for id in ids]

    async def _flight(self, batch: Sequence[Heard]) -> list[Outcome | BaseException]:
        telemetry.BATCH_SIZE.labels(self._aggregate.name).observe(len(batch))
        try:
            decided = await self._decide_all(batch)
        except Exception as problem:  # why: one record that cannot be read or kept must not hold up the others
            if _concerns_all(problem):
                raise
            if len(batch) == 1:
                return [problem if isinstance(problem, KeyMissing) else failed(problem)]
            return [outcome for heard in batch for outcome in await self._flight([heard])]
        return await self._say_all(batch, decided)

    async def _say_all(
        self, batch: Sequence[Heard], decided: Mapping[int, Decided[Any] | BaseException]
    ) -> list[Outcome | BaseException]:
        """What each record says, in order; no record waits for a topic that takes nothing of another's."""
        by_record: dict[str, list[int]] = {}
        for index, heard in enumerate(batch):
            by_record.setdefault(self._aggregate.record_id(heard.message), []).append(index)

        async def say(indexes: Sequence[int]) -> list[tuple[int, Outcome | BaseException]]:
            return [(index, await self._say(batch[index], decided[index])) for index in indexes]

        said = await asyncio.gather(*(say(indexes) for indexes in by_record.values()))
        outcomes = dict(one for of_record in said for one in of_record)
        return [outcomes[index] for index in range(len(batch))]

    async def _decide_all(self, batch: Sequence[Heard]) -> dict[int, Decided[Any] | BaseException]:
        decided: dict[int, Decided[Any] | BaseException] = {}
        left = list(range(len(batch)))
        for _ in range(CONFLICTS_MAX):
            lost = await self._decide(batch, left, decided)
            left = [index for index in left if self._aggregate.record_id(batch[index].message) in lost]
            if not left:
                break
        for index in left:
            decided[index] = StoreUnavailable("lost the race for a record too often")
        return decided

    async def _decide(
        self, batch: Sequence[Heard], indexes: Sequence[int], decided: dict[int, Decided[Any] | BaseException]
    ) -> set[str]:
        """Decide the messages at `indexes` on records as they are known here or stored, and save; returns the ids of
        the records that are to be decided again, on what is stored."""
        ids = {index: self._aggregate.record_id(batch[index].message) for index in indexes}
        wanted = list(dict.fromkeys(ids.values()))
        assumed = self._known.among(wanted)
        stored = (
            await self._store.load([id for id in wanted if id not in assumed]) if len(assumed) < len(wanted) else {}
        )
        self._batcher.size_max = self._room.after(stored.values())
        records = {**assumed, **{id: self._as_left(record) for id, record in stored.items()}}
        doubtful = set(wanted) - set(records)
        for index in indexes:
            id = ids[index]
            record = records.get(id) or Record(id)
            try:
                outcome = hear(self._aggregate, record, batch[index])
            except (Refusal, Stale) as refusal:
                decided[index] = refusal
                continue
            except Exception as problem:  # why: it is handed to the hearer, who tries again, then dead-letters
                decided[index] = failed(problem)
                continue
            decided[index] = outcome
            records[id] = outcome.record
            if outcome.repeat and not isinstance(batch[index].message, Woke):
                doubtful.add(id)
        unsure = {id for id in assumed if not records[id].fresh}
        self._known.forget(unsure)
        lost = await self._save([record for record in records.values() if record.fresh])
        return lost | unsure | await self._mistaken(doubtful - unsure, records)

    def _as_left(self, record: Record[Any]) -> Record[Any]:
        """A record whose unanswered save was done is ours to go on with only while it is young."""
        ours = not record.saved_here or self._relay.is_young(record)
        return record if ours else replace(record, saved_here=False)

    async def _mistaken(self, doubtful: set[str], records: Mapping[str, Record[Any]]) -> set[str]:
        """Of the records that were not found, or in which a message stood as heard before, and about which nothing is
        stored now, those that the majority has otherwise. A save would have shown it. A refusal, or "nothing to do",
        would be told about something that is there; a message would be passed over that only a primary without its
        majority has written down, and that is taken back. (A timer that is taken back rings again.)"""
        unsaved = sorted(id for id in doubtful if id not in records or not records[id].fresh)
        if not unsaved:
            return set()
        certain = await self._store.load(unsaved, certain=True)
        return {id for id in unsaved if certain.get(id) != _as_stored(records.get(id))}

    async def _save(self, records: Sequence[Record[Any]]) -> set[str]:
        if not records:
            return set()
        place = self._aggregate.name
        known = {record.id: self._relay.known_said(place, record.id) for record in records}
        cleaned = [
            replace(record, unsaid=tuple(id for id in record.unsaid if id not in known[record.id]))
            for record in records
        ]
        self._known.forget(known)  # should nobody tell what became of the save
        with self._relay.saving(place, known):
            lost = await self._store.save(cleaned)
        for record in cleaned:
            if record.id not in lost:
                self._relay.absorbed(place, record.id, known[record.id])
                self._known.saved(record)
        telemetry.CONFLICTS.labels(place).inc(len(lost))
        return lost

    async def _say(self, heard: Heard, decided: Decided[Any] | BaseException) -> Outcome | BaseException:
        try:
            if isinstance(decided, Refusal) and heard.answers_travel:
                acknowledged = await self._relay.send(refused(decided, heard))
                return Outcome(Decided(Record(""), (), stored=False), (_waited(acknowledged),))
            if isinstance(decided, BaseException):
                return decided
            if decided.stored and self._tallies:
                for said in decided.says:
                    for tally in self._tallies.get(said.wire, ()):
                        tally(said)
            waits = await self._relay.say(self._aggregate.name, decided.record.id, decided.says)
            return Outcome(decided, tuple(waits))
        except TooLarge as problem:
            return failed(problem)
        except Exception as problem:  # why: it goes to the one who asked, or is said by the sweep
            if heard.answers_travel or isinstance(decided, BaseException):
                return problem
            log.warning("decided, but the topics are away: the sweep says it", problem=str(problem)[:300])
            return Outcome(decided, ())


def _as_stored(record: Record[Any] | None) -> Record[Any] | None:
    """None for one that was made to decide on, because there is none."""
    return record if record is not None and record.version else None


def _concerns_all(problem: Exception) -> bool:
    """Whether the store is away for everybody. A record whose key is missing waits like that, too, but alone."""
    return isinstance(problem, StoreUnavailable) and not isinstance(problem, KeyMissing)


async def _waited(acknowledged: Awaitable[object]) -> None:
    await acknowledged


class Engine:
    """Everything one service hears with: its aggregates, its projections, its relay. Raises ValueError when two
    aggregates hear the same message: what they say because of it would have the same ids."""

    def __init__(
        self,
        source: str,
        aggregates: Mapping[Aggregate[Any], Store],
        publisher: Publisher,
        clock: Clock,
        *,
        projections: Mapping[Projection, Writable] | None = None,
        sweep_after: timedelta = timedelta(seconds=15),
    ) -> None:
        self.clock = clock
        self.relay = Relay(source, publisher, self.hear, clock, sweep_after)
        self.stores: dict[str, Store] = {aggregate.name: store for aggregate, store in aggregates.items()}
        self.aggregates = list(aggregates)
        self._tallies: Tallies = {}
        self._reactors = {
            aggregate.name: Reactor(aggregate, store, self.relay, self._tallies)
            for aggregate, store in aggregates.items()
        }
        self.relay.marked = lambda place, id, said: self._reactors[place].marked(id, said)
        self._hearers: dict[type[Message], Reactor] = {}
        for aggregate in aggregates:
            for message in aggregate.handlers:
                if message in self._hearers and message is not Woke:
                    raise ValueError(f"{message.__name__} is handled by two aggregates, {aggregate.name} is the second")
                self._hearers[message] = self._reactors[aggregate.name]
        self._projectors: dict[type[Message], list[Callable[[Event], Awaitable[None]]]] = {}
        for projection, target in (projections or {}).items():
            batcher: Batcher[Sequence[Update], None] = Batcher(_writer(target))
            for event, function in projection.functions.items():
                self._projectors.setdefault(event, []).append(_projector(function, batcher))

    def perform(self, intent: type[Intent], performer: Performer) -> None:
        """Say who performs a kind of intent. Call before anything is heard."""
        self.relay.performers[intent.wire] = (intent, performer)

    def tally(self, message: type[Message], count: Callable[[Said], None]) -> None:
        """Let `count` see each message of this kind when it has been decided and saved: once, whatever is repeated."""
        self._tallies.setdefault(message.wire, []).append(count)

    def hears(self, message: type[Message]) -> bool:
        """Whether anyone in this service listens to this kind of message."""
        return message in self._hearers or message in self._projectors

    async def hear(self, heard: Heard) -> Decided[Any] | None:
        """Hear one message with the record it concerns and every projection. Returns what the record decided. When the
        answers travel by topic this waits until the topics have them. Raises Refusal or Stale (HTTP callers only),
        HandlerFailed or StoreUnavailable."""
        if not tracing.is_on():
            return await self._hear(heard)
        message = heard.message
        parent = heard.traceparent or tracing.current()
        about = {"key": message.key_value, "case": heard.saga or message.saga_value, "message": heard.id}
        with tracing.span(self.relay.source, f"hear {message.wire}", parent, **about) as within:
            return await self._hear(replace(heard, traceparent=within))

    async def _hear(self, heard: Heard) -> Decided[Any] | None:
        kind = type(heard.message)
        outcome: Outcome | None = None
        if kind in self._hearers:
            outcome = await self._hearers[kind].hear(heard)
        for projector in self._projectors.get(kind, ()):
            assert isinstance(heard.message, Event)
            await projector(heard.message)
        if outcome is None:
            return None
        if heard.answers_travel:
            await asyncio.gather(*outcome.waits)
        return outcome.decided

    async def hear_at(self, aggregate: Aggregate[Any], heard: Heard) -> Decided[Any]:
        """Hear a message with one aggregate only (timers)."""
        outcome = await self._reactors[aggregate.name].hear(heard)
        await asyncio.gather(*outcome.waits)
        return outcome.decided

    async def read(self, aggregate: Aggregate[Any], id: str) -> Record[Any] | None:
        """One record as it is stored now. Who asks while another read is under way shares the next one."""
        return await self._reactors[aggregate.name].read(id)


def _writer(target: Writable) -> Callable[[Sequence[Sequence[Update]]], Awaitable[Sequence[BaseException | None]]]:
    async def write(batch: Sequence[Sequence[Update]]) -> Sequence[BaseException | None]:
        try:
            together = [update for updates in batch for update in updates]
            for start in range(0, len(together), WRITTEN_TOGETHER_MAX):
                await target.update_all(together[start : start + WRITTEN_TOGETHER_MAX])
        except StoreUnavailable:
            raise
        except Exception as problem:  # why: one document that cannot be kept must not hold up the others
            if len(batch) == 1:
                return [failed(problem)]
            return [outcome for updates in batch for outcome in await write([updates])]
        return [None] * len(batch)

    return write


def _projector(
    function: Callable[[Any], Sequence[Update]], batcher: Batcher[Sequence[Update], None]
) -> Callable[[Event], Awaitable[None]]:
    async def project(event: Event) -> None:
        try:
            updates = function(event)
        except Exception as problem:
            raise failed(problem) from problem
        if updates:
            await batcher.submit(updates)

    return project
