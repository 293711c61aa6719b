"""A test asserts something, and what tests share is imported from tests/support."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.checks.source import Problem, Source, called

_ASSERTING = ("expect", "check", "assert")
_ADVICE = (
    "a test that asserts nothing is a defect: use assert, pytest.raises, or a call named expect…, check… or assert…"
)
_RAISING = {"raises", "warns", "deprecated_call", "fail"}


def tests_assert(source: Source) -> Iterator[Problem]:
    if not (source.is_python and source.matches(("tests/",)) and source.path.rsplit("/", 1)[-1].startswith("test_")):
        return
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or not node.name.startswith("test_"):
            continue
        if not any(map(_asserts, ast.walk(node))):
            yield Problem(source.path, node.lineno, "no-assertion", _ADVICE)


def _asserts(node: ast.AST) -> bool:
    name = called(node).lstrip("_")
    return isinstance(node, ast.Assert) or name in _RAISING or name.startswith(_ASSERTING)


def nothing_from_conftest(source: Source) -> Iterator[Problem]:
    if not source.is_python:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        if any("conftest" in module.split(".") for module in modules):
            yield Problem(
                source.path, node.lineno, "conftest", "fixtures come by name; put what is imported into tests/support"
            )
