"""What many checks need, found once per evidence: the messages of the topics, the records with what they heard and
said, who owns which number. Everything is computed when it is first asked for. A message's JSON is parsed once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from pydantic_core import from_json

from chassis.delivery import Delivery
from tests.simulation.evidence import Evidence, Row
from tests.simulation.judge.ledger import Books
from tests.simulation.judge.shelf import Claim, claims_in
from tests.simulation.judge.stories import Story, told

SERVICES = ("order", "payment", "inventory", "notify", "analytics", "gateway")
OURS = (*SERVICES, "erp")
"""Who writes to the topics: the services, and another system of the shop (`partner`)."""
ORDER_EVENTS = "order.events"
CASE_BEGINS = "cancellation-accepted.v1"
PRUNES_FROM = 32
"""A journal that ever lost passing entries still has at least this many (`chassis.record`)."""


class Message:
    """One message as it stands in a topic, or as a record will say it (`offset` is -1). `wire` and `id` are empty
    where the headers cannot be read."""

    __slots__ = ("_body", "_headers", "cause", "delivery", "id", "key", "offset", "partition", "raw", "topic", "wire")

    def __init__(self, topic: str, partition: int, offset: int, key: str, raw: bytes, headers: Mapping[str, bytes]):
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.key = key
        self.raw = raw
        self._headers = headers
        self._body: Row | None = None
        self.id = _text(headers.get("ce_id"))
        self.wire = _text(headers.get("ce_type"))
        self.cause = _text(headers.get("ce_cause"))

    @classmethod
    def of(cls, delivery: Delivery) -> Message:
        return cls(
            delivery.topic,
            delivery.partition,
            delivery.offset,
            delivery.key.decode("utf-8", "replace"),
            delivery.body,
            dict(delivery.headers),
        )

    def header(self, name: str) -> str:
        """A header, empty where there is none."""
        return _text(self._headers.get(name))

    @property
    def place(self) -> tuple[str, ...]:
        """Where it stands: topic, partition, offset, as dead letters write it down."""
        return (self.topic, str(self.partition), str(self.offset))

    @property
    def foreign(self) -> bool:
        """Whether none of ours wrote it: nobody can read it, and it says nothing."""
        return self.header("ce_source") not in OURS

    @property
    def body(self) -> Row:
        """The body, nothing where it cannot be read."""
        if self._body is None:
            try:
                found = from_json(self.raw)
            except ValueError:
                found = None
            self._body = found if isinstance(found, dict) else {}
        return self._body

    def __repr__(self) -> str:
        return f"{self.wire} {self.key} {self.id[:8]}"


def _place(kept: Sequence[Message], case_id: str, *, paid_later: bool) -> int:
    """Where the beginning of a case belongs among the events of its order."""
    for at, one in enumerate(kept):
        if one.body.get("case_id") == case_id or (paid_later and one.wire == "order-paid.v1"):
            return at
    return len(kept)


def _text(value: bytes | None) -> str:
    return "" if value is None else value.decode("utf-8", "replace")


class Stored:
    """One stored record, as far as every record looks alike."""

    __slots__ = ("collection", "document", "id", "journal", "service", "state", "unsaid")

    def __init__(self, service: str, collection: str, id: str, document: Row) -> None:
        self.service = service
        self.collection = collection
        self.id = id
        self.document = document
        self.state: Row = document.get("state") or {}
        self.journal: Sequence[Row] = document["journal"]
        self.unsaid: Sequence[str] = document["unsaid"]

    @property
    def name(self) -> str:
        return f"{self.collection}/{self.id}"

    @property
    def may_be_pruned(self) -> bool:
        """Whether its journal may have lost passing entries."""
        return len(self.journal) >= PRUNES_FROM


class Reading:
    """One evidence, read."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence

    # ── topics ───────────────────────────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def messages(self) -> list[Message]:
        """Every record of every topic but the dead letters, repeats included."""
        return [
            Message.of(delivery)
            for topic, deliveries in self.evidence.topics.items()
            if not topic.endswith(".dead")
            for delivery in deliveries
        ]

    @cached_property
    def by_topic(self) -> dict[str, list[Message]]:
        """The same by topic."""
        found: dict[str, list[Message]] = defaultdict(list)
        for message in self.messages:
            found[message.topic].append(message)
        return found

    @cached_property
    def standing(self) -> dict[tuple[str, int], list[Message]]:
        """By topic and partition what the broker still has: where it lost everything, offsets begin anew."""
        found: dict[tuple[str, int], list[Message]] = defaultdict(list)
        for message in self.messages:
            place = found[message.topic, message.partition]
            if place and message.offset <= place[-1].offset:
                place.clear()
            place.append(message)
        return found

    @property
    def emptied(self) -> bool:
        """Whether a broker lost what it had, as far as anybody tells."""
        return self.evidence.emptied > 0 or sum(map(len, self.standing.values())) < len(self.messages)

    @cached_property
    def letters(self) -> list[Message]:
        """Every dead letter."""
        topics = self.evidence.topics
        return [Message.of(one) for topic, many in topics.items() if topic.endswith(".dead") for one in many]

    @cached_property
    def first(self) -> dict[str, Message]:
        """The first record of a service with each id."""
        found: dict[str, Message] = {}
        for message in self.messages:
            if message.id and not message.foreign:
                found.setdefault(message.id, message)
        return found

    # ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def records(self) -> list[Stored]:
        """Every stored record (not the projections, balances and other plain documents)."""
        return [
            Stored(service, collection, id, document)
            for service, collections in self.evidence.documents.items()
            for collection, documents in collections.items()
            for id, document in documents.items()
            if "journal" in document
        ]

    def stored(self, service: str, collection: str) -> Mapping[str, Row]:
        """The documents of one collection by id; none where there is no such collection."""
        return self.evidence.documents.get(service, {}).get(collection, {})

    @cached_property
    def by_place(self) -> dict[tuple[str, str], dict[str, Stored]]:
        """Records by service and collection, then by id."""
        found: dict[tuple[str, str], dict[str, Stored]] = defaultdict(dict)
        for record in self.records:
            found[record.service, record.collection][record.id] = record
        return found

    def of(self, service: str, collection: str) -> dict[str, Stored]:
        """The records of one kind by id."""
        return self.by_place.get((service, collection), {})

    @cached_property
    def said(self) -> dict[str, tuple[Stored, Row]]:
        """What journals still know was said to topics, by id: which record said it, and what."""
        return {
            said["id"]: (record, said)
            for record in self.records
            for entry in record.journal
            for said in entry["said"]
            if said.get("topic") is not None
        }

    @cached_property
    def heard(self) -> dict[str, dict[str, Stored]]:
        """By service: which record has heard which id."""
        found: dict[str, dict[str, Stored]] = {service: {} for service in SERVICES}
        for record in self.records:
            mine = found.setdefault(record.service, {})
            for entry in record.journal:
                mine[entry["heard"]] = record
        return found

    # ── what was decided ─────────────────────────────────────────────────────────────────────────────────────────────
    def _decided(self, id: str, said: Row) -> Message:
        known = self.first.get(id)
        if known is not None:
            return known
        headers = {"ce_id": id.encode(), "ce_type": said["wire"].encode()}
        return Message(said["topic"], 0, -1, said["key"], said["body"].encode(), headers)

    @cached_property
    def words(self) -> dict[str, list[Message]]:
        """Everything that was decided to be said, sent or not, each id once, by wire name."""
        found: dict[str, list[Message]] = defaultdict(list)
        for message in self.first.values():
            found[message.wire].append(message)
        for id, (_, said) in self.said.items():
            if id not in self.first:
                found[said["wire"]].append(self._decided(id, said))
        return found

    def bodies(self, *wires: str) -> Iterator[Row]:
        """The bodies of all words with these wire names."""
        for wire in wires:
            for message in self.words.get(wire, ()):
                if message.body:
                    yield message.body

    def events_of(self, record: Stored, topic: str) -> list[Message]:
        """What a record said to a topic, in the order in which it decided."""
        return [
            self._decided(said["id"], said)
            for entry in record.journal
            for said in entry["said"]
            if said.get("topic") == topic
        ]

    # ── orders ───────────────────────────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def stories(self) -> dict[str, Story]:
        """What became of each order, told from its own events in the order of its decisions."""
        return {id: told(id, events) for id, events in self._histories.items() if events}

    def _with_pruned(self, order: Stored) -> list[Message]:
        """What an order's journal kept of its events, and cases that began in an entry which it did not keep: before
        what is heard of them next. One that had a payment closed began before anybody was known to have paid."""
        kept = self.events_of(order, ORDER_EVENTS)
        if not order.may_be_pruned or self.evidence.restored:  # topics tell of a time that was undone, too
            return kept
        unpaid = {body["case_id"] for body in self.bodies("close-payment.v1")}
        found = {one.id for one in kept}
        begun: set[str] = set()
        for message in self.words.get(CASE_BEGINS, ()):
            case_id = str(message.body["case_id"])
            if message.key != order.id or case_id in begun:
                continue
            begun.add(case_id)  # by its first word; a wish that meets the open case has it said again
            if message.id not in found:
                kept.insert(_place(kept, case_id, paid_later=case_id in unpaid), message)
        return kept

    @cached_property
    def _histories(self) -> dict[str, list[tuple[str, Row]]]:
        """From the journal, which is in the order of decisions. Repeats of an answer are in topics only and tell
        nothing new. Where there is no journal, and for what was pruned (that it was placed, that a timer began a case),
        from the topic."""
        found: dict[str, list[tuple[str, Row]]] = {}
        records = self.of("order", "orders")
        for id, record in records.items():
            found[id] = [(one.wire, one.body) for one in self._with_pruned(record)]
        for placed in self.words.get("order-placed.v1", ()):
            known = found.get(placed.key)
            if known is not None and not any(wire == "order-placed.v1" for wire, _ in known):
                known.insert(0, (placed.wire, placed.body))
        for message in self.first.values():
            if message.topic == ORDER_EVENTS and message.key not in records:
                found.setdefault(message.key, []).append((message.wire, message.body))
        return found

    @cached_property
    def books(self) -> Books:
        """The money book, folded."""
        return Books(
            self.evidence.money,
            self.stories,
            resumed={body["case_id"] for body in self.bodies("resume-refund.v1")},
            adopted=self.adopted,
            found={body["refund_number"]: body["found_at"] for body in self.bodies("refund-found.v1")},
        )

    @cached_property
    def claims(self) -> dict[str, dict[int, Claim]]:
        """The stock ledger, folded: by order and line number."""
        return claims_in(self.stored("inventory", "ledger").values())

    @cached_property
    def ledger_of(self) -> dict[str, list[Row]]:
        """The lines of the stock ledger in which something moved, by order or receipt."""
        found: dict[str, list[Row]] = defaultdict(list)
        for line in self.stored("inventory", "ledger").values():
            if not line["refused"]:
                found[line["owner"]].append(line)
        return found

    # ── people ───────────────────────────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def settled_outside(self) -> set[str]:
        """Cases whose money was paid outside this system, as a person decided and the payment service followed."""
        wished = {
            (body["case_id"], body["attempt"])
            for body in self.bodies("resume-refund.v1")
            if body.get("how") == "settled-outside"
        }
        followed = {(body["case_id"], body["attempt"]) for body in self.bodies("refund-resumed.v1")}
        return {case_id for case_id, _ in wished & followed}

    @cached_property
    def adopted(self) -> dict[str, str]:
        """Which case a refund that was made by hand belongs to, by its number."""
        return {body["refund_number"]: body["case_id"] for body in self.bodies("adopt-refund.v1")}

    @cached_property
    def closed_unpaid(self) -> set[str]:
        """Cases whose payment was closed before anybody paid. Where a kill held that word back and the customer paid
        after all, a later answer sent the case down the paid road: it is not among them."""
        refunded = {body["case_id"] for body in self.bodies("refund-payment.v1")}
        return {body["case_id"] for body in self.bodies("payment-closed.v1")} - refunded
