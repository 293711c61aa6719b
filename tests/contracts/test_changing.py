"""docs/changing.md names files, names in them, and headings that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEXT = (DOCS / "changing.md").read_text("utf-8")
MADE = ("templates.json", "sms-templates.json")
"""Files that are made, and not in the repository."""


def anchors(text: str) -> set[str]:
    """The headings of a document, as links name them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_file_that_is_named_is_there() -> None:
    named = re.findall(r"`([\w./-]+\.(?:py|yaml|json|md)|[\w-]+/[\w./-]+|\.importlinter)`", TEXT)
    assert len(named) > 20
    assert [
        one for one in named if one not in MADE and not one.startswith(".tuidan/") and not (ROOT / one).exists()
    ] == []


def test_every_name_is_in_the_file_that_it_is_said_to_be_in() -> None:
    pairs = re.findall(r"`(\w[\w.]*)`(?:,| and [^`]{0,40})? in\s+`([\w/]+\.py)`", TEXT)
    assert len(pairs) > 12
    assert [
        (name, file) for name, file in pairs if not re.search(rf"\b{name}\b", (ROOT / file).read_text("utf-8"))
    ] == []


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#([\w-]+))?\)", TEXT)
    assert len(links) > 8
    for page, anchor in links:
        assert (DOCS / page).exists(), page
        assert not anchor or anchor in anchors((DOCS / page).read_text("utf-8")), (page, anchor)


def test_every_command_is_a_target_or_a_test() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"`make (\w+)", TEXT):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for test in re.findall(r"ARGS='([^']+)'", TEXT):
        assert (ROOT / test).exists(), test
