"""MongoDB's aggregation for documents in memory (see `documents`): the stages that the services use.

Stages make new rows and never change those they are given, so rows share parts with what is stored; whoever hands
them out makes copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from chassis.expressions import Expression, Row, expression, total
from chassis.filters import is_operators, matching, steps_of
from chassis.values import MISSING, ordered

LookUp = Callable[[str, Mapping[str, Any]], Iterable[Row]]
"""(name of a collection, filter) → the stored documents that match."""

Accumulator = Callable[[Sequence[Any]], Any]


def results(rows: Iterable[Row], pipeline: Iterable[Mapping[str, Any]], look_up: LookUp) -> Iterable[Row]:
    """What comes out of a pipeline that `rows` go into."""
    for stage in pipeline:
        ((name, wanted),) = stage.items()
        if name == "$lookup":
            rows = _looked_up(rows, wanted, look_up)
        elif name in _STAGES:
            rows = _STAGES[name](rows, wanted)
        else:
            raise NotImplementedError(f"stage {name}")
    return rows


def sorted_by(rows: Iterable[Row], keys: Iterable[tuple[str, int]]) -> list[Row]:
    """Rows sorted by several fields (1 up, -1 down); what is equal stays as it was. An array has no place of its
    own."""
    found = list(rows)
    for path, direction in reversed(list(keys)):
        steps = steps_of(path)

        def key(row: Row, steps: Sequence[str] = steps, path: str = path) -> tuple[Any, ...]:
            value = _at(row, steps)
            if value.__class__ is list:
                raise NotImplementedError(f"sort by the array {path}")
            return ordered(None if value is MISSING else value)

        found.sort(key=key, reverse=direction < 0)
    return found


def _at(row: Any, steps: Sequence[str]) -> Any:
    """The value under a path through objects; the array where one is met on the way."""
    for step in steps:
        if row.__class__ is not dict:
            return row if row.__class__ is list else MISSING
        row = row.get(step, MISSING)
    return row


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _match(rows: Iterable[Row], filter: Mapping[str, Any]) -> Iterator[Row]:
    match = matching(filter)
    return (row for row in rows if match(row))


def _set(rows: Iterable[Row], fields: Mapping[str, Any]) -> Iterator[Row]:
    compiled = {_plain(name): _computed(wanted) for name, wanted in fields.items()}
    for row in rows:
        made = dict(row)
        for name, compute in compiled.items():
            _put(made, name, compute(row, {}))
        yield made


def _put(row: Row, name: str, value: Any) -> None:
    if value is MISSING:
        row.pop(name, None)
    else:
        row[name] = value


def _plain(name: str) -> str:
    if "." in name or name.startswith("$"):
        raise NotImplementedError(f"a computed field named {name}")
    return name


def _computed(wanted: Any) -> Expression:
    if isinstance(wanted, Mapping) and not is_operators(wanted):
        raise NotImplementedError("a computed field that is an object of fields")
    return expression(wanted)


def _project(rows: Iterable[Row], fields: Mapping[str, Any]) -> Iterator[Row]:
    with_id = fields.get("_id", True)
    if with_id.__class__ not in (bool, int):
        raise NotImplementedError("$project of a computed _id")
    kept = {"_id"} if with_id else set()
    compiled: dict[str, Expression] = {}
    for name, wanted in fields.items():
        if name == "_id":
            continue
        if wanted.__class__ not in (bool, int, float):
            compiled[_plain(name)] = _computed(wanted)
        elif wanted:
            kept.add(_plain(name))
        else:
            raise NotImplementedError(f"$project without {name}")
    if not kept and not compiled:
        raise NotImplementedError("$project without _id only")
    for row in rows:
        made = {name: value for name, value in row.items() if name in kept}
        for name, compute in compiled.items():
            _put(made, name, compute(row, {}))
        yield made


def _group(rows: Iterable[Row], fields: Mapping[str, Any]) -> Iterator[Row]:
    key = _key(fields["_id"])
    wishes: dict[str, tuple[Accumulator, Expression]] = {}
    for name, wanted in fields.items():
        if name != "_id":
            ((accumulator, operand),) = wanted.items()
            if accumulator not in _ACCUMULATORS:
                raise NotImplementedError(f"accumulator {accumulator}")
            wishes[_plain(name)] = (_ACCUMULATORS[accumulator], expression(operand))
    groups: dict[Any, tuple[Any, list[list[Any]]]] = {}
    for row in rows:
        id = key(row, {})
        id = None if id is MISSING else id
        _, columns = groups.setdefault(ordered(id), (id, [[] for _ in wishes]))
        for column, (_, operand) in zip(columns, wishes.values(), strict=True):
            column.append(operand(row, {}))
    for id, columns in groups.values():
        made = {name: put(column) for (name, (put, _)), column in zip(wishes.items(), columns, strict=True)}
        yield {"_id": id, **made}


def _first(column: Sequence[Any]) -> Any:
    return None if column[0] is MISSING else column[0]


_ACCUMULATORS: Mapping[str, Accumulator] = {"$sum": total, "$first": _first}


def _key(wanted: Any) -> Expression:
    if isinstance(wanted, Mapping) and any(inner.__class__ in (bool, int, float) for inner in wanted.values()):
        raise NotImplementedError("$group by a number of its own, which the database takes for a choice of fields")
    return expression(wanted)


def _unwind(rows: Iterable[Row], wanted: str | Mapping[str, Any]) -> Iterator[Row]:
    options = {"path": wanted} if isinstance(wanted, str) else dict(wanted)
    steps = steps_of(options.pop("path").removeprefix("$"))
    keeps = options.pop("preserveNullAndEmptyArrays", False)
    if options:
        raise NotImplementedError(f"$unwind with {next(iter(options))}")
    for row in rows:
        value: Any = row
        for step in steps:
            value = value.get(step, MISSING) if value.__class__ is dict else MISSING
        if value.__class__ is list and value:
            for element in value:
                yield _with(row, steps, element)
        elif value.__class__ is list:
            if keeps:
                yield _with(row, steps, MISSING)
        elif keeps or (value is not None and value is not MISSING):
            yield row


def _with(row: Row, steps: Sequence[str], value: Any) -> Row:
    name, *rest = steps
    made = dict(row)
    _put(made, name, _with(row[name], rest, value) if rest else value)
    return made


def _looked_up(rows: Iterable[Row], wanted: Mapping[str, Any], look_up: LookUp) -> Iterator[Row]:
    options = dict(wanted)
    collection, foreign = options.pop("from"), options.pop("foreignField")
    steps, name = steps_of(options.pop("localField")), _plain(options.pop("as"))
    if options:
        raise NotImplementedError(f"$lookup with {next(iter(options))}")
    for row in rows:
        value = _at(row, steps)
        if value.__class__ in (list, dict):
            raise NotImplementedError(f"$lookup by the {value.__class__.__name__} {'.'.join(steps)}")
        found = list(look_up(collection, {foreign: None if value is MISSING else value}))
        yield {**row, name: found}


def _limit(rows: Iterable[Row], most: int) -> Iterator[Row]:
    return islice(rows, most)


def _count(rows: Iterable[Row], name: str) -> Iterator[Row]:
    if number := sum(1 for _ in rows):
        yield {_plain(name): number}


def _sort(rows: Iterable[Row], keys: Mapping[str, int]) -> Iterator[Row]:
    return iter(sorted_by(rows, keys.items()))


_STAGES: Mapping[str, Callable[[Iterable[Row], Any], Iterable[Row]]] = {
    "$match": _match,
    "$set": _set,
    "$project": _project,
    "$group": _group,
    "$unwind": _unwind,
    "$limit": _limit,
    "$count": _count,
    "$sort": _sort,
}
