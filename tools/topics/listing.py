"""The one list of topics, `deploy/topics.yaml`, read and held against the contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field

from contracts.message import Message

PATH = Path(__file__).resolve().parents[2] / "deploy" / "topics.yaml"
IN_SYNC = "min.insync.replicas"
RETENTION = "retention.ms"
CLEANUP = "cleanup.policy"


class ListUnreadable(Exception):
    """The list is not one; the text says where."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    partitions: Annotated[int, Field(ge=1, le=1_000)]
    retention_days: Annotated[float, Field(gt=0, le=3_650)]
    settings: dict[str, str | int | float | bool] = {}


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    copies: Annotated[int, Field(ge=1, le=9)]
    settings: dict[str, str | int | float | bool]
    topics: dict[str, _Row]


@dataclass(frozen=True, slots=True)
class Listed:
    """A topic as it is to be; settings under Kafka's own names, as the text that Kafka gives them back as."""

    name: str
    partitions: int
    copies: int
    settings: Mapping[str, str]


def read(path: Path = PATH, copies: int | None = None) -> list[Listed]:
    """Every topic of the list; `copies` in place of its own, for a smaller cluster. Raises ListUnreadable."""
    try:
        file = _File.model_validate(yaml.safe_load(path.read_text("utf-8")))
        many = copies or file.copies
        return [Listed(name, row.partitions, many, _settings(file, row, many)) for name, row in file.topics.items()]
    except (OSError, yaml.YAMLError, ValueError) as problem:  # the last one: no text, no list, a number that is none
        raise ListUnreadable(f"{path.name}: {problem}") from problem


def _settings(file: _File, row: _Row, copies: int) -> dict[str, str]:
    kept_ms = int(timedelta(days=row.retention_days).total_seconds() * 1_000)
    found = {name: _as_kafka_says(value) for name, value in (file.settings | row.settings).items()}
    # One copy may always be away, or a single restart would stop every writer.
    in_sync = max(1, min(int(found.get(IN_SYNC, "1")), copies - 1))
    return found | {RETENTION: str(kept_ms), IN_SYNC: str(in_sync)}


def _as_kafka_says(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_contracts(messages: Iterable[type[Message]]) -> list[str]:
    """Every topic that a message travels on, each with the one for its dead letters."""
    topics = {message.topic for message in messages if message.topic is not None}
    return sorted(name for topic in topics for name in (topic.name, topic.dead))


def unlike(messages: Iterable[type[Message]], path: Path = PATH) -> list[str]:
    """Where list and contracts differ, and what a list must never say, as sentences."""
    try:
        listed = {topic.name: topic for topic in read(path)}
    except ListUnreadable as problem:
        return [str(problem)]
    wanted = set(of_contracts(messages))
    found = [f"{path.name} lacks {name}, which the contracts have" for name in sorted(wanted - set(listed))]
    found += [f"{path.name} has {name}, which no message travels on" for name in sorted(set(listed) - wanted)]
    for topic in listed.values():
        if topic.settings.get(CLEANUP) != "delete":
            # An order's messages share its key: compacting would leave the last of them.
            found.append(f"{path.name}: {topic.name} must have {CLEANUP} delete, or messages would go missing")
        if topic.copies > 1 and int(topic.settings[IN_SYNC]) < 2:
            found.append(f"{path.name}: {topic.name} needs {IN_SYNC} 2, or one lost disk takes acknowledged messages")
        if (alive := topic.name.removesuffix(".dead")) != topic.name and alive in listed:
            kept, dead_kept = (int(each.settings[RETENTION]) for each in (listed[alive], topic))
            if dead_kept < kept:
                found.append(f"{path.name}: {topic.name} must be kept as long as {alive}")
    return found
