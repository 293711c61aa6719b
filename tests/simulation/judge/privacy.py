"""Personal data and secrets stay where they belong: in commands and records, not in logs, events or the words added to
dead letters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from tests.simulation.evidence import Row, Violation
from tests.simulation.judge.reading import Message, Reading

SECRETS = ("PRIVATE KEY", "Bearer ey", "session_key", "appsecret=", "access_token=")
PERSONAL_FIELDS = (b'"phone":', b'"openid":', b'"contact":')
WORTH_HIDING = 2
"""Names shorter than this are found in any text."""


def nothing_personal(reading: Reading) -> Iterable[Violation]:
    """No full phone number, name or openid of a customer, and no secret, stands in a log or in the headers that were
    added to a dead letter; events carry no personal fields at all; and where customers are stored they are sealed.
    """
    personal = _personal(reading)
    logs = "\n".join(reading.evidence.logs)
    added = "\n".join(text for letter in reading.letters for text in _added(letter))
    at_rest = repr(reading.evidence.at_rest)
    for place, text in (("the logs", logs), ("the headers of dead letters", added), ("the disk", at_rest)):
        for value in (*personal, *SECRETS):
            if value in text:
                yield Violation("I16", place, f"{_masked(value)}: …{_around(text, value)}…")
    for topic, messages in reading.by_topic.items():
        if not topic.endswith(".events"):
            continue
        blob = b"\n".join(message.raw for message in messages)
        for field in PERSONAL_FIELDS:
            if field in blob:
                yield Violation("I16", topic, f"an event carries {field.decode()}")
        for value in personal:
            if value.encode() in blob:
                yield Violation("I16", topic, f"an event carries {_masked(value)}")


def _personal(reading: Reading) -> list[str]:
    """What the people of this world must not read about themselves in a log."""
    found: set[str] = set()
    for asked in reading.evidence.asked:
        found.update(_inside(asked.body))
    for body in reading.bodies("place-order.v1"):
        found.update(_inside(body["contact"]))
    for order in reading.of("order", "orders").values():
        if not order.state.get("erased"):
            found.update(_inside(order.state.get("contact") or {}))
    return sorted(value for value in found if len(value) >= WORTH_HIDING)


def _inside(body: Row) -> Iterator[str]:
    """A phone number and whoever has it, in whatever depth."""
    waiting: list[Any] = [body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            names = ("phone", "openid", "name") if "phone" in one else ("phone", "openid", "bank_account", "real_name")
            yield from (str(one[name]) for name in names if one.get(name))
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)


def _added(letter: Message) -> Iterator[str]:
    for name in ("dead_error", "dead_reason", "dead_service"):
        yield letter.header(name)


def _masked(value: str) -> str:
    return f"{value[:2]}*** ({len(value)} characters)"


def _around(text: str, value: str) -> str:
    at = text.index(value)
    return f"{text[max(0, at - 40) : at]}[here]{text[at + len(value) : at + len(value) + 20]}".replace("\n", " ")
