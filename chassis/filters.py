"""Filters as MongoDB understands them, for documents in memory (see `documents`).

A filter becomes a function that says whether a document matches. An operator that no service uses is refused with
NotImplementedError, so that nothing in memory quietly means something else than in the database.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from chassis.values import MISSING, ordered, stored

Test = Callable[[Any], bool]
Match = Callable[[dict[str, Any]], bool]


# ── paths ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@lru_cache(maxsize=4096)
def steps_of(path: str) -> tuple[str, ...]:
    """The field names of a dotted path."""
    steps = tuple(path.split("."))
    if any(step.startswith("$") for step in steps):
        raise NotImplementedError(f"path {path}")
    return steps


def index_of(step: str) -> int | None:
    """The position in an array that a step of a path means, if it can mean one."""
    return int(step) if step.isdecimal() and step.isascii() and (step == "0" or step[0] != "0") else None


def reach(value: Any, steps: Sequence[str], at: int = 0, *, inside: bool = True) -> Iterator[Any]:
    """Everything a filter looks at under a path, MISSING included: arrays are gone through on the way, and at the end,
    where each element and (last) the array itself is looked at. `inside=False`: at the end only the array itself."""
    last = len(steps) - 1
    while True:
        value = value.get(steps[at], MISSING)
        if value.__class__ is list:
            if at < last:
                yield from _through(value, steps, at + 1, inside)
                return
            if inside:
                yield from value
        if at == last:
            yield value
            return
        if value.__class__ is not dict:
            yield MISSING
            return
        at += 1


def _through(items: Sequence[Any], steps: Sequence[str], at: int, inside: bool) -> Iterator[Any]:
    """Each element that is an object, and the element that the next step counts to."""
    index = index_of(steps[at])
    for position, item in enumerate(items):
        if item.__class__ is dict:
            yield from reach(item, steps, at, inside=inside)
        if position == index:
            if at == len(steps) - 1:
                yield item
            elif item.__class__ is dict:
                yield from reach(item, steps, at + 1, inside=inside)
            elif item.__class__ is list:
                yield from _through(item, steps, at + 1, inside)


# ── conditions on one value ──────────────────────────────────────────────────────────────────────────────────────────
def _equal(wanted: Any) -> Test:
    wanted = stored(wanted)
    kind = wanted.__class__
    if wanted is None:
        return lambda value: value is None or value is MISSING
    if kind is bool:
        return lambda value: value is wanted
    if kind is int or kind is float:
        return lambda value: bool(value == wanted) and value.__class__ is not bool
    if kind is dict or kind is list:
        key = ordered(wanted)
        return lambda value: value.__class__ is kind and ordered(value) == key
    return lambda value: bool(value == wanted)


def _in(wanted: Any) -> Test:
    if not isinstance(wanted, list | tuple | set | frozenset):
        raise NotImplementedError(f"$in {type(wanted).__name__}")
    texts = frozenset(one for one in wanted if one.__class__ is str)
    others = [_equal(one) for one in wanted if one.__class__ is not str]
    return lambda value: (value.__class__ is str and value in texts) or any(equal(value) for equal in others)


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "$gt": lambda left, right: left > right,
    "$gte": lambda left, right: left >= right,
    "$lt": lambda left, right: left < right,
    "$lte": lambda left, right: left <= right,
}


def _compared(operator: str) -> Callable[[Any], Test]:
    """Only values of the same type are greater or less than each other."""
    compare = _COMPARE[operator]

    def against(wanted: Any) -> Test:
        wanted = stored(wanted)
        kind = wanted.__class__
        if kind is str or kind is datetime:
            return lambda value: value.__class__ is kind and compare(value, wanted)
        if kind is int or kind is float:
            return lambda value: value.__class__ in (int, float) and compare(value, wanted)
        if wanted is None:
            return _equal(None) if operator in ("$gte", "$lte") else lambda value: False
        key = ordered(wanted)
        return lambda value: value.__class__ is kind and compare(ordered(value), key)

    return against


_TYPES: Mapping[str, Collection[type]] = {
    "date": (datetime,),
    "string": (str,),
    "object": (dict,),
    "array": (list,),
    "bool": (bool,),
    "null": (type(None),),
    "number": (int, float),
}


def _typed(wanted: Any) -> Test:
    if not isinstance(wanted, str) or wanted not in _TYPES:
        raise NotImplementedError(f"$type {wanted}")
    kinds = _TYPES[wanted]
    return lambda value: value.__class__ in kinds


_TESTS: Mapping[str, Callable[[Any], Test]] = {
    "$eq": _equal,
    "$in": _in,
    "$type": _typed,
    **{operator: _compared(operator) for operator in _COMPARE},
}
_NEGATED: Mapping[str, Callable[[Any], Test]] = {"$ne": _equal, "$nin": _in}


# ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def is_operators(wanted: Any) -> bool:
    """Whether a condition is written with operators; else it is a value to be equal to."""
    return isinstance(wanted, Mapping) and next(iter(wanted), "").startswith("$")


def matching(filter: Mapping[str, Any]) -> Match:
    """The function that says whether a document matches `filter`."""
    parts = [part for name, wanted in filter.items() for part in _parts(name, wanted)]
    if len(parts) == 1:
        return parts[0]
    return lambda document: all(part(document) for part in parts)


def _parts(name: str, wanted: Any) -> Iterator[Match]:
    if name in ("$or", "$and"):
        choices = [matching(choice) for choice in wanted]
        enough = any if name == "$or" else all
        yield lambda document: enough(choice(document) for choice in choices)
    elif name.startswith("$"):
        raise NotImplementedError(name)
    elif not is_operators(wanted):
        yield _somewhere(name, _equal(wanted))
    else:
        for operator, operand in wanted.items():
            yield _operator(name, operator, operand)


def _operator(path: str, operator: str, operand: Any) -> Match:
    if operator in _TESTS:
        return _somewhere(path, _TESTS[operator](operand))
    if operator in _NEGATED:
        return _not(_somewhere(path, _NEGATED[operator](operand)))
    if operator == "$exists":
        there = _somewhere(path, lambda value: value is not MISSING)
        return there if operand else _not(there)
    if operator == "$elemMatch":
        on_values = is_operators(operand) and not {"$or", "$and"} & set(operand)
        return _value_element(path, operand) if on_values else _element(path, matching(operand))
    raise NotImplementedError(operator)


def _element(path: str, match: Match) -> Match:
    """Whether some element of an array under `path` is an object that matches; an array counts as an object too."""
    steps = steps_of(path)

    def fits(element: Any) -> bool:
        if element.__class__ is list:
            element = {str(position): inner for position, inner in enumerate(element)}
        return element.__class__ is dict and match(element)

    return lambda document: any(
        value.__class__ is list and any(map(fits, value)) for value in reach(document, steps, inside=False)
    )


def _value_element(path: str, conditions: Mapping[str, Any]) -> Match:
    """Whether one element of an array under `path` passes all these tests; an array inside it is not gone through."""
    steps = steps_of(path)
    if refused := [operator for operator in conditions if operator not in _TESTS]:
        raise NotImplementedError(f"$elemMatch with {refused[0]}")
    tests = [_TESTS[operator](operand) for operator, operand in conditions.items()]

    def fits(element: Any) -> bool:
        return all(test(element) for test in tests)

    return lambda document: any(
        value.__class__ is list and any(map(fits, value)) for value in reach(document, steps, inside=False)
    )


def pulled(condition: Any) -> Test:
    """Whether `$pull` takes an element out: operators look at the element, fields into it; else it must be equal."""
    if not isinstance(condition, Mapping):
        key = ordered(stored(condition))
        return lambda value: ordered(value) == key
    if is_operators(condition):
        alone = [_operator("", operator, operand) for operator, operand in condition.items()]
        return lambda value: all(part({"": value}) for part in alone)
    match = matching(condition)
    return lambda value: value.__class__ is dict and match(value)


def _not(match: Match) -> Match:
    return lambda document: not match(document)


def _somewhere(path: str, test: Test) -> Match:
    """Whether anything under `path` passes the test."""
    steps = steps_of(path)

    def match(document: dict[str, Any]) -> bool:
        value: Any = document
        for step in steps:
            if value.__class__ is not dict:
                break
            value = value.get(step, MISSING)
        else:
            if value.__class__ is not list:  # mostly there is no array on the way, and nothing to go through
                return test(value)
        return any(map(test, reach(document, steps)))

    return match
