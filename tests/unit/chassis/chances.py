"""Documents, filters, updates and pipelines drawn by chance from the operators in use, so small that they often
meet."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from chassis.projection import Update
from tests.unit.chassis.jars import T0, seconds

_SCALARS = [None, True, False, 0, 1, 2, -3, 1.0, 0.5, 2**40, "", "x", "y", "1", "é", T0, T0 + seconds(1)]
_PATHS = ["a", "a", "b", "c", "n", "a.b", "a.0", "a.1", "a.b.c", "a.0.b", "a.b.0", "a.a", "l.id", "l.b", "l.0", "l.0.b"]
_INSIDE = ("a", "b", "c", "id", "0", "b.c")
_TYPES = ("date", "string", "object", "array", "bool", "null", "number")
_CONDITIONS = ["=", "=", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$ne", "$exists", "$type", "$elemMatch"]
_CHANGES = ["$set", "$set", "$setOnInsert", "$inc", "$push", "$push", "$pull", "$pull"]
_FIELDS = [
    "$_id",
    "$a",
    "$b",
    "$c",
    "$n",
    "$l",
    "$a.b",
    "$a.a",
    "$a.b.c",
    "$l.id",
    "$l.b",
    "$l.b.a",
    "$x",
    "$x.b",
    "$a.0",
]
_COMPUTED = ["$sum", "$ifNull", "$ifNull", "$first", "$map", "$filter", "$in", "$gt", "$eq", "$lte", "$ne"]
_STAGES = ["$match", "$set", "$project", "$group", "$unwind", "$unwind", "$lookup"]


class Chance:
    """Draws with one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.one = chance.choice

    def some(self, draw: Callable[[], Any], most: int = 3) -> list[Any]:
        return [draw() for _ in range(self.chance.randrange(most + 1))]

    # ── documents ────────────────────────────────────────────────────────────────────────────────────────────────
    def scalar(self) -> Any:
        return self.one(_SCALARS)

    def value(self, depth: int = 2) -> Any:
        kind = self.chance.random()
        if depth == 0 or kind < 0.55:
            return self.scalar()
        if kind < 0.8:
            return self.some(lambda: self.value(depth - 1))
        names = self.chance.sample(["a", "b", "c", "0"], self.chance.randrange(4))
        return {name: self.value(depth - 1) for name in names}

    def document(self, id: str) -> dict[str, Any]:
        """`n` is a number and `l` a list of objects; the rest is anything."""
        special: dict[str, Callable[[], Any]] = {
            "n": lambda: self.one([0, 1, 2, 5, 1.5]),
            "l": lambda: self.some(lambda: {"id": self.scalar(), "b": self.value(1)}),
        }
        names = self.chance.sample(["a", "b", "c", "n", "l"], self.chance.randrange(1, 5))
        return {"_id": id, **{name: special[name]() if name in special else self.value(3) for name in names}}

    # ── filters ──────────────────────────────────────────────────────────────────────────────────────────────────
    def filter(self, paths: Sequence[str] = _PATHS) -> dict[str, Any]:
        if self.chance.random() < 0.15:
            return {self.one(["$or", "$and"]): [self.filter(paths), *self.some(lambda: self.filter(paths), 1)]}
        return {self.one(paths): self.condition() for _ in range(self.one([1, 1, 2]))}

    def condition(self) -> Any:
        operator = self.one(_CONDITIONS)
        if operator == "=":
            return self.value()
        wanted = {operator: self.operand(operator)}
        if self.chance.random() < 0.2:
            operator = self.one(["$gt", "$lt", "$ne"])
            wanted[operator] = self.operand(operator)
        return wanted

    def operand(self, operator: str) -> Any:
        if operator in ("$in", "$nin"):
            return self.some(lambda: self.value(1))
        if operator == "$exists":
            return self.one([True, False])
        if operator == "$type":
            return self.one(_TYPES)
        return self.filter(_INSIDE) if operator == "$elemMatch" else self.value()

    def fields(self) -> list[str] | None:
        """Some fields, none of them below another."""
        chosen: list[str] = []
        for path in self.some(lambda: self.one(_PATHS)):
            if not any(f"{path}.".startswith(f"{one}.") or f"{one}.".startswith(f"{path}.") for one in chosen):
                chosen.append(path)
        return chosen or None

    # ── updates ──────────────────────────────────────────────────────────────────────────────────────────────────
    def update(self, id: str) -> Update:
        more = self.filter() if self.chance.random() < 0.3 else {}
        wanted = {"_id": id, **{name: inner for name, inner in more.items() if not name.startswith("$")}}
        change: dict[str, dict[str, Any]] = {}
        for operator in (self.one(_CHANGES) for _ in range(self.one([1, 1, 2, 3]))):
            path = self.one([self.one(_PATHS), "b", "l", "n", "z.y"])
            change.setdefault(operator, {})[path] = self.changing(operator)
        # The database takes no two fields of which one is below the other, and says so in a way that is no answer.
        makes = not any(f"{one}.".startswith(f"{other}.") for one in wanted for other in wanted if one != other)
        return Update(wanted, change, upsert=makes and self.chance.random() < 0.5)

    def changing(self, operator: str) -> Any:
        if operator == "$inc":
            return self.one([1, 1, -2, 0.5, 2**62, "x", None])
        if operator == "$push":
            return self.one([self.value(1), {"$each": self.some(lambda: self.value(1), 2)}])
        if operator != "$pull":
            return self.value()
        return self.one(
            [
                self.value(1),
                {"id": self.scalar()},
                {"id": {"$in": [self.scalar(), self.scalar()]}},
                {"$in": [self.value(1), self.value(1)]},
                {"$gt": self.scalar()},
                {"$ne": self.scalar()},
            ]
        )

    # ── pipelines ────────────────────────────────────────────────────────────────────────────────────────────────
    def pipeline(self) -> list[dict[str, Any]]:
        return [self.stage(self.one(_STAGES)) for _ in range(self.one([1, 1, 2, 3]))]

    def stage(self, name: str) -> dict[str, Any]:
        if name == "$match":
            return {name: self.filter()}
        if name == "$set":
            return {name: {self.one(["x", "a", "y"]): self.computed(3)}}
        if name == "$project":
            kept = dict.fromkeys(self.chance.sample(["a", "b", "n", "l"], 2), 1)
            return {name: {**kept, "x": self.computed(3, plain=False), **self.one([{}, {"_id": 0}])}}
        if name == "$group":
            sums = {"count": {"$sum": 1}, "n": {"$sum": "$n"}, "x": {"$sum": self.computed()}}
            key = self.one(
                [self.one(_FIELDS), self.computed(), {"k": self.one(_FIELDS), "o": self.computed(plain=False)}]
            )
            return {name: {"_id": key, **sums}}
        if name == "$unwind":
            path = self.one(["$a", "$l", "$a.b", "$l.b", "$x"])
            return {name: self.one([path, {"path": path, "preserveNullAndEmptyArrays": True}])}
        local, foreign = self.one(["a", "n", "a.b", "c"]), self.one(["_id", "k"])
        return {name: {"from": "others", "localField": local, "foreignField": foreign, "as": "x"}}

    def computed(self, depth: int = 2, *, this: bool = False, plain: bool = True) -> Any:
        """An expression; inside `$map` and `$filter` (`this`) it may look at the element. `plain`: may be a value."""
        if depth == 0 or self.chance.random() < 0.35:
            values = [None, 0, 1, 2.5, True, "x", T0] if plain else []
            own = ["$$this", "$$this.id", "$$this.b", "$$this.b.a"] if this else []
            return self.one([*_FIELDS, *values, *own])
        operator = self.one(_COMPUTED)
        if operator == "$first":
            return {operator: self.one(_FIELDS)}
        if operator in ("$map", "$filter"):
            array = self.one(["$l", "$l", "$l.id", "$l.b", {"$ifNull": ["$l", []]}])
            inside = self.computed(depth - 1, this=True)
            return {operator: {"input": array, "in" if operator == "$map" else "cond": inside}}
        first, second = (self.computed(depth - 1, this=this) for _ in range(2))
        if operator == "$in":
            return {operator: [first, [self.scalar() for _ in range(3)]]}
        return {operator: first if operator == "$sum" else [first, second]}
