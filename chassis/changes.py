"""MongoDB's updates for documents in memory (see `documents`). A document is never changed: an update makes a new one
that shares with the old what stayed as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from chassis.filters import index_of, is_operators, pulled, steps_of
from chassis.store import Unstorable
from chassis.values import MISSING, stored

Apply = Callable[[Any], Any]


class Step(NamedTuple):
    """One change of one field. `apply` is given what is there, or MISSING, and returns what shall be there, or MISSING
    when there shall still be nothing. `creates`: whether the way to the field is made where nothing is."""

    order: tuple[tuple[int, Any], ...]
    path: tuple[str, ...]
    apply: Apply
    creates: bool = True
    on_insert: bool = False


def steps(change: Mapping[str, Any]) -> list[Step]:
    """The steps of an update (a stored copy, see `values.stored`) in the order in which the database makes them: by
    field name. Raises Unstorable."""
    if not change:
        raise ValueError("update cannot be empty")
    made: list[Step] = []
    for operator, fields in change.items():
        if operator not in _OPERATORS:
            raise NotImplementedError(f"update {operator}")
        make = _OPERATORS[operator]
        for name, operand in fields.items():
            path = _path(name)
            made.append(
                Step(_order(path), path, make(operand), operator != "$pull", on_insert=operator == "$setOnInsert")
            )
    if len(made) > 1:
        made.sort(key=lambda step: step.order)
        _refuse_conflicts(made)
    return made


def changed(document: dict[str, Any], made: Iterable[Step], *, inserting: bool = False) -> dict[str, Any]:
    """The document after these steps. Raises Unstorable."""
    after = document
    for step in made:
        if inserting or not step.on_insert:
            after = _object(after, step, 0)
    if after.get("_id") != document.get("_id"):
        raise Unstorable("performing an update on the path '_id' would modify the immutable field '_id'")
    return after


def equalities(filter: Mapping[str, Any]) -> dict[str, Any]:
    """What a document begins with that is made because nothing matched `filter`: the fields it wanted to be equal."""
    begun: dict[str, Any] = {}
    made: list[Step] = []
    for path in sorted(filter, key=lambda name: (name != "_id", name)):
        wanted = filter[path]
        if path.startswith("$"):
            raise NotImplementedError(f"upsert with {path}")
        if is_operators(wanted):
            if "$eq" in wanted:
                wanted = wanted["$eq"]
            elif "$in" in wanted and len(wanted["$in"]) == 1:
                wanted = wanted["$in"][0]
            else:
                continue
        way = _path(path)
        made.append(Step((), way, _set(wanted)))
    if any(one is not other and other.path[: len(one.path)] == one.path for one in made for other in made):
        raise NotImplementedError("upsert with a field and one below it")
    for step in made:
        begun = _object(begun, step, 0)
    return begun


def _path(name: str) -> tuple[str, ...]:
    way = steps_of(name)
    if "" in way:
        raise Unstorable(f"the update path {name!r} contains an empty field name")
    return way


def _order(path: Sequence[str]) -> tuple[tuple[int, Any], ...]:
    return tuple((1, name) if (index := index_of(name)) is None else (0, index) for name in path)


def _refuse_conflicts(made: Sequence[Step]) -> None:
    for before, after in pairwise(made):
        if after.path[: len(before.path)] == before.path:
            raise Unstorable(f"updating {'.'.join(after.path)} would create a conflict at {'.'.join(before.path)}")


# ── along a path ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _object(document: dict[str, Any], step: Step, at: int) -> dict[str, Any]:
    name = step.path[at]
    old = document.get(name, MISSING)
    new = _next(old, step, at)
    if new is old:
        return document
    return {**document, name: new}


def _array(items: list[Any], step: Step, at: int) -> list[Any]:
    index = index_of(step.path[at])
    if index is None:
        raise _unviable(items, step, at)
    old = items[index] if index < len(items) else MISSING
    new = _next(old, step, at)
    if new is old:
        return items
    padded = [*items, *[None] * (index + 1 - len(items))]
    padded[index] = new
    return padded


def _next(old: Any, step: Step, at: int) -> Any:
    """What shall be at position `at` of the path, where `old` is."""
    if at == len(step.path) - 1:
        return step.apply(old)
    if old.__class__ is dict:
        return _object(old, step, at + 1)
    if old.__class__ is list:
        return _array(old, step, at + 1)
    if old is MISSING:
        return _object({}, step, at + 1) if step.creates else MISSING
    raise _unviable(old, step, at + 1)


def _unviable(old: Any, step: Step, at: int) -> Unstorable:
    return Unstorable(f"cannot create field {step.path[at]!r} of {'.'.join(step.path)} in {type(old).__name__}")


# ── operators ────────────────────────────────────────────────────────────────────────────────────────────────────────
def _set(value: Any) -> Apply:
    return lambda _: value


def _increase(amount: Any) -> Apply:
    if amount.__class__ not in (int, float):
        raise Unstorable(f"cannot increment with {type(amount).__name__}")

    def apply(old: Any) -> Any:
        if old is MISSING:
            return amount
        if old.__class__ not in (int, float):
            raise Unstorable(f"cannot apply $inc to {type(old).__name__}")
        return stored(old + amount)

    return apply


def _push(value: Any) -> Apply:
    new = [value]
    if value.__class__ is dict and "$each" in value:
        if refused := [name for name in value if name != "$each"]:
            raise NotImplementedError(f"$push with {refused[0]}")
        new = value["$each"]
        if new.__class__ is not list:
            raise Unstorable("the argument to $each in $push must be an array")

    def apply(old: Any) -> Any:
        if old is MISSING:
            return new
        if old.__class__ is not list:
            raise Unstorable(f"cannot push into {type(old).__name__}")
        return [*old, *new] if new else old

    return apply


def _pull(condition: Any) -> Apply:
    goes = pulled(condition)

    def apply(old: Any) -> Any:
        if old is MISSING:
            return MISSING
        if old.__class__ is not list:
            raise Unstorable(f"cannot apply $pull to {type(old).__name__}")
        kept = [one for one in old if not goes(one)]
        return kept if len(kept) < len(old) else old

    return apply


_OPERATORS: Mapping[str, Callable[[Any], Apply]] = {
    "$set": _set,
    "$setOnInsert": _set,
    "$inc": _increase,
    "$push": _push,
    "$pull": _pull,
}
