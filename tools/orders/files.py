"""Files of exported orders: `NAME.jsonl`, one order a line, and `NAME.jsonl.sha256` as `sha256sum -c` reads it. A file
is written whole or not at all, reaches the disk, and is read back before it counts."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.order.exporting import BadLine, Exported, checksum, read_line


class Damaged(Exception):
    """A file is not what was exported. `line` counts from 1, 0 is the file as a whole."""

    def __init__(self, path: Path, line: int, zh: str, en: str) -> None:
        where = f"{path}:{line}" if line else f"{path}"
        super().__init__(f"{where}: {zh} · {en}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Export:
    """A file that was read back."""

    path: Path
    sha256: str
    lines: tuple[Exported, ...]

    @property
    def order_ids(self) -> list[str]:
        return [line.order_id for line in self.lines]


def write(folder: Path, states: Sequence[tuple[str, str, str]]) -> Export:
    """Write one file for orders given as (id, digest, state) and prove it by reading it back. The same orders give the
    same file. Raises OSError, or Damaged when the disk does not give back what was written."""
    lines = [Exported(place, len(states), *one) for place, one in enumerate(states, start=1)]
    sha256 = checksum(lines)
    path = folder / f"orders-{len(lines)}-{sha256[:16]}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    _put(path, "".join(f"{line.text}\n" for line in lines).encode())
    _put(_sidecar(path), f"{sha256}  {path.name}\n".encode())
    _to_disk(folder)
    found = read(path)
    if found.sha256 != sha256:
        raise Damaged(path, 0, "读回的内容与写入的不同", "what was read back is not what was written")
    return found


def read(path: Path) -> Export:
    """Read a file and prove it whole. Raises Damaged with the line that is wrong, or OSError."""
    content = path.read_bytes()
    lines = [_line(path, number, raw) for number, raw in enumerate(content.split(b"\n")[:-1], start=1)]
    if not content.endswith(b"\n"):
        raise Damaged(path, len(lines) + 1, "行不完整,文件被截断", "the line broke off: the file was cut")
    _check_places(path, lines)
    sha256 = hashlib.sha256(content).hexdigest()
    try:
        wanted = _sidecar(path).read_text("ascii").split()[:1]
    except (OSError, ValueError) as problem:
        raise Damaged(
            _sidecar(path), 0, "缺少或无法读取校验文件", "the checksum's file is missing or unreadable"
        ) from problem
    if wanted != [sha256]:
        raise Damaged(path, 0, "与校验值不符", "the file does not agree with its checksum")
    return Export(path, sha256, tuple(lines))


def _line(path: Path, number: int, raw: bytes) -> Exported:
    try:
        line = read_line(raw.decode())
        line.order()
    except BadLine as problem:
        raise Damaged(path, number, problem.zh, problem.en) from problem
    except UnicodeDecodeError as problem:
        raise Damaged(path, number, "不是 UTF-8 文本", "it is no UTF-8 text") from problem
    return line


def _check_places(path: Path, lines: Sequence[Exported]) -> None:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if line.order_id in seen:
            first = seen[line.order_id]
            raise Damaged(path, number, f"与第 {first} 行是同一订单", f"the same order as in line {first}")
        seen[line.order_id] = number
        if line.line != number:
            raise Damaged(path, number, f"这里是第 {line.line} 行的内容", f"line {line.line} stands here")
    missing = lines[-1].of - len(lines) if lines else 1
    if missing:
        raise Damaged(path, len(lines) + 1, f"缺少 {missing} 行", f"{missing} lines are missing from here on")


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _put(path: Path, content: bytes) -> None:
    """Only the owner may read it: it holds personal data."""
    beside = path.with_name(f"{path.name}.part")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _to_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
