"""The golden JSON Schema of every message that travels: what readers and writers outside this code rely on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from contracts import CATALOGUE
from contracts.message import Command, Message
from tools.catalogue.compatibility import breaks

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
FOLDER = CONTRACTS / "schemas"

Schema = dict[str, Any]


def kind(message: type[Message]) -> str:
    return "command" if issubclass(message, Command) else "event"


def topic_name(message: type[Message]) -> str:
    if message.topic is None:
        raise ValueError(f"{message.__name__} is on no topic")
    return message.topic.name


def schema(message: type[Message]) -> Schema:
    """JSON Schema of the body, with what else a partner relies on as `x-` words: kind, topic, key, answers."""
    found: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "x-wire": message.wire,
        "x-kind": kind(message),
        "x-topic": topic_name(message),
        "x-key": message.key,
    }
    if issubclass(message, Command):
        found["x-answers"] = [answer.wire for answer in (message.yes, message.no) if answer is not None]
    return found | message.model_json_schema()


def current(messages: Iterable[type[Message]] | None = None) -> dict[str, Schema]:
    """Every message's schema as the code has it now, by wire name."""
    return {message.wire: schema(message) for message in (CATALOGUE.values() if messages is None else messages)}


def golden(folder: Path = FOLDER) -> dict[str, Schema]:
    """Every committed schema, by wire name."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))}


def rendered(found: Schema) -> str:
    """One spelling: fields in the order of the class, so that a diff shows what changed and nothing else."""
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def stale(now: Mapping[str, Schema], folder: Path = FOLDER) -> list[str]:
    """What `make schemas` would change, as sentences; empty when golden files and messages agree."""
    found = []
    for wire, current_schema in sorted(now.items()):
        path = folder / f"{wire}.json"
        if not path.exists():
            found.append(f"contracts/schemas/{wire}.json is missing: run `make schemas` and commit it")
        elif path.read_text("utf-8") != rendered(current_schema):
            found.append(f"contracts/schemas/{wire}.json is not what the message is now: run `make schemas`")
    gone = sorted(set(golden(folder)) - set(now))
    return found + [
        f"{wire} is in no contract any more: old writers may still send it. Bring the message back, or delete "
        f"contracts/schemas/{wire}.json when nothing in any topic can carry it"
        for wire in gone
    ]


def write(now: Mapping[str, Schema], folder: Path = FOLDER) -> list[str]:
    """Rewrite the golden files. Refuses, and says why, where the change would break a partner; everything else is
    written."""
    folder.mkdir(parents=True, exist_ok=True)
    before = golden(folder)
    refused = []
    for wire, current_schema in now.items():
        found = breaks(before[wire], current_schema) if wire in before else []
        if found:
            refused += [f"{wire}: {why}" for why in found]
        else:
            (folder / f"{wire}.json").write_text(rendered(current_schema), "utf-8")
    return refused
