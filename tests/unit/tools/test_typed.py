"""Whatever the documents tell somebody to type is there: commands of `tuidan` with their options, targets of `make`,
variables of the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from tools.cli import app

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted(
    path
    for pattern in (
        "*.md",
        "docs/*.md",
        "docs/decisions/*.md",
        "*/README.md",
        "tests/*/README.md",
        "deploy/*.env",
        "deploy/env.example",
    )
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"
)
TOP = typer.main.get_command(app)
OF_TESTS = {"TUIDAN_WORLDS", "TUIDAN_WORLDS_MINUTES", "TUIDAN_SEED"}
OF_TOOLS = {"TUIDAN_HOME"}

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def typed(text: str) -> Iterator[str]:
    """Every line of a block of shell, and what stands between backticks, without comments; parts of a pipe apart."""
    blocks = [block for language, block in FENCE.findall(text) if language in ("", "sh", "bash")]
    paragraphs = re.split(r"\n\s*\n|\n(?=\||- |#)", FENCE.sub("", text))
    spans = [" ".join(span.split()) for one in paragraphs for span in re.findall(r"`([^`]+)`", one)]
    for line in [*(line for block in blocks for line in block.splitlines()), *spans]:
        yield from re.split(r"\s#\s|\||&&|;", line)


def commands(text: str) -> Iterator[list[str]]:
    """The words behind `tuidan`, or behind the container that runs it."""
    for line in typed(text):
        found = re.match(r"\s*(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?tuidan (\S.*)", line) or re.search(
            r"docker compose run .*?\boperator (\S.*)", line
        )
        if found is not None:
            yield found[1].split()


def unknown(words: list[str]) -> list[str]:
    """What of a command is not there."""
    command: Any = TOP
    while hasattr(command, "commands") and words and re.fullmatch(r"[a-z-]+", words[0]):
        if words[0] not in command.commands:
            return [words[0]]
        command, words = command.commands[words[0]], words[1:]
    if command.name == "sandbox":
        return []
    there = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    options = {word.strip("[],").partition("=")[0] for word in words if word.lstrip("[").startswith("-")}
    return sorted(options - there - {"--help"} - {"-"})


@documents
def test_every_command_is_there_with_its_options(document: Path) -> None:
    wrong = {" ".join(words): unknown(words) for words in commands(document.read_text("utf-8"))}
    assert {line: options for line, options in wrong.items() if options} == {}


def test_commands_are_found_and_wrong_ones_seen() -> None:
    text = "`tuidan topics chekc`, `tuidan dead replay ID --alll`, `tuidan drill\nday [--seed 7]` and `tuidan cases`"
    assert [unknown(words) for words in commands(text)] == [["chekc"], ["--alll"], [], []]
    found = [words for document in DOCUMENTS for words in commands(document.read_text("utf-8"))]
    assert len(found) > 100


@documents
def test_every_target_of_make_is_there(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = [found[1] for line in typed(document.read_text("utf-8")) if (found := re.match(r"\s*make ([a-z-]+)", line))]
    assert set(named) <= targets


@documents
def test_every_variable_is_read_by_somebody(document: Path) -> None:
    files = ("deploy/env.example", "docker-compose.yml", "deploy/k8s/try")
    read = {name for file in files for name in re.findall(r"TUIDAN_[A-Z0-9_]+", (ROOT / file).read_text("utf-8"))}
    named = set(re.findall(r"TUIDAN_[A-Z0-9_]+", document.read_text("utf-8")))
    assert named <= read | OF_TESTS | OF_TOOLS
