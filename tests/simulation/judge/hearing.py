"""What was read: nothing was passed over in silence, nothing was buried that could have been read, and a repeat changed
nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from contracts.message import CATALOGUE, Command
from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Message, Reading

UNHEARD: Mapping[str, frozenset[str]] = {"order": frozenset({"stock-received.v1", "product-listed.v1"})}
"""Events on a service's topics that no record of it hears. Products are written down for reading (see `figures`)."""

NOT_OUR_FAULT = ("TooLarge", "Unstorable")
"""Why a message of our own may be buried although nobody made a mistake."""


# ── nothing passed over ──────────────────────────────────────────────────────────────────────────────────────────────
def nothing_passed_over(reading: Reading) -> Iterable[Violation]:
    """Each record below a group's committed offset was heard by a record of that service, or answered, or buried, or
    nobody there listens to it. A repeat that changed nothing leaves no trace: it is accounted for when another message
    that says the same (wire name, key, case) was heard or answered, or when what it is about has ended. Before the end
    an answer may also have met an older version of the order, to which it meant nothing: it is asked for again
    (decision 0021).
    """
    buried = {origin(letter) for letter in reading.letters}
    answered = {message.cause for message in reading.first.values()}
    for (group, topic, partition), upto in reading.evidence.committed.items():
        if group == "analytics" or group not in reading.evidence.documents:
            continue
        heard, ignored = reading.heard.get(group, {}), UNHEARD.get(group, frozenset())
        traceless = [
            message
            for message in reading.standing.get((topic, partition), ())
            if message.offset < upto
            and not message.foreign
            and message.id not in heard
            and message.id not in answered
            and message.wire not in ignored
            and (group, *message.place) not in buried
        ]
        for message in _unaccounted(reading, group, traceless, answered):
            what = f"{message!r} was read by {group} and left no trace"
            yield Violation("I13", f"{topic}/{partition}/{message.offset}", what)


def foreign_buried(reading: Reading) -> Iterable[Violation]:
    """What none of the services wrote, and nobody can read, is among the dead letters of every service that has passed
    it.
    """
    foreign = [message for message in reading.messages if message.foreign]
    if not foreign:
        return
    buried = {origin(letter) for letter in reading.letters}
    for (group, topic, partition), upto in reading.evidence.committed.items():
        for message in reading.standing.get((topic, partition), ()):
            if message.foreign and message.offset < upto and (group, *message.place) not in buried:
                yield Violation("I13", "/".join(message.place), f"{message!r} was passed over by {group}")


def _unaccounted(reading: Reading, group: str, traceless: list[Message], answered: set[str]) -> Iterator[Message]:
    """Those that no other message accounts for and that somebody may still wait for."""
    if not traceless:
        return
    heard, kinds = reading.heard.get(group, {}), {(message.wire, message.key) for message in traceless}
    done = {
        _about(one)
        for one in reading.first.values()
        if (one.wire, one.key) in kinds and (one.id in heard or one.id in answered)
    }
    for message in traceless:
        if _about(message) not in done and not _nobody_waits(reading, group, message):
            yield message


def _about(message: Message) -> tuple[str, ...]:
    body = message.body
    more = tuple(str(body.get(name, "")) for name in ("case_id", "outcome", "attempt", "refund_number"))
    return (message.wire, message.key, *more)


def origin(letter: Message) -> tuple[str, ...]:
    """The service that buried a record, and where the record stands (see `Message.place`)."""
    names = ("dead_service", "dead_topic", "dead_partition", "dead_offset")
    return tuple(letter.header(name) for name in names)


def _nobody_waits(reading: Reading, group: str, message: Message) -> bool:
    """Whether this message rightly changed nothing: its case has ended or waits for something else, it is about an
    order's short processes and these have ended, about an order that this service does not know, or it asks about
    what cannot be answered yet, so that whoever asked asks again."""
    kind = CATALOGUE.get(message.wire)
    if kind is None or not message.body:
        return False
    if not issubclass(kind, Command) and kind.topic is not None and kind.topic.name != message.topic:
        return True
    if group == "order":
        again = not reading.evidence.final and group in reading.evidence.read_stale and message.wire in _ASKED_AGAIN
        return not issubclass(kind, Command) and (again or _order_waits_not(reading, message))
    if group == "payment":
        return _payment_says_nothing(reading, message)
    return group == "inventory" and message.wire in _WHEN_AT_REST and not reading.evidence.final


def _order_waits_not(reading: Reading, message: Message) -> bool:
    order = reading.of("order", "orders").get(message.key)
    if order is None or not order.state:
        return True
    case_id, state = message.body.get("case_id"), order.state
    if case_id is not None:
        case = next((one for one in state["cases"] if one["case_id"] == case_id), None)
        return case is None or case["status"] != "open" or case["run"]["step"] not in _WAITS.get(message.wire, ())
    runs = [state.get("placing"), state.get("dispatching")]
    return all(run is None or run["status"] in ("done", "undone") for run in runs)


def _payment_says_nothing(reading: Reading, message: Message) -> bool:
    """A payment that was closed before it was opened stays so in silence; a refund nobody knows of yet is asked for
    again."""
    payment = reading.of("payment", "payments").get(message.key)
    state: Row = payment.state if payment is not None else {}
    if message.wire == "open-payment.v1":
        return bool(state.get("closed_at"))
    if message.wire in ("watch-refund.v1", "resume-refund.v1", "adopt-refund.v1"):
        return not any(one["case_id"] == message.body.get("case_id") for one in state.get("refunds") or ())
    return message.wire == "record-shipping.v1" and not state.get("receipt")


