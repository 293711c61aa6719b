"""Nothing swallows errors it does not know."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tools.checks.source import Problem, Source, called, dotted_name

_EVERYTHING = {"Exception", "BaseException"}
_LOGS = {"debug", "info", "warning", "error", "exception", "critical"}

_ADVICE = (
    "catches everything and goes on: name the errors, raise again, or log and dead-letter; "
    "if it must be so, say `# why: …` on this line"
)


def no_swallowing(source: Source) -> Iterator[Problem]:
    if not source.is_python:
        return
    handlers = [node for node in ast.walk(source.tree) if isinstance(node, ast.ExceptHandler)]
    lines = [node.lineno for node in handlers if _catches_everything(node.type) and not _passes_on(node)]
    lines += [
        node.lineno for node, name in source.calls() if name == "suppress" and any(map(_catches_everything, node.args))
    ]
    for line in lines:
        if not source.explained(line):
            yield Problem(source.path, line, "swallowed", _ADVICE)


def _catches_everything(caught: ast.expr | None) -> bool:
    if caught is None:
        return True
    if isinstance(caught, ast.Tuple):
        return any(map(_catches_everything, caught.elts))
    return (dotted_name(caught) or "").split(".")[-1] in _EVERYTHING


def _passes_on(handler: ast.ExceptHandler) -> bool:
    inside = [node for statement in handler.body for node in ast.walk(statement)]
    if any(isinstance(node, ast.Raise) for node in inside):
        return True
    calls = {called(node) for node in inside}
    return bool(calls & _LOGS) and any("dead" in name for name in calls)
