"""May this message change? Two directions (zalando.github.io/restful-api-guidelines/#107): an *event's* reader may be
old, so everything the new writer sends must fit the old schema; a *command's* writer may be old, so everything it sends
must fit the new schema. Both are one question, "does all that fits A fit B?", asked with A and B exchanged. A change
that breaks is a new wire name beside the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

# Smallest and largest allowed: B must not be tighter than A.
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")
_DEPTH_MAX = 32
# Asked by B: A must ask exactly the same.
_SAME = ("type", "format", "pattern", "prefixItems", "uniqueItems", "multipleOf")
_FIXED = ("x-kind", "x-topic", "x-key")


def breaks(old: Schema, new: Schema) -> list[str]:
    """Why partners of the old schema could not live with the new one; empty when they can."""
    fixed = [
        f"{word[2:]} changed from {old.get(word)!r} to {new.get(word)!r}" for word in _FIXED if _differs(old, new, word)
    ]
    if old.get("x-kind") == "command":
        unknown = sorted(set(new.get("x-answers", [])) - set(old.get("x-answers", [])))
        answers = [f"may be answered by {wire}, which old writers do not expect" for wire in unknown]
        found = _Fit(old, new, "an old writer may still send").unfit(old, new, "", 0)
    else:
        answers = []
        found = _Fit(new, old, "an old reader does not accept").unfit(new, old, "", 0)
    return [*fixed, *answers, *found, *_removed(old, new)]


def _differs(old: Schema, new: Schema, word: str) -> bool:
    return bool(old.get(word) != new.get(word))


def _removed(old: Schema, new: Schema) -> Iterator[str]:
    """Fields, at any depth, that are gone: optional ones too, since the other side may rely on them."""
    yield from _gone(_Resolved(old), _Resolved(new), old, new, "", 0)


@dataclass(frozen=True)
class _Resolved:
    """A schema document whose `$ref`s can be followed."""

    root: Schema

    def follow(self, schema: Schema) -> Schema:
        for _ in range(_DEPTH_MAX):
            if "$ref" not in schema:
                return schema
            found: Any = self.root
            for part in str(schema["$ref"]).removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        raise ValueError("a $ref that never ends")

    def branches(self, schema: Schema) -> list[Schema]:
        """The alternatives of a union, flattened; one for anything else."""
        schema = self.follow(schema)
        if len(schema.get("allOf", ())) == 1:
            schema = self.follow(schema["allOf"][0])
        unions = schema.get("anyOf") or schema.get("oneOf")
        if not unions:
            return [schema]
        return [branch for union in unions for branch in self.branches(union)]


def _gone(old: _Resolved, new: _Resolved, a: Schema, b: Schema, path: str, depth: int) -> Iterator[str]:
    if depth > _DEPTH_MAX:
        return
    for before in old.branches(a):
        after = [branch for branch in new.branches(b) if branch.get("type") == before.get("type")]
        if not after:
            continue
        for name, field in before.get("properties", {}).items():
            kept = [branch["properties"][name] for branch in after if name in branch.get("properties", {})]
            if not kept:
                yield f"{_at(path, name)}: the field was removed"
            else:
                yield from _gone(old, new, field, kept[0], _at(path, name), depth + 1)
        if "items" in before and "items" in after[0]:
            yield from _gone(old, new, before["items"], after[0]["items"], f"{path}[]", depth + 1)


def _at(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


class _Fit:
    """Does everything that fits `a` fit `b`? `cannot` is the phrase that names who is in trouble."""

    def __init__(self, a: Schema, b: Schema, cannot: str) -> None:
        self.a, self.b, self.cannot = _Resolved(a), _Resolved(b), cannot

    def unfit(self, a: Schema, b: Schema, path: str, depth: int) -> list[str]:
        """Sentences on what fits `a` and not `b`."""
        if depth > _DEPTH_MAX:
            return []
        ours, theirs = self.a.branches(a), self.b.branches(b)
        if len(ours) == len(theirs) == 1:
            return list(self._branch(ours[0], theirs[0], path, depth))
        found: list[str] = []
        for branch in ours:
            tries = [list(self._branch(branch, other, path, depth)) for other in theirs]
            if all(tries):
                found += sorted(tries, key=len)[0]  # the alternative that comes closest
        return found

    def _branch(self, a: Schema, b: Schema, path: str, depth: int) -> Iterator[str]:
        where = path or "the body"
        for word in _SAME:
            if word in b and a.get(word) != b[word]:
                if word == "type" and (a.get(word), b[word]) == ("integer", "number"):
                    continue
                yield f"{where}: {self.cannot} {word} {a.get(word, 'any')!r} where {b[word]!r} is asked"
                return
        yield from self._values(a, b, where)
        yield from self._bounds(a, b, where)
        for name in b.get("required", ()):
            if name not in a.get("required", ()):
                yield f"{_at(path, name)}: required on one side only; {self.cannot} a message without it"
        if b.get("additionalProperties") is False:
            for name in sorted(set(a.get("properties", {})) - set(b.get("properties", {}))):
                yield f"{_at(path, name)}: {self.cannot} a field it does not know"
        for name, field in b.get("properties", {}).items():
            if name in a.get("properties", {}):
                yield from self.unfit(a["properties"][name], field, _at(path, name), depth + 1)
        for word in ("items", "additionalProperties"):
            if isinstance(a.get(word), Mapping) and isinstance(b.get(word), Mapping):
                yield from self.unfit(a[word], b[word], f"{path}[]", depth + 1)

    def _values(self, a: Schema, b: Schema, where: str) -> Iterator[str]:
        ours, theirs = _allowed(a), _allowed(b)
        if theirs is None:
            return
        if ours is None:
            yield f"{where}: {self.cannot} any value, where only {theirs} are known"
            return
        for value in ours:
            if value not in theirs:
                yield f"{where}: {self.cannot} the value {value!r}"

    def _bounds(self, a: Schema, b: Schema, where: str) -> Iterator[str]:
        for word in _LOWER:
            if word in b and a.get(word, float("-inf")) < b[word]:
                yield f"{where}: {self.cannot} less than {word} {b[word]}"
        for word in _UPPER:
            if word in b and a.get(word, float("inf")) > b[word]:
                yield f"{where}: {self.cannot} more than {word} {b[word]}"


def _allowed(schema: Schema) -> list[Any] | None:
    """The closed list of values, or None when the list is open."""
    if "const" in schema:
        return [schema["const"]]
    return list(schema["enum"]) if "enum" in schema else None
