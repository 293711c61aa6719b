"""Words that have no place in any file of the project."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tools.checks.source import Problem, Source

# Written so that this file does not contain them.
_LATER = re.compile(r"\b(TO" + r"DO|FIX" + r"ME)\b")
_MACHINE = re.compile(r"(?<![\w.])(/ho" + r"me/\w|/Us" + r"ers/\w|/ro" + r"ot/|/wo" + r"rk/|[A-Z]:\\\\?Us" + r"ers)")

LINES_MAX = 350  # "about 300": room for one more function, not for another subject


def no_later(source: Source) -> Iterator[Problem]:
    for number, line in enumerate(source.lines, start=1):
        if found := _LATER.search(line):
            yield Problem(source.path, number, "later", f"{found[0]}: do it now, or open an issue and delete the note")


def no_machine_paths(source: Source) -> Iterator[Problem]:
    for number, line in enumerate(source.lines, start=1):
        if found := _MACHINE.search(line):
            yield Problem(
                source.path, number, "machine-path", f"{found[0]}… exists on one machine only; start from the project"
            )


def files_stay_small(source: Source) -> Iterator[Problem]:
    if source.is_python and not source.matches(("tests/",)) and len(source.lines) > LINES_MAX:
        yield Problem(
            source.path, len(source.lines), "too-long", f"more than {LINES_MAX} lines: split it by business noun"
        )
