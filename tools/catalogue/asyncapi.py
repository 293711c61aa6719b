"""`contracts/asyncapi.yaml` (AsyncAPI 3.0) from the catalogue and the table of roles: channels are topics, one message
per wire name with its CloudEvents headers, one operation per service and command (with its reply), one per service and
event topic."""

from __future__ import annotations

import inspect
import tomllib
from collections import defaultdict
from typing import Any

import yaml
from pydantic.json_schema import models_json_schema

from contracts import CATALOGUE
from contracts.message import Command, Event, Message
from tools.catalogue.roles import hears, owner, says
from tools.catalogue.schemas import CONTRACTS, topic_name

PATH = CONTRACTS / "asyncapi.yaml"
_HEAD = "# Made from the messages in contracts/ by `make schemas`; a change here is lost.\n"

Part = dict[str, Any]


def document() -> Part:
    messages = [CATALOGUE[wire] for wire in sorted(CATALOGUE)]
    schemas, bodies = _bodies(messages)
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "{bootstrap}",
                "protocol": "kafka",
                "description": "Key: the business id whose messages stay in order. Consumer group: the service's name.",
                "variables": {"bootstrap": {"default": "localhost:9092", "description": "host and port of any broker"}},
            }
        },
        "channels": _channels(messages),
        "operations": _operations(messages),
        "components": {
            "messages": {message.wire: _message(message, bodies[message.wire]) for message in messages},
            "schemas": {"CloudEventsHeaders": _HEADERS, **schemas},
        },
    }


def rendered(found: Part) -> str:
    return _HEAD + yaml.dump(found, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=120)


class _NoAliases(yaml.SafeDumper):
    """Everything written out: YAML anchors are legal here and helpful to nobody."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _info() -> Part:
    project = tomllib.loads((CONTRACTS.parent / "pyproject.toml").read_text("utf-8"))["project"]
    return {
        "title": "Tuidan",
        "version": project["version"],
        "description": (
            "Every command and event of the shop's order back end. Envelope: CloudEvents 1.0, Kafka binary mode. "
            "A message may arrive more than once with the same `ce_id`. Readers ignore fields they do not know. What "
            "nobody could handle is on `<topic>.dead` with its original bytes."
        ),
    }


# contracts.message.Envelope as headers.
_HEADERS: Part = {
    "type": "object",
    "required": ["ce_id", "ce_type", "ce_source", "ce_time", "ce_specversion"],
    "properties": {
        "ce_id": {"type": "string", "description": "made from the cause: the same however often it is decided again"},
        "ce_type": {"type": "string", "description": "the wire name"},
        "ce_source": {"type": "string", "description": "the service that says it"},
        "ce_time": {"type": "string", "format": "date-time", "description": "UTC, RFC 3339"},
        "ce_specversion": {"type": "string", "const": "1.0"},
        "content-type": {"type": "string", "const": "application/json"},
        "ce_cause": {"type": "string", "description": "id of the message that led to this one"},
        "ce_saga": {"type": "string", "description": "the cancellation case it belongs to"},
        "traceparent": {"type": "string", "description": "W3C Trace Context"},
    },
}


def _bodies(messages: list[type[Message]]) -> tuple[Part, dict[str, Part]]:
    """Schemas of all parts under one roof, and per wire name the reference to its body."""
    found, definitions = models_json_schema(
        [(message, "validation") for message in messages], ref_template="#/components/schemas/{model}"
    )
    schemas = definitions["$defs"]
    return schemas, {message.wire: found[(message, "validation")] for message in messages}


def _message(message: type[Message], body: Part) -> Part:
    told = inspect.getdoc(message) if "__doc__" in vars(message) else None
    kafka_key = {"type": "string", "description": f"the message's {message.key}"}
    return {
        "name": message.wire,
        "title": message.__name__,
        **({"summary": " ".join(told.split())} if told else {}),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "allOf": [
                _ref("components", "schemas", "CloudEventsHeaders"),
                {"type": "object", "properties": {"ce_type": {"const": message.wire}}},
            ],
        },
        "payload": body,
        "bindings": {"kafka": {"key": kafka_key, "bindingVersion": "0.5.0"}},
    }


def _channels(messages: list[type[Message]]) -> Part:
    found: Part = {}
    for message in sorted(messages, key=topic_name):
        name = topic_name(message)
        what = "Wishes" if issubclass(message, Command) else "What is true now, told"
        whom = "for" if issubclass(message, Command) else "by"
        channel = found.setdefault(
            name,
            {
                "address": name,
                "summary": f"{what} {whom} the {owner(message)} service.",
                "messages": {},
                "bindings": {"kafka": {"topic": name, "bindingVersion": "0.5.0"}},
            },
        )
        channel["messages"][message.wire] = _ref("components", "messages", message.wire)
    return found


def _operations(messages: list[type[Message]]) -> Part:
    found: Part = {}
    events: defaultdict[tuple[str, str, str], list[type[Message]]] = defaultdict(list)
    for message in messages:
        if issubclass(message, Command):
            for service in says(message):
                found[f"{service}.says.{message.wire}"] = _operation("send", service, [message], _reply(message))
            for service in hears(message):
                found[f"{service}.hears.{message.wire}"] = _operation("receive", service, [message], _reply(message))
        else:
            events[owner(message), "says", topic_name(message)].append(message)
            for service in hears(message):
                events[service, "hears", topic_name(message)].append(message)
    for (service, verb, topic), told in events.items():
        action = "send" if verb == "says" else "receive"
        found[f"{service}.{verb}.{topic}"] = _operation(action, service, told, None)
    return {name: found[name] for name in sorted(found)}


def _operation(action: str, service: str, messages: list[type[Message]], reply: Part | None) -> Part:
    return {
        "action": action,
        "channel": _ref("channels", topic_name(messages[0])),
        "tags": [{"name": service}],
        "messages": [_on_channel(message) for message in messages],
        **({"reply": reply} if reply else {}),
    }


def _reply(command: type[Command]) -> Part | None:
    answers: list[type[Event]] = [answer for answer in (command.yes, command.no) if answer is not None]
    if not answers:
        return None
    return {
        "channel": _ref("channels", topic_name(answers[0])),
        "messages": [_on_channel(answer) for answer in answers],
    }


def _on_channel(message: type[Message]) -> Part:
    return _ref("channels", topic_name(message), "messages", message.wire)


def _ref(*parts: str) -> Part:
    return {"$ref": "#/" + "/".join(parts)}
