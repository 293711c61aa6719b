"""The shape of everything that travels: messages, topics, money, ids, the envelope. Read this first, then one
service's file beside it.

A message is plain data. Its wire name is written out (`"refund-payment.v1"`), never derived from the class, so a
rename in the code changes nothing on the wire. The envelope is CloudEvents 1.0 in binary mode: attributes travel as
Kafka headers (`ce_*`), the body is only the message as JSON
(github.com/cloudevents/spec/blob/main/cloudevents/bindings/kafka-protocol-binding.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, NewType, Self, TypeVar
from uuid import UUID, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

OrderId = NewType("OrderId", str)
CaseId = NewType("CaseId", str)
CustomerId = NewType("CustomerId", str)
ProductId = NewType("ProductId", str)
RefundNumber = NewType("RefundNumber", str)

# Never change it: every message id in every topic and record is derived from it.
_IDS = UUID("5a1f7f0e-6f0e-5f53-9a55-74756964616e")

Fen = Annotated[int, Field(ge=0, le=10**12, description="an amount in the minor unit of its currency (CNY: fen)")]
Quantity = Annotated[int, Field(ge=1, le=1_000_000, description="pieces")]


class Personal:
    """Marks a field that says who somebody is, or how to reach them."""


T = TypeVar("T")
Private = Annotated[T, Personal()]
"""A field with personal data: `name: Private[str]`. It is never stored as it is (docs/decisions/0024)."""


class Money(BaseModel):
    """An exact amount: integer minor units (CNY: fen) and an ISO 4217 currency."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    amount_minor: Fen
    currency: str = Field("CNY", pattern=r"^[A-Z]{3}$")

    def __add__(self, other: Money) -> Money:
        if self.currency != other.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(amount_minor=self.amount_minor + other.amount_minor, currency=self.currency)


class Message(BaseModel):
    """Anything that can be heard. Readers ignore fields they do not know; writers only ever add optional ones."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    wire: ClassVar[str] = ""
    topic: ClassVar[Topic | None] = None
    key: ClassVar[str] = "order_id"

    @property
    def key_value(self) -> str:
        """The business id whose messages must stay in order: the Kafka key."""
        return str(getattr(self, type(self).key))

    @property
    def saga_value(self) -> str | None:
        """The case this message belongs to, if it belongs to one."""
        case: str | None = getattr(self, "case_id", None)
        return case


class Command(Message):
    """A wish with exactly one hearer. May be said again with a new id: who heard it before repeats the answer."""

    yes: ClassVar[type[Event] | None] = None
    no: ClassVar[type[Event] | None] = None
    same: ClassVar[tuple[str, ...]] = ()
    """Fields that an answer repeats from its command: this is how an answer is told from another's."""

    def is_granted_by(self, event: Event) -> bool:
        """Whether `event` is the yes to this very command."""
        return self.yes is not None and isinstance(event, self.yes) and self._repeated_in(event)

    def is_refused_by(self, event: Event) -> bool:
        """Whether `event` is the no to this very command."""
        return self.no is not None and isinstance(event, self.no) and self._repeated_in(event)

    def _repeated_in(self, event: Event) -> bool:
        return all(getattr(self, name) == getattr(event, name) for name in self.same)


class Event(Message):
    """Something that is true now. Anyone may hear it."""


class Intent(Message):
    """Something a record wants done in the outside world. Stored with the record, performed by `effects`, never sent
    to a topic. Its outcome comes back as a `Report`."""


class Report(Message):
    """What came of an intent or reached us from outside (a provider's callback); heard by one record of this
    service only, never sent to a topic."""


class Woke(Report):
    """The timer of record `record_id` rang. May ring late or twice: the hearer looks at the state, not at the
    clock's word."""

    wire: ClassVar[str] = "woke"
    key: ClassVar[str] = "record_id"
    record_id: str
    due: AwareDatetime


M = TypeVar("M", bound=Message)
C = TypeVar("C", bound=Command)

CATALOGUE: dict[str, type[Message]] = {}
"""Every message that travels, by wire name."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A Kafka topic: `<service>.commands` or `<service>.events`."""

    name: str

    def carries(self, wire: str, *, key: str = "order_id") -> Callable[[type[M]], type[M]]:
        """Put a message class on this topic under its wire name. Raises ValueError when the name is taken or the
        class has no field `key`."""

        def register(message: type[M]) -> type[M]:
            if wire in CATALOGUE:
                raise ValueError(f"wire name {wire!r} is taken by {CATALOGUE[wire].__name__}")
            if key not in message.model_fields:
                raise ValueError(f"{message.__name__} has no field {key!r} to be its key")
            message.wire, message.topic, message.key = wire, self, key
            CATALOGUE[wire] = message
            return message

        return register

    @property
    def dead(self) -> str:
        """Where messages go that nobody could handle."""
        return f"{self.name}.dead"


def answered_by(
    *, yes: type[Event], no: type[Event] | None = None, same: tuple[str, ...] | None = None
) -> Callable[[type[C]], type[C]]:
    """Say which event grants a command and which refuses it; `no=None` means nobody may refuse. `same`: the fields an
    answer repeats, by default those of `order_id` and `case_id` that all of them have."""

    def register(command: type[C]) -> type[C]:
        parties: list[type[Message]] = [command, yes, *([no] if no else [])]
        command.yes, command.no = yes, no
        command.same = same or tuple(
            name for name in ("order_id", "case_id") if all(name in party.model_fields for party in parties)
        )
        return command

    return register


def message_id(cause: str, position: int | str) -> str:
    """The id of the message said at `position` because of `cause`: the same however often it is decided again."""
    return str(uuid5(_IDS, f"{cause}/{position}"))


@dataclass(frozen=True, slots=True)
class Envelope:
    """CloudEvents attributes of one message. `time` is UTC; `cause` is the id of the message that led to this one;
    `saga` is the case it belongs to; `traceparent` is W3C Trace Context."""

    id: str
    type: str
    source: str
    time: datetime
    cause: str | None = None
    saga: str | None = None
    traceparent: str | None = None
    specversion: str = field(default="1.0")

    def headers(self) -> dict[str, str]:
        """Kafka headers, CloudEvents binary mode."""
        found = {
            "ce_id": self.id,
            "ce_type": self.type,
            "ce_source": self.source,
            "ce_time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "ce_specversion": self.specversion,
            "content-type": "application/json",
            "ce_cause": self.cause,
            "ce_saga": self.saga,
            "traceparent": self.traceparent,
        }
        return {name: value for name, value in found.items() if value is not None}

    @classmethod
    def from_headers(cls, headers: Mapping[str, str] | Iterable[tuple[str, bytes]]) -> Self:
        """Read Kafka headers. Raises ValueError naming the attribute that is missing or unreadable."""
        if isinstance(headers, Mapping):
            found: dict[str, Any] = dict(headers)
        else:
            found = {name: value.decode("utf-8") for name, value in headers}
        missing = [name for name in ("ce_id", "ce_type", "ce_source", "ce_time") if not found.get(name)]
        if missing:
            raise ValueError(f"header {missing[0]} is missing")
        if found.get("ce_specversion", "1.0") != "1.0":
            raise ValueError(f"ce_specversion {found['ce_specversion']!r} is not 1.0")
        time = datetime.fromisoformat(found["ce_time"])
        if time.tzinfo is None:
            raise ValueError("ce_time has no time zone")
        return cls(
            id=found["ce_id"],
            type=found["ce_type"],
            source=found["ce_source"],
            time=time,
            cause=found.get("ce_cause"),
            saga=found.get("ce_saga"),
            traceparent=found.get("traceparent"),
        )
