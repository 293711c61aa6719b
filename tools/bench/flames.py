"""Flame graphs of the services while they are under load, drawn by py-spy, one file for each process."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.stack.control import Stack

SAMPLES_A_SECOND = 50
"""Few enough that the services are hardly slower for it."""
WRITTEN_WITHIN_SECONDS = 30.0
_TITLE = re.compile(r'(<text id="title"[^>]*>)[^<]*')


class NoFlames(Exception):
    """There is nothing to draw with, or it could not draw; the message says what to do."""


def painter() -> str:
    """Where py-spy is. Raises NoFlames."""
    found = shutil.which("py-spy", path=str(Path(sys.executable).parent)) or shutil.which("py-spy")
    if found is None:
        raise NoFlames("flame graphs are drawn by py-spy, which is not here: pip install py-spy")
    return found


@contextlib.contextmanager
def drawn(stack: Stack, names: Sequence[str], folder: Path | None) -> Iterator[None]:
    """Draw what these processes do inside into `folder`/NAME.svg; nothing without a folder. Raises NoFlames."""
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    running = {name: _watch(stack.pid(name), folder / f"{name}.svg") for name in names}
    try:
        yield
    finally:
        ended = {name: _end(one) for name, one in running.items()}
    if wrong := {name: said for name, said in ended.items() if said}:
        raise NoFlames("; ".join(f"{name}: {said}" for name, said in wrong.items()))
    for name in names:
        _entitle(folder / f"{name}.svg", f"{name} under load")


def _entitle(picture: Path, title: str) -> None:
    """In place of the command that drew it, with its paths."""
    drawing = picture.read_text(encoding="utf-8")
    picture.write_text(_TITLE.sub(rf"\g<1>{title}", drawing, count=1), encoding="utf-8")


def _watch(pid: int, file: Path) -> subprocess.Popen[str]:
    command = [painter(), "record", "--pid", str(pid), "--rate", str(SAMPLES_A_SECOND), "--gil", "--function"]
    # Only who holds the interpreter's lock: waiting threads of a pool look busy to it on some kernels.
    return subprocess.Popen(
        [*command, "--format", "flamegraph", "--output", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _end(one: subprocess.Popen[str]) -> str:
    """End a recording, which writes its file then. What went wrong; empty: nothing."""
    if one.poll() is None:
        one.send_signal(signal.SIGINT)
    try:
        _, said = one.communicate(timeout=WRITTEN_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        one.kill()
        one.communicate()
        return f"not written within {WRITTEN_WITHIN_SECONDS:.0f} s"
    return said.strip()[-300:] if one.returncode else ""
