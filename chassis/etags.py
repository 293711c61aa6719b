"""A record's version as an entity tag: what a reader saw, and which one a change is meant for (RFC 9110, 8.8.3 and
13.1.1)."""

from __future__ import annotations

import re

_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e]*)"')
_LIST = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")
_VERSION = re.compile(r"[0-9]{1,18}")
HEADER_MAX = 1_000


def etag(version: int) -> str:
    """The strong entity tag of a version."""
    return f'"{version}"'


def versions(header: str) -> frozenset[int] | None:
    """The versions that an `If-Match` header names; None for `*`, which any version fits. A weak tag, and one that was
    never ours, name none. Raises ValueError when it is no such header."""
    header = header.strip(" \t")
    if header == "*":
        return None
    if len(header) > HEADER_MAX or not _LIST.fullmatch(header):
        raise ValueError('expected * or entity tags, as in "7"')
    strong = (tag for weak, tag in _TAG.findall(header) if not weak)
    return frozenset(int(tag) for tag in strong if _VERSION.fullmatch(tag))
