"""Which fields of a model hold personal data (`contracts.message.Private`), however deep they stand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import BaseModel

from contracts.message import CATALOGUE, Intent, Message, Personal

Fields = Mapping[str, "Fields | None"]
"""By name: None is a private field, a mapping is what lies below a field that is not private itself."""


_KNOWN: dict[type[BaseModel], Fields] = {}


def private_fields(model: type[BaseModel]) -> Fields:
    """The private fields of `model`, and those of the models in its fields."""
    if model in _KNOWN:
        return _KNOWN[model]
    found: dict[str, Fields | None] = {}
    for name, field in model.model_fields.items():
        if any(isinstance(one, Personal) for one in field.metadata):
            found[name] = None
        elif below := _below(field.annotation):
            found[name] = below
    _KNOWN[model] = found
    return found


def _below(annotation: Any) -> Fields:
    """The private fields in whatever models an annotation names (`tuple[Line, ...]`, `Case | None`). Raises TypeError
    where `Private` stands inside another type: there nothing would find it."""
    if any(isinstance(one, Personal) for one in getattr(annotation, "__metadata__", ())):
        raise TypeError(f"{annotation}: Private[…] must be the whole type of a field")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return private_fields(annotation)
    found: dict[str, Fields | None] = {}
    for inner in get_args(annotation):
        found.update(_below(inner))
    return found


def is_personal(wire: str) -> bool:
    """Whether messages of this name carry personal data. An intent that nobody knows any more is taken for one that
    does: better sealed for nothing than not sealed."""
    message = CATALOGUE.get(wire) or _intents().get(wire)
    return message is None or bool(private_fields(message))


def _intents() -> Mapping[str, type[Message]]:
    found: dict[str, type[Message]] = {}
    waiting: list[type[Message]] = [Intent]
    while waiting:
        for one in waiting.pop().__subclasses__():
            found[one.wire] = one
            waiting.append(one)
    return found


def with_private(data: Any, fields: Fields, change: Callable[[str], str]) -> Any:
    """A copy of plain data (a model's dump, or parts of it) in which each private text is changed; the rest is shared.
    Empty texts say nothing and stay."""
    if isinstance(data, list | tuple):
        return [with_private(one, fields, change) for one in data]
    if not isinstance(data, Mapping):
        return data
    made = dict(data)
    for name, below in fields.items():
        value = made.get(name)
        if below is not None and value is not None:
            made[name] = with_private(value, below, change)
        elif below is None and isinstance(value, str) and value:
            made[name] = change(value)
    return made
