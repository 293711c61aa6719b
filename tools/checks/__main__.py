"""`python -m tools.checks [FILE…]`: run every rule over the project, or over some files."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.checks.clocks import clock_from_chassis, no_clock_in_decisions, no_sleep_in_tests
from tools.checks.errors import no_swallowing
from tools.checks.source import Problem, Rule, Source
from tools.checks.tests import nothing_from_conftest, tests_assert
from tools.checks.words import files_stay_small, no_later, no_machine_paths

RULES: tuple[Rule, ...] = (
    no_clock_in_decisions,
    clock_from_chassis,
    no_sleep_in_tests,
    no_swallowing,
    tests_assert,
    nothing_from_conftest,
    no_later,
    no_machine_paths,
    files_stay_small,
)

ROOT = Path(__file__).resolve().parents[2]
_PYTHON = ("contracts", "chassis", "services", "sandbox", "console", "tools", "tests")
_TEXT = ("deploy", "docs", "contracts", "tools")
_TEXT_ENDINGS = {".md", ".yaml", ".yml", ".toml", ".json", ".sh", ".mjs", ".html", ".txt"}
_AT_ROOT = ("Makefile", ".ci/run", ".importlinter", "pyproject.toml", "docker-compose.yml", "*.md", "*.py")
_SKIPPED = {"node_modules", "__pycache__"}


def project_files(root: Path) -> Iterator[Path]:
    """Everything that people wrote, python and text."""
    for pattern in _AT_ROOT:
        yield from root.glob(pattern)
    for folder in _PYTHON:
        yield from (root / folder).rglob("*.py")
    for folder in _TEXT:
        yield from (path for path in (root / folder).rglob("*") if path.suffix in _TEXT_ENDINGS)


def problems(files: Iterable[Path], root: Path, rules: Iterable[Rule] = RULES) -> list[Problem]:
    found: set[Problem] = set()
    for path in files:
        if _SKIPPED & set(path.parts):
            continue
        source = Source(path.relative_to(root).as_posix(), path.read_text("utf-8"))
        try:
            for rule in rules:
                found.update(rule(source))
        except SyntaxError as error:
            found.add(Problem(source.path, error.lineno or 1, "syntax", str(error.msg)))
    return sorted(found)


def main(arguments: list[str]) -> int:
    files = [Path(name).resolve() for name in arguments] or list(project_files(ROOT))
    found = problems(files, ROOT)
    for problem in found:
        print(problem)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
