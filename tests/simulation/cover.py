"""What worlds reach of the code by themselves. Slow: every line is watched."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import coverage

from tests.simulation.seeds import plan_of

SOURCES = ["services", "chassis"]
NOT_SIMULATED = [
    "chassis/bus.py",
    "chassis/mongo.py",
    "chassis/memory.py",
    "chassis/documents.py",
    "chassis/changes.py",
    "chassis/filters.py",
    "chassis/values.py",
    "chassis/pipelines.py",
    "chassis/expressions.py",
]
"""What the simulation replaces, and what it replaces it with."""


def covered(seeds: int, first: int, missing: bool) -> float:
    """Run worlds one after the other, each watched; the percentage of branches and lines reached."""
    folder = Path(tempfile.mkdtemp(prefix="tuidan-cover-"))
    watch = coverage.Coverage(
        data_file=str(folder / "part"), data_suffix=True, branch=True, source=SOURCES, omit=NOT_SIMULATED
    )
    watch.start()
    from tests.simulation.runner import Ready

    ready = Ready.made()
    for seed in range(first, first + seeds):
        child = os.fork()
        if child == 0:
            from tests.simulation.world import Options

            try:
                ready.live(plan_of(seed), (), Options())
            finally:
                watch.stop()
                watch.save()
                os._exit(0)
        os.waitpid(child, 0)
    watch.stop()
    watch.save()
    together = coverage.Coverage(data_file=str(folder / "all"), branch=True, source=SOURCES, omit=NOT_SIMULATED)
    together.combine([str(folder)])
    return together.report(show_missing=missing, skip_covered=True)
