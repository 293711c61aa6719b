"""The one idea: (what we know, what we heard) → (what we know now, what we say).

What is known about one thing (an order, a payment) is one *record*: its state, its version, the ids it has heard with
what it said because of each, and which of those are still to be said. One compare-and-swap on the version makes all
four true together. Nothing here does I/O, reads a clock or draws a random number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from chassis.journal import Entry, Said, forgotten, pruned
from contracts.message import Event, Intent, Message, Report, Woke, message_id

S = TypeVar("S", bound=BaseModel)
M = TypeVar("M", bound=Message)

Handler = Callable[[Any, Any, datetime], tuple[Any, Sequence[Message]]]


class Refusal(Exception):
    """A wish that is not granted: nothing changes, and `event` says why. Raised by handlers; an HTTP caller gets it as
    a problem, a Kafka caller as the event."""

    def __init__(self, event: Event) -> None:
        super().__init__(type(event).__name__)
        self.event = event


class Stale(Exception):
    """The wish was meant for another version than the one that is stored; nothing changes."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One message as it reached this service. `at` is UTC, cut to milliseconds. `answers_travel`: whether a refusal
    goes out as an event (it came over a topic) or back to the caller (it came over HTTP)."""

    message: Message
    id: str
    at: datetime
    saga: str | None = None
    traceparent: str | None = None
    answers_travel: bool = True
    settles: str | None = None
    """The id of the intent that this report is the outcome of."""
    passing: bool = False
    """A repeat long afterwards does no harm, so the id need not be remembered for ever."""
    meant_for: frozenset[int] | None = None
    """The stored versions that this may change; None: any."""

    @property
    def remembered_otherwise(self) -> bool:
        """Whether a repeat is recognised without its id: a timer by its time, a report by the intent it settles."""
        return self.passing or isinstance(self.message, Woke) or self.settles is not None


@dataclass(frozen=True, slots=True)
class Record(Generic[S]):
    """Everything stored about one thing. `version` is 0 until first saved and grows by one with each save;
    `attempts` counts how often what is unsaid was taken up again after a crash."""

    id: str
    version: int = 0
    state: S | None = None
    journal: tuple[Entry, ...] = ()
    unsaid: tuple[str, ...] = ()
    wake_at: datetime | None = None
    touched_at: datetime | None = None
    attempts: int = 0
    fresh: tuple[Entry, ...] = ()
    """Entries of the journal that are not in the database yet."""
    unsaid_before: tuple[str, ...] = field(default=(), compare=False)
    """What was unsaid as it is stored: a save loses when some of that was marked as said meanwhile."""
    pruned: bool = False
    """Old entries were dropped or forgotten, so the stored journal must be replaced, not extended."""
    saved_here: bool = field(default=False, compare=False)
    """It stands there as a save of this process left it that was never answered: what it intends was not begun."""

    @property
    def is_erased(self) -> bool:
        """Whether what it said may no longer be kept."""
        return getattr(self.state, "erased_at", None) is not None

    def entry(self, heard_id: str) -> Entry | None:
        """What was said when `heard_id` was heard, or None if it never was."""
        return next((entry for entry in self.journal if entry.heard == heard_id), None)

    def still_to_say(self) -> tuple[Said, ...]:
        """Unsaid messages, in the order they were decided."""
        wanted = set(self.unsaid)
        return tuple(said for entry in self.journal for said in entry.said if said.id in wanted)


@dataclass(frozen=True, slots=True)
class Findable:
    """What a store keeps beside a record's state so that lists find it from an index: `fields` as they are, `terms` in
    one list, and in the same list a keyed hash for each of `personal`, the terms that tell who somebody is."""

    fields: Mapping[str, Any]
    terms: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()


class Aggregate(Generic[S]):
    """A kind of record: where it is stored, what its state looks like, and which pure function hears which message.

    >>> ORDERS = Aggregate("orders", Order)
    >>> @ORDERS.handles(PlaceOrder)
    ... def place_order(order: Order | None, asked: PlaceOrder, at: datetime): ...

    A handler gets the state (None when nothing is stored yet), the message and the time, and returns the new state and
    what to say. Returning the very same state object means "nothing changed": nothing is stored, the answer is said
    all the same. A state may have a `wake_at` (UTC or None): when it comes, the handler registered by `wakes` hears
    `Woke`. A state may have an `erased_at` (UTC or None): from the save that sets it on, the words of what the record
    had said are forgotten, their ids stay, and the function registered by `once_erased`, if any, hears everything.
    Where some of it was still to be said the record wakes by itself until that is said and forgotten, too.

    `found_by`: what lists find its records by that does not stand in the state as an index could read it.
    """

    def __init__(self, name: str, state: type[S], *, found_by: Callable[[S], Findable] | None = None) -> None:
        self.name = name
        self.state = state
        self.found_by = found_by
        self.handlers: dict[type[Message], Handler] = {}
        self.keys: dict[type[Message], str] = {}
        self.erased: Handler | None = None

    def once_erased(self, function: Callable[[S, Message, datetime], tuple[S | None, Sequence[Message]]]) -> Handler:
        """Register the function that hears everything instead of the handlers while a record is erased."""
        self.erased = function
        return function

    def handler(self, record: Record[S], message: Message) -> Handler:
        """Who hears `message` as the record stands."""
        if self.erased is not None and record.is_erased:
            return self.erased
        return self.handlers[type(message)]

    def handles(
        self, message: type[M], *, key: str | None = None
    ) -> Callable[
        [Callable[[S | None, M, datetime], tuple[S | None, Sequence[Message]]]],
        Callable[[S | None, M, datetime], tuple[S | None, Sequence[Message]]],
    ]:
        """Register the function that hears `message`; `key` names the field (or the property made from fields) that
        holds the record's id, by default the message's own key."""
        if message in self.handlers:
            raise ValueError(f"{self.name}: {message.__name__} is handled twice")
        name = key or message.key
        if name not in message.model_fields and not hasattr(message, name):
            raise ValueError(f"{self.name}: {message.__name__} has no field {name!r}")

        def register(
            function: Callable[[S | None, M, datetime], tuple[S | None, Sequence[Message]]],
        ) -> Callable[[S | None, M, datetime], tuple[S | None, Sequence[Message]]]:
            self.handlers[message] = function
            self.keys[message] = name
            return function

        return register

    def wakes(
        self, function: Callable[[S | None, Woke, datetime], tuple[S | None, Sequence[Message]]]
    ) -> Callable[[S | None, Woke, datetime], tuple[S | None, Sequence[Message]]]:
        """Register the function that hears the record's own timer."""
        return self.handles(Woke)(function)

    def record_id(self, message: Message) -> str:
        """The id of the record that `message` concerns."""
        return str(getattr(message, self.keys[type(message)]))


