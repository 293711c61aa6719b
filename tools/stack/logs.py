"""Reading logs: the last lines, and what is added while one looks."""

import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

LOOK_EVERY_SECONDS = 0.2
_TAIL_BYTES = 256 * 1024
_ROTATE_BYTES = 20 * 1024 * 1024


def lines_since(file: Path, offset: int, count: int) -> list[str]:
    """Return the last `count` lines written after `offset`. A log of gigabytes costs no more than a short one."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, 2)
            start = max(offset, size - _TAIL_BYTES)
            stream.seek(start)
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return []
    if start > offset and len(lines) > 1:
        lines = lines[1:]  # the first one is only the end of a line
    return lines[-count:] if count else []


def follow(files: Mapping[str, Path], wanted: Callable[[], bool] = lambda: True) -> Iterator[tuple[str, str]]:
    """Yield (name, line) for every line added from now on, while `wanted`. Survives rotation of a file."""
    offsets = {name: _size(file) for name, file in files.items()}
    while wanted():
        for name, file in files.items():
            size = _size(file)
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
        if _size(file) > _ROTATE_BYTES:
            file.replace(file.with_suffix(".log.1"))


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
