"""The golden schemas are fresh, and a message changes only in ways its partners can live with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, Field, create_model

from contracts import CATALOGUE
from contracts.message import Command, Event, Message, Money, Topic
from tools.catalogue.compatibility import breaks
from tools.catalogue.schemas import current, golden, kind, schema, stale, write


def test_every_message_has_its_golden_schema() -> None:
    assert stale(current()) == []


@pytest.mark.parametrize("wire", sorted(CATALOGUE))
def test_partners_of_the_committed_message_can_live_with_the_present_one(wire: str) -> None:
    assert breaks(golden()[wire], schema(CATALOGUE[wire])) == []


class Line(BaseModel):
    product_id: str
    quantity: int = Field(ge=1, le=100)
    note: str = ""


class NarrowLine(Line):
    quantity: int = Field(ge=1, le=10)


class WideLine(Line):
    quantity: int = Field(ge=1, le=1_000)


class LongLine(Line):
    weight: int


class ShortLine(BaseModel):
    product_id: str
    quantity: int = Field(ge=1, le=100)


BEFORE: dict[str, object] = {
    "order_id": (str, ...),
    "reason": (Literal["late", "broken"], ...),
    "amount": (Money, ...),
    "lines": (tuple[Line, ...], ...),
    "remark": (str, Field("", max_length=200)),
    "case_id": (str | None, None),
}

# What is done to the fields (None: taken away), and what an old reader of an event or an old writer of a command
# says to it; an empty word means that it minds nothing.
CHANGES: list[tuple[str, dict[str, object], str, str]] = [
    ("a new optional field", {"channel": (str, "")}, "", ""),
    ("a new required field", {"channel": (str, ...)}, "", "channel: required"),
    ("a field removed", {"amount": None}, "amount: required", "amount: the field was removed"),
    ("an optional field removed", {"remark": None}, "remark: the field was removed", "remark: the field was removed"),
    ("a field weakened to optional", {"amount": (Money | None, None)}, "amount: required", ""),
    ("a field that may be null", {"order_id": (str | None, ...)}, "order_id: an old reader", ""),
    ("a field that may not be null now", {"case_id": (str, "")}, "", "case_id: an old writer"),
    ("a field strengthened to required", {"remark": (str, Field(max_length=200))}, "", "remark: required"),
    ("a new enum value", {"reason": (Literal["late", "broken", "lost"], ...)}, "'lost'", ""),
    ("an enum value dropped", {"reason": (Literal["late"], ...)}, "", "'broken'"),
    ("an enum opened", {"reason": (str, ...)}, "any value", ""),
    ("an open field closed", {"order_id": (Literal["a"], ...)}, "", "any value"),
    ("another type", {"order_id": (int, ...)}, "order_id: an old reader", "order_id: an old writer"),
    ("a longer text", {"remark": (str, Field("", max_length=300))}, "remark: an old reader", ""),
    ("a shorter text", {"remark": (str, Field("", max_length=20))}, "", "remark: an old writer"),
    ("a pattern", {"order_id": (str, Field(pattern="^x"))}, "", "order_id: an old writer"),
    ("a tighter part", {"lines": (tuple[NarrowLine, ...], ...)}, "", "lines[].quantity: an old writer"),
    ("a wider part", {"lines": (tuple[WideLine, ...], ...)}, "lines[].quantity: an old reader", ""),
    ("a part with one more required field", {"lines": (tuple[LongLine, ...], ...)}, "", "lines[].weight: required"),
    ("a part that lost a field", {"lines": (tuple[ShortLine, ...], ...)}, "lines[].note: the", "lines[].note: the"),
]


def message(base: type[Message], fields: dict[str, object], topic: str = "shop.events") -> type[Message]:
    present = {name: field for name, field in fields.items() if field is not None}
    made: type[Message] = create_model("Said", __base__=base, **present)  # type: ignore[call-overload]
    made.wire, made.topic = "said.v1", Topic(topic)
    return made


def verdict(base: type[Message], change: dict[str, object]) -> str:
    return "\n".join(breaks(schema(message(base, BEFORE)), schema(message(base, BEFORE | change))))


@pytest.mark.parametrize(("what", "change", "reader", "writer"), CHANGES, ids=[change[0] for change in CHANGES])
def test_a_change_that_breaks_partners_is_seen(what: str, change: dict[str, object], reader: str, writer: str) -> None:
    for base, said in ((Event, reader), (Command, writer)):
        found = verdict(base, change)
        assert said in found if said else not found, f"{what} in a {kind(message(base, BEFORE))}: {found!r}"


def test_a_message_may_not_move_to_another_topic_or_key() -> None:
    moved = schema(message(Event, BEFORE, topic="other.events"))
    rekeyed = schema(message(Event, BEFORE)) | {"x-key": "case_id"}
    assert breaks(schema(message(Event, BEFORE)), moved) == ["topic changed from 'shop.events' to 'other.events'"]
    assert breaks(schema(message(Event, BEFORE)), rekeyed) == ["key changed from 'order_id' to 'case_id'"]


def test_a_command_may_not_get_an_answer_its_old_writers_do_not_expect() -> None:
    before = schema(message(Command, BEFORE)) | {"x-answers": ["done.v1"]}
    after = before | {"x-answers": ["done.v1", "refused.v1"]}
    assert breaks(before, after) == ["may be answered by refused.v1, which old writers do not expect"]
    assert breaks(after, before) == []


def test_a_new_wire_name_needs_a_golden_file_and_a_removed_one_is_not_forgotten(tmp_path: Path) -> None:
    now = current([message(Event, BEFORE)])
    assert "said.v1.json is missing" in stale(now, tmp_path)[0]
    assert write(now, tmp_path) == []
    assert stale(now, tmp_path) == []
    assert "said.v1 is in no contract any more" in stale({}, tmp_path)[0]


def test_a_golden_file_that_is_behind_is_seen(tmp_path: Path) -> None:
    write(current([message(Event, BEFORE)]), tmp_path)
    later = current([message(Event, BEFORE | {"channel": (str, "")})])
    assert "is not what the message is now" in stale(later, tmp_path)[0]


def test_a_breaking_change_is_not_written(tmp_path: Path) -> None:
    write(current([message(Event, BEFORE)]), tmp_path)
    before = (tmp_path / "said.v1.json").read_text("utf-8")
    refused = write(current([message(Event, BEFORE | {"remark": None})]), tmp_path)
    assert refused == ["said.v1: remark: the field was removed"]
    assert (tmp_path / "said.v1.json").read_text("utf-8") == before
    assert json.loads(before)["x-topic"] == "shop.events"
