"""Values as MongoDB keeps them, for documents in memory (see `documents`): what comes in is a copy, what goes out is a
copy, and values of all types have one order."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from chassis.store import Unstorable

MISSING: Final[Any] = object()
"""What is found where no field is."""

_INT_MAX = 2**63 - 1
_AS_IT_IS = frozenset({type(None), bool, bytes})
_CONTAINERS: Final[frozenset[type]] = frozenset({dict, list})


def stored(value: Any) -> Any:
    """A copy of `value` as the database would give it back: lists for tuples, UTC times cut to milliseconds. Raises
    Unstorable for what it cannot keep."""
    kind = value.__class__
    if kind is str:
        if not value.isascii():
            value.encode()  # half a surrogate pair cannot be written down: this raises what the driver raises
        return value
    if kind in _AS_IT_IS:
        return value
    if kind is dict:
        made = {}
        for name, inner in value.items():
            if name.__class__ is not str or not name.isascii() or "\0" in name:
                _refuse_name(name)
            # Most values are short text: not worth a call.
            made[name] = inner if inner.__class__ is str and inner.isascii() else stored(inner)
        return made
    if kind is list or kind is tuple:
        return [stored(inner) for inner in value]
    if kind is int:
        if not -_INT_MAX - 1 <= value <= _INT_MAX:
            raise Unstorable(f"{value} has more than 64 bits")
        return value
    if kind is datetime:
        return value if value.tzinfo is UTC and not value.microsecond % 1000 else _time(value)
    return _of_a_kind(value)


def _time(value: datetime) -> datetime:
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    elif value.tzinfo is not UTC:
        try:
            value = value.astimezone(UTC)
        except OverflowError as problem:
            raise Unstorable(f"{value} is no time in UTC") from problem
    rest = value.microsecond % 1000
    return value.replace(microsecond=value.microsecond - rest) if rest else value


def _of_a_kind(value: Any) -> Any:
    """Numbers that are not integers, and what is a plain value by inheritance (an enum, a named tuple)."""
    if isinstance(value, float):
        if math.isnan(value):
            raise NotImplementedError("not a number")
        return float(value)
    plain: Sequence[tuple[type, Callable[[Any], Any]]] = (
        (str, str.__str__),
        (int, int.__index__),
        (datetime, _time),
        (Mapping, lambda mapping: dict(mapping.items())),
        (list, list),
        (tuple, list),
    )
    for kind, plainly in plain:
        if isinstance(value, kind):
            return stored(plainly(value))
    if isinstance(value, re.Pattern):
        raise NotImplementedError("regular expressions")
    raise Unstorable(f"cannot encode {type(value).__name__}")


def _refuse_name(name: Any) -> None:
    """Raise unless `name` can be the name of a field."""
    if not isinstance(name, str):
        raise Unstorable(f"documents must have only string keys, key was {name!r}")
    if "\0" in name:
        raise Unstorable("key names must not contain the NUL character")
    name.encode()


def copied(value: Any) -> Any:
    """A copy of something stored that may be changed."""
    if value.__class__ is dict:
        made = value.copy()
        for name, inner in value.items():
            if inner.__class__ in _CONTAINERS:
                made[name] = copied(inner)
        return made
    if value.__class__ is list:
        return [copied(inner) if inner.__class__ in _CONTAINERS else inner for inner in value]
    return value


_RANKS: Final[Mapping[type, int]] = {
    type(MISSING): 0,
    type(None): 5,
    int: 10,
    float: 10,
    str: 15,
    dict: 20,
    list: 25,
    bytes: 30,
    bool: 40,
    datetime: 45,
}


def ordered(value: Any) -> tuple[Any, ...]:
    """A key that sorts and compares stored values of any type as the database does: by type, then by value. It can be
    kept in a set; equal values have equal keys."""
    kind = value.__class__
    rank = _RANKS[kind]
    if kind is dict:
        return (rank, tuple((_RANKS[inner.__class__], name, ordered(inner)) for name, inner in value.items()))
    if kind is list:
        return (rank, tuple(map(ordered, value)))
    if kind is bytes:
        return (rank, len(value), value)
    return (rank,) if rank <= 5 else (rank, value)
