"""Says what records want said: messages to their topics, intents to the effect that performs them.

Right after a save the relay says what was decided (`say`). What a crash left unsaid is found by `sweep`, which claims
a record first, so two relays at once do no harm. What was said is marked with the record's next save, or by `flush`
when no save comes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import structlog

from chassis import telemetry, tracing
from chassis.clock import Clock
from chassis.journal import Said
from chassis.record import Heard, Record
from chassis.store import Store, StoreUnavailable
from contracts.message import Envelope, Intent, Report, message_id

Performer = Callable[[Any, int], Awaitable[Report]]
"""Performs an intent. The second argument is the attempt, from 1; above 1 an earlier attempt was made and nobody
knows what came of it."""

SWEEP_LIMIT = 200
PERFORMING_MAX = 128
OF_ONE_KIND_MAX = 48
"""A provider that hangs holds two kinds at most (the call, and the look for what came of it): the others go on."""
REPORT_BACKOFF_SECONDS = 0.5
REPORT_BACKOFF_MAX_SECONDS = 1.0

log = structlog.get_logger()


class TooLarge(Exception):
    """No topic will ever take this message."""


class Publisher(Protocol):
    """Where messages leave."""

    async def send(
        self, topic: str, key: bytes, body: bytes, headers: Sequence[tuple[str, bytes]]
    ) -> Awaitable[object]:
        """Put a record in line for its topic, in the order of the calls; awaiting what is returned waits for the
        broker's acknowledgement. Raises TooLarge, or anything else when the broker is away."""


