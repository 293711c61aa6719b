"""What may be shown of a message's body on a terminal or in a ticket: facts, codes and amounts; nobody's name, phone or
words. What is not known to be harmless is shown by its shape. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel

from chassis.private import Fields, private_fields
from chassis.telemetry import masked
from contracts.message import CATALOGUE

HIDDEN = frozenset({"remark", "note", "proof", "solution", "tracking_number", "receiver", "answers", "facts"})
"""What people wrote, and what tells where somebody lives to who can look it up."""
NOT_SHOWN = "***"
_CODE = re.compile(r"[A-Za-z0-9_./:+-]{1,80}")
_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z-])(\+?[0-9]{3})[0-9]{4,}([0-9]{4})(?![0-9A-Za-z-])")
_ONLY_DIGITS = re.compile(r"\+?[0-9]{7,}")
_NAMES: dict[type[BaseModel], frozenset[str]] = {}


def shown(wire: str, body: bytes) -> Any:
    """The body of a message of this wire name, without personal data; a sentence where it is no JSON."""
    try:
        data = json.loads(body)
        message = CATALOGUE.get(wire)
        if message is None:
            return shape(data)
        return _known(_without_private(data, private_fields(message)), _names(message))
    except ValueError as problem:
        return f"<{len(body)} bytes that are no JSON: {str(problem).partition(':')[0]}>"
    except RecursionError:
        return f"<{len(body)} bytes of JSON in which too much stands inside another>"


def words(text: str) -> str:
    """A sentence with its long numbers masked."""
    return _LONG_NUMBER.sub(r"\1****\2", text)


def shape(data: Any) -> Any:
    """How data is built, without what it says."""
    if isinstance(data, Mapping):
        return {str(name): shape(value) for name, value in data.items()}
    if isinstance(data, list):
        return [shape(one) for one in data[:3]] + ([f"… {len(data) - 3} more"] if len(data) > 3 else [])
    if isinstance(data, str):
        return f"<text of {len(data)}>"
    return data if data is None or isinstance(data, bool) else "<number>"


def _without_private(data: Any, fields: Fields) -> Any:
    """As `with_private`, for a body that may have any shape: that may be why nobody could read it. What stands where
    something personal should, and is built otherwise, is not shown at all."""
    if isinstance(data, list):
        return [_without_private(one, fields) for one in data]
    if not isinstance(data, Mapping):
        return data
    return {name: _one_without_private(value, fields, str(name)) for name, value in data.items()}


def _one_without_private(value: Any, fields: Fields, name: str) -> Any:
    if name not in fields or value is None or value == "":
        return value
    below = fields[name]
    if below is None:
        return masked(value) if isinstance(value, str) else NOT_SHOWN
    return _without_private(value, below) if isinstance(value, Mapping | list) else NOT_SHOWN


def _known(data: Any, names: frozenset[str], name: str = "") -> Any:
    if isinstance(data, Mapping):
        return {
            str(key): _known(value, names, str(key)) if key in names and key not in HIDDEN else shape(value)
            for key, value in data.items()
        }
    if isinstance(data, list):
        return [_known(one, names, name) for one in data]
    if not isinstance(data, str):
        return data
    if _ONLY_DIGITS.fullmatch(data):
        return masked(data)
    return data if _CODE.fullmatch(data) or "*" in data or not data else shape(data)


def _names(model: type[BaseModel]) -> frozenset[str]:
    """The names of all fields of a model and of the models in it."""
    if model not in _NAMES:
        own = set(model.model_fields)
        for field in model.model_fields.values():
            own |= _below(field.annotation)
        _NAMES[model] = frozenset(own)
    return _NAMES[model]


def _below(annotation: Any) -> frozenset[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _names(annotation)
    return frozenset().union(*(_below(inner) for inner in get_args(annotation)))
