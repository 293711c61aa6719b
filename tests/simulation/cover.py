"""What worlds reach of the code by themselves. Slow: every line is watched."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import coverage

from tests.simulation.plan import Plan

SOURCES = ["services", "chassis"]
REPLACEMENTS = [
    "chassis/memory.py",
    "chassis/documents.py",
    "chassis/changes.py",
    "chassis/filters.py",
    "chassis/values.py",
    "chassis/pipelines.py",
    "chassis/expressions.py",
]
"""What the simulation replaces the drivers with: they are in no figure."""
REAL = ["chassis/bus.py", "chassis/consumer.py", "chassis/sending.py", "chassis/mongo.py", "services/gateway/pool.py"]
"""What the simulation replaces: real drivers, that no world can reach."""

_watches: list[tuple[coverage.Coverage, Path]] = []


def begin() -> None:
    """Watch from now on. Call before anything that is watched is imported."""
    folder = Path(tempfile.mkdtemp(prefix="tuidan-cover-"))
    watch = _coverage(folder, apart=True)
    watch.start()
    _watches.append((watch, folder))


def covered(plans: Iterable[Plan], missing: bool) -> tuple[float, float]:
    """Run worlds one after the other, each watched, and print what was reached; the percentage of lines and branches
    without the real drivers, and with them. Raises RuntimeError when nobody watches."""
    if not _watches:
        raise RuntimeError("nobody watches: begin() comes first")
    watch, folder = _watches[0]
    from tests.simulation.runner import Ready
    from tests.simulation.world import Options

    ready = Ready.made()
    for plan in plans:
        child = os.fork()
        if child == 0:
            try:
                ready.live(plan, (), Options())
            finally:
                watch.stop()
                watch.save()
                os._exit(0)
        os.waitpid(child, 0)
    watch.stop()
    watch.save()
    together = _coverage(folder)
    together.combine([str(folder)])
    without = together.report(show_missing=missing, skip_covered=True, omit=[*REPLACEMENTS, *REAL])
    everything = together.report(file=io.StringIO(), omit=REPLACEMENTS)
    shutil.rmtree(folder)
    return without, everything


def _coverage(folder: Path, *, apart: bool = False) -> coverage.Coverage:
    """`apart`: every process writes a file of its own."""
    return coverage.Coverage(
        data_file=str(folder / "part"),
        data_suffix=apart or None,
        branch=True,
        source=SOURCES,
        omit=REPLACEMENTS,
    )