class Relay:
    """One per service. `hear` is where the reports of performed intents go."""

    def __init__(
        self,
        source: str,
        publisher: Publisher,
        hear: Callable[[Heard], Awaitable[object]],
        clock: Clock,
        sweep_after: timedelta,
    ) -> None:
        self.source = source
        self._publisher = publisher
        self.performers: dict[str, tuple[type[Intent], Performer]] = {}
        self._hear = hear
        self._clock = clock
        self._sweep_after = sweep_after
        self._said: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._left_over: set[tuple[str, str]] = set()
        self._saving: set[tuple[str, str]] = set()
        self._performing: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(PERFORMING_MAX)
        self._slots_of_kind: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(OF_ONE_KIND_MAX))
        self._noting: set[asyncio.Task[None]] = set()
        self.marked: Callable[[str, str, frozenset[str]], None] = lambda place, record_id, said: None
        """Is told which messages of which record were marked in the database."""

    async def say(self, place: str, record_id: str, says: Sequence[Said], attempt: int = 1) -> list[Awaitable[None]]:
        """Say messages of one record in order. What is returned waits until the topics have them; intents are
        performed on the side and are not waited for. `place` is the aggregate's name."""
        waits: list[Awaitable[None]] = []
        for said in says:
            if said.topic is None:
                self._start(said, attempt)
            else:
                acknowledged = await self.send(said)
                waits.append(self._note(place, record_id, said.id, acknowledged))
        return waits

    async def send(self, said: Said) -> Awaitable[object]:
        """Put one message in line for its topic."""
        assert said.topic is not None
        envelope = Envelope(
            id=said.id,
            type=said.wire,
            source=self.source,
            time=said.at,
            cause=said.cause,
            saga=said.saga,
            traceparent=said.traceparent,
        )
        headers = [(name, value.encode()) for name, value in envelope.headers().items()]
        telemetry.MESSAGES_SAID.labels(said.wire).inc()
        return await self._publisher.send(said.topic, said.key.encode(), said.body.encode(), headers)

    def _note(self, place: str, record_id: str, said_id: str, acknowledged: Awaitable[object]) -> asyncio.Task[None]:
        """Note that a message was said when its acknowledgement comes, whether or not anyone waits for it; one that
        fails is said again by the sweep."""

        async def note() -> None:
            await acknowledged
            self._said[place, record_id].add(said_id)

        def noted(done: asyncio.Task[None]) -> None:
            self._noting.discard(done)
            if not done.cancelled():
                done.exception()

        task = asyncio.create_task(note())
        self._noting.add(task)
        task.add_done_callback(noted)
        return task

    def known_said(self, place: str, record_id: str) -> frozenset[str]:
        """Ids that have been said but may still stand as unsaid in the database."""
        return frozenset(self._said.get((place, record_id), ()))

    @contextlib.contextmanager
    def saving(self, place: str, record_ids: Iterable[str]) -> Iterator[None]:
        """Inside, these records are being saved: a mark made meanwhile would be written back."""
        places = {(place, record_id) for record_id in record_ids}
        self._saving |= places
        try:
            yield
        finally:
            self._saving -= places

    def absorbed(self, place: str, record_id: str, said: frozenset[str]) -> None:
        """A save has taken these ids off the record."""
        left = self._said[place, record_id] - said
        if left:
            self._said[place, record_id] = left
        else:
            self._said.pop((place, record_id), None)

    async def flush(self, stores: Mapping[str, Store], *, everything: bool = False) -> None:
        """Mark in the database what was said before the last flush (`everything`: up to now) and not absorbed by a
        save since. Most is: the next save of the record comes soon, and a mark alone costs as much as a save. What is
        being saved waits."""
        by_place: dict[str, dict[str, frozenset[str]]] = defaultdict(dict)
        for (place, record_id), said in self._said.items():
            left_over = everything or (place, record_id) in self._left_over
            if left_over and (place, record_id) not in self._saving:
                by_place[place][record_id] = frozenset(said)
        self._left_over = set(self._said)
        for place, marks in by_place.items():
            await stores[place].mark_said(marks)
            for record_id, said_ids in marks.items():
                self.marked(place, record_id, said_ids)
                self.absorbed(place, record_id, said_ids)

    async def sweep(self, stores: Mapping[str, Store]) -> int:
        """Say what is long unsaid; returns how many records were taken up. What is in hand here is kept from getting
        old: an intent may wait for its turn for longer than that, and the sweep of another process, which cannot know
        that somebody still has it, would perform it beside us."""
        taken = 0
        now = self._clock()
        old = now - self._sweep_after
        for place, store in stores.items():
            for record in await store.unsaid(now - self._sweep_after / 2, SWEEP_LIMIT):
                left = self._left(place, record) if record.touched_at is not None and record.touched_at < old else ()
                if left and await store.claim(record, now):
                    taken += 1
                    telemetry.RECORDS_SWEPT.labels(place).inc()
                    log.warning("saying what was left unsaid", record=record.id, kind=place, messages=len(left))
                    await self._say_again(place, record, left)
                elif not left and not self._performing.keys().isdisjoint(record.unsaid):
                    await store.claim(record, now)
        return taken

    async def _say_again(self, place: str, record: Record[Any], left: Sequence[Said]) -> None:
        try:
            await asyncio.gather(*await self.say(place, record.id, left, attempt=record.attempts + 2))
        except Exception:  # why: it stays unsaid and is taken up again; the records behind it must not wait for it
            log.exception("what was left unsaid could not be said", record=record.id, kind=place)

    def _left(self, place: str, record: Record[Any]) -> list[Said]:
        known = self.known_said(place, record.id)
        return [said for said in record.still_to_say() if said.id not in known and said.id not in self._performing]

    def _start(self, said: Said, attempt: int) -> None:
        if said.id in self._performing:
            return
        task = asyncio.create_task(self._perform(said, attempt))
        self._performing[said.id] = task
        task.add_done_callback(lambda _: self._performing.pop(said.id, None))

    async def _perform(self, said: Said, attempt: int) -> None:
        with telemetry.context(cause=said.id, case=said.saga, key=said.key):
            try:
                intent_type, performer = self.performers[said.wire]
                intent = intent_type.model_validate_json(said.body)
                about = {"key": said.key, "case": said.saga, "message": said.id, "attempt": attempt}
                async with self._slots_of_kind[said.wire], self._slots:
                    with tracing.span(self.source, f"perform {said.wire}", said.traceparent, **about) as within:
                        report = await performer(intent, attempt)
            except Exception:  # why: the intent stays unsaid, so the sweep performs it again
                telemetry.EFFECTS_FAILED.labels(said.wire).inc()
                log.exception("an effect failed, it will be tried again", intent=said.wire, attempt=attempt)
                return
            await self._report(said, report, within)

    async def _report(self, said: Said, report: Report, traceparent: str | None) -> None:
        heard = Heard(
            message=report,
            id=message_id(said.id, "report"),
            at=self._clock(),
            saga=said.saga,
            traceparent=traceparent,
            settles=said.id,
        )
        tries = 0
        while True:
            try:
                await self._hear(heard)
                return
            except StoreUnavailable as trouble:
                # It is known here and nowhere else: whoever gave it up would have to ask anew, and a provider of
                # messages that cannot be asked would make the customer be told once more, by another channel.
                tries += 1
                if tries == 1:
                    log.warning("an outcome waits for the store", intent=said.wire, problem=str(trouble)[:300])
                await asyncio.sleep(min(REPORT_BACKOFF_MAX_SECONDS, REPORT_BACKOFF_SECONDS * tries))
                heard = replace(heard, at=self._clock())
            except Exception:  # why: the intent stays unsaid, so the sweep takes it up again
                telemetry.EFFECTS_FAILED.labels(said.wire).inc()
                log.exception("the outcome of an effect was not understood", intent=said.wire)
                return

    async def drain(self, seconds: float) -> None:
        """Wait for running effects, at most `seconds`; what is left is found by a sweep."""
        running = list(self._performing.values())
        if running:
            await asyncio.wait(running, timeout=seconds)

    @property
    def idle(self) -> bool:
        """Whether no effect is running."""
        return not self._performing