_WAITS: Mapping[str, tuple[str, ...]] = {
    "stock-held.v1": ("hold the stock",),
    "stock-hold-refused.v1": ("hold the stock",),
    "stock-kept.v1": ("hold the stock",),
    "stock-released.v1": ("release the stock",),
    "stock-taken-again.v1": ("take the stock again",),
    "refund-accepted.v1": ("refund the payment", "take over the refund"),
    "refund-refused.v1": ("refund the payment", "see the refund arrive"),
    "refund-settled.v1": ("see the refund arrive",),
    "payment-closed.v1": ("close the payment",),
    "payment-close-refused.v1": ("close the payment",),
}
"""At which step of a case somebody waits for an event. What is not here changes no case's course."""

_WHEN_AT_REST = frozenset({"dispatch-stock.v1", "take-stock-again.v1", "take-back-stock.v1"})
"""Wishes that inventory leaves unanswered while pieces of the order are under way: whoever waits asks again."""

_ASKED_AGAIN = frozenset({*_WAITS, "stock-reserved.v1", "stock-short.v1", "stock-dispatched.v1", "payment-opened.v1"})
"""Answers that an order which did not take them in asks for again."""


# ── dead letters ─────────────────────────────────────────────────────────────────────────────────────────────────────
def buried_rightly(reading: Reading) -> Iterable[Violation]:
    """A dead letter carries the bytes of the record it stands for; and what one of our own records said is never buried
    for a defect of the reader.
    """
    if not reading.letters:
        return
    records: dict[tuple[str, ...], list[Message]] = defaultdict(list)
    for message in reading.messages:
        records[message.place].append(message)
    for letter in reading.letters:
        service, *place = origin(letter)
        subject = f"{letter.topic}/{letter.offset}"
        there = [one for one in records.get(tuple(place), ()) if one.foreign == letter.foreign]
        same = [one for one in there if (one.raw, one.key) == (letter.raw, letter.key)]
        original = next(iter(there if letter.header("dead_left_out") else same), None)
        if original is None:
            yield Violation("I13", subject, f"stands for {'/'.join(place)}, where there is {there or 'nothing'}")
        elif _is_ours(reading, original) and letter.header("dead_error") not in NOT_OUR_FAULT:
            yield Violation(
                "I13", subject, f"{service} could not take {original!r}: {letter.header('dead_reason')[:200]}"
            )


def _is_ours(reading: Reading, message: Message) -> bool:
    known = reading.said.get(message.id)
    return known is not None and known[1]["body"].encode() == message.raw


# ── repeats ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def repeats_change_nothing(reading: Reading) -> Iterable[Violation]:
    """No record has heard an id twice, no service has heard one with two records, nobody said one id twice; and of the
    answers that a case waits for once, one was heard and its repeats, under other ids, changed nothing.
    """
    said: dict[str, str] = {}
    for record in reading.records:
        heard: set[str] = set()
        for entry in record.journal:
            if entry["heard"] in heard:
                yield Violation("I14", record.name, f"heard {entry['heard']} twice")
            elif reading.heard[record.service][entry["heard"]] is not record:
                yield Violation("I14", record.name, f"heard {entry['heard']}, as another record did")
            heard.add(entry["heard"])
            for one in entry["said"]:
                if one["id"] in said:
                    yield Violation("I14", record.name, f"said {one['wire']} {one['id']}, as {said[one['id']]} did")
                said[one["id"]] = record.name
    yield from _effective_once(reading)


def _effective_once(reading: Reading) -> Iterator[Violation]:
    """A case that asks anew where its refund is, after it was told (a later list of lines may), hears of it anew."""
    for record in reading.of("order", "orders").values():
        effective: set[tuple[str, ...]] = set()
        for entry in record.journal:
            message = reading.first.get(entry["heard"])
            for said in entry["said"]:
                if said["wire"] == "watch-refund.v1":
                    effective.discard(("refund-settled.v1", str(said.get("saga"))))
            if message is None or message.wire not in _ONCE:
                continue
            about = (message.wire, *(str(message.body.get(name, "")) for name in _ONCE[message.wire]))
            if about in effective:
                yield Violation("I14", record.name, f"{about} changed it twice")
            effective.add(about)


_ONCE: Mapping[str, tuple[str, ...]] = {
    "stock-reserved.v1": (),
    "stock-short.v1": (),
    "stock-dispatched.v1": (),
    "payment-opened.v1": (),
    "payment-received.v1": (),
    "stock-held.v1": ("case_id",),
    "stock-hold-refused.v1": ("case_id",),
    "stock-kept.v1": ("case_id",),
    "stock-released.v1": ("case_id",),
    "stock-taken-again.v1": ("case_id", "attempt"),
    "stock-not-taken-again.v1": ("case_id", "attempt"),
    "stock-swapped.v1": ("case_id",),
    "stock-not-swapped.v1": ("case_id",),
    "payment-closed.v1": ("case_id",),
    "payment-close-refused.v1": ("case_id",),
    "refund-accepted.v1": ("case_id", "refund_number"),
    "refund-settled.v1": ("case_id",),
    "customer-told.v2": ("case_id", "outcome"),
}
"""Answers that change an order once for each value of these fields."""
