"""docs/features.md names files, folders and tests that there are, and says of each row how it stands."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    re.split(r" \| ", line.strip("| "))
    for line in (ROOT / "docs/features.md").read_text("utf-8").splitlines()
    if line.startswith("| ")
][1:]
PLACES = ("", "services/", "docs/", "tests/unit/order/", "tests/unit/gateway/")
TESTS = {path.as_posix(): path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py")}
NAMES = {path.name for folder in ("services", "chassis", "tests", "tools") for path in (ROOT / folder).rglob("*.py")}
STATES = ("works", "part", "later")

each = pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])


def is_there(named: str) -> bool:
    """A path from the root or from `services/`; a file's bare name; a test's own name, or how it begins."""
    if named.startswith("test_") and not named.endswith(".py"):
        return any(f"def {named.rstrip('…')}" in text for text in TESTS.values())
    if any((ROOT / place / named).exists() or list(ROOT.glob(f"{place}{named}")) for place in PLACES):
        return True
    return any(fnmatch(name, named) for name in NAMES)


@each
def test_what_a_row_names_is_there(row: list[str]) -> None:
    words = [word for cell in row for word in re.findall(r"`([^`\s]+)`", cell)]
    places = [word for word in words if re.search(r"\.(py|md|yaml|yml)$|^test_|^[a-z]+/", word)]
    assert [word for word in places if not is_there(word)] == []


@each
def test_a_row_has_a_state_and_what_works_is_shown(row: list[str]) -> None:
    assert len(row) == 5
    assert row[4].split(":")[0].split(";")[0] in STATES
    assert row[4] == "later" or row[3] != "–"
