"""How often Python looks for cycles among what it no longer needs."""

from __future__ import annotations

import gc

COLLECT_AFTER = (20_000, 20, 20)
"""Objects made between two looks at the youngest; looks at them before one at the middle ones; and so on. Python's own
first number, 700, is a look for every few messages."""


def collect_seldom() -> None:
    """Leave what was loaded at the start out of every later look, and look less often: nearly everything a service
    makes is a tree, which goes without (docs/performance.md). Call when everything is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
