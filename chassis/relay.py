"""Says what records want said: messages to their topics, intents to the effect that performs them.

Right after a save the relay says what was decided (`say`). What a crash left unsaid is found by `sweep`, which claims
a record first, so two relays at once do no harm; what is in hand here is kept from getting old (`renew`), and what has
not begun when the process ends is handed over (`close`). What was said is marked with the record's next save, or by
`flush` when no save comes.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
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
RENEWED_SHARE = 1 / 3
"""Of the age at which others take a record up: two renewals may fail."""
YOUNG_SHARE = 2 / 3
"""Of the same age: what is left of it is time to begin."""
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
        self._in_hand: dict[str, tuple[str, str]] = {}
        self._not_begun: set[str] = set()
        self._renewed_at: datetime | None = None
        self._closing = False
        self._slots = asyncio.Semaphore(PERFORMING_MAX)
        self._slots_of_kind: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(OF_ONE_KIND_MAX))
        self._noting: set[asyncio.Task[None]] = set()
        self.marked: Callable[[str, str, frozenset[str]], None] = lambda place, record_id, said: None
        """Is told which messages of which record were marked in the database."""

    async def say(self, place: str, record_id: str, says: Sequence[Said], attempt: int = 1) -> list[Awaitable[None]]:
        """Say messages of one record in order. What is returned waits until the topics have them; intents are
        performed on the side and are not waited for. `place` is the aggregate's name."""
        waits: list[Awaitable[None]] = []
        too_large: TooLarge | None = None
        for said in says:
            if said.topic is None:
                self._start(place, record_id, said, attempt)
                continue
            try:
                acknowledged = await self.send(said)
            except TooLarge as problem:  # never said, by anybody: what comes after it is not held up by that
                too_large = problem
                continue
            waits.append(self._note(place, record_id, said.id, acknowledged))
        if too_large is not None:
            raise too_large
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
        """Say what is long unsaid; returns how many records were taken up. Those behind one whose topic takes nothing
        do not wait for it."""
        now = self._clock()
        again: list[asyncio.Task[None]] = []
        for place, store in stores.items():
            for record in await store.unsaid(now - self._sweep_after, SWEEP_LIMIT):
                left = self._left(place, record)
                if left and await store.claim(record, now):
                    telemetry.RECORDS_SWEPT.labels(place).inc()
                    log.warning("saying what was left unsaid", record=record.id, kind=place, messages=len(left))
                    again.append(asyncio.create_task(self._say_again(place, record, left)))
        await asyncio.gather(*again)
        return len(again)

    def is_young(self, record: Record[Any]) -> bool:
        """Whether no sweep can have taken it up, nor will while what it intends is begun here."""
        touched = record.touched_at
        return touched is not None and self._clock() - touched < self._sweep_after * YOUNG_SHARE

    async def renew(self, stores: Mapping[str, Store]) -> None:
        """Keep what is in hand here from getting old, however much it is: an intent may wait for its turn for longer
        than that, and the sweep of another process, which cannot know that somebody still has it, would perform it
        beside us. Not a part of the sweep here, which may wait for a topic for longer than that."""
        now = self._clock()
        if self._renewed_at is not None and now - self._renewed_at < self._sweep_after * RENEWED_SHARE:
            return
        self._renewed_at = now
        for place, record_ids in self._by_place(self._in_hand).items():
            await stores[place].renew(record_ids, now)

    def _by_place(self, said_ids: Iterable[str]) -> dict[str, list[str]]:
        found: dict[str, dict[str, None]] = defaultdict(dict)
        for said_id in said_ids:
            place, record_id = self._in_hand[said_id]
            found[place][record_id] = None
        return {place: list(record_ids) for place, record_ids in found.items()}

    async def _say_again(self, place: str, record: Record[Any], left: Sequence[Said]) -> None:
        try:
            await asyncio.gather(*await self.say(place, record.id, left, attempt=record.attempts + 2))
        except Exception:  # why: it stays unsaid and is taken up again; the records behind it must not wait for it
            log.exception("what was left unsaid could not be said", record=record.id, kind=place)

    def _left(self, place: str, record: Record[Any]) -> list[Said]:
        known = self.known_said(place, record.id)
        return [said for said in record.still_to_say() if said.id not in known and said.id not in self._performing]

    def _start(self, place: str, record_id: str, said: Said, attempt: int) -> None:
        if said.id in self._performing:
            return
        self._in_hand[said.id] = place, record_id
        if attempt == 1:
            self._not_begun.add(said.id)
        if self._closing:
            return
        task = asyncio.create_task(self._perform(said, attempt))
        self._performing[said.id] = task
        task.add_done_callback(lambda _: self._ended(said.id))

    def _ended(self, said_id: str) -> None:
        self._performing.pop(said_id, None)
        self._in_hand.pop(said_id, None)
        self._not_begun.discard(said_id)

    async def _perform(self, said: Said, attempt: int) -> None:
        with telemetry.context(cause=said.id, case=said.saga, key=said.key):
            try:
                intent_type, performer = self.performers[said.wire]
                intent = intent_type.model_validate_json(said.body)
                about = {"key": said.key, "case": said.saga, "message": said.id, "attempt": attempt}
                async with self._slots_of_kind[said.wire], self._slots:
                    if self._closing:
                        return
                    self._not_begun.discard(said.id)
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

    async def close(self, stores: Mapping[str, Store], seconds: float) -> None:
        """Begin no effect any more, and wait for those that have begun, at most `seconds`: what is left of them is
        found by a sweep."""
        self._closing = True
        await self._hand_over(stores)
        begun = [task for said_id, task in self._performing.items() if said_id not in self._not_begun]
        if begun:
            await asyncio.wait(begun, timeout=seconds)
        await self._hand_over(stores)  # what the others' outcomes have led to

    async def _hand_over(self, stores: Mapping[str, Store]) -> None:
        """Let others have what has not begun, at once: it was never tried, and nobody has to find out what came of it.
        Not a record of which something else was, here or by a process that died."""
        for place, record_ids in self._by_place(self._not_begun).items():
            try:
                records = (await stores[place].load(record_ids)).values()
                untried = [one for one in records if not one.attempts and self._not_begun >= _intents(one)]
                await stores[place].hand_over(untried, self._clock() - self._sweep_after * 2)
            except Exception:  # why: the next sweep finds it, only later; the process ends all the same
                log.warning(
                    "what has not begun is found by a sweep", kind=place, records=len(record_ids), exc_info=True
                )

    async def drain(self, seconds: float) -> None:
        """Wait for running effects, at most `seconds`; what is left is found by a sweep."""
        running = list(self._performing.values())
        if running:
            await asyncio.wait(running, timeout=seconds)

    @property
    def idle(self) -> bool:
        """Whether no effect is running."""
        return not self._performing


def _intents(record: Record[Any]) -> frozenset[str]:
    return frozenset(said.id for said in record.still_to_say() if said.topic is None)
