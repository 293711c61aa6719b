"""As much of PromQL as it takes to see which metrics and labels a question names."""

from __future__ import annotations

import re

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_METRIC = re.compile(r"\btuidan_\w+")
_MATCHER = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_BRACES = re.compile(r"\{([^{}]*)\}")
_GROUPED = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^()]*)\)")


def metrics_in(question: str) -> frozenset[str]:
    """The names of our series in a question."""
    return frozenset(_METRIC.findall(_TEXT.sub('""', question)))


def labels_in(question: str) -> frozenset[str]:
    """The labels that it selects or groups by."""
    plain = _TEXT.sub('""', question)
    chosen = {name for inner in _BRACES.findall(plain) for name in _MATCHER.findall(inner)}
    grouped = {name.strip() for inner in _GROUPED.findall(plain) for name in inner.split(",") if name.strip()}
    return frozenset(chosen | grouped)
