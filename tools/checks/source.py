"""One file as the rules see it, and what a rule says about it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath


@dataclass(frozen=True, order=True)
class Problem:
    path: str
    line: int
    rule: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.rule}: {self.advice}"


@dataclass(frozen=True)
class Source:
    """`path` is relative to the project, with forward slashes."""

    path: str
    text: str

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    def matches(self, patterns: Iterable[str]) -> bool:
        """Glob over the whole path; `*` stays inside one folder, a pattern ending in `/` means everything below."""
        here = PurePosixPath(self.path)
        return any(self.path.startswith(one) if one.endswith("/") else _same_depth(here, one) for one in patterns)

    def explained(self, line: int) -> bool:
        """Does this line give a reason for what it does?"""
        return bool(re.search(r"#.*\bwhy: *\S", self.lines[line - 1]))

    @cached_property
    def names(self) -> dict[str, str]:
        """What each imported name stands for: `from datetime import datetime as d` → {"d": "datetime.datetime"}."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.split(".")[0]
                    found[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return found

    def uses(self) -> Iterator[tuple[int, str]]:
        """Every use (called or passed on) of something imported: line and full dotted name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                dotted = dotted_name(node)
                first, _, rest = (dotted or "").partition(".")
                if first in self.names:
                    yield node.lineno, ".".join(filter(None, (self.names[first], rest)))

    def calls(self) -> Iterator[tuple[ast.Call, str]]:
        """Every call with the last name of what is called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield node, called(node)


Rule = Callable[[Source], Iterator[Problem]]


def dotted_name(node: ast.expr) -> str | None:
    """`a.b.c` for plain attribute access, None for anything computed."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted_name(node.value)
        return f"{before}.{node.attr}" if before else None
    return None


def called(node: ast.AST) -> str:
    """The last name of what is called: `sleep` for `asyncio.sleep(1)`; empty when it is no call."""
    if not isinstance(node, ast.Call):
        return ""
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _same_depth(path: PurePosixPath, pattern: str) -> bool:
    return len(path.parts) == len(PurePosixPath(pattern).parts) and path.match(pattern)