@dataclass(frozen=True, slots=True)
class Decided(Generic[S]):
    """What came of hearing one message. `stored`: there is something to save. `repeat`: it had been heard before."""

    record: Record[S]
    says: tuple[Said, ...]
    stored: bool
    repeat: bool = False


FORGET_AGAIN = timedelta(minutes=1)
"""After so long an erased record looks whether what it still had to say was said: longer than a sweep takes."""


def hear(aggregate: Aggregate[S], record: Record[S], heard: Heard) -> Decided[S]:
    """Decide one message. Heard before: nothing changes and the same is said again. Raises `Refusal`, `Stale`, or
    whatever the handler raises."""
    known = record.entry(heard.id)
    if known is not None:
        begins = record.unsaid if record.saved_here and not record.attempts else ()
        again = tuple(one for one in known.said if not one.is_forgotten and (one.topic is not None or one.id in begins))
        return Decided(record, again, stored=False, repeat=True)
    if _is_stale(record, heard):
        return Decided(record, (), stored=False, repeat=True)
    if heard.meant_for is not None and (record.fresh or record.version not in heard.meant_for):
        raise Stale  # also when another message of the same batch has just changed it
    if heard.traceparent is None and record.journal:
        heard = replace(heard, traceparent=_last_trace(record))
    state, messages = aggregate.handler(record, heard.message)(record.state, heard.message, heard.at)
    says = tuple(_said(message, heard, position) for position, message in enumerate(messages))
    intends = any(isinstance(message, Intent) for message in messages)
    unsaid = (*(id for id in record.unsaid if id != heard.settles), *(said.id for said in says))
    erased_at = getattr(state, "erased_at", None)
    kept, forgetting = forgotten(record.journal, set(unsaid), erased_at, since_before=record.is_erased)
    # An erased record may have woken only to forget: then its timer is set anew, or taken off.
    wakes_to_forget = record.is_erased and isinstance(heard.message, Woke)
    if state is record.state and not intends and heard.settles is None and not wakes_to_forget:
        return Decided(record, says, stored=False)
    entry = Entry(heard.id, says, passing=heard.remembered_otherwise)
    journal, dropped = pruned((*kept, entry), set(unsaid))
    wakes = [getattr(state, "wake_at", None), heard.at + FORGET_AGAIN if forgetting.waits else None]
    after = replace(
        record,
        state=state,
        journal=journal,
        fresh=(*record.fresh, entry),
        pruned=record.pruned or dropped or forgetting.forgot,
        unsaid=unsaid,
        wake_at=min((at for at in wakes if at is not None), default=None),
        touched_at=heard.at,
        attempts=0,
    )
    return Decided(after, says, stored=True)


def refused(refusal: Refusal, heard: Heard) -> Said:
    """The refusal of a wish that came over a topic, as the message that answers it."""
    return _said(refusal.event, heard, 0)


def _is_stale(record: Record[S], heard: Heard) -> bool:
    """A timer that was set to another time meanwhile, or the outcome of an intent that is settled already."""
    if isinstance(heard.message, Woke):
        return record.wake_at != heard.message.due
    return heard.settles is not None and heard.settles not in record.unsaid


def _last_trace(record: Record[S]) -> str | None:
    """Where a record went on last: what a timer sets off belongs to the trace of what had set the timer."""
    return next(
        (said.traceparent for entry in reversed(record.journal) for said in entry.said if said.traceparent), None
    )


def _said(message: Message, heard: Heard, position: int) -> Said:
    if isinstance(message, Report):
        raise TypeError(f"{type(message).__name__} is a report: it can be heard, not said")
    return Said(
        id=message_id(heard.id, position),
        wire=message.wire,
        topic=message.topic.name if message.topic else None,
        key=message.key_value,
        body=message.model_dump_json(),
        cause=heard.id,
        at=heard.at,
        saga=message.saga_value or heard.saga,
        traceparent=heard.traceparent,
    )
