"""What somebody who means no good puts into a field."""

from __future__ import annotations

OPERATORS: list[object] = [{"$gt": ""}, {"$ne": None}, {"$where": "1"}, ["$ne", 1], {"$regex": ".*"}]
"""Words of the database in place of a value."""

TEXTS = [
    "x" * 100_000,
    "$gt",
    "a\x00b",
    "\u202egnp.exe",
    "\u2066hidden\u2069",
    "\ud800",
    "../../etc",
    "'; db.dropDatabase()",
    "𝟙",
    "１",
]
"""Too long, words of a database, control characters, turned directions, half a character, digits that are none."""

NUMBERS: list[object] = [-1, 0, 6, 10**30, -(10**30), 1.5, "5", True, None, "５"]
"""No number of stars, however they are looked at."""
