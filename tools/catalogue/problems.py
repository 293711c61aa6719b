"""docs/api/errors.md: every problem document that a caller can get, read from the code that makes them. A problem's
`type` is `urn:tuidan:problem:<code>`; this list is where the code is explained."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATH = ROOT / "docs" / "api" / "errors.md"
FOLDERS = ("chassis", "services")

HEAD = """# Errors

Every error is a problem document ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)), `application/problem+json`:

```json
{"type": "urn:tuidan:problem:already-rated", "title": "…", "status": 409, "code": "already-rated",
 "detail": {"zh": "…", "en": "…"}}
```

`type` is `urn:tuidan:problem:` and the code; codes are stable and listed here. `detail` says in both languages what is
wrong and what to do. Further members depend on the code: `errors` (invalid-request: the fields to correct),
`retry_after` (seconds, also as a header), `open_case_id`, `earliest` and `latest`, `not_before`, …

Written by `make schemas` from the code; a check compares it.

| code | status | 中文 | English |
|---|---|---|---|
"""

_WRITTEN_OUT = {
    "not-found": (404, "请求的地址或方法不存在。", "Check the address and the method."),
    "method-not-allowed": (405, "请求的地址或方法不存在。", "Check the address and the method."),
    "unknown-product": (404, "没有这个商品。", "There is no such product."),
    "unknown-reservation": (404, "没有这个订单的库存预留。", "There is no reservation for such an order."),
    "http-error": (400, "请求无法处理。", "The request cannot be read as HTTP."),
}
"""Those whose code is put together when they happen, in the files of `_PUT_TOGETHER`."""

_PUT_TOGETHER = frozenset({"chassis/problem.py", "services/inventory/api.py", "services/order/problems.py"})

_WORDS = 4


@dataclass
class Found:
    """One code, with every status and text it is used with."""

    statuses: set[int] = field(default_factory=set)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def note(self, status: int, zh: str, en: str) -> None:
        self.statuses.add(status)
        if (zh, en) not in self.texts:
            self.texts.append((zh, en))


def collect(root: Path = ROOT) -> tuple[dict[str, Found], list[str]]:
    """Every problem by code, and the places where one is made that cannot be read."""
    found: dict[str, Found] = {}
    unread: list[str] = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            place = path.relative_to(root).as_posix()
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                for code, status, zh, en in _problems(node):
                    found.setdefault(code, Found()).note(status, zh, en)
                if place not in _PUT_TOGETHER and isinstance(node, ast.Call) and _is_unread(node):
                    unread.append(f"{place}:{node.lineno} makes a problem whose code and texts are not written there")
    for code, (status, zh, en) in _WRITTEN_OUT.items():
        found.setdefault(code, Found()).note(status, zh, en)
    return found, unread


def _problems(node: ast.AST) -> Iterator[tuple[str, int, str, str]]:
    if isinstance(node, ast.Call):
        args = node.args
        if _name(node) == "Unauthorized" and len(args) == _WORDS - 1:
            args = [ast.Constant(401), *args]
        if len(args) >= _WORDS and isinstance(args[0], ast.Constant) and isinstance(args[0].value, int):
            code, zh, en = (_text(arg) for arg in args[1:_WORDS])
            if code and zh and en and zh != code:
                yield code, args[0].value, zh, en
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            status = value.elts[0] if isinstance(value, ast.Tuple) and len(value.elts) == _WORDS - 1 else None
            if key is None or not (isinstance(status, ast.Constant) and isinstance(status.value, int)):
                continue
            assert isinstance(value, ast.Tuple)
            code, zh, en = _text(key), *(_text(one) for one in value.elts[1:])
            if code and zh and en:
                yield code, status.value, zh, en


def _is_unread(node: ast.Call) -> bool:
    return _name(node) == "Problem" and not list(_problems(node))


def _name(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _text(node: ast.AST) -> str:
    """A text as it is written; what is filled in when it happens as `{…}`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part) or "{…}" for part in node.values)
    return ""


def rendered(found: dict[str, Found]) -> str:
    """The page."""
    rows = []
    for code, one in sorted(found.items()):
        zh, en = ("<br>".join(dict.fromkeys(texts)) for texts in zip(*one.texts, strict=True))
        statuses = ", ".join(map(str, sorted(one.statuses)))
        rows.append(f"| `{code}` | {statuses} | {zh} | {en} |".replace("\n", " "))
    return HEAD + "\n".join(rows) + "\n"


def stale(path: Path = PATH) -> list[str]:
    """What is wrong with the page."""
    found, unread = collect()
    if not path.exists() or path.read_text("utf-8") != rendered(found):
        unread.append("docs/api/errors.md is not what the code says now: run `make schemas`")
    return unread


def write() -> None:
    """Write the page anew."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(rendered(collect()[0]), "utf-8")
