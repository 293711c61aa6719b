"""MongoDB's expressions for documents in memory (see `documents`): those that the services' pipelines compute with."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from chassis.filters import is_operators, steps_of
from chassis.values import MISSING, ordered, stored

Row = dict[str, Any]
Names = Mapping[str, Any]
"""What `$$name` stands for."""
Expression = Callable[[Row, Names], Any]

_DOUBLE_FROM = 2**63


def expression(wanted: Any) -> Expression:
    """The function that computes an expression from a row; MISSING when there is nothing."""
    if isinstance(wanted, str) and wanted.startswith("$"):
        return _field(wanted)
    if isinstance(wanted, Mapping):
        if not is_operators(wanted):
            return _object({name: expression(inner) for name, inner in wanted.items()})
        ((name, operand),) = wanted.items()
        if name not in _EXPRESSIONS:
            raise NotImplementedError(f"expression {name}")
        return _EXPRESSIONS[name](operand)
    if isinstance(wanted, list | tuple):
        items = [expression(inner) for inner in wanted]
        return lambda row, names: [_or_null(item(row, names)) for item in items]
    value = stored(wanted)
    return lambda row, names: value


def _field(path: str) -> Expression:
    if path.startswith("$$"):
        name, *steps = path[2:].split(".")
        if name != "this":
            raise NotImplementedError(f"$${name}")
        return lambda row, names: _fetched(names["this"], steps)
    steps = list(steps_of(path[1:]))
    return lambda row, names: _fetched(row, steps)


def _fetched(value: Any, steps: Sequence[str]) -> Any:
    """The value under a path; of an array's elements on the way, those of the objects that have it."""
    for position, step in enumerate(steps):
        if value.__class__ is list:
            found = (_fetched(item, steps[position:]) for item in value if item.__class__ is dict)
            return [one for one in found if one is not MISSING]
        if value.__class__ is not dict:
            return MISSING
        value = value.get(step, MISSING)
    return value


def _object(fields: Mapping[str, Expression]) -> Expression:
    def make(row: Row, names: Names) -> Any:
        values = ((name, inner(row, names)) for name, inner in fields.items())
        return {name: value for name, value in values if value is not MISSING}

    return make


def _or_null(value: Any) -> Any:
    return None if value is MISSING else value


def total(values: Iterable[Any]) -> Any:
    """The sum of those that are numbers."""
    numbers = [value for value in values if value.__class__ is int or value.__class__ is float]
    added = sum(numbers) if all(number.__class__ is int for number in numbers) else math.fsum(numbers)
    return added if -_DOUBLE_FROM <= added < _DOUBLE_FROM else float(added)


def _sum(operand: Any) -> Expression:
    if isinstance(operand, list | tuple):
        raise NotImplementedError("$sum of several expressions")
    inner = expression(operand)

    def add(row: Row, names: Names) -> Any:
        value = inner(row, names)
        return total(value if value.__class__ is list else [value])

    return add


def _if_null(choices: Sequence[Any]) -> Expression:
    compiled = [expression(choice) for choice in choices]

    def choose(row: Row, names: Names) -> Any:
        value: Any = MISSING
        for choice in compiled:
            value = choice(row, names)
            if value is not MISSING and value is not None:
                return value
        return value

    return choose


def _array(row: Row, names: Names, inner: Expression, what: str) -> list[Any] | None:
    """The array that an operator needs, or None where there is null or nothing."""
    value = inner(row, names)
    if value is MISSING or value is None:
        return None
    if not isinstance(value, list):
        raise NotImplementedError(f"{what} of {type(value).__name__}")
    return value


def _first(operand: Any) -> Expression:
    if not isinstance(operand, str | Mapping):
        raise NotImplementedError(f"$first of the {type(operand).__name__} itself")
    inner = expression(operand)

    def first(row: Row, names: Names) -> Any:
        items = _array(row, names, inner, "$first")
        return None if items is None else items[0] if items else MISSING

    return first


def _map(options: Mapping[str, Any]) -> Expression:
    if options.keys() != {"input", "in"}:
        raise NotImplementedError(f"$map with {sorted(options)}")
    inner, each = expression(options["input"]), expression(options["in"])

    def mapped(row: Row, names: Names) -> Any:
        items = _array(row, names, inner, "$map")
        return None if items is None else [_or_null(each(row, {**names, "this": item})) for item in items]

    return mapped


def _filter(options: Mapping[str, Any]) -> Expression:
    if options.keys() != {"input", "cond"}:
        raise NotImplementedError(f"$filter with {sorted(options)}")
    inner, stays = expression(options["input"]), expression(options["cond"])

    def filtered(row: Row, names: Names) -> Any:
        items = _array(row, names, inner, "$filter")
        return None if items is None else [item for item in items if _true(stays(row, {**names, "this": item}))]

    return filtered


def _true(value: Any) -> bool:
    """Whether a condition holds: everything does but nothing, null, false and zero."""
    return value is not MISSING and value is not None and not (value.__class__ in (bool, int, float) and not value)


def _in(operands: Sequence[Any]) -> Expression:
    wanted, among = map(expression, operands)

    def inside(row: Row, names: Names) -> Any:
        items = _array(row, names, among, "$in")
        if items is None:
            raise NotImplementedError("$in of nothing")
        key = ordered(wanted(row, names))
        return any(ordered(item) == key for item in items)

    return inside


def _compared(compare: Callable[[Any, Any], bool]) -> Callable[[Sequence[Any]], Expression]:
    """Values of all types have their order, nothing before null."""

    def make(operands: Sequence[Any]) -> Expression:
        left, right = map(expression, operands)
        return lambda row, names: compare(ordered(left(row, names)), ordered(right(row, names)))

    return make


_EXPRESSIONS: Mapping[str, Callable[[Any], Expression]] = {
    "$sum": _sum,
    "$ifNull": _if_null,
    "$first": _first,
    "$map": _map,
    "$filter": _filter,
    "$in": _in,
    "$eq": _compared(operator.eq),
    "$ne": _compared(operator.ne),
    "$gt": _compared(operator.gt),
    "$gte": _compared(operator.ge),
    "$lt": _compared(operator.lt),
    "$lte": _compared(operator.le),
}
