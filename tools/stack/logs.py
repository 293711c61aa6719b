"""Reading logs: the last lines, and what is added while one looks."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

LOOK_EVERY_SECONDS = 0.2
_TAIL_BYTES = 256 * 1024
_ROTATE_BYTES = 20 * 1024 * 1024


def lines_since(file: Path, offset: int, count: int, end: int | None = None) -> list[str]:
    """Return the last `count` lines written after `offset` and before `end`, by default all there is. A log of
    gigabytes costs no more than a short one."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2) if end is None else end
            start = max(offset, size - _TAIL_BYTES)
            stream.seek(start)
            lines = stream.read(max(0, size - start)).decode(errors="replace").splitlines()
    except OSError:
        return []
    if start > offset and len(lines) > 1:
        lines = lines[1:]  # the first one is only the end of a line
    return lines[-count:] if count else []


def follow(
    files: Mapping[str, Path], ends: Mapping[str, int], wanted: Callable[[], bool] = lambda: True
) -> Iterator[tuple[str, str]]:
    """Yield (name, line) for every line added behind `ends`, the bytes of each file seen before, while `wanted`.
    Survives rotation of a file."""
    offsets = dict(ends)
    while wanted():
        for name, file in files.items():
            size = bytes_of(file)
            if size < offsets[name]:
                offsets[name] = 0
            if size > offsets[name]:
                with file.open("rb") as stream:
                    stream.seek(offsets[name])
                    added = stream.read()
                complete = added[: added.rfind(b"\n") + 1]
                offsets[name] += len(complete)
                yield from ((name, line) for line in complete.decode(errors="replace").splitlines())
        time.sleep(LOOK_EVERY_SECONDS)


def rotate(folder: Path) -> None:
    """Set large logs aside before a stack starts, keeping one old one each."""
    for file in folder.glob("*.log"):
        if bytes_of(file) > _ROTATE_BYTES:
            file.replace(file.with_suffix(".log.1"))


def bytes_of(file: Path) -> int:
    """How long a log is now; 0 where there is none."""
    try:
        return file.stat().st_size
    except OSError:
        return 0
