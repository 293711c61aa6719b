"""What was said: what records decided to say is in the topics, and what is in the topics was decided by somebody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from contracts.message import CATALOGUE, Command, message_id
from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import SERVICES, Message, Reading, Stored

SAID_AT_ONCE = 64
"""No message makes anybody say more than this."""


# ── what was said ────────────────────────────────────────────────────────────────────────────────────────────────────
def everything_sent(reading: Reading) -> Iterable[Violation]:
    """In the end everything that records said to topics is there, to the letter, under its id and key."""
    first = reading.first
    for id, (record, said) in reading.said.items():
        if id not in first:
            yield Violation("I08", record.name, f"{said['wire']} {id} was said and is in no topic")


def nothing_invented(reading: Reading) -> Iterable[Violation]:
    """Every message from one of the services was said by a record, in just these words, or is the answer to a message
    that changed nothing: a refusal, an answer repeated. Those are not stored (decision 0008) but their ids are made
    from the message they answer, and they are never commands. Entries that may be dropped from a long journal (decision
    0010) are recognised by the same rule.
    """
    said = reading.said
    for message in reading.first.values():
        known = said.get(message.id)
        if known is not None:
            yield from _in_these_words(message, *known)
        elif message.header("ce_source") in SERVICES:
            yield from _derived(reading, message)


def _in_these_words(message: Message, record: Stored, said: Row) -> Iterator[Violation]:
    body = said["body"].encode() or message.raw  # the words of an erased record are forgotten, not what they were about
    wanted = (said["topic"], said["wire"], said["key"], body)
    if wanted != (message.topic, message.wire, message.key, message.raw):
        yield Violation("I08", record.name, f"{message!r} on {message.topic} is not what was said: {said['wire']}")


def _derived(reading: Reading, message: Message) -> Iterator[Violation]:
    if not any(message_id(message.cause, position) == message.id for position in range(SAID_AT_ONCE)):
        yield Violation("I08", message.key, f"{message.wire} {message.id} was said by nobody")
        return
    kind = CATALOGUE.get(message.wire)
    if kind is None or not issubclass(kind, Command):
        return
    speaker = reading.of("order", "orders").get(message.key)
    if speaker is None or not speaker.may_be_pruned:
        yield Violation("I08", message.key, f"{message.wire} {message.id} is a wish that no record remembers")


def in_order(reading: Reading) -> Iterable[Violation]:
    """While nothing fails, each record's messages stand in a topic in the order of its decisions. After a crash or a
    failed send what was left unsaid is said behind later messages: then readers, which take messages in any order, are
    the ones to be judged. Repeats come behind and are no news: whoever asks again, and a timer that two processes ring,
    make a record say what it said.
    """
    place = {message.id: message.offset for message in reading.first.values()}
    for record in reading.records:
        last: dict[str, tuple[int, str]] = {}
        for entry in record.journal:
            for said in entry["said"]:
                topic, offset = said.get("topic"), place.get(said["id"])
                if topic is None or offset is None:
                    continue
                before = last.get(topic)
                if before is not None and offset < before[0]:
                    yield Violation("I08", record.name, f"{said['wire']} stands before {before[1]} in {topic}")
                last[topic] = (offset, said["wire"])
